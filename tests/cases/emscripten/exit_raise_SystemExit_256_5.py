"""How a program ends with `raise SystemExit(256 + 5)`: its status, what is flushed, and what runs at exit."""
import atexit
import os
import sys

atexit.register(print, "at exit", flush=False)
print("buffered", end="")
sys.stderr.write("to standard error\n")
raise SystemExit(256 + 5)
print("not reached")
