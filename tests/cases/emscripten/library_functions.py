"""Functions that Emscripten has in JavaScript, by ctypes: those that a C program may expect of any host."""
import ctypes
import math
import re
import time

libc = ctypes.CDLL(None)


def function(name, result, *arguments):
    found = libc[name]
    found.restype, found.argtypes = result, arguments
    return found


def text(name, *arguments, types=()):
    """What a function writes into a buffer that is its last argument."""
    buffer = ctypes.create_string_buffer(64)
    function(name, None, *types, ctypes.c_char_p)(*arguments, buffer)
    return buffer.value.decode()


class Protocol(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("aliases", ctypes.POINTER(ctypes.c_char_p)), ("number", ctypes.c_int)]


pointer = ctypes.POINTER(Protocol)
by_name = function("getprotobyname", pointer, ctypes.c_char_p)
by_number = function("getprotobynumber", pointer, ctypes.c_int)
for find, argument in [(by_name, b"tcp"), (by_name, b"UDP"), (by_name, b"ipv6-icmp"), (by_number, 1), (by_number, 0)]:
    record = find(argument).contents
    print(record.name, record.number, record.aliases[0])
print(bool(by_name(b"nothing")), bool(by_number(254)), bool(by_name(b"t" * 5000)))
function("setprotoent", None, ctypes.c_int)(1)
after = function("getprotoent", pointer)
names = []
while record := after():
    names.append(record.contents.name)
print(len(names) == len(set(names)) > 2, b"tcp" in names, b"udp" in names)
function("endprotoent", None)()
print(after().contents.name == names[0])

uuid = ctypes.create_string_buffer(16)
function("uuid_generate", None, ctypes.c_char_p)(uuid)
print(bool(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text("uuid_unparse", uuid, types=[ctypes.c_char_p]))))
parse = function("uuid_parse", ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p)
print(parse(b"00112233-4455-6677-8899-AABBCCDDEEFF", uuid), text("uuid_unparse_upper", uuid, types=[ctypes.c_char_p]))
print(parse(b"00112233-4455-6677-8899-AABBCCDDEEF", uuid), function("uuid_is_null", ctypes.c_int, ctypes.c_char_p)(uuid))

number = ctypes.c_double
for name, argument in [("sin", 1.0), ("round", 2.5), ("round", -2.5), ("sign", -3.0), ("cbrt", 27.0), ("log2", 8.0)]:
    print(name, function("emscripten_math_" + name, number, number)(argument))
print(function("emscripten_math_pow", number, number, number)(1.0, math.inf), function("emscripten_math_fmod", number, number, number)(-7.5, 2.0))
several = (number * 2)(3.0, 4.0)
print(function("emscripten_math_hypot", number, ctypes.c_int, ctypes.c_void_p)(2, several))
print(0 <= function("emscripten_random", ctypes.c_float)() < 1)

buffer = ctypes.create_string_buffer(64)
shown = function("emscripten_print_double", ctypes.c_int, number, ctypes.c_char_p, ctypes.c_int)
print(shown(0.1, buffer, 64), buffer.value, shown(1e21, None, 0), shown(1 / 3, buffer, 5), buffer.value)
now = function("emscripten_date_now", number)()
print(abs(now / 1000 - time.time()) < 60, function("emscripten_get_now", number)() > 0)
for name in ["has_asyncify", "has_threading_support", "num_logical_cores", "is_main_browser_thread"]:
    print(name, function("emscripten_" + name, ctypes.c_int)())

save = function("stackSave", ctypes.c_uint)
before = save()
room = function("stackAlloc", ctypes.c_uint, ctypes.c_uint)(100)
print(room <= before - 100 and room % 16 == 0)
function("stackRestore", None, ctypes.c_uint)(before)
print(save() == before)
stack = ctypes.create_string_buffer(100_000)
length = function("emscripten_get_callstack", ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)(0, stack, 100_000)
print(length == len(stack.value) + 1, len(stack.value.splitlines()) > 5, stack.value.startswith(b"    at "))
print(function("emscripten_return_address", ctypes.c_uint, ctypes.c_int)(0) > 0, libc.emscripten_return_address(1 << 20))
seen = []
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint, ctypes.c_uint)(lambda context, data: seen.append((context, data)) or 0)
print(function("_Unwind_Backtrace", ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)(callback, 7), len(seen) > 5, {data for _, data in seen})

print("before", flush=True)
line = function("emscripten_console_log", None, ctypes.c_char_p)
line("to the console: ä".encode())
line(b"")
function("emscripten_out", None, ctypes.c_char_p)(b"out")
function("emscripten_outn", None, ctypes.c_char_p, ctypes.c_int)(b"a part of it", 6)
function("emscripten_err", None, ctypes.c_char_p)(b"not here")
function("emscripten_console_warn", None, ctypes.c_char_p)(b"nor here")
function("emscripten_log", None, ctypes.c_int, ctypes.c_char_p)(1, b"%% as printf has it")
print("after")

for name in ["eglGetDisplay", "emscripten_fetch", "no_such_function"]:
    try:
        libc[name]
        print(name)
    except AttributeError:
        print("no", name)
