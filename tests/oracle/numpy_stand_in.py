"""Stands for one of numpy's compiled test helpers, which are in no wheel for WebAssembly: a test that calls one is skipped."""


def get_fpu_mode():
    """The conftest asks before and after each test; WebAssembly has one mode."""
    return 0


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def skip(*arguments, **options):
        import pytest

        pytest.skip(f"{__name__}.{name} is compiled code that is not in the wheel", allow_module_level=True)

    return skip
