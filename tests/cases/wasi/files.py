"""Files: modes of opening, appending, truncating, seeking, renaming, removing while open, and what fails how."""
import errno
import io
import os
import stat
import sys
import tempfile


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", function(*arguments, **options))
    except OSError as error:
        print(what, "->", type(error).__name__, errno.errorcode.get(error.errno))
    except Exception as error:
        print(what, "->", type(error).__name__, error)


os.chdir(tempfile.mkdtemp(dir=sys.argv[1]))

# Modes.
with open("a.txt", "w") as file:
    print(file.write("one\ntwo\n"), file.tell(), file.seekable(), file.isatty())
with open("a.txt", "a") as file:
    file.write("three\n")
    print(file.tell())
with open("a.txt", "r+") as file:
    print(file.readline().strip(), file.read(3))
    file.seek(0, io.SEEK_END)
    file.write("four\n")
with open("a.txt", "rb") as file:
    print(file.read(), file.seek(-5, io.SEEK_END), file.read(2), file.seek(1, io.SEEK_CUR), file.peek(2)[:2])
attempt("exclusive", open, "a.txt", "x")
attempt("missing", open, "no.txt")
attempt("folder", open, ".", "r")
attempt("folder for writing", open, ".", "w")
attempt("below a file", open, "a.txt/b", "w")
attempt("missing folder", open, "no/b", "w")
attempt("long name", open, "x" * 300, "w")
attempt("nul", open, "a\0b")
with open("a.txt", "rb") as file:
    attempt("write to reader", os.write, file.fileno(), b"x")
with open("w.bin", "wb", buffering=0) as file:
    attempt("read from writer", os.read, file.fileno(), 1)
    print(file.write(b"0123456789"), os.fstat(file.fileno()).st_size)

# Low level.
fd = os.open("low.bin", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
print(os.write(fd, b"abcdef"), os.lseek(fd, 2, os.SEEK_SET), os.read(fd, 2), os.pread(fd, 3, 0), os.pwrite(fd, b"XY", 4))
print(os.lseek(fd, 0, os.SEEK_CUR), os.write(fd, b"122333"), os.lseek(fd, 0, os.SEEK_SET))
print(os.read(fd, 7), os.fstat(fd).st_size)
os.lseek(fd, 20, os.SEEK_SET)
os.write(fd, b"end")
print(os.fstat(fd).st_size, os.pread(fd, 30, 8))
attempt("seek before", os.lseek, fd, -1, os.SEEK_SET)
attempt("seek whence", os.lseek, fd, 0, 99)
os.ftruncate(fd, 4)
print(os.fstat(fd).st_size, os.pread(fd, 10, 0))
os.ftruncate(fd, 6)
print(os.pread(fd, 10, 0))
attempt("truncate negative", os.ftruncate, fd, -1)
print(os.fsync(fd), os.fdatasync(fd))
os.close(fd)
attempt("closed", os.read, fd, 1)
attempt("close twice", os.close, fd)
fd = os.open("low.bin", os.O_WRONLY | os.O_APPEND)
os.write(fd, b"1234")
os.lseek(fd, 0, os.SEEK_SET)
os.write(fd, b"+")
os.close(fd)
print(open("low.bin", "rb").read())
attempt("create exclusive", os.open, "low.bin", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
attempt("not a folder", os.open, "low.bin", os.O_RDONLY | os.O_DIRECTORY)
os.truncate("low.bin", 2)
print(os.stat("low.bin").st_size)
fd = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_EXCL)
os.close(fd)
attempt("lock again", os.open, "lock", os.O_RDWR | os.O_CREAT | os.O_EXCL)

# Removing and renaming what is open.
file = open("open.txt", "w+")
file.write("still here")
file.flush()
os.unlink("open.txt")
file.seek(0)
print(os.path.exists("open.txt"), file.read(), os.fstat(file.fileno()).st_size)
file.write("!")
file.seek(0)
print(file.read())
file.close()
with open("old", "w") as file:
    file.write("old")
    file.flush()
    os.rename("old", "new")
    file.write("+")
print(open("new").read(), os.path.exists("old"))
open("other", "w").write("other")
os.replace("new", "other")
print(open("other").read(), len(os.listdir(".")))
os.mkdir("folder")
open("folder/inner", "w").close()
attempt("rename onto folder", os.rename, "other", "folder")
attempt("rename folder onto file", os.rename, "folder", "other")
attempt("rename missing", os.rename, "missing", "x")
attempt("rename into itself", os.rename, "folder", "folder/sub")
os.mkdir("empty")
os.rename("folder", "empty")
print(sorted(os.listdir("empty")))
attempt("remove full", os.rmdir, "empty")
attempt("remove file as folder", os.rmdir, "other")
attempt("unlink folder", os.unlink, "empty")
attempt("make existing", os.mkdir, "empty")
attempt("unlink missing", os.unlink, "missing")

# Attributes.
print(stat.S_ISREG(os.stat("other").st_mode), stat.S_ISDIR(os.stat("empty").st_mode))
os.utime("other", (1_000_000_000, 1_234_567_890))
print(os.stat("other").st_mtime, int(os.path.getatime("other")))
os.utime("other", ns=(1_500_000_000_000_000_000, 1_500_000_000_123_000_000))
print(os.stat("other").st_mtime_ns // 1_000_000)
with open("other") as file:
    os.utime(file.fileno(), (5, 6))
print(os.stat("other").st_mtime)
print(os.access("other", os.R_OK), os.access("missing", os.F_OK), os.path.samefile("other", "./other"), os.path.getsize("other"))
one, two = os.stat("other"), os.stat("low.bin")
print(one.st_ino != two.st_ino, one.st_dev == two.st_dev, one.st_nlink)
attempt("stat missing", os.stat, "missing")
os.link("other", "hard")
print(os.stat("hard").st_nlink, os.path.samefile("hard", "other"), open("hard").read())
attempt("link exists", os.link, "other", "hard")
attempt("link folder", os.link, "empty", "hard folder")
attempt("link missing", os.link, "missing", "hard missing")
os.unlink("other")
print(os.stat("hard").st_nlink, open("hard").read())
print(len(os.urandom(16)), os.urandom(16) != os.urandom(16), os.path.exists("/dev/null"), open("/dev/null").read() == "")

# Large and many.
block = bytes(range(256)) * 4096
with open("large", "wb") as file:
    for _ in range(8):
        file.write(block)
with open("large", "rb") as file:
    file.seek(5 * len(block) + 77)
    print(os.path.getsize("large"), file.read(1), sum(len(part) for part in iter(lambda: file.read(100_000), b"")))
open_files = [open(f"many{n}", "w") for n in range(200)]
for n, file in enumerate(open_files):
    file.write(str(n))
    file.close()
print(len([name for name in os.listdir(".") if name.startswith("many")]), open("many199").read())
