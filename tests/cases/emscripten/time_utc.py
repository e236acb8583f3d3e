"""Without TZ, local time is UTC."""
import time

print(time.tzname, time.timezone, time.altzone, time.daylight, tuple(time.localtime(1_720_000_000)) == tuple(time.gmtime(1_720_000_000)))
print(tuple(time.gmtime(253402300799)), tuple(time.localtime(253402300799)), tuple(time.gmtime(-62135596800)))
