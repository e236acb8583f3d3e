"""Folders: listing while they change, walking, links, the working folder, copying trees, temporary files."""
import errno
import os
import pathlib
import shutil
import sys
import tempfile


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", function(*arguments, **options))
    except OSError as error:
        print(what, "->", type(error).__name__, errno.errorcode.get(error.errno))


root = tempfile.mkdtemp(prefix="folders-", dir=sys.argv[1])
os.chdir(root)
print(os.getcwd() == os.path.realpath(root), os.path.basename(root).startswith("folders-"))
os.makedirs("a/b/c")
os.makedirs("a/b/c", exist_ok=True)
attempt("makedirs", os.makedirs, "a/b")
for name in ["a/one", "a/b/two", "a/b/c/three", "a/ü ñ 漢"]:
    pathlib.Path(name).write_text(name, encoding="utf-8")
print(sorted(os.listdir("a")), sorted(os.listdir(b"a/b")))
with os.scandir("a") as entries:
    print(sorted((entry.name, entry.is_dir(), entry.is_file(), entry.is_symlink(), entry.stat().st_size) for entry in entries))
for folder, folders, files in sorted(os.walk("a")):
    print(folder, sorted(folders), sorted(files))
print(sorted(str(path) for path in pathlib.Path("a").rglob("*t*")), [str(path) for path in pathlib.Path("a").glob("*/two")])
attempt("list file", os.listdir, "a/one")
attempt("list missing", os.listdir, "missing")
attempt("scan missing", os.scandir, "missing")

# While they change.
os.mkdir("many")
for n in range(600):
    open(f"many/{n:04}-{'x' * (n % 200)}", "w").close()
print(len(os.listdir("many")), len(set(os.listdir("many"))), len({entry.inode() for entry in os.scandir("many")}))
seen = []
for entry in os.scandir("many"):
    seen.append(entry.name)
    os.unlink(entry.path)
print(len(seen), len(set(seen)), os.listdir("many"))
for n in range(300):
    open(f"many/{n}", "w").close()
seen = []
for entry in os.scandir("many"):
    seen.append(entry.name)
    if entry.name.isdecimal() and len(seen) < 1000:
        open(f"many/new-{entry.name}", "w").close()
print(len([name for name in seen if name.isdecimal()]), len(seen) == len(set(seen)), len(os.listdir("many")))
with os.scandir("many") as first, os.scandir("many") as second:
    one, other = next(first).name, next(second).name
    print(one == other, len(list(first)), len(list(second)))
shutil.rmtree("many")
print(os.path.exists("many"))

# Links.
os.symlink("one", "a/link")
os.symlink("b", "a/folder-link")
os.symlink("missing", "a/broken")
os.symlink("loop2", "a/loop1")
os.symlink("loop1", "a/loop2")
print(os.readlink("a/link"), os.path.islink("a/link"), open("a/link").read(), os.path.isfile("a/link"), sorted(os.listdir("a/folder-link")))
print(os.lstat("a/link").st_size, os.stat("a/link").st_size, os.path.lexists("a/broken"), os.path.exists("a/broken"))
print(os.path.relpath(os.path.realpath("a/folder-link/two"), os.path.realpath(root)))
attempt("broken", open, "a/broken")
attempt("loop", open, "a/loop1")
attempt("readlink of a file", os.readlink, "a/one")
attempt("symlink exists", os.symlink, "x", "a/one")
with open("a/broken", "w") as file:
    file.write("through the link")
print(open("a/missing").read())
attempt("no follow", os.open, "a/link", os.O_RDONLY | os.O_NOFOLLOW)
os.unlink("a/link")
print(os.path.exists("a/one"), os.path.lexists("a/link"))
os.unlink("a/loop1")
os.unlink("a/loop2")

# The working folder.
os.chdir("a/b")
print(os.path.relpath(os.getcwd(), os.path.realpath(root)), open("two").read(), open("../one").read(), os.path.exists("./../b/../one"))
attempt("chdir file", os.chdir, "two")
attempt("chdir missing", os.chdir, "missing")
os.chdir(root)
folder = os.open("a", os.O_RDONLY)
if os.open in os.supports_dir_fd:
    inner = os.open("one", os.O_RDONLY, dir_fd=folder)
    print(os.read(inner, 10), os.stat("b/two", dir_fd=folder).st_size)
    os.close(inner)
os.close(folder)

# Trees.
os.unlink("a/broken")
shutil.copytree("a", "copy", symlinks=True)
print(sorted(os.path.relpath(os.path.join(folder, name), "copy") for folder, folders, files in os.walk("copy") for name in folders + files))
print(os.readlink("copy/folder-link"), pathlib.Path("copy/b/c/three").read_text())
shutil.copy2("a/one", "one-copy")
shutil.move("one-copy", "copy/b")
print(abs(os.path.getmtime("a/one") - os.path.getmtime("copy/b/one-copy")) < 1e-5)
shutil.make_archive("archive", "tar", "copy")
shutil.unpack_archive("archive.tar", "unpacked", filter="data")
print(sorted(os.listdir("unpacked")))
shutil.rmtree("copy")
print(os.path.exists("copy"))
attempt("rmtree missing", shutil.rmtree, "missing")

# Temporary files.
fd, name = tempfile.mkstemp(suffix=".tmp", text=True)
os.write(fd, b"temporary")
os.close(fd)
print(name.endswith(".tmp"), open(name).read())
os.unlink(name)
with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("w+", dir=folder) as file:
    file.write("named")
    file.flush()
    print(open(file.name).read(), os.listdir(folder) == [os.path.basename(file.name)])
print(os.path.exists(folder))
with tempfile.TemporaryFile() as file:
    file.write(b"unnamed")
    file.seek(0)
    print(file.read())
with tempfile.SpooledTemporaryFile(max_size=4) as file:
    file.write(b"spooled over")
    file.seek(0)
    print(file.read(), tempfile.gettempdir())
os.chdir("/")
shutil.rmtree(root)
print(os.path.exists(root), os.path.isdir(".."), os.path.samefile("/", "/.."))
