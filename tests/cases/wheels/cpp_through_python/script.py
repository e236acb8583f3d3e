"""C++ exceptions pass through the interpreter: thrown by one extension module, caught by another one or the same."""
import os
import sys

# So that both modules have one description of each class that both define: by default each has its own, as in ELF.
sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)

import catcher
import thrower

OUTER = catcher.outer


def show(what, callable):
    print(f"{what}: {OUTER(callable)}", flush=True)


# Catching by reference keeps the dynamic type.
show("own", lambda: catcher.own_inner("thrown where it is caught"))
show("other", lambda: thrower.inner("thrown in another module"))
show("class", lambda: thrower.refuse(7))
show("derived class", lambda: thrower.last(8))
show("not an exception class", lambda: thrower.throw_int(9))

# Through more of the interpreter than one frame.
def deep(depth):
    return thrower.inner(f"from {sys.getrecursionlimit() > 100} depth") if depth == 0 else deep(depth - 1)


class Number:
    def __eq__(self, other):
        return thrower.inner("from __eq__")

    def __hash__(self):
        return 1

    def __len__(self):
        return thrower.last(10)


show("deep", lambda: deep(50))
show("sorted", lambda: sorted([3, 1, 2], key=lambda number: thrower.inner("from a key function")))
show("map", lambda: list(map(thrower.inner, ["from map"])))
show("comparison", lambda: {Number(): 1, Number(): 2})
show("slot", lambda: len(Number()))
show("exec", lambda: exec("thrower.inner('from exec')", {"thrower": thrower}))
show("nested outer", lambda: OUTER(lambda: thrower.inner("caught inside")))


# Python does not see it: neither `except` nor `finally` is run.
def guarded():
    try:
        return thrower.inner("not Python's")
    except BaseException as error:
        print("except", error)
    finally:
        print("finally")


show("guarded", guarded)

# Python's own exceptions are C++'s neither.
try:
    OUTER(lambda: 1 / 0)
except ZeroDivisionError as error:
    print("Python's:", error)

# Kept, and thrown again later, through the interpreter once more.
print("kept:", catcher.keep(lambda: thrower.last(11)))
show("rethrown", catcher.rethrow)
show("rethrown again", lambda: catcher.rethrow())

# The interpreter goes on as before, but for the frames that it has not seen end: they count against the limit of recursion.
print("unwound:", catcher.count_unwound())
for round in range(20):
    OUTER(lambda: deep(3))
print("after 20 more:", catcher.count_unwound())


def raises():
    raise ValueError("raised afterwards")


try:
    raises()
except ValueError as error:
    frame = error.__traceback__
    names = []
    while frame:
        names.append(frame.tb_frame.f_code.co_name)
        frame = frame.tb_next
    print("traceback:", names, error)


def count(depth):
    return 0 if depth == 0 else 1 + count(depth - 1)


def numbers():
    yield from range(5)


import gc, json

print("recursion:", count(300))
print("generator:", sum(numbers()))
print("import:", json.dumps({"works": True}))
print("collected:", gc.collect() >= 0)
print("frames:", sys._getframe().f_code.co_name)
show("and again", lambda: thrower.refuse(12))


# Until they are all.
def until_recursion_error():
    for round in range(2000):
        OUTER(lambda: deep(3))


try:
    until_recursion_error()
except RecursionError as error:
    print("at last:", error)
