"""Deep recursion in Python code ends in RecursionError; the program survives it in C code too, whatever its limits there are."""
import ast
import copy
import functools
import json
import pickle
import re
import sys


def attempt(what, function):
    try:
        function()
        print(what, "-> fine")
    except RecursionError:
        print(what, "-> RecursionError")


def survive(what, function):
    """For code whose limit is the C stack: how deep it gets is not said anywhere."""
    try:
        function()
    except (RecursionError, MemoryError, SyntaxError, ValueError):
        pass
    print(what, "survived")


def plain(n):
    return plain(n + 1)


class Get:
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def __repr__(self):
        return f"<{self!r}>"

    def __eq__(self, other):
        return self == other

    def __add__(self, other):
        return self + other


nested = []
for _ in range(200_000):
    nested = [nested]
print(sys.getrecursionlimit())
attempt("function", lambda: plain(0))
attempt("again", lambda: plain(0))
attempt("attribute", lambda: Get().x)
attempt("repr", lambda: repr(Get()))
attempt("eq", lambda: Get() == 1)
attempt("add", lambda: Get() + 1)
survive("json.loads", lambda: json.loads("[" * 100_000))
survive("json.dumps", lambda: json.dumps(nested))
survive("repr of lists", lambda: repr(nested))
survive("comparing", lambda: nested == copy.copy(nested) and [nested] == [[nested]])
attempt("deepcopy", lambda: copy.deepcopy(nested))
attempt("pickle", lambda: pickle.dumps(nested))
survive("hash", lambda: hash(functools.reduce(lambda value, n: (value,), range(200_000), ())))
survive("eval", lambda: eval("(" * 500 + ")" * 500))
survive("minus", lambda: eval("-" * 100_000 + "1"))
survive("compile", lambda: compile("x" + ".y" * 100_000, "", "eval"))
survive("literal", lambda: ast.literal_eval("[" * 5000 + "]" * 5000))
survive("regular expression", lambda: re.compile("(?:" * 20_000 + "x" + ")" * 20_000))
survive("matching", lambda: re.match("(?:x|y)*z", "x" * 100_000))
survive("map", lambda: list(functools.reduce(lambda value, n: map(str, value), range(100_000), [])))
survive("isinstance", lambda: isinstance(1, functools.reduce(lambda value, n: (value,), range(100_000), str)))
attempt("sort key", lambda: sorted([1, 2], key=lambda value: plain(value)))
survive("generator", lambda: functools.reduce(lambda value, n: (item for item in value), range(100_000), iter([1])).__next__())
sys.setrecursionlimit(5000)


def depth(n):
    return n and 1 + depth(n - 1)


attempt("4000 deep", lambda: print(depth(4000)))
attempt("6000 deep", lambda: depth(6000))
sys.setrecursionlimit(1000)
while nested:
    nested = nested[0]
print("end")
