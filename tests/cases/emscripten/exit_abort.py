"""How a program ends with `os.abort()`: its status, what is flushed, and what runs at exit."""
import atexit
import os
import sys

atexit.register(print, "at exit")
print("buffered", end="")
sys.stderr.write("to standard error\n")
os.abort()
print("not reached")
