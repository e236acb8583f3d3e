"""msgpack: the C extension is in use; packing, unpacking, hooks, streams, and each kind of error."""
import datetime
import io
import struct

import msgpack
from msgpack import ExtType, Packer, Timestamp, Unpacker


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", repr(function(*arguments, **options)))
    except BaseException as error:
        print(what, "->", type(error).__module__, type(error).__qualname__, str(error))


print(msgpack.version, Packer.__module__, Unpacker.__module__)
samples = [
    None, True, False, 0, -1, 127, 128, -32, -33, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63, 2**64 - 1, -(2**63),
    0.0, -0.0, 1.5, 1e308, float("inf"), "", "a" * 31, "a" * 32, "grüße 🎉", b"", b"\x00\xff" * 3, [], [1, [2, [3]]], (1, 2),
    {}, {"k": [1, {"n": None}]}, ExtType(5, b"12345"), ExtType(42, b"x" * 300), Timestamp(1, 2), Timestamp(2**34, 999999999),
]
for sample in samples:
    packed = msgpack.packb(sample)
    back = msgpack.unpackb(packed, strict_map_key=False)
    print(len(packed), packed[:12].hex(), back == (list(sample) if isinstance(sample, tuple) else sample) or back)
nan = msgpack.unpackb(msgpack.packb(float("nan")))
print(nan != nan, msgpack.packb(1.5, use_single_float=True).hex())

moment = datetime.datetime(2024, 2, 29, 12, 30, 15, 250000, tzinfo=datetime.timezone.utc)
print(msgpack.packb(moment, datetime=True).hex(), msgpack.unpackb(msgpack.packb(moment, datetime=True), timestamp=3))
print(msgpack.packb({"z": {1, 2}}, default=sorted).hex())
print(msgpack.unpackb(msgpack.packb({"a": 1, "b": 2}), object_pairs_hook=lambda pairs: pairs))
print(msgpack.unpackb(msgpack.packb([1, [2]]), list_hook=tuple, use_list=True))
print(msgpack.unpackb(msgpack.packb(ExtType(9, b"abc")), ext_hook=lambda code, data: (code, data[::-1])))

stream = Unpacker(max_buffer_size=1 << 16)
wire = b"".join(msgpack.packb({"n": n, "square": n * n}) for n in range(50))
seen = 0
for at in range(0, len(wire), 7):
    stream.feed(wire[at:at + 7])
    for item in stream:
        seen += item["square"]
print(seen, stream.tell() == len(wire))
reader = Unpacker(io.BytesIO(msgpack.packb([1, 2, 3]) + msgpack.packb({"x": 1}) + msgpack.packb("tail")))
print(reader.read_array_header(), reader.unpack(), reader.unpack(), reader.unpack(), reader.read_map_header(), end=" ")
print(reader.unpack(), reader.unpack(), reader.unpack())
packer = Packer(autoreset=False)
packer.pack_array_header(2)
packer.pack(1)
packer.pack_map_header(0)
packer.pack_ext_type(3, b"e")
print(packer.bytes().hex(), len(packer.getbuffer()))
packer.reset()
print(packer.bytes())

attempt("too big", msgpack.packb, 2**64)
attempt("no type", msgpack.packb, object)
attempt("surrogate", msgpack.packb, "\ud800")
attempt("nested", msgpack.packb, [[[[]]]] and (lambda f: f(f, 600))(lambda f, n: [f(f, n - 1)] if n else []))
attempt("self", lambda: msgpack.packb((lambda a: (a.append(a), a)[1])([])))
attempt("default raises", msgpack.packb, object(), default=lambda value: 1 // 0)
attempt("truncated", msgpack.unpackb, b"\x93\x01\x02")
attempt("empty", msgpack.unpackb, b"")
attempt("reserved", msgpack.unpackb, b"\xc1")
attempt("extra", msgpack.unpackb, b"\x01\x02")
attempt("utf-8", msgpack.unpackb, b"\xa2\xff\xfe")
attempt("utf-8 replaced", msgpack.unpackb, b"\xa2\xff\xfe", unicode_errors="replace")
attempt("raw", msgpack.unpackb, b"\xa2\xff\xfe", raw=True)
attempt("int key", msgpack.unpackb, msgpack.packb({1: 2}))
attempt("int key allowed", msgpack.unpackb, msgpack.packb({1: 2}), strict_map_key=False)
attempt("list key", msgpack.unpackb, b"\x81\x90\x01", strict_map_key=False)
attempt("too long", msgpack.unpackb, msgpack.packb("x" * 100), max_str_len=10)
attempt("too deep", msgpack.unpackb, b"\x91" * 100000 + b"\x01")
attempt("hook raises", msgpack.unpackb, msgpack.packb({}), object_hook=lambda value: {}["missing"])
attempt("buffer full", Unpacker(max_buffer_size=4).feed, b"12345")
attempt("wrong argument", msgpack.unpackb, 5)
attempt("out of data", Unpacker().unpack)
attempt("struct", struct.unpack, ">I", b"\x00")
