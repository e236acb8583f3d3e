#!/bin/bash
# Puts numpy's own tests beside the numpy that is tested.
#
# Owns: FOLDER/numpy: the wheel of testdata/wheels, with the tests out of PyPI's wheel of the same version for Linux, since the one
# for WebAssembly has none. usage: numpy-suite.sh FOLDER; then numpy-helpers.sh makes the compiled helpers that the tests want, which
# are in neither. Needs: pip, python3, unzip
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wheel=$(echo "$here"/../../testdata/wheels/numpy-2.5.5-*.whl)
mkdir -p "$1"
cd "$1"
rm -rf numpy native
pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_27_x86_64 --python-version 3.14 --implementation cp --abi cp314 --dest native numpy==2.5.5
unzip -q -n native/*.whl 'numpy/*/tests/*' numpy/conftest.py -d .
unzip -q -o "$wheel" -d .
cp "$here/numpy_simd.py" numpy/_core/_simd.py
rm -rf native
