"""How a program ends with `raise KeyboardInterrupt`: its status, what is flushed, and what runs at exit."""
import atexit
import sys

atexit.register(print, "at exit")
print("buffered", end="")
sys.stderr.write("to standard error\n")
raise KeyboardInterrupt
print("not reached")
