"""awkward-cpp: two C++ libraries opened by ctypes, and a pybind11 module on numpy arrays."""
import ctypes

import numpy as np

import awkward_cpp
from awkward_cpp import _kernel_signatures, cpu_kernels, libawkward
from awkward_cpp.lib import _ext


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", repr(function(*arguments, **options)))
    except Exception as error:
        print(what, "->", type(error).__name__, str(error).splitlines()[0])


def i64(*values):
    return (ctypes.c_int64 * len(values))(*values)


kernels = cpu_kernels.kernel
print(len(kernels) > 200, sorted(name for name in dir(_ext) if not name.startswith("__")))

# Kernels: every one is called by ctypes with int64, float and pointer arguments and gives a struct by value.
def call(name, *types_and_arguments):
    types, arguments = types_and_arguments[0], types_and_arguments[1:]
    error = kernels[name, *types](*arguments)
    print(name, [t.__name__ for t in types], error.str and error.str.decode(), error.id, error.attempt)


size = ctypes.c_int64(0)
call("awkward_ListOffsetArray_toRegularArray", (np.int64, np.int64), ctypes.byref(size), i64(0, 2, 4, 6), 4)
print(size.value)
call("awkward_ListOffsetArray_toRegularArray", (np.int64, np.int64), ctypes.byref(size), i64(0, 3, 3, 5), 4)
totals = (ctypes.c_double * 2)()
values = (ctypes.c_double * 5)(1.5, 2.5, 3.0, 10.0, -1.0)
call("awkward_reduce_sum", (np.float64, np.float64, np.int64), totals, values, i64(0, 3, 5), 2)
print(list(totals))
small = (ctypes.c_int64 * 2)()
call("awkward_reduce_sum", (np.int64, np.int8, np.int64), small, (ctypes.c_int8 * 4)(-128, 127, 1, 2), i64(0, 1, 4), 2)
print(list(small))
attempt("kernel type", lambda: kernels["awkward_reduce_sum", np.float64, np.float64, np.int64]("x", 1))

# ArrayBuilder: a C++ object behind a handle, whose errors come back as a flag.
def buffers(builder):
    """What a builder holds: its form, its length, and the bytes of its buffers."""
    form, length, container = builder.to_buffers()
    return form, length, {key: np.asarray(container[key]).tobytes().hex() for key in sorted(container)}


builder = _ext.ArrayBuilder(initial=4, resize=1.5)
builder.beginlist()
for value in range(10):
    builder.integer(value)
builder.endlist()
builder.beginlist()
builder.real(1.5)
builder.null()
builder.boolean(True)
builder.endlist()
builder.beginlist()
builder.endlist()
print(len(builder), builder.form())
print(buffers(builder))
records = _ext.ArrayBuilder()
for n in range(3):
    records.beginrecord("point")
    records.field("x")
    records.integer(n)
    records.field("name")
    records.string("p%d" % n)
    records.field("z")
    records.complex(complex(n, -n))
    records.field("when")
    records.datetime(np.datetime64("2024-02-29T12:00", "s"))
    records.endrecord()
print(buffers(records))
objects = _ext.ArrayBuilder()
objects.fromiter({"a": [1, 2.5, None], "b": (True, "text", b"bytes")})
print(objects.form(), len(objects))
attempt("endlist", _ext.ArrayBuilder().endlist)
attempt("endrecord", _ext.ArrayBuilder().endrecord)
attempt("field", lambda: _ext.ArrayBuilder().field("x"))
attempt("index", lambda: _ext.ArrayBuilder().index(3))
attempt("wrong type", lambda: _ext.ArrayBuilder().integer("x"))
attempt("wrong arguments", lambda: _ext.ArrayBuilder("x", 1, 2, 3))
attempt("datetime", lambda: _ext.ArrayBuilder().datetime([1]))
attempt("fromiter", lambda: _ext.ArrayBuilder().fromiter({1}))
handle, length = ctypes.c_void_p(objects._ptr), ctypes.c_int64()
print(libawkward.lib.awkward_ArrayBuilder_integer(handle, ctypes.c_int64(2**40)), end=" ")
print(libawkward.ArrayBuilder_length(handle, ctypes.byref(length)), length.value, libawkward.ArrayBuilder_endlist(handle))


# JSON, read by RapidJSON inside the library through a Python object's `read`.
class Source:
    def __init__(self, text):
        self.text, self.at = text.encode("utf-8", "surrogatepass"), 0

    def read(self, size):
        part = self.text[self.at:self.at + size]
        self.at += len(part)
        return part


def read(text):
    builder = _ext.ArrayBuilder()
    _ext.fromjsonobj(Source(text), builder, True, 16, "nan", "inf", "-inf")
    return buffers(builder)


for text in ['[{"x": 1, "y": [1.1, 2.2]}, {"x": 2, "y": []}]', "[1, 2", '{"a": nul}', "[[[]]]", '["nan", 1]', "1e400", "", "[1] 2"]:
    attempt("json " + text, read, text)
attempt("json source", _ext.fromjsonobj, object(), _ext.ArrayBuilder(), True, 16, "nan", "inf", "-inf")

# Forth: a virtual machine with errors of its own.
machine = _ext.ForthMachine32("input in output out int32 : square dup * ; begin in #i-> stack 3 square in i-> out again")
attempt("forth", machine.run, {"in": np.arange(5, dtype=np.int32)})
fibonacci = _ext.ForthMachine64("0 1 10 0 do over over + loop")
fibonacci.run()
print(fibonacci.stack, fibonacci.is_done, fibonacci.decompiled.split())
attempt("forth halt", _ext.ForthMachine32("1 2 halt").run)
attempt("forth underflow", _ext.ForthMachine32("1 +").run)
attempt("forth overflow", _ext.ForthMachine32("begin 1 again", stack_size=16).run)
attempt("forth recursion", _ext.ForthMachine32(": f f ; f", recursion_depth=64).run)
attempt("forth division", _ext.ForthMachine32("1 0 /").run)
attempt("forth syntax", _ext.ForthMachine32, ": unclosed")
attempt("forth word", _ext.ForthMachine32, "no-such-word")
