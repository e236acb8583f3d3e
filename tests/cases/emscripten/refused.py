"""What a sandbox has not: processes, threads, users, JavaScript. Each is refused as programs expect."""
import errno
import multiprocessing
import os
import subprocess
import sys
import threading


def attempt(what, function, *arguments):
    try:
        print(what, "->", function(*arguments))
    except OSError as error:
        print(what, "-> OSError", errno.errorcode.get(error.errno))
    except (RuntimeError, ImportError, AttributeError) as error:
        print(what, "->", type(error).__name__)


attempt("subprocess", subprocess.run, ["true"])
attempt("shell", lambda: subprocess.run("true", shell=True))
attempt("system", lambda: os.system("true") != 0)
attempt("fork", os.fork)
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("thread", lambda: threading.Thread(target=print).start())
for name in ["js", "pyodide_js", "_pyodide_core", "pwd", "grp", "resource", "readline", "_multiprocessing", "tkinter"]:
    attempt(name, __import__, name)
attempt("host files", lambda: sorted(name for name in os.listdir("/") if name in ("boot", "etc", "root", "sbin", "var")))
attempt("passwd", open, "/etc/passwd")
print("end")
