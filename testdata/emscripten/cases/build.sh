#!/bin/bash
# Builds the side modules of these cases with Emscripten.
#
# Owns: how the .so files of the folders beside it are made. usage: build.sh [OUTDIR]   (in place unless OUTDIR is given)
# Needs: emcc and em++ 6.0.5, as Debian sid has them
set -eu
cd "$(dirname "$0")"
here=$PWD
out=${1:-$PWD}
flags="-O2 -fPIC -fwasm-exceptions -sSUPPORT_LONGJMP=wasm -sSIDE_MODULE=1"
for case in abi chain dl eh sjlj static_ctors; do mkdir -p "$out/$case"; done

# chain: a diamond, case needs b and c, and both need d
emcc $flags chain/d.c -o "$out/chain/libchaind.so"
for name in b c; do emcc $flags "chain/$name.c" "$out/chain/libchaind.so" -o "$out/chain/libchain$name.so"; done
emcc $flags chain/case.c "$out/chain/libchainb.so" "$out/chain/libchainc.so" "$out/chain/libchaind.so" -o "$out/chain/case.so"

# dl: nothing needs anything, all is opened at run time
for name in case global plugin user; do emcc $flags "dl/$name.c" -o "$out/dl/$name.so"; done

# C++: case needs the library
for pair in eh/libthrow static_ctors/libstatics; do
    case=${pair%/*}
    em++ $flags -std=c++20 "$case/lib.cpp" -o "$out/$pair.so"
    em++ $flags -std=c++20 "$case/case.cpp" "$out/$pair.so" -o "$out/$case/case.so"
done
# C: case needs the library
for pair in abi/libabi sjlj/libjump; do
    case=${pair%/*}
    emcc $flags "$case/lib.c" -o "$out/$pair.so"
    emcc $flags "$case/case.c" "$out/$pair.so" -o "$out/$case/case.so"
done

# with the exception instructions of the standard
exnref="$flags -sWASM_LEGACY_EXCEPTIONS=0"
mkdir -p "$out/eh/exnref" "$out/sjlj/exnref"
em++ $exnref -std=c++20 eh/lib.cpp -o "$out/eh/exnref/libthrow.so"
em++ $exnref -std=c++20 eh/case.cpp "$out/eh/exnref/libthrow.so" -o "$out/eh/exnref/case.so"
emcc $exnref sjlj/lib.c -o "$out/sjlj/exnref/libjump.so"
emcc $exnref sjlj/case.c "$out/sjlj/exnref/libjump.so" -o "$out/sjlj/exnref/case.so"
# main modules that need case.so from the start: they print what it returns
for case in abi chain dl eh sjlj static_ctors; do
    (cd "$out/$case" && emcc -O2 -fwasm-exceptions -sSUPPORT_LONGJMP=wasm -sMAIN_MODULE=2 -sEXIT_RUNTIME=1 -L. \
        "$here/main.c" case.so -o main2.js && rm main2.js)
done
# a main module and two libraries beside each other
mkdir -p "$out/beside"
for name in left right; do emcc -O2 -fPIC -sSIDE_MODULE=1 "beside/$name.c" -o "$out/beside/$name.so"; done
(cd "$out/beside" && emcc -O2 -sMAIN_MODULE=2 "$here/beside/main.c" left.so right.so -o main2.js && rm main2.js)
find "$out" -name '*.so' -exec chmod 644 {} +
