#!/bin/bash
# Builds the side modules of the cases that plain clang can make: with the headers of Emscripten, and without its driver.
#
# Owns: how the .so files of cxx are made. usage: build-clang.sh EMSCRIPTEN_SYSTEM
# EMSCRIPTEN_SYSTEM is the folder share/emscripten/system of Debian's package emscripten, 6.0.5, unpacked.
# Needs Debian with: clang-19 lld-19
set -eu
system=$(cd "$1" && pwd)
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# ---- the include folder, put together as Emscripten does ----
include=$work/include
mkdir -p "$include/c++/v1"
cp -r "$system/include/." "$include/"
for part in include arch/generic arch/emscripten; do cp -r "$system/lib/libc/musl/$part/." "$include/"; done
for part in libcxx libcxxabi; do cp -r "$system/lib/$part/include/." "$include/c++/v1/"; done
# ---- compile and link ----
# The macros are clang 20's and later ones', which Emscripten's musl takes for granted.
flags="--target=wasm32-unknown-emscripten -O2 -fPIC -fvisibility=default -nostdinc -nostdinc++ -fwasm-exceptions
    -ffile-prefix-map=$PWD=. -ffile-prefix-map=$work=. -std=c++20 -Wall
    -isystem $include/c++/v1 -isystem $include/compat -isystem $(clang-19 -print-resource-dir)/include -isystem $include"
macros=()
for size in 8 16 32; do macros+=("-D__INT${size}_C(c)=c"); done
macros+=('-D__UINT8_C(c)=c' '-D__UINT16_C(c)=c' '-D__UINT32_C(c)=c##U' '-D__INT64_C(c)=c##LL' '-D__UINT64_C(c)=c##ULL'
    '-D__INTMAX_C(c)=c##LL' '-D__UINTMAX_C(c)=c##ULL')
for source in lib case; do clang++-19 $flags "${macros[@]}" -c "cxx/$source.cpp" -o "$work/$source.o"; done
link="wasm-ld-19 -shared --experimental-pic --unresolved-symbols=import-dynamic --strip-debug --export-dynamic"
cd cxx
$link "$work/lib.o" -o libcxxlib.so
$link "$work/case.o" libcxxlib.so -o case.so
chmod 644 ./*.so
! grep -a -l -F -e "$work" -e "$system" ./*.so
