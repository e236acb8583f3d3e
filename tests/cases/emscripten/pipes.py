"""Pipes, select and poll."""
import errno
import os
import select
import time


def attempt(what, function, *arguments):
    try:
        print(what, "->", function(*arguments))
    except OSError as error:
        print(what, "->", type(error).__name__, errno.errorcode.get(error.errno))


reader, writer = os.pipe()
print(select.select([reader], [writer], [], 0) == ([], [writer], []))
print(os.write(writer, b"hello"), select.select([reader], [], [], 1) == ([reader], [], []), os.read(reader, 3), os.read(reader, 10))
poll = select.poll()
poll.register(reader, select.POLLIN)
poll.register(writer, select.POLLOUT)
print(poll.poll(0) == [(writer, select.POLLOUT)])
os.write(writer, b"x")
print(sorted(poll.poll(0)) == sorted([(reader, select.POLLIN), (writer, select.POLLOUT)]))
poll.unregister(writer)
os.read(reader, 1)
start = time.monotonic()
print(poll.poll(150), 0.1 <= time.monotonic() - start < 5)
start = time.monotonic()
print(select.select([reader], [], [], 0.15), 0.1 <= time.monotonic() - start < 5)
attempt("seek", os.lseek, reader, 0, os.SEEK_CUR)
attempt("write to the reading end", os.write, reader, b"x")
attempt("read from the writing end", os.read, writer, 1)
os.set_blocking(reader, False)
print(os.get_blocking(reader), os.get_blocking(writer))
attempt("empty", os.read, reader, 1)
os.set_blocking(writer, False)
total = 0
try:
    while total < 10_000_000:
        total += os.write(writer, b"0" * 4096)
except BlockingIOError as error:
    print("full", errno.errorcode[error.errno], total > 0, select.select([], [writer], [], 0))
drained = 0
while drained < total:
    drained += len(os.read(reader, 65536))
print(drained == total)
os.close(writer)
print(os.read(reader, 1), select.select([reader], [], [], 0)[0] == [reader])
print([(number == reader, bool(events & select.POLLHUP)) for number, events in poll.poll(0)])
os.close(reader)
reader, writer = os.pipe()
os.close(reader)
attempt("nobody reads", os.write, writer, b"x")
os.close(writer)
with open(os.devnull) as file:
    print(select.select([file], [], [], 0)[0] == [file])
reader, writer = os.pipe()
with os.fdopen(writer, "w") as out:
    out.write("line 1\nline 2\n")
with os.fdopen(reader) as source:
    print(source.readlines())
