"""TZ while a program runs, the database of time zones, processor time."""
import datetime
import os
import time
import zoneinfo

# Pyodide's CPython has no tzset, and needs none: its C library looks at TZ each time.
tzset = getattr(time, "tzset", lambda: None)


def show():
    local = time.localtime(1_720_000_000)
    print(os.environ.get("TZ"), tuple(local), local.tm_zone, local.tm_gmtoff, time.strftime("%Z %z %H", local), time.mktime(local))


show()
for zone in ["Europe/Berlin", "EST5EDT,M3.2.0,M11.1.0", "America/New_York", ":Asia/Tokyo", "<+03>-3", "UTC", "Australia/Sydney", "EST5", "UTC0"]:
    os.environ["TZ"] = zone
    tzset()
    show()
    print(datetime.datetime.fromtimestamp(0), time.mktime((2024, 3, 31, 2, 30, 0, 0, 0, -1)), time.ctime(4_000_000_000))
del os.environ["TZ"]
tzset()
show()

for name in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Etc/GMT+5"]:
    zone = zoneinfo.ZoneInfo(name)
    print(name, *(datetime.datetime(year, 7, 1, tzinfo=zone).utcoffset() for year in (1900, 1950, 2024, 2038, 9999)))
print(len(zoneinfo.available_timezones()) > 400)
try:
    zoneinfo.ZoneInfo("Europe/Nowhere")
except zoneinfo.ZoneInfoNotFoundError:
    print("not found")
before = datetime.datetime(2024, 10, 27, 0, 30, tzinfo=datetime.timezone.utc)
for minutes in (0, 60):
    local = (before + datetime.timedelta(minutes=minutes)).astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
    print(local, local.fold)

start = time.process_time()
time.sleep(0.5)
slept = time.process_time() - start
start = time.process_time()
while time.process_time() == start:
    sum(range(1000))
print(slept < 0.4, time.process_time() > start)
