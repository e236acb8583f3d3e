#!/bin/bash
# Builds the wheels of two C++ extension modules that know nothing of each other and have classes in common.
#
# Owns: ../../wheels/local_types-*.whl. usage: build.sh PYTHON_INCLUDE   (a folder with Python.h and a pyconfig.h for wasm32-emscripten)
# One build for the stable ABI serves CPython 3.12 and later; `1` has the exception instructions that Pyodide's own packages have,
# `2` those of the standard, `3` leaves exceptions to the host, as Pyodide 0.27 has it.
# Needs: em++ 6.0.5, as Debian sid has it, and python3
set -eu
include=$(cd "$1" && pwd)
cd "$(dirname "$0")"
out=$(cd ../../wheels && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-O2 -fPIC -std=c++20 -Wall -Wextra -DPy_LIMITED_API=0x030C0000 -I$include -ffile-prefix-map=$PWD=. -sSIDE_MODULE=1"
while read -r version tags exceptions; do
    mkdir -p "$work/$version/local_types-$version.dist-info"
    for name in maker taker; do em++ $flags $exceptions $name.cpp -o "$work/$version/$name.so"; done
    python3 ../through_python/wheel.py local_types "$work/$version" "$version" "$out" ${tags//,/ }
done << 'OPTIONS'
1 pyodide_2025_0_wasm32,pyemscripten_2026_0_wasm32 -fwasm-exceptions -sSUPPORT_LONGJMP=wasm -sWASM_LEGACY_EXCEPTIONS=1
2 pyodide_2025_0_wasm32,pyemscripten_2026_0_wasm32 -fwasm-exceptions -sSUPPORT_LONGJMP=wasm -sWASM_LEGACY_EXCEPTIONS=0
3 pyodide_2024_0_wasm32 -fexceptions
OPTIONS
