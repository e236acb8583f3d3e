# Exercises the extension module fputs and prints what it sees. usage: test_fputs.py OUTPUT_DIRECTORY
#
# Owns: what every build of fputs.so must do, on any platform; expected.txt is its output under native CPython. So nothing
# is printed that platforms may differ in: no errno numbers, no paths, no addresses, only ASCII.
import errno
import os
import pathlib
import sys

import fputs

directory = sys.argv[1]
path = os.path.join(directory, "write.txt")


def show(label, call):
    try:
        result = ascii(call())
    except OSError as error:
        result = f"{type(error).__name__} {errno.errorcode[error.errno]} filename {'right' if error.filename == missing else error.filename!r}"
    except Exception as error:
        result = f"{type(error).__module__}.{type(error).__qualname__}: {error}"
    print(f"{label}: {result}")


def content():
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


missing = os.path.join(directory, "no such directory", "write.txt")

print("module:", fputs.__name__, "-", fputs.__doc__)
print("names:", *sorted(name for name in vars(fputs) if not name.startswith("__")))
print("function:", fputs.fputs.__doc__, fputs.fputs.__text_signature__)
print("constants:", fputs.FPUTS_FLAG, fputs.FPUTS_MACRO)
error_type = fputs.StringTooShortError
print("exception:", ", ".join(c.__module__ + "." + c.__qualname__ for c in error_type.__mro__), "-", error_type.__doc__)

show("written", lambda: fputs.fputs("Hello from C!\n", path))
show("content", content)
show("ten characters", lambda: fputs.fputs("0123456789", path))
show("content", content)
show("UTF-8", lambda: fputs.fputs("naïve café – ✓", os.fsencode(path)))
show("content", content)
long = "".join(f"line {number}\n" for number in range(20_000))
show("long", lambda: fputs.fputs(long, pathlib.Path(path)))
print("content:", content() == long, os.stat(path).st_size)

show("too short", lambda: fputs.fputs("too short", path))
print("content:", content() == long)
try:
    fputs.fputs("", path)
except fputs.StringTooShortError as error:
    print("caught by its type:", error)
show("missing directory", lambda: fputs.fputs("Nobody will read this.", missing))
show("embedded null", lambda: fputs.fputs("zero\0 zero zero", path))
show("wrong type", lambda: fputs.fputs(10 * "x", 3.5))
show("wrong count", lambda: fputs.fputs())

for _ in range(1000):
    try:
        fputs.fputs("short", path)
    except fputs.StringTooShortError:
        pass
print("thousand exceptions")
os.remove(path)
print("done")
