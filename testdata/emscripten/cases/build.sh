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
for case in abi chain dl eh em_asm library_search no_exceptions/wasm no_export no_modify sjlj static_ctors threads; do mkdir -p "$out/$case"; done

# chain: a diamond, case needs b and c, and both need d
emcc $flags chain/d.c -o "$out/chain/libchaind.so"
for name in b c; do emcc $flags "chain/$name.c" "$out/chain/libchaind.so" -o "$out/chain/libchain$name.so"; done
emcc $flags chain/case.c "$out/chain/libchainb.so" "$out/chain/libchainc.so" "$out/chain/libchaind.so" -o "$out/chain/case.so"

# dl: nothing needs anything, all is opened at run time
for name in case global plugin user; do emcc $flags "dl/$name.c" -o "$out/dl/$name.so"; done

# C++: case needs the library
for pair in eh/libthrow static_ctors/libstatics threads/libthreads; do
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
# a main module and its library, built with options that leave more to the loader: emcc must not touch the module after the link;
# JavaScript does not name its exports
while read -r case options; do
    emcc $options -fPIC -sSIDE_MODULE=1 no_modify/side.c -o "$out/$case/side.so"
    (cd "$out/$case" && emcc $options -sMAIN_MODULE=2 "$here/no_modify/main.c" side.so -o main2.js && rm main2.js)
done << 'OPTIONS'
no_modify -O0 -sWASM_BIGINT -sERROR_ON_WASM_CHANGES_AFTER_LINK
no_export -O2 -sDECLARE_ASM_MODULE_EXPORTS=0
OPTIONS
# JavaScript in a library
emcc -O2 -fPIC -sSIDE_MODULE=1 em_asm/case.c -o "$out/em_asm/case.so"
# a library that -l finds in two folders, in one of them beside an archive
mkdir -p "$out/library_search/first" "$out/library_search/second"
for folder in first second; do
    emcc -O2 -fPIC -sSIDE_MODULE=1 "library_search/$folder/which.c" -o "$out/library_search/$folder/libwhich.so"
done
emcc -O2 -fPIC -c library_search/first/which.c -o "$out/library_search/which.o"
(cd "$out/library_search" && emar rcs first/libwhich.a which.o &&
    emcc -O2 -fPIC -sSIDE_MODULE=1 "$here/library_search/case.c" -Lfirst -Lsecond -lwhich -o case.so && rm which.o first/libwhich.a)
# a library that throws, both ways, for a main module without exceptions
em++ -O2 -fPIC -fwasm-exceptions -sSIDE_MODULE=1 no_exceptions/side.cpp -o "$out/no_exceptions/wasm/side.so"
em++ -O2 -fPIC -fexceptions -sSIDE_MODULE=1 no_exceptions/side.cpp -o "$out/no_exceptions/side.so"
(cd "$out/no_exceptions" && emcc -O2 -sMAIN_MODULE=2 "$here/no_exceptions/main.c" side.so -o main2.js && rm main2.js)
find "$out" -name '*.so' -exec chmod 644 {} +
