"""Memory maps of files: reading, writing back, after the descriptor is closed; anonymous ones."""
import errno
import mmap
import os
import tempfile

os.chdir(tempfile.mkdtemp())
with open("data", "wb") as file:
    file.write(b"0123456789" * 1000)
with open("data", "r+b") as file:
    view = mmap.mmap(file.fileno(), 0)
print(len(view), view[5:12], view.find(b"90"), view.rfind(b"0"))
view[0:3] = b"abc"
view[-1:] = b"Z"
view.seek(3)
view.write(b"XYZ")
print(view.flush(), open("data", "rb").read(8), open("data", "rb").read()[-3:])
view[9] = ord("!")
view.close()
print(open("data", "rb").read(12))
with open("data", "rb") as file, mmap.mmap(file.fileno(), 100, access=mmap.ACCESS_READ) as view:
    print(len(view), view.read(5), view.readline()[:4], view.tell())
    try:
        view[0] = 1
    except TypeError as error:
        print(error)
with open("data", "r+b") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as view:
    view[0:3] = b"___"
    print(view[:4], open("data", "rb").read(4))
with open("data", "r+b") as file, mmap.mmap(file.fileno(), 4096, offset=mmap.ALLOCATIONGRANULARITY if mmap.ALLOCATIONGRANULARITY <= 4096 else 0) as view:
    print(len(view))
for size in [mmap.PAGESIZE, 1, 10_000_000]:
    with mmap.mmap(-1, size) as view:
        view[0] = 7
        view[size - 1:] = b"\x09"
        print(size == len(view), view[0], view[size - 1], sum(view[:1000]) in (7, 16, 9))
with open("empty", "w+b") as file:
    try:
        mmap.mmap(file.fileno(), 0)
    except ValueError as error:
        print(error)
with open("data", "rb") as file:
    try:
        mmap.mmap(file.fileno(), 0)
    except OSError as error:
        print(type(error).__name__, errno.errorcode[error.errno])
    try:
        mmap.mmap(file.fileno(), 1_000_000, access=mmap.ACCESS_READ)
    except ValueError as error:
        print(error)
