"""Permission bits: what they forbid in folders and of files, and what they do not; a terminal that is not there."""
import errno
import os
import shutil
import stat
import tempfile


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", function(*arguments, **options))
    except OSError as error:
        print(what, "->", type(error).__name__, errno.errorcode.get(error.errno))


def write(path):
    with open(path, "w") as file:
        return file.write("text")


def read(path):
    with open(path) as file:
        return file.read()


os.chdir(tempfile.mkdtemp())
os.makedirs("folder/inner")
write("folder/file")
write("outside")

print("no writing in the folder")
os.chmod("folder", 0o555)
attempt("list", lambda: sorted(os.listdir("folder")))
attempt("read", read, "folder/file")
attempt("write what is there", write, "folder/file")
attempt("create", write, "folder/new")
attempt("make folder", os.mkdir, "folder/new")
attempt("make link", os.symlink, "file", "folder/new")
attempt("unlink", os.unlink, "folder/file")
attempt("remove folder", os.rmdir, "folder/inner")
attempt("rename in it", os.rename, "folder/file", "folder/new")
attempt("rename out of it", os.rename, "folder/file", "new")
attempt("rename into it", os.rename, "outside", "folder/new")
attempt("temporary file in it", tempfile.mkstemp, dir="folder")
attempt("chmod in it", os.chmod, "folder/file", 0o600)
attempt("access", lambda: [os.access("folder", mode) for mode in (os.R_OK, os.W_OK, os.X_OK)])

print("no reading of the folder")
os.chmod("folder", 0o333)
attempt("list", os.listdir, "folder")
attempt("scan", os.scandir, "folder")
attempt("read", read, "folder/file")
attempt("create", write, "folder/new")

print("no searching of the folder")
os.chmod("folder", 0o666)
attempt("list", lambda: sorted(os.listdir("folder")))
attempt("read", read, "folder/file")
attempt("stat", os.stat, "folder/file")
attempt("create", write, "folder/newer")
attempt("unlink", os.unlink, "folder/file")
attempt("change into it", os.stat, "folder/inner/..")

print("files")
os.chmod("folder", 0o755)
os.chmod("folder/file", 0o444)
attempt("write", write, "folder/file")
attempt("truncate", os.truncate, "folder/file", 0)
attempt("read", read, "folder/file")
os.chmod("folder/file", 0o222)
attempt("write", write, "folder/file")
attempt("read", read, "folder/file")
attempt("stat", lambda: oct(stat.S_IMODE(os.stat("folder/file").st_mode)))
attempt("unlink", os.unlink, "folder/file")
created = os.open("made without rights", os.O_CREAT | os.O_WRONLY, 0)
print(os.write(created, b"text"), oct(stat.S_IMODE(os.fstat(created).st_mode)))
os.close(created)
attempt("read", read, "made without rights")

print("trees")
os.makedirs("tree/locked/inside")
os.chmod("tree/locked", 0o500)
attempt("remove tree", shutil.rmtree, "tree")
attempt("left", lambda: [folder for folder, _, _ in os.walk("tree")])
os.chmod("tree/locked", 0o700)
attempt("remove tree", shutil.rmtree, "tree")

attempt("terminal", open, "/dev/tty", "a")
