# env: TZ=Europe/Berlin
"""Clocks, sleeping, and local time in a zone with summer time."""
import calendar
import datetime
import time

print(time.tzname, time.timezone, time.altzone, time.daylight)
for moment in [0, 1_700_000_000, 1_720_000_000, 1_711_846_799, 1_711_846_800, 1_729_990_799, 1_729_990_800, -1_000_000_000, 4_000_000_000, 253_402_200_000]:
    local = time.localtime(moment)
    print(moment, tuple(local), local.tm_zone, local.tm_gmtoff, time.mktime(local) == moment, calendar.timegm(time.gmtime(moment)) == moment)
print(time.strftime("%Y-%m-%d %H:%M:%S %Z %z", time.localtime(1_720_000_000)), time.ctime(1_700_000_000), time.asctime(time.gmtime(1_700_000_000)))
print(time.mktime((2024, 3, 31, 2, 30, 0, 0, 0, -1)), time.mktime((2024, 10, 27, 2, 30, 0, 0, 0, 1)), time.mktime((2024, 10, 27, 2, 30, 0, 0, 0, 0)))
print(time.mktime((2024, 14, 35, 25, 61, 61, 0, 0, -1)), tuple(time.strptime("29 Feb 2024 CET", "%d %b %Y %Z")))
print(datetime.datetime.fromtimestamp(1_720_000_000), datetime.datetime(2024, 7, 3).astimezone(), datetime.datetime(2024, 1, 3).timestamp())
print(datetime.datetime.fromtimestamp(1_720_000_000, datetime.timezone.utc), datetime.datetime.fromtimestamp(1_729_990_800).fold)
print(time.strftime("%a %A %b %B %c %j %U %p %x %X %y %%", time.gmtime(1_700_000_000)))

now, later = time.time(), time.time_ns()
print(1_700_000_000 < now < 4_000_000_000, abs(later / 1e9 - now) < 5, abs(datetime.datetime.now().timestamp() - now) < 5)
marks = [time.monotonic_ns() for _ in range(1000)]
print(marks == sorted(marks), time.get_clock_info("monotonic").monotonic, time.perf_counter() >= 0, time.clock_gettime(time.CLOCK_REALTIME) - now < 5)
for seconds in [0, 0.01, 0.2]:
    start, processor = time.monotonic(), time.process_time()
    time.sleep(seconds)
    took, used = time.monotonic() - start, time.process_time() - processor
    print(seconds, seconds <= took + 0.002, took < seconds + 3)
try:
    time.sleep(-1)
except ValueError as error:
    print(error)
