# env: GREETING=grüße EMPTY=
"""The environment, arguments, paths and names that a program sees."""
import locale
import os
import sys

print(os.environ["GREETING"], repr(os.environ["EMPTY"]), os.environ.get("MISSING"), os.getenv("GREETING"), b"GREETING" in os.environb)
os.environ["SET"] = "by the program"
os.putenv("PUT", "x")
print(os.environ["SET"], os.environ.pop("SET"), "SET" in os.environ)
print(len(sys.argv), os.path.basename(sys.argv[0]).endswith(".py"), __name__, sys.flags.utf8_mode in (0, 1), sys.byteorder)
print(all(isinstance(folder, str) for folder in sys.path), sys.prefix == sys.exec_prefix, sys.platform in ("emscripten", "linux"))
print(sys.stdin.read() == "", sys.stdout.encoding, sys.stderr.errors, sys.stdout.isatty(), sys.getfilesystemencoding(), sys.getdefaultencoding())
print(locale.setlocale(locale.LC_ALL, "C"), locale.localeconv()["decimal_point"], locale.strcoll("a", "b") < 0, locale.getpreferredencoding().lower())
print(os.sep, os.linesep == "\n", os.pathsep, os.name, os.path.expanduser("~") == os.environ["HOME"], os.path.isdir(os.path.expanduser("~")), os.cpu_count() >= 1)
print(sys.version_info[:1], sys.maxunicode, sys.float_info.max, sys.implementation.name)
