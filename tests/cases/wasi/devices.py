"""Devices, standard streams, clocks and waiting."""
import errno
import os
import select
import stat
import sys
import time


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", function(*arguments, **options))
    except OSError as error:
        print(what, "->", type(error).__name__, errno.errorcode.get(error.errno))


for name in ["null", "zero", "full", "urandom", "random"]:
    status = os.stat(f"/dev/{name}")
    with open(f"/dev/{name}", "rb") as file:
        print(name, stat.S_ISCHR(status.st_mode), len(file.read(10)), file.isatty())
with open("/dev/null", "w") as file:
    print(file.write("gone"))
fd = os.open("/dev/full", os.O_WRONLY)
attempt("full", os.write, fd, b"x")
os.close(fd)
attempt("remove a device below nothing", os.unlink, "/dev/nothing")
print(os.write(1, b""), sys.stdout.isatty(), sys.stdin.read())
attempt("seek a stream", os.lseek, 1, 0, os.SEEK_CUR)

# Waiting.
begun = time.monotonic()
print(select.select([], [], [], 0.05), time.monotonic() - begun >= 0.05)
print(select.select([0], [1], [], 5))
poller = select.poll()
poller.register(0, select.POLLIN)
poller.register(1, select.POLLOUT)
print([(fd, bool(event & select.POLLIN), bool(event & select.POLLOUT)) for fd, event in poller.poll(5000)])
begun = time.monotonic()
time.sleep(0.05)
print(time.monotonic() - begun >= 0.05, time.time() > 1_700_000_000, time.get_clock_info("monotonic").monotonic)
begun = time.monotonic()
print(time.thread_time_ns() >= 0 if hasattr(time, "thread_time_ns") else True, time.monotonic() >= begun)
