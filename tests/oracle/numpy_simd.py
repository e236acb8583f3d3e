"""Stands for numpy's `_simd`, the tests' way to the vector instructions of a processor: there are none in this build of numpy.

Owns: why the tests of it are skipped.
"""
import pytest

pytest.skip("numpy._core._simd is not in the wheel: it is built without vector instructions", allow_module_level=True)
