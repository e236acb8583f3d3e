"""The parts of the C library by the names that they have on other systems, as programs that use ctypes open them."""

import ctypes
import ctypes.util

for name in ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"]:
    print(name, type(ctypes.CDLL(name)).__name__)

libc = ctypes.CDLL("libc.so.6")
print(libc.abs(-3), libc.strlen(b"four"))
libm = ctypes.CDLL("libm.so.6", mode=ctypes.RTLD_GLOBAL)
libm.cos.restype, libm.cos.argtypes = ctypes.c_double, [ctypes.c_double]
print(libm.cos(0.0))

# None, which is the program, where there is no file of it.
found = ctypes.CDLL(ctypes.util.find_library("c"))
print(found.strlen(b"seven77"))
print(ctypes.CDLL(ctypes.util.find_library("m")).abs(-8))

for name in ["libc.so.6x", "libnothing.so.6", "/nowhere/libc.so.6", "./libc.so.6"]:
    try:
        ctypes.CDLL(name)
        print(name, "opened")
    except OSError as error:
        print(name, type(error).__name__)
