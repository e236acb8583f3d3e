"""ctypes: functions of the C library, callbacks, structs by value, 64-bit integers, floats, varargs."""
import ctypes
import ctypes.util
from ctypes import CFUNCTYPE, POINTER, Structure, Union, byref, c_char_p, c_double, c_float, c_int, c_int16, c_int64, c_long, c_size_t, c_uint8, c_void_p

libc = ctypes.CDLL(None)


def attempt(what, function, *arguments):
    try:
        print(what, "->", function(*arguments))
    except Exception as error:
        print(what, "->", type(error).__name__, error)


libc.strlen.argtypes, libc.strlen.restype = [c_char_p], c_size_t
print(libc.strlen(b"hello"), libc.abs(-5), libc.toupper(ord("a")), libc.atoi(b"42"))
libc.strtod.argtypes, libc.strtod.restype = [c_char_p, POINTER(c_char_p)], c_double
rest = c_char_p()
print(libc.strtod(b"2.5e3rest", byref(rest)), rest.value)
libc.pow.argtypes, libc.pow.restype = [c_double, c_double], c_double
libc.sqrtf.argtypes, libc.sqrtf.restype = [c_float], c_float
print(libc.pow(2, 0.5), libc.sqrtf(2.0))
libc.llabs.argtypes, libc.llabs.restype = [c_int64], c_int64
libc.strtoll.argtypes, libc.strtoll.restype = [c_char_p, c_void_p, c_int], c_int64
print(libc.llabs(-2**40), libc.strtoll(b"-9007199254740993", None, 10))


class Division(Structure):
    _fields_ = [("quotient", c_int), ("remainder", c_int)]


class LongDivision(Structure):
    _fields_ = [("quotient", c_int64), ("remainder", c_int64)]


libc.div.argtypes, libc.div.restype = [c_int, c_int], Division
libc.lldiv.argtypes, libc.lldiv.restype = [c_int64, c_int64], LongDivision
small, large = libc.div(17, 5), libc.lldiv(-2**40, 1000)
print(small.quotient, small.remainder, large.quotient, large.remainder)

# Callbacks.
compare_type = CFUNCTYPE(c_int, POINTER(c_int), POINTER(c_int))
calls = 0


@compare_type
def compare(one, other):
    global calls
    calls += 1
    return (one[0] > other[0]) - (one[0] < other[0])


numbers = (c_int * 8)(5, 3, 8, -1, 0, 99, 2, 7)
libc.qsort.restype = None
libc.qsort(numbers, len(numbers), ctypes.sizeof(c_int), compare)
print(list(numbers), calls >= 7)
key = c_int(99)
libc.bsearch.restype = POINTER(c_int)
print(libc.bsearch(byref(key), numbers, len(numbers), ctypes.sizeof(c_int), compare)[0])
for result, arguments, values in [(c_double, [c_double, c_float, c_int64], (1.5, 2.5, 2**40)), (c_int64, [c_int64, c_uint8, c_int16], (-2**50, 255, -3)),
                                  (c_float, [c_int, c_double], (3, 0.25)), (c_int, [], ()), (None, [c_int], (1,))]:
    seen = []
    pointer = CFUNCTYPE(result, *arguments)(lambda *values: seen.append(values) or (sum(values) if result else None))
    print(pointer(*values), seen)


class Point(Structure):
    _fields_ = [("x", c_int), ("y", c_int)]


class Mixed(Structure):
    _fields_ = [("a", c_uint8), ("b", c_double), ("c", c_int16 * 3)]


class Both(Union):
    _fields_ = [("whole", c_int64), ("parts", c_int * 2)]


class Bits(Structure):
    _fields_ = [("low", c_int, 4), ("high", ctypes.c_uint, 12)]


add = CFUNCTYPE(c_int, Point)(lambda point: point.x + point.y)
print(add(Point(1, 2)), ctypes.sizeof(Mixed), Mixed.b.offset, Both(whole=1 << 32 | 5).parts[:], Bits(-3, 4095).low, Bits(0, 4095).high)
measure = CFUNCTYPE(c_double, Mixed, c_double)(lambda mixed, factor: (mixed.a + mixed.b + sum(mixed.c)) * factor)
print(measure(Mixed(1, 2.5, (c_int16 * 3)(1, 2, 3)), 2.0))


# Varargs.
buffer = ctypes.create_string_buffer(100)
libc.snprintf.argtypes = [c_char_p, c_size_t, c_char_p]
print(libc.snprintf(buffer, 100, b"%d %s %.3f %lld %c", c_int(7), c_char_p(b"text"), c_double(1.5), c_int64(2**40), c_int(65)), buffer.value)
print(libc.snprintf(buffer, 5, b"%s", c_char_p(b"truncated")), buffer.value)
found = (c_int(), c_double())
libc.sscanf.argtypes = [c_char_p, c_char_p]
print(libc.sscanf(b"12 3.5", b"%d %lf", byref(found[0]), byref(found[1])), found[0].value, found[1].value)
ctypes.pythonapi.PyBytes_FromFormat.argtypes, ctypes.pythonapi.PyBytes_FromFormat.restype = [c_char_p], ctypes.py_object
print(ctypes.pythonapi.PyBytes_FromFormat(b"no more arguments"), ctypes.pythonapi.PyBytes_FromFormat(b"%d-%s", c_int(5), c_char_p(b"text")))

# Memory.
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes, libc.free.restype = c_void_p, [c_size_t], [c_void_p], None
memory = libc.malloc(16)
ctypes.memset(memory, 0x41, 15)
ctypes.memmove(memory, b"moved", 5)
print(ctypes.string_at(memory, 15), (c_uint8 * 4).from_address(memory)[:])
libc.free(memory)
wide = ctypes.create_unicode_buffer("grüße")
print(wide.value, ctypes.wstring_at(wide), ctypes.sizeof(c_long) == ctypes.sizeof(c_void_p))
try:
    libc.no_such_function
except AttributeError as error:
    print("missing", "no_such_function" in str(error))
attempt("argument", libc.strlen, 5)
attempt("too few", lambda: libc.pow(1.0))
try:
    ctypes.CDLL("no-such-library.so")
except OSError as error:
    print("library", "no-such-library.so" in str(error))
attempt("null", lambda: POINTER(c_int)()[0])


@CFUNCTYPE(c_int, c_int)
def raising(value):
    raise ValueError("in a callback")


import sys

sys.unraisablehook = lambda problem: print("unraisable", type(problem.exc_value).__name__, problem.exc_value)
print(type(raising(5)))
print(ctypes.pythonapi.Py_GetVersion is not None, ctypes.PYFUNCTYPE(ctypes.py_object, c_long)(("PyLong_FromLong", ctypes.pythonapi))(77))
ctypes.pythonapi.PyLong_AsLong.argtypes = [ctypes.py_object]
attempt("Python's error", ctypes.pythonapi.PyLong_AsLong, "x")
closures = [CFUNCTYPE(c_int, c_int)(lambda value, n=n: value + n) for n in range(2000)]
print(sum(closure(1) for closure in closures))
del closures
print(sum(CFUNCTYPE(c_int, c_int)(lambda value: value)(n) for n in range(5000)))
