"""How a program ends with `1 // 0`: its status, what is flushed, and what runs at exit."""
import atexit
import sys

atexit.register(print, "at exit")
print("buffered", end="")
sys.stderr.write("to standard error\n")
1 // 0
print("not reached")
