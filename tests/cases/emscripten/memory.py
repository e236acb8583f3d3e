"""Allocations that cannot be had end in MemoryError, and the program goes on."""
import array


def attempt(what, function):
    try:
        function()
        print(what, "-> fine")
    except (MemoryError, OverflowError) as error:
        print(what, "->", type(error).__name__)


attempt("bytes", lambda: bytes(2**31 - 1000) and bytes(2**31 - 1000) * 2)
attempt("list", lambda: [0] * (2**29 - 10))
attempt("text", lambda: "ü" * (2**30 - 100) * 2)
attempt("array", lambda: array.array("d", [0]) * (2**28 - 10))
attempt("range", lambda: list(range(2**30)))
attempt("bytearray", lambda: bytearray(2**31 - 100).extend(bytearray(2**31 - 100)))
attempt("shift", lambda: 1 << (2**34))
kept = [bytearray(1_000_000) for _ in range(100)]
print(sum(map(len, kept)), sum(len(bytes(100_000)) for _ in range(2000)))
for size in [10**7, 10**8]:
    block = bytearray(size)
    block[-1] = 1
    print(block[0], block[-1], len(block))
    del block
