"""xxhash: every algorithm against the values of its specification, streaming, seeds, errors."""
import xxhash


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", repr(function(*arguments, **options)))
    except Exception as error:
        print(what, "->", type(error).__name__, str(error))


print(xxhash.VERSION, xxhash.XXHASH_VERSION, sorted(xxhash.algorithms_available))
data = bytes(range(256)) * 41
for name in ["xxh32", "xxh64", "xxh3_64", "xxh3_128", "xxh128"]:
    new = getattr(xxhash, name)
    for length in [0, 1, 3, 4, 8, 9, 16, 17, 32, 128, 129, 240, 241, 1024, 10007]:
        print(name, length, new(data[:length]).hexdigest(), getattr(xxhash, name + "_intdigest")(data[:length], seed=2654435761))
    whole, parts = new(seed=42), new(seed=42)
    whole.update(data)
    for at in range(0, len(data), 13):
        parts.update(data[at:at + 13])
    print(name, whole.digest() == parts.digest(), whole.digest_size, whole.block_size, whole.name, whole.seed)
    copy = parts.copy()
    copy.update(b"more")
    print(copy.hexdigest() != parts.hexdigest(), repr(parts).split(" at ")[0])
    parts.reset()
    print(parts.hexdigest() == new(seed=42).hexdigest())
for argument in [bytearray(b"abc"), memoryview(b"abc"), "abc"]:
    attempt(type(argument).__name__, xxhash.xxh64_hexdigest, argument)
attempt("number", xxhash.xxh64, 5)
attempt("none", xxhash.xxh32_digest, None)
attempt("negative seed", xxhash.xxh64_hexdigest, b"", seed=-1)
attempt("long seed", xxhash.xxh32_hexdigest, b"", seed=2**40)
attempt("seed text", xxhash.xxh32_hexdigest, b"", seed="x")
attempt("update", xxhash.xxh3_64().update, 1.5)
attempt("strided", xxhash.xxh64, memoryview(b"abcdef")[::2])
