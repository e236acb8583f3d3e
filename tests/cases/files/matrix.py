"""Calls on files, each with each kind of file, and what comes of it: one line `LABEL -> OUTCOME` for each.

usage: matrix.py FOLDER [N [without-modes]], an empty one. Every Nth line alone, if it is given. Says nothing of inode numbers, times of the
clock, owners or of who may do what, and, if it is to, nothing of permission bits.
"""
import binascii
import errno
import itertools
import os
import stat
import struct
import sys

try:
    import fcntl
except ImportError:
    fcntl = None

ROOT = os.path.join(os.path.realpath(sys.argv[1]), "x", "w")
EVERY = int(sys.argv[2]) if len(sys.argv) > 2 else 1
WITH_MODES = "without-modes" not in sys.argv[3:]


def say(label, outcome):
    line = f"{label} -> {outcome}".replace(ROOT, "ROOT").replace("\n", "\\n")
    print(line.encode("ascii", "backslashreplace").decode())


def permissions(status):
    return f"{stat.S_IMODE(status.st_mode):o}" if WITH_MODES else "-"


def attempt(function, *arguments, **options):
    """What a call comes to, as words."""
    try:
        result = function(*arguments, **options)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except (AttributeError, NotImplementedError, TypeError):
        # TypeError is a descriptor where this Python takes none.
        return "absent"
    except (ValueError, OverflowError) as error:
        return type(error).__name__
    return "done" if result is None else repr(result)


def put(path, content):
    with open(path, "wb") as file:
        file.write(content)


def build():
    os.makedirs(ROOT, exist_ok=True)
    os.chdir(ROOT)
    put("file", b"sample")
    put("other", b"other")
    os.mkdir("dir")
    os.mkdir("full")
    put("full/inner", b"in")
    for target, name in [
        ("file", "link"),
        ("full", "linkdir"),
        ("missing", "dangling"),
        ("missing/", "danglingdir"),
        ("loop", "loop"),
        (f"{ROOT}/file", "abs"),
        (f"{ROOT}/full", "absdir"),
        ("../w/full", "updir"),
        ("linkdir/inner", "deep"),
        ("full/../file", "around"),
        ("file/", "slashed"),
    ]:
        os.symlink(target, name)


def remove(path):
    for entry in list(os.scandir(path)):
        if entry.is_dir(follow_symlinks=False):
            remove(entry.path)
        else:
            os.unlink(entry.path)
    os.rmdir(path)


def state(path=None):
    """All that there is, in words."""
    found = []
    path = path or ROOT
    for name in sorted(os.listdir(path)):
        whole = os.path.join(path, name)
        status = os.lstat(whole)
        bits = permissions(status)
        if stat.S_ISLNK(status.st_mode):
            found.append(f"{name}>{os.readlink(whole)}")
        elif stat.S_ISDIR(status.st_mode):
            found.append(f"{name}:{bits}[{state(whole)}]")
        elif stat.S_ISREG(status.st_mode):
            with open(whole, "rb") as file:
                found.append(f"{name}:{bits}:{file.read(12)!r}:{status.st_size}:{status.st_nlink}")
        else:
            found.append(f"{name}:{bits}:{stat.S_IFMT(status.st_mode):o}")
    return " ".join(found)


def difference(before, after):
    before, after = set(before.split(" ")), set(after.split(" "))
    return " ".join([f"-{part}" for part in sorted(before - after)] + [f"+{part}" for part in sorted(after - before)])


build()
FRESH = state()


def trial(label, function):
    """Makes a call among fresh files, and tells what it changed."""
    if binascii.crc32(label.replace(ROOT, "ROOT").encode()) % EVERY:
        return
    outcome = function()
    os.chdir(ROOT)
    after = state()
    if after != FRESH:
        outcome += f" ; {difference(FRESH, after)}"
        os.chdir("/")
        remove(ROOT)
        build()
        if state() != FRESH:
            raise SystemExit(f"{label}: cannot begin anew: {difference(FRESH, state())}")
    say(label, outcome)


KINDS = ["file", "dir", "full", "link", "linkdir", "dangling", "danglingdir", "loop", "abs", "absdir", "updir", "deep", "around", "slashed", "missing", "file/below", "missing/below", "full/inner", "linkdir/inner"]
PATHS = [kind + end for kind, end in itertools.product(KINDS, ["", "/"])]
PATHS += [kind + end for kind, end in itertools.product(["file", "full", "link", "linkdir", "dangling", "missing"], ["//", "/.", "/.."])]
PATHS += [".", "..", "./", "/", "", "full/./inner", "full//inner", "linkdir/../file"]

# open: what it comes to, and what the descriptor is good for.
FLAGS = ["", "CREAT", "CREAT|EXCL", "TRUNC", "CREAT|TRUNC", "APPEND", "APPEND|TRUNC", "CREAT|APPEND", "NOFOLLOW", "CREAT|NOFOLLOW", "TRUNC|NOFOLLOW", "DIRECTORY", "DIRECTORY|NOFOLLOW", "CREAT|DIRECTORY"]


def opened(path, flags, **options):
    fd = os.open(path, flags, 0o666, **options)
    try:
        kind = stat.S_IFMT(os.fstat(fd).st_mode) >> 12
        read = attempt(os.read, fd, 3)
        write = attempt(os.write, fd, b"XY")
        return f"kind {kind:o} read {read} write {write} at {attempt(os.lseek, fd, 0, os.SEEK_CUR)}"
    finally:
        os.close(fd)


def opening(path, flags, **options):
    return attempt(opened, path, flags, **options).strip("'\"")


for access in ["RDONLY", "WRONLY", "RDWR"]:
    for names in FLAGS if access != "RDWR" else FLAGS[:5]:
        flags = getattr(os, f"O_{access}")
        for name in filter(None, names.split("|")):
            flags |= getattr(os, f"O_{name}")
        for path in PATHS:
            if path.endswith(("//", "/.", "..")) and names not in ("", "CREAT"):
                continue
            trial(f"open {access}|{names} {path!r}", lambda: opening(path, flags))
for name in ["PATH", "TMPFILE", "NOATIME"]:
    value = getattr(os, f"O_{name}", {"PATH": 0o10000000, "TMPFILE": 0o20200000, "NOATIME": 0o1000000}[name])
    for access in ["RDONLY", "RDWR"]:
        for path in ["file", "dir", "link", "linkdir", "dangling", "missing", "file/", "dir/"]:
            trial(f"open {access}|{name} {path!r}", lambda: opening(path, getattr(os, f"O_{access}") | value))
    trial(f"open {name}|NOFOLLOW 'link'", lambda: opening("link", value | os.O_NOFOLLOW))


# Calls on one path.
def described(status):
    return f"{stat.S_IFMT(status.st_mode) >> 12:o} {permissions(status)} {status.st_size if stat.S_ISREG(status.st_mode) else '-'}"


def times(path, **options):
    os.utime(path, ns=(1_000_000_000, 2_000_000_000), **options)
    return [int(os.stat("file").st_mtime) == 2, int(os.lstat("link").st_mtime) == 2, int(os.stat("full").st_mtime) == 2]


def changed_directory(path):
    os.chdir(path)
    here = os.getcwd()
    return os.path.relpath(here, ROOT) if here.startswith(ROOT) else "outside"


def scanned(path):
    return sorted((entry.name, entry.is_dir(), entry.is_symlink()) for entry in os.scandir(path))


def listed(path):
    names = os.listdir(path)
    return sorted(names) if os.path.realpath(path).startswith(ROOT) else "outside"


ONE = {
    "stat": lambda path: described(os.stat(path)),
    "lstat": lambda path: described(os.lstat(path)),
    "readlink": os.readlink,
    "access F": lambda path: os.access(path, os.F_OK),
    "access RW": lambda path: os.access(path, os.R_OK | os.W_OK),
    "chdir": changed_directory,
    "listdir": listed,
    "mkdir": os.mkdir,
    "mkdir 700": lambda path: os.mkdir(path, 0o700),
    "mkdir 7777": lambda path: os.mkdir(path, 0o1777),
    "rmdir": os.rmdir,
    "unlink": os.unlink,
    "symlink": lambda path: os.symlink("target", path),
    "chmod": lambda path: os.chmod(path, 0o705),
    "chmod nofollow": lambda path: os.chmod(path, 0o705, follow_symlinks=False),
    "utime": times,
    "utime nofollow": lambda path: times(path, follow_symlinks=False),
    "truncate": lambda path: os.truncate(path, 3),
    "statvfs": lambda path: os.statvfs(path).f_namemax,
    "link from": lambda path: os.link(path, "new"),
    "link to": lambda path: os.link("file", path),
    "rename to new": lambda path: os.rename(path, "new"),
    "rename to new/": lambda path: os.rename(path, "new/"),
    "rename to file": lambda path: os.rename(path, "file"),
    "rename to dir": lambda path: os.rename(path, "dir"),
    "rename to dir/": lambda path: os.rename(path, "dir/"),
    "rename to full": lambda path: os.rename(path, "full"),
    "rename to linkdir": lambda path: os.rename(path, "linkdir"),
    "rename to linkdir/": lambda path: os.rename(path, "linkdir/"),
    "rename to dir/in": lambda path: os.rename(path, "dir/in"),
    "rename to full/in": lambda path: os.rename(path, "full/in"),
    "rename from file": lambda path: os.rename("file", path),
    "rename from dir": lambda path: os.rename("dir", path),
    "rename from dir/": lambda path: os.rename("dir/", path),
    "rename from full": lambda path: os.rename("full", path),
    "rename from link": lambda path: os.rename("link", path),
    "rename from linkdir/": lambda path: os.rename("linkdir/", path),
}
for name, function in ONE.items():
    for path in PATHS:
        if path == "/" and name not in ("stat", "lstat", "access F", "readlink"):
            # What is in another machine's root folder, and who may change it, is another thing.
            continue
        trial(f"{name} {path!r}", lambda: attempt(function, path))

# The same by a folder's descriptor.
AT = {
    "open at": lambda path, folder: opened(path, os.O_RDWR, dir_fd=folder),
    "open CREAT at": lambda path, folder: opened(path, os.O_RDWR | os.O_CREAT, dir_fd=folder),
    "stat at": lambda path, folder: described(os.stat(path, dir_fd=folder)),
    "lstat at": lambda path, folder: described(os.stat(path, dir_fd=folder, follow_symlinks=False)),
    "access at": lambda path, folder: os.access(path, os.R_OK, dir_fd=folder),
    "readlink at": lambda path, folder: os.readlink(path, dir_fd=folder),
    "mkdir at": lambda path, folder: os.mkdir(path, dir_fd=folder),
    "rmdir at": lambda path, folder: os.rmdir(path, dir_fd=folder),
    "unlink at": lambda path, folder: os.unlink(path, dir_fd=folder),
    "symlink at": lambda path, folder: os.symlink("t", path, dir_fd=folder),
    "chmod at": lambda path, folder: os.chmod(path, 0o705, dir_fd=folder),
    "utime at": lambda path, folder: os.utime(path, (1, 2), dir_fd=folder),
    "rename at": lambda path, folder: os.rename(path, "moved", src_dir_fd=folder, dst_dir_fd=folder),
}
for name, function in AT.items():
    for path in ["inner", "inner/", "../file", "../link", "../linkdir/inner", ".", "..", "new", "../full/new", f"{ROOT}/file", "", "../dangling", "../dir"]:
        for folder in ["full", "file"]:
            def call():
                fd = os.open(folder, os.O_RDONLY)
                try:
                    return function(path, fd)
                finally:
                    os.close(fd)
            trial(f"{name} {folder} {path!r}", lambda: attempt(call))
trial("stat at a closed descriptor", lambda: attempt(os.stat, "file", dir_fd=77))

# Names.
for label, name in [
    ("255 bytes", b"n" * 255), ("256 bytes", b"n" * 256), ("not UTF-8", b"\xff\xfe"), ("half a surrogate", b"\xed\xa0\x80"), ("with NUL", b"a\0b"), ("newline", b"a\nb"), ("backslash", b"a\\b"), ("spaces", b" a "), ("dots", b"..."), ("4095 bytes", b"./" * 2045 + b"file1"), ("4096 bytes", b"./" * 2046 + b"file"), ("5000 bytes", b"./" * 2498 + b"file"),
]:
    def named():
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
        found = [found for found in os.listdir(b".") if found == name]
        size = os.stat(name).st_size
        os.unlink(name)
        return len(found), size
    trial(f"name of {label}", lambda: attempt(named))
    trial(f"link to a name of {label}", lambda: attempt(os.symlink, name, "new"))


# Links upon links.
def chain(count):
    os.mkdir("chain")
    put("chain/0", b"end")
    for number in range(count):
        os.symlink(str(number), f"chain/{number + 1}")
    return os.stat(f"chain/{count}").st_size


for count in [39, 40, 41]:
    trial(f"a chain of {count} links", lambda: attempt(chain, count).split(" ")[0])


# Descriptors.
def session(label):
    def run(function):
        trial(label, lambda: attempt(function))
    return run


@session("duplicates share the position")
def _():
    fd = os.open("file", os.O_RDWR)
    other = os.dup(fd)
    os.read(fd, 2)
    found = os.read(other, 2), os.lseek(fd, 0, os.SEEK_CUR)
    os.close(fd), os.close(other)
    return found


@session("two descriptions do not")
def _():
    fd, other = os.open("file", os.O_RDWR), os.open("file", os.O_RDWR)
    os.read(fd, 2)
    os.write(fd, b"__")
    found = os.read(other, 6)
    os.close(fd), os.close(other)
    return found


@session("pwrite appends where writing does")
def _():
    fd = os.open("file", os.O_RDWR | os.O_APPEND)
    os.pwrite(fd, b"12", 0)
    found = os.pread(fd, 20, 0), os.lseek(fd, 0, os.SEEK_CUR)
    os.close(fd)
    return found


@session("appending is switched on and off")
def _():
    fd = os.open("file", os.O_RDWR)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_APPEND)
    os.write(fd, b"end")
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)
    os.lseek(fd, 0, 0)
    os.write(fd, b"top")
    found = os.pread(fd, 20, 0), bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND)
    os.close(fd)
    return found


for flags in ["RDONLY", "WRONLY", "RDWR"]:
    def calls():
        fd = os.open("file", getattr(os, f"O_{flags}"))
        found = [
            attempt(function)
            for function in [
                lambda: os.pread(fd, 3, 1), lambda: os.pread(fd, 3, 100), lambda: os.pread(fd, 3, -1), lambda: os.pwrite(fd, b"p", 8), lambda: os.pwrite(fd, b"p", -1),
                lambda: os.lseek(fd, -1, 0), lambda: os.lseek(fd, 10, os.SEEK_END), lambda: os.lseek(fd, 0, 9),
                lambda: os.ftruncate(fd, 4), lambda: os.ftruncate(fd, -1), lambda: os.fsync(fd), lambda: os.fdatasync(fd), lambda: os.posix_fallocate(fd, 2, 10),
                lambda: os.posix_fallocate(fd, 0, 0), lambda: os.posix_fadvise(fd, 0, 0, 0), lambda: os.fchmod(fd, 0o600), lambda: os.utime(fd, (3, 4)),
                lambda: os.fchdir(fd), lambda: os.listdir(fd), lambda: os.readv(fd, [bytearray(2), bytearray(2)]), lambda: os.writev(fd, [b"v", b"w"]),
                lambda: os.preadv(fd, [bytearray(2)], 1), lambda: os.pwritev(fd, [b"z"], 1),
            ]
        ]
        os.close(fd)
        return found
    trial(f"calls on a descriptor {flags}", lambda: attempt(calls))


@session("calls on a folder's descriptor")
def _():
    fd = os.open("full", os.O_RDONLY)
    found = [
        attempt(function)
        for function in [
            lambda: os.read(fd, 1), lambda: os.pread(fd, 1, 0), lambda: os.write(fd, b"x"), lambda: os.ftruncate(fd, 0), lambda: os.fsync(fd), lambda: os.fchmod(fd, 0o711), lambda: os.listdir(fd), lambda: os.listdir(fd),
            lambda: os.utime(fd, (1, 2)), lambda: int(os.stat("full").st_mtime), lambda: os.fstatvfs(fd).f_namemax, lambda: os.fchdir(fd), lambda: os.path.basename(os.getcwd()),
        ]
    ]
    os.close(fd)
    return found


@session("a descriptor that is only a path")
def _():
    fd = os.open("file", os.O_RDONLY | getattr(os, "O_PATH", 0o10000000))
    found = [attempt(function) for function in [lambda: os.read(fd, 1), lambda: os.write(fd, b"x"), lambda: os.lseek(fd, 0, 0), lambda: os.fchmod(fd, 0o600), lambda: os.fstat(fd).st_size, lambda: os.ftruncate(fd, 0)]]
    os.close(fd)
    return found


@session("holes")
def _():
    fd = os.open("file", os.O_RDWR)
    os.ftruncate(fd, 1 << 20)
    os.pwrite(fd, b"end", (1 << 20) - 3)
    found = os.pread(fd, 4, 4), os.fstat(fd).st_size, os.pread(fd, 9, (1 << 20) - 3)
    os.ftruncate(fd, 6)
    os.close(fd)
    return found


@session("data and holes of a file without holes")
def _():
    fd = os.open("file", os.O_RDWR)
    found = [attempt(os.lseek, fd, *arguments) for arguments in [(0, 3), (2, 3), (6, 3), (7, 3), (-1, 3), (0, 4), (6, 4), (-1, 4)]]
    os.close(fd)
    return found


@session("a removed file lives while it is open")
def _():
    fd = os.open("file", os.O_RDWR)
    os.unlink("file")
    found = os.fstat(fd).st_nlink, os.write(fd, b"still"), os.pread(fd, 9, 0), attempt(os.fchmod, fd, 0o600)
    os.close(fd)
    put("file", b"sample")
    return found


@session("a removed folder that is open")
def _():
    fd = os.open("dir", os.O_RDONLY)
    os.rmdir("dir")
    found = [
        attempt(function)
        for function in [
            lambda: os.fstat(fd).st_nlink, lambda: os.listdir(fd), lambda: os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=fd), lambda: os.mkdir("new", dir_fd=fd), lambda: os.stat("new", dir_fd=fd),
            lambda: stat.S_ISDIR(os.stat(".", dir_fd=fd).st_mode), lambda: os.stat("../file", dir_fd=fd).st_size, lambda: os.fchdir(fd), lambda: os.getcwd(), lambda: os.symlink("t", "new"), lambda: os.stat(".").st_nlink,
            lambda: os.rename("../file", "moved"),
        ]
    ]
    os.close(fd)
    return found


@session("a folder that moves is the same folder")
def _():
    fd = os.open("full", os.O_RDONLY)
    os.chdir("full")
    os.rename("../full", "../dir/moved")
    found = [
        attempt(function)
        for function in [
            lambda: os.stat("inner", dir_fd=fd).st_size, lambda: os.listdir(fd), lambda: sorted(os.listdir("..")), lambda: os.path.relpath(os.getcwd(), ROOT), lambda: os.stat("../../file", dir_fd=fd).st_size,
            lambda: os.mkdir("made", dir_fd=fd), lambda: sorted(os.listdir(f"{ROOT}/dir/moved")),
        ]
    ]
    os.close(fd)
    return found


@session("a file that moves is the same file")
def _():
    fd = os.open("file", os.O_RDWR)
    os.rename("file", "other")
    found = os.pwrite(fd, b"new", 0), os.fstat(fd).st_nlink, attempt(os.stat, "file")
    os.close(fd)
    return found


@session("what a rename replaces lives while it is open")
def _():
    fd = os.open("other", os.O_RDONLY)
    os.rename("file", "other")
    found = os.read(fd, 9), os.fstat(fd).st_nlink
    os.close(fd)
    return found


# Listings.
def many(count):
    os.mkdir("many")
    for number in range(count):
        os.close(os.open(f"many/{number:04}", os.O_CREAT | os.O_RDONLY))


@session("deleting while listing")
def _():
    many(300)
    seen = 0
    with os.scandir("many") as entries:
        for entry in entries:
            os.unlink(entry.path)
            seen += 1
    left = os.listdir("many")
    os.rmdir("many")
    return seen, left


@session("making and deleting while listing")
def _():
    many(200)
    seen = []
    with os.scandir("many") as entries:
        for entry in entries:
            seen.append(entry.name)
            if entry.name.isdigit() and int(entry.name) % 2:
                os.unlink(entry.path)
            elif len(seen) < 300:
                put(f"many/new{len(seen)}", b"")
    old = [name for name in seen if name.isdigit()]
    twice = len(seen) - len(set(seen))
    remove("many")
    return len(old), len(set(old)), twice


@session("two listings by one descriptor and another")
def _():
    many(100)
    fd, other = os.open("many", os.O_RDONLY), os.open("many", os.O_RDONLY)
    copy = os.dup(fd)
    found = [len(os.listdir(descriptor)) for descriptor in (fd, other, copy, fd)]
    for descriptor in (fd, other, copy):
        os.close(descriptor)
    remove("many")
    return found


@session("numbers of links")
def _():
    os.mkdir("many")
    os.mkdir("many/a")
    found = [os.stat("many").st_nlink]
    os.mkdir("many/b")
    found.append(os.stat("many").st_nlink)
    os.rename("many/b", "b")
    found.append(os.stat("many").st_nlink)
    os.rmdir("many/a")
    found.append(os.stat("many").st_nlink)
    os.rmdir("many")
    os.rmdir("b")
    return found


@session("a mode is what the mask leaves of it")
def _():
    found = []
    for mask in [0, 0o022, 0o077, 0o777]:
        before = os.umask(mask)
        os.mkdir("new", 0o777)
        os.close(os.open("new file", os.O_CREAT | os.O_WRONLY, 0o666))
        found += [oct(stat.S_IMODE(os.stat(name).st_mode)) for name in ("new", "new file")]
        os.rmdir("new")
        os.unlink("new file")
        os.umask(before)
    return found


# Locks, of one process.
def lock(fd, command, kind, start=0, length=0, whence=0):
    record = fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, whence, start, length, 0))
    return struct.unpack("hhqqi4x", record)[:4]


READ, WRITE, FREE = 0, 1, 2
SET, GET, SET_OWN, GET_OWN = getattr(fcntl, "F_SETLK", 6), getattr(fcntl, "F_GETLK", 5), 37, 36


@session("locks of records are the process's")
def _():
    fd, other = os.open("file", os.O_RDWR), os.open("file", os.O_RDWR)
    found = [
        attempt(lock, *arguments)
        for arguments in [
            (fd, SET, WRITE, 0, 3), (other, SET, WRITE, 0, 6), (other, GET, WRITE, 0, 0), (fd, SET, READ, 2, -2), (fd, SET, READ, -1, 1), (fd, SET, 7, 0, 0), (fd, SET, WRITE, 0, 0, 9), (fd, SET, WRITE, -2, 2, 2), (fd, SET, FREE, 0, 0),
            (fd, GET, FREE, 0, 0),
        ]
    ]
    os.close(fd), os.close(other)
    reader, writer = os.open("file", os.O_RDONLY), os.open("file", os.O_WRONLY)
    found += [attempt(lock, reader, SET, WRITE), attempt(lock, writer, SET, READ), attempt(lock, reader, SET, READ), attempt(lock, writer, SET, WRITE)]
    os.close(reader), os.close(writer)
    return found


@session("locks of descriptions exclude each other")
def _():
    fd, other = os.open("file", os.O_RDWR), os.open("file", os.O_RDWR)
    copy = os.dup(fd)
    found = [
        attempt(lock, *arguments)
        for arguments in [
            (fd, SET_OWN, WRITE, 0, 3), (copy, SET_OWN, WRITE, 0, 3), (other, SET_OWN, READ, 2, 1), (other, GET_OWN, READ, 2, 1), (other, SET_OWN, WRITE, 3, 1), (fd, GET_OWN, READ, 0, 0), (other, SET, WRITE, 0, 1),
        ]
    ]
    os.close(fd)
    found.append(attempt(lock, other, SET_OWN, READ, 2, 1))
    os.close(copy)
    found.append(attempt(lock, other, SET_OWN, READ, 2, 1))
    os.close(other)
    return found


os.chdir("/")
remove(os.path.dirname(ROOT))
