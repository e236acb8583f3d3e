#!/bin/bash
# Builds the libraries of the cases for the Emscripten ABI: they run in Pyodide's main module, too.
#
# Owns: how the files of ../program_emscripten are made. usage: build-emscripten.sh EMSCRIPTEN_SYSTEM [CASE...]
# EMSCRIPTEN_SYSTEM is the folder share/emscripten/system of Debian's package emscripten, 6.0.5, unpacked: its headers are used.
# libdriver.so stands for what the other cases find in driver.wasm. Cases that import WASI's functions are left out.
# Needs Debian with: clang-19 lld-19 llvm-19; and rust-lld, which comes with Rust
set -eu
system=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")"
here=$PWD
out=$(cd ../program_emscripten && pwd)
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# lazy_binding is about what Emscripten always does.
left_out=" wasi_import arguments lazy_binding "

# ---- the include folder, put together as Emscripten does ----
include=$work/include
mkdir -p "$include"
cp -r "$system/include/." "$include/"
for part in include arch/generic arch/emscripten; do cp -r "$system/lib/libc/musl/$part/." "$include/"; done
flags="--target=wasm32-unknown-emscripten -O2 -fPIC -Wall -Wextra -Werror -fvisibility=default -nostdinc -D_GNU_SOURCE -I$here/driver
    -ffile-prefix-map=$here=. -isystem $include/compat -isystem $(clang-19 -print-resource-dir)/include -isystem $include
    -DRTLD_DEEPBIND=0x4000 -DRTLD_DI_LMID=1 -DRTLD_DI_ORIGIN=6" # which musl has not
cxx="-x c++ -std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics"
# Clang 20 has these macros, and Emscripten's musl takes them for granted.
macros=('-D__INT64_C(c)=c##LL' '-D__UINT64_C(c)=c##ULL' '-D__INTMAX_C(c)=c##LL' '-D__UINTMAX_C(c)=c##ULL')
for size in 8 16 32; do macros+=("-D__INT${size}_C(c)=c" "-D__UINT${size}_C(c)=c"); done
link="-shared --experimental-pic --unresolved-symbols=import-dynamic --strip-debug"

build_library() { # build_library CASE LIBRARY [OPTION...] [NEEDED...], as in libraries.txt
    local case=$1 library=$2 options="" source linker=wasm-ld-19 linked=() members=()
    shift 2
    while [[ ${1-} == [+=@-]* ]]; do
        case $1 in
            -gone) ;;
            @*) linker="$(rustc --print sysroot)/lib/rustlib/$(uname -m)-unknown-linux-gnu/bin/rust-lld -flavor wasm"
                linked+=(-rpath "${1#@}") ;;
            =*) members+=("${1#=}") ;;
            +sjlj) options="$options -mllvm -wasm-enable-sjlj" ;;
            *) options="$options -m${1#+}" ;;
        esac
        shift
    done
    source=$case/$library.c
    [ -e "$source" ] || { source=$case/$library.cpp; options="$options $cxx"; }
    clang-19 $flags "${macros[@]}" $options -c "$source" -o "$work/library.o"
    if [ ${#members[@]} -gt 0 ]; then
        rm -f "$work/members.a"
        for member in "${members[@]}"; do
            clang-19 $flags "${macros[@]}" $options -c "$case/$member.c" -o "$work/$member.o"
            llvm-ar-19 rcs "$work/members.a" "$work/$member.o"
        done
        linked+=(--whole-archive "$work/members.a" --no-whole-archive)
    fi
    mkdir -p "$out/$case/$(dirname "$library")"
    (cd "$out/$case" && $linker $link "$work/library.o" "${linked[@]}" "${@/%/.so}" -o "$library.so")
}

wanted() { # wanted CASE: whether the command line names it, or nothing
    [[ $left_out != *" $1 "* ]] && { [ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $1 "* ]]; }
}
only=("$@")
clang-19 $flags "${macros[@]}" -Dmain=driver_main -c driver/driver.c -o "$work/driver.o"
(cd "$out" && wasm-ld-19 $link "$work/driver.o" -o libdriver.so)
lines=$(grep -v '^#' libraries.txt)
while read -r case line; do
    if wanted "$case"; then build_library "$case" $line; fi
done <<< "$lines"
while read -r case library mark _; do
    [ "$mark" != -gone ] || rm -f "$out/$case/$library.so"
done <<< "$lines"
modules=$(find "$out" -name '*.so')
chmod 644 $modules
! grep -a -l -F -e "$here" -e "$work" $modules || { echo "a path of the build machine is in it" >&2; exit 1; }
du -cb $modules | tail -1
