"""How a program ends with `sys.exit()`: its status, what is flushed, and what runs at exit."""
import atexit
import sys

atexit.register(print, "at exit")
print("buffered", end="")
sys.stderr.write("to standard error\n")
sys.exit()
print("not reached")
