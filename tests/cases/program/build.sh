#!/bin/bash
# Builds driver.wasm and the side modules of every case.
#
# Owns: how the .wasm and .so files of this folder are made. usage: build.sh SYSROOT_WORKDIR [CASE...]
# SYSROOT_WORKDIR is the work folder of testdata/build/build-python.sh: wasi-libc is unpacked there.
# Needs Debian with: clang-19 lld-19 llvm-19 libclang-rt-19-dev-wasm32 wabt; and rust-lld, which comes with Rust
set -eu
sysroot=$(cd "$1/wasi/usr" && pwd)
shift
cd "$(dirname "$0")"
here=$PWD
guest=$(cd ../../../loader/guest/wasi && pwd)
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$*" >&2
    exit 1
}

# -fvisibility=default: clang's default for WebAssembly is hidden, and then the linker exports nothing and cannot import
# what headers declare without an attribute.
clang="clang-19 --target=wasm32-wasi --sysroot=$sysroot -isystem $guest -I$here/driver -O2 -Wall -Wextra -Werror
    -fvisibility=default -ffile-prefix-map=$here=. -ffile-prefix-map=$guest=. -D_GNU_SOURCE"
# -fno-threadsafe-statics, -fno-rtti, -fno-exceptions: there is no C++ runtime in the process
cxx="-x c++ -std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics"

# ---- the main module: linked like testdata/python/python.wasm, see build-python.sh for the reasons ----
build_driver() {
    $clang -c driver/driver.c -o "$work/driver.o"
    $clang -c "$guest/libdl.c" -o "$work/libdl.o"
    cp "$(clang-19 --target=wasm32-wasi -print-libgcc-file-name)" "$work/helpers.a"
    llvm-ar-19 d "$work/helpers.a" gcc_personality_v0.c.obj # wants an unwinder, which does not exist here
    (
        cd driver
        clang-19 --target=wasm32-wasi --sysroot="$sysroot" "$work/driver.o" "$work/libdl.o" -Wl,--whole-archive -lc -lm -lsetjmp \
            -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks "$work/helpers.a" \
            -Wl,--no-whole-archive -Wl,--strip-debug -Wl,--export-all -Wl,--export-table -Wl,--growable-table \
            -Wl,--export=__stack_pointer -Wl,--stack-first -Wl,-z,stack-size=1048576 -o driver.wasm
    )
}

# ---- the side modules ----
# The name given to -o is kept in the module's name section, so each file is linked under its own name, in its own folder.
build_library() { # build_library CASE LIBRARY [OPTION...] [NEEDED...], as in libraries.txt
    local case=$1 library=$2 options="" source linker=wasm-ld-19 linked=() members=()
    shift 2
    while [[ ${1-} == [+=@-]* ]]; do
        case $1 in
            -gone) ;;
            # LLD 19 writes no runtime paths yet.
            @*) linker="$(rustc --print sysroot)/lib/rustlib/$(uname -m)-unknown-linux-gnu/bin/rust-lld -flavor wasm"
                linked+=(-rpath "${1#@}") ;;
            =*) members+=("${1#=}") ;;
            +sjlj) options="$options -mllvm -wasm-enable-sjlj" ;; # setjmp by WebAssembly exceptions: LLVM 19 writes the legacy ones
            *) options="$options -m${1#+}" ;;
        esac
        shift
    done
    source=$case/$library.c
    [ -e "$source" ] || { source=$case/$library.cpp; options="$options $cxx"; }
    $clang -fPIC $options -c "$source" -o "$work/library.o"
    if [ ${#members[@]} -gt 0 ]; then
        rm -f "$work/members.a"
        for member in "${members[@]}"; do
            $clang -fPIC $options -c "$case/$member.c" -o "$work/$member.o"
            llvm-ar-19 rcs "$work/members.a" "$work/$member.o"
        done
        linked+=(--whole-archive "$work/members.a" --no-whole-archive)
    fi
    (cd "$case" && $linker -shared --experimental-pic --unresolved-symbols=import-dynamic "$work/library.o" \
        "${linked[@]}" "${@/%/.so}" -o "$library.so")
}

wanted() { # wanted CASE: whether the command line names it, or nothing
    [ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $1 "* ]]
}
only=("$@")
lines=$(grep -v '^#' libraries.txt)
[ ${#only[@]} -gt 0 ] || build_driver
while read -r case line; do
    if wanted "$case"; then build_library "$case" $line; fi
done <<< "$lines"
while read -r case library mark _; do
    [ "$mark" != -gone ] || rm -f "$case/$library.so"
done <<< "$lines"
modules=$(find . -name driver.wasm -o -name '*.so')
chmod 644 $modules

# ---- checks ----
while read -r case library needed; do
    if [[ $needed == -gone* ]] || ! wanted "$case"; then continue; fi
    dylink=$(wasm-objdump -x -j dylink.0 "$case/$library.so")
    for name in $needed; do
        [[ $name == [+=@-]* ]] || grep -q "^  *- ${name##*/}\.so$" <<< "$dylink" || fail "$case/$library.so does not need $name.so"
    done
done <<< "$lines"
! grep -a -l -F -e "$here" -e "$work" -e "$sysroot" $modules || fail "a path of the build machine is in it"
du -cb $modules | tail -1
