"""How a program ends with `raise SystemExit(256 + 5)`: its status, what is flushed, and what runs at exit."""
import atexit
import sys

atexit.register(print, "at exit")
print("buffered", end="")
sys.stderr.write("to standard error\n")
raise SystemExit(256 + 5)
print("not reached")
