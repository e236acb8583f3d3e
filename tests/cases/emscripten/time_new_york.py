# env: TZ=America/New_York
"""Local time in a zone west of Greenwich."""
import calendar
import datetime
import time

print(time.tzname, time.timezone, time.altzone, time.daylight)
for moment in [0, 1_700_000_000, 1_720_000_000, 1_710_053_999, 1_710_054_000, 1_730_613_599, 1_730_613_600, -1_000_000_000, 4_000_000_000, 253_402_200_000]:
    local = time.localtime(moment)
    print(moment, tuple(local), local.tm_zone, local.tm_gmtoff, time.mktime(local) == moment, calendar.timegm(time.gmtime(moment)) == moment)
print(time.strftime("%Y-%m-%d %H:%M:%S %Z %z", time.localtime(1_720_000_000)), time.ctime(1_700_000_000), time.asctime(time.gmtime(1_700_000_000)))
print(time.mktime((2024, 3, 10, 2, 30, 0, 0, 0, -1)), time.mktime((2024, 11, 3, 1, 30, 0, 0, 0, 1)), time.mktime((2024, 11, 3, 1, 30, 0, 0, 0, 0)))
print(time.mktime((2024, 14, 35, 25, 61, 61, 0, 0, -1)), tuple(time.strptime("29 Feb 2024 EST", "%d %b %Y %Z")))
print(datetime.datetime.fromtimestamp(1_720_000_000), datetime.datetime(2024, 7, 3).astimezone(), datetime.datetime(2024, 1, 3).timestamp())
print(datetime.datetime.fromtimestamp(1_720_000_000, datetime.timezone.utc), datetime.datetime.fromtimestamp(1_730_613_600).fold)
print(time.strftime("%a %A %b %B %c %j %U %p %x %X %y %%", time.gmtime(1_700_000_000)))

