"""The runtime of mypyc, in C: seven extension modules."""
import base64
import librt.base64
import librt.random
import librt.strings
import librt.time
import librt.vecs
import time

data = bytes(range(256)) * 3
print(librt.base64.b64encode(data) == base64.b64encode(data))
print(librt.base64.urlsafe_b64decode(base64.urlsafe_b64encode(data)) == data)
try:
    librt.base64.b64decode("a")
except ValueError as error:
    print(type(error).__name__, error)

writer = librt.strings.BytesWriter()
librt.strings.write_i32_be(writer, -2)
librt.strings.write_f64_le(writer, 0.1)
librt.strings.write_u64_le(writer, 2**64 - 1)
librt.strings.write_f32_be(writer, 1.5)
written = writer.getvalue()
print(written.hex(), len(writer))
print(librt.strings.read_i32_be(written, 0), librt.strings.read_f64_le(written, 4))
print(librt.strings.read_u64_le(written, 12), librt.strings.read_f32_be(written, 20))
for wrong in [lambda: librt.strings.read_i64_le(written, 17), lambda: librt.strings.write_i16_le(writer, 1 << 15)]:
    try:
        wrong()
        print("no error")
    except Exception as error:
        print(type(error).__name__, error)
text = librt.strings.StringWriter()
for part in ["ascii ", "ä ", "€ ", "😀"]:
    text.write(part)
text.append(0x1F40D)
print(text.getvalue(), len(text))
print([librt.strings.isalpha(ord(c)) for c in "aß1€"], chr(librt.strings.toupper(ord("ä"))))

one, other = librt.random.Random(7), librt.random.Random(7)
print([one.randint(0, 1 << 40) for _ in range(5)] == [other.randint(0, 1 << 40) for _ in range(5)])
print(one.random() == other.random(), 0 <= librt.random.random() < 1)
print(abs(librt.time.time() - time.time()) < 5)

vector = librt.vecs.vec[str](["a", "b", "c"])
vector = librt.vecs.append(vector, "d")
vector, last = librt.vecs.pop(vector)
print(list(vector), last, "b" in vector, len(vector[1:]))
