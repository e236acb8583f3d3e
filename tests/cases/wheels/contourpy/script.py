"""contourpy with numpy: contour lines and filled contours by every algorithm, and errors thrown in C++ through pybind11."""
import contourpy
import numpy as np
from contourpy import FillType, LineType, ZInterp, contour_generator


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", repr(function(*arguments, **options))[:200])
    except Exception as error:
        print(what, "->", type(error).__name__, str(error).splitlines()[0])


def summary(result):
    """Counts and rounded sums of nested lists of arrays: what must not depend on the order of additions."""
    if result is None:
        return "-"
    if isinstance(result, np.ndarray):
        return f"{result.dtype}{list(result.shape)}={np.round(result.astype(float).sum(), 6)}"
    return [summary(part) for part in result]


print(contourpy.__version__, contourpy.max_threads() >= 1, sorted(n for n in dir(contourpy) if n.endswith("Generator")))
y, x = np.meshgrid(np.linspace(-1, 1, 12), np.linspace(-2, 2, 15), indexing="ij")
z = np.round(np.sin(3 * x) * np.cos(4 * y), 12)
masked = np.ma.array(z, mask=(abs(x) < 0.4) & (abs(y) < 0.4))
for name in ["mpl2005", "mpl2014", "serial", "threaded"]:
    for values in [z, masked]:
        generator = contour_generator(x, y, values, name=name)
        print(name, type(generator).__name__, generator.chunk_count, generator.line_type, generator.fill_type)
        print("   ", summary(generator.lines(0.25)))
        print("   ", summary(generator.filled(-0.25, 0.5)))
for line_type in LineType.__members__.values():
    print(line_type, summary(contour_generator(z=z, name="serial", line_type=line_type, chunk_count=(2, 2)).lines(0.1)))
for fill_type in FillType.__members__.values():
    print(fill_type, summary(contour_generator(z=z, name="serial", fill_type=fill_type).filled(0.0, 0.6)))
print(summary(contour_generator(z=np.exp(z), z_interp=ZInterp.Log).lines(1.5)))
print(summary(contour_generator(z=z, corner_mask=False, quad_as_tri=True).multi_lines([0.0, 0.5])))
print(contour_generator(z=[[0, 1], [1, 0]]).lines(0.5))
print(contour_generator(z=[[0.0, 1], [np.nan, 0]]).filled(0.2, 0.8))
serial = contour_generator(z=z)
print(serial.create_contour(0.0)[0].shape, serial.supports_threads(), serial.default_line_type, serial.z_interp)
attempt("name", contour_generator, z=z, name="nothing")
attempt("shape", contour_generator, z=[1, 2, 3])
attempt("too small", contour_generator, z=[[1, 2]])
attempt("x shape", contour_generator, x=[1, 2], y=[1, 2], z=z)
attempt("levels", serial.filled, 0.5, 0.2)
attempt("nan levels", serial.filled, np.nan, 0.2)
attempt("level", serial.lines, "x")
attempt("chunks", contour_generator, z=z, chunk_size=-1)
attempt("chunks both", contour_generator, z=z, chunk_size=1, chunk_count=2)
attempt("line type", contour_generator, z=z, line_type="Nothing")
attempt("unsupported", contour_generator, z=z, name="mpl2005", line_type=LineType.ChunkCombinedNan)
attempt("log", contour_generator, z=z, z_interp=ZInterp.Log)
attempt("constructor", contourpy.SerialContourGenerator, 1, 2)
attempt("constructor shapes", contourpy.SerialContourGenerator, x, y[:3], z, np.zeros((1, 1), bool), True, LineType.Separate,
        FillType.OuterCode, False, ZInterp.Linear, 0, 0)
attempt("abstract", contourpy.ContourGenerator)
failures = 0
for n in range(500):
    try:
        serial.filled(1.0, 0.0)
    except ValueError:
        failures += 1
print(failures, summary(serial.lines(0.25)))
