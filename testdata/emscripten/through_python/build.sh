#!/bin/bash
# Builds the wheels of C++ extension modules that throw through the interpreter.
#
# Owns: ../../wheels/through_python-*.whl. usage: build.sh PYTHON_INCLUDE   (a folder with Python.h and a pyconfig.h for wasm32-emscripten)
# One build for the stable ABI serves CPython 3.12 and later; `1` has the exception instructions that Pyodide's own packages have,
# `2` those of the standard.
# Needs: em++ 6.0.5, as Debian sid has it, and python3
set -eu
include=$(cd "$1" && pwd)
cd "$(dirname "$0")"
out=$(cd ../../wheels && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-O2 -fPIC -fwasm-exceptions -sSUPPORT_LONGJMP=wasm -std=c++20 -Wall -Wextra -DPy_LIMITED_API=0x030C0000 -I$include
    -ffile-prefix-map=$PWD=. -sSIDE_MODULE=1"
for version in 1 2; do
    mkdir -p "$work/$version/through_python-$version.dist-info"
    legacy=$((version == 1))
    for name in thrower catcher; do
        em++ $flags -sWASM_LEGACY_EXCEPTIONS=$legacy $name.cpp -o "$work/$version/$name.so"
    done
    python3 wheel.py through_python "$work/$version" "$version" "$out" pyodide_2025_0_wasm32 pyemscripten_2026_0_wasm32
done
