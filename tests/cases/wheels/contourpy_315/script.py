"""The extension module of contourpy, in C++ with pybind11; for this Python there is no numpy to have the rest of the package with."""
import importlib.machinery
import importlib.util
import sysconfig

folder = sysconfig.get_path("purelib") + "/contourpy/"
suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
loader = importlib.machinery.ExtensionFileLoader("contourpy._contourpy", folder + "_contourpy" + suffix)
spec = importlib.util.spec_from_loader("contourpy._contourpy", loader)
module = importlib.util.module_from_spec(spec)
loader.exec_module(module)

print(module.__version__, module.max_threads())
for kind in ["FillType", "LineType", "ZInterp"]:
    enumeration = getattr(module, kind)
    print(kind, {name: int(value) for name, value in enumeration.__members__.items()})
print(module.FillType.OuterCode, module.FillType.OuterCode == module.FillType.OuterCode, module.LineType(101))
for wrong in [
    lambda: module.FillType("x"),
    lambda: module.SerialContourGenerator(),
    lambda: module.SerialContourGenerator(1, 2, 3, 4),
    lambda: module.FillType.nothing,
]:
    try:
        wrong()
        print("no error")
    except Exception as error:
        print(type(error).__name__, str(error).splitlines()[0] if str(error) else "")
for generator in ["Mpl2005ContourGenerator", "Mpl2014ContourGenerator", "SerialContourGenerator", "ThreadedContourGenerator"]:
    kind = getattr(module, generator)
    print(generator, kind.__mro__[1].__name__, hasattr(kind, "create_contour"))
print(module.SerialContourGenerator.supports_fill_type(module.FillType.OuterOffset))
