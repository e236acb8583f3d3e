"""numpy: dtypes, ufuncs, indexing, linalg, fft, random, strings, files, and the errors and warnings of each."""
import io
import pickle
import warnings

import numpy as np

np.set_printoptions(precision=6, suppress=True)


def attempt(what, function, *arguments, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            print(what, "->", repr(function(*arguments, **options)))
        except Exception as error:
            print(what, "->", type(error).__module__, type(error).__name__, str(error).splitlines()[0])
    for warning in caught:
        print("    warned", warning.category.__name__, str(warning.message).splitlines()[0])


def hashed(array):
    """A sum of an array's bytes that does not depend on how they are printed."""
    import hashlib
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


print(np.__version__, np.intp(0).itemsize, np.dtype(int), np.dtype(np.longdouble).itemsize, np._core._multiarray_umath.__name__)

# dtypes
for code in "?bBhHiIlLqQefdFDgGSUVOMm":
    dtype = np.dtype(code)
    print(code, dtype.str, dtype.itemsize, dtype.alignment, dtype.kind, np.zeros(2, dtype).tolist() if code != "V" else "")
record = np.dtype([("id", "<i4"), ("point", [("x", ">f8"), ("y", "f4")]), ("name", "U5"), ("bits", "u1", (2, 3))], align=True)
print(record, record.itemsize, [record.fields[name][1] for name in record.names])
table = np.zeros(3, record)
table["point"]["x"] = [1.5, -2, 1e300]
table["name"] = ["a", "ü", "toolong"]
print(table[["id", "name"]], table["point"]["x"].sum(), hashed(table))
for pair in [("i1", "u1"), ("u8", "i8"), ("f4", "i8"), ("f2", "c8"), ("U3", "S5"), ("M8[s]", "m8[D]")]:
    attempt(f"promote {pair}", np.promote_types, *pair)
print(np.finfo(np.float32).eps, np.iinfo(np.int64).max, np.can_cast("i8", "f8", "safe"))
attempt("overflow", np.array, [300], dtype="i1")
attempt("cast", lambda: np.array([1e20, -1.5, np.nan]).astype("i4").dtype)
attempt("promotion", np.add, np.array(["a"]), 1)
attempt("python int", lambda: np.uint8(1) + 300)
attempt("bad dtype", np.dtype, "nothing")
attempt("longdouble", lambda: np.finfo(np.longdouble).nmant)

# arrays and indexing
a = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
print(a[1, ::-1, [0, 2]], a[a % 5 == 0], a.T.strides, a[..., np.newaxis, 1].shape, a.swapaxes(0, 2).flags.c_contiguous)
print(np.lib.stride_tricks.sliding_window_view(np.arange(6), 3).sum(axis=1), np.broadcast_shapes((3, 1), (1, 4)))
view = np.array(memoryview(b"\x01\x02\x03\x04"), copy=False)
print(view, np.frombuffer(b"\x00\x00\x80?", "<f4"), np.unravel_index([5, 23], a.shape), np.ix_([0], [1, 2])[1].tolist())
print(np.concatenate([a[0], a[1]], axis=1).shape, np.einsum("ijk,ijl->kl", a, a).tolist(), np.tensordot(a, a, 3))
print(np.sort([3, 1, 2])[::-1], np.argsort([3.0, np.nan, -1], kind="stable"), np.partition([5, 1, 4, 2], 2)[:2].tolist(), np.searchsorted([1, 3, 5], [0, 3, 9]))
print(np.unique([3, 1, 1, 2], return_counts=True), np.histogram([1, 2, 2, 5], bins=4), np.cumsum([[1, 2], [3, 4]], axis=0).tolist())
print(np.quantile([1, 2, 3, 4], [0.1, 0.5]), np.std([1, 2, 3, 4], ddof=1), np.median([3, 1, 2]), np.interp(2.5, [1, 2, 3], [3, 2, 0]), np.gradient([1, 2, 4]))
attempt("reshape", a.reshape, 5, 5)
attempt("index", lambda: a[2])
attempt("index type", lambda: a["x"])
attempt("broadcast", lambda: np.ones(3) + np.ones(4))
attempt("ragged", np.array, [[1, 2], [3]])
attempt("axis", a.sum, axis=3)
attempt("read-only", lambda: np.broadcast_to(1, (2,)).__setitem__(0, 5))
attempt("huge", np.zeros, (2**20, 2**20))
attempt("negative", np.empty, -1)
attempt("truth", bool, np.array([1, 2]))
attempt("concatenate", np.concatenate, [np.ones((2, 2)), np.ones(2)])

# ufuncs
x = np.linspace(0.1, 2, 7)
for name in ["sin", "cos", "tan", "arcsinh", "exp", "expm1", "log", "log1p", "log2", "sqrt", "cbrt", "tanh", "floor", "rint", "reciprocal", "spacing"]:
    print(name, getattr(np, name)(x), getattr(np, name)(x.astype("f4")).dtype)
print(np.add.reduce(np.arange(10.0)), np.multiply.accumulate([1, 2, 3, 4]), np.subtract.outer([1, 2], [3, 4]).tolist(), np.add.reduceat(np.arange(8), [0, 4, 1, 5]))
counts = np.zeros(3)
np.add.at(counts, [0, 0, 2], 1.5)
print(counts, np.bitwise_count(np.array([255, 1])), np.gcd(12, [8, 18]), np.left_shift(1, [1, 5]), np.divmod([7, -7], 3), np.hypot(3, 4), np.logaddexp(1, 2))
print(np.frompyfunc(lambda p, q: f"{p}{q}", 2, 1)([1, 2], ["a", "b"]), np.vectorize(divmod)([7, 8], 3), np.sqrt.types[:4], np.modf([-1.5, 2.25]), np.frexp(10.0))
print((1 + 2j) ** np.array([2, 0.5]), np.angle(1j), np.abs([3 + 4j]), np.exp(1j * np.pi).round(12), np.sqrt(np.array([-1 + 0j])))
attempt("divide", lambda: np.array([1.0, -1, 0]) / 0)
attempt("integer divide", lambda: np.array([1, 2]) // 0)
attempt("invalid", np.sqrt, -1.0)
attempt("overflow exp", np.exp, np.float32(1000))
attempt("overflow int", lambda: np.int32(2**31 - 1) + np.int32(1))
with np.errstate(all="raise"):
    attempt("raise divide", lambda: np.array([1.0]) / 0)
    attempt("raise invalid", lambda: np.log(np.array([-1.0])))
    attempt("raise overflow", lambda: np.float64(1e308) * 10)
    attempt("raise underflow", lambda: np.exp(np.array([-800.0])))
with np.errstate(divide="call", call=lambda kind, flag: print("    called", kind, flag)):
    attempt("call", lambda: np.array([1.0]) / 0)
attempt("ufunc type", np.sin, "x")
attempt("ufunc out", lambda: np.add(1, 2, out=np.zeros((), "i1")))
attempt("ufunc casting", lambda: np.add([1.5], [2], out=np.zeros(1, int)))
attempt("ufunc arguments", np.add, 1)
attempt("vectorize raising", np.vectorize(lambda value: 1 // value), [1, 0])
attempt("matmul", lambda: np.ones((2, 3)) @ np.ones((2, 3)))

# linalg
rng = np.random.default_rng(12345)
m = rng.standard_normal((6, 6))
spd = m @ m.T + np.eye(6)
print(np.allclose(np.linalg.inv(m) @ m, np.eye(6)), np.linalg.det(m).round(6), np.linalg.slogdet(spd), np.linalg.matrix_rank(np.outer(range(4), range(4))))
print(np.allclose(m @ np.linalg.solve(m, np.arange(6.0)), np.arange(6)), np.linalg.norm(m).round(6), np.linalg.cond(spd).round(4))
u, s, vh = np.linalg.svd(m)
q, r = np.linalg.qr(m)
print(s, np.allclose(u * s @ vh, m), np.allclose(q @ r, m), np.allclose(np.linalg.cholesky(spd) @ np.linalg.cholesky(spd).T, spd))
print(np.linalg.eigvalsh(spd), np.sort(np.abs(np.linalg.eigvals(m))), np.allclose(np.linalg.pinv(m[:, :3]) @ m[:, :3], np.eye(3)))
w, v = np.linalg.eig(m + 0j)
print(np.allclose((m + 0j) @ v, v * w), np.linalg.lstsq(m[:, :2], np.arange(6.0))[0], np.linalg.matrix_power([[1, 1], [1, 0]], 30).tolist())
print(np.linalg.inv(np.stack([np.eye(2) * k for k in (1, 2, 4)])).sum(axis=(1, 2)), np.linalg.det(np.zeros((0, 0))), np.kron([1, 2], [1, 1]), np.cross([1, 0, 0], [0, 1, 0]))
print(np.linalg.svd(m.astype("f4"), compute_uv=False), np.linalg.eigvalsh(np.array([[2, 1j], [-1j, 2]])))
attempt("singular", np.linalg.inv, np.zeros((2, 2)))
attempt("not square", np.linalg.det, np.ones((2, 3)))
attempt("not positive", np.linalg.cholesky, -np.eye(2))
attempt("nan", np.linalg.eigvals, np.full((2, 2), np.nan))
attempt("svd nan", np.linalg.svd, np.full((2, 2), np.nan))
attempt("shape", np.linalg.solve, np.eye(2), np.ones(3))
attempt("half", np.linalg.inv, np.eye(2, dtype="f2"))

# fft
signal = np.sin(2 * np.pi * 3 * np.arange(30) / 30) + 0.5
print(np.round(np.abs(np.fft.fft(signal))[:5], 6), np.allclose(np.fft.ifft(np.fft.fft(signal)), signal), np.allclose(np.fft.irfft(np.fft.rfft(signal)), signal))
for n in [1, 2, 7, 16, 97, 1000, 1009]:
    z = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    dft = np.exp(-2j * np.pi * np.outer(range(n), range(n)) / n) @ z
    print(n, np.allclose(np.fft.fft(z), dft), np.fft.fft(z.astype("c8")).dtype)
print(np.allclose(np.fft.ifft2(np.fft.fft2(m)), m), np.fft.fftshift(np.fft.fftfreq(5)), np.fft.rfftn(m).shape, np.fft.hfft([1, 2, 3]))
attempt("fft length", np.fft.fft, [1, 2], n=0)
attempt("fft axis", np.fft.fft, [1, 2], axis=5)
attempt("fft text", np.fft.fft, ["x"])

# random
for generator in ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"]:
    g = np.random.Generator(getattr(np.random, generator)(42))
    print(generator, g.integers(0, 1000, 5), g.random(2), g.standard_normal(2), g.bytes(4).hex(), g.permutation(5), hashed(g.integers(0, 2**62, 1000)))
old = np.random.RandomState(7)
print(old.rand(2), old.randn(2), old.randint(0, 100, 5), old.choice(["a", "b", "c"], 3), old.get_state()[0])
g = np.random.default_rng(99)
for name, arguments in [("binomial", (10, 0.3)), ("poisson", (4.0,)), ("gamma", (2.0,)), ("beta", (1.0, 2.0)), ("exponential", ()), ("zipf", (2.5,)),
                        ("hypergeometric", (10, 5, 4)), ("multinomial", (5, [0.2, 0.8])), ("dirichlet", ([1.0, 2.0],)), ("vonmises", (0.0, 1.0)),
                        ("multivariate_normal", ([0, 0], np.eye(2))), ("geometric", (0.2,)), ("logseries", (0.5,)), ("wald", (1.0, 2.0)), ("triangular", (0, 1, 2))]:
    print(name, getattr(g, name)(*arguments, size=3).tolist())
print(g.choice(10, 4, replace=False), g.shuffle(np.arange(3)), [round(child.random(), 6) for child in np.random.default_rng(5).spawn(2)], np.random.SeedSequence(5).generate_state(2))
state = g.bit_generator.state
first = g.random(3)
g.bit_generator.state = state
print((g.random(3) == first).all(), (pickle.loads(pickle.dumps(g)).random(2) == g.random(2)).all(), len(set(np.random.default_rng().bytes(8) for _ in range(9))))
attempt("range", g.integers, 5, 5)
attempt("probability", g.binomial, 5, 1.5)
attempt("choice", g.choice, [], 1)
attempt("choice p", g.choice, 2, p=[0.5, 0.6])
attempt("seed", np.random.RandomState, -1)
attempt("scale", g.normal, 0, -1)

# strings, dates, masks, polynomials, files
print(np.strings.upper(np.array(["ab", "ü"])), np.strings.find(["hello"], "l"), np.char.add(["a"], ["b"]), np.array(["x", "long"], dtype=np.dtypes.StringDType()))
print(np.datetime64("2024-02-29T12:00") - np.datetime64("2023-01-01"), np.busday_count("2024-01-01", "2024-02-01"), np.array(["2024-01", "NaT"], "M8[M]"))
print(np.ma.masked_array([1, 2, 3], [0, 1, 0]).mean(), np.ma.masked_invalid([1, np.nan]).filled(0), np.poly1d([1, -3, 2]).roots, np.polynomial.Chebyshev([1, 2, 3])(0.5), np.polyfit([0, 1, 2], [1, 3, 7], 2).round(6))
saved = io.BytesIO()
np.savez_compressed(saved, a=a, table=table)
saved.seek(0)
loaded = np.load(saved)
print(sorted(loaded.files), (loaded["a"] == a).all(), hashed(loaded["table"]) == hashed(table), pickle.loads(pickle.dumps(a, 5)).sum())
np.save("array.npy", a)
np.array([1, 2, 3, 4], "i4").tofile("array.dat")
print(np.load("array.npy", mmap_mode="r")[1, 2, 3], np.fromfile("array.dat", "i4"), np.loadtxt(io.StringIO("1,2\n3,4"), delimiter=",").tolist(), np.genfromtxt(io.StringIO("1 x\n3 4")))
np.savetxt("array.txt", m[:2, :2], fmt="%.3f")
print(open("array.txt").read().split())
attempt("datetime", np.datetime64, "2024-02-30")
attempt("busday", np.busday_offset, "2024-01-06", 1)
attempt("load", np.load, io.BytesIO(b"nothing"))
attempt("pickle", np.load, io.BytesIO(b"\x80\x05]."), allow_pickle=False)
attempt("loadtxt", np.loadtxt, io.StringIO("1 2\nx y"))
attempt("missing", np.load, "missing.npy")
attempt("testing", np.testing.assert_allclose, [1.0], [1.1])
print(np.array2string(np.array([1e-10, 1, 1e10]), precision=3), np.float32(0.1), np.float64(1e23), np.format_float_scientific(np.longdouble(1) / 3, precision=10), repr(np.float16(65504)))
