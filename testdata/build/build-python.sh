#!/bin/bash
# Builds CPython 3.13 for wasm32-wasip1 as a main module that can load side modules, and its standard library.
#
# Owns: how testdata/python/ is made. usage: build-python.sh WORKDIR [OUTDIR]
# OUTDIR is testdata/python unless given. 4 minutes on 2 cores; WORKDIR takes 0.6 GB, is reused by later runs (remove
# Python-*/h from it to compile again), and is what build-fputs.sh takes the headers from. The same sources and tools give
# the same python.wasm, byte for byte, in any WORKDIR.
#
# Needs Debian with: clang-19 lld-19 llvm-19 libclang-rt-19-dev-wasm32 gcc make dpkg-dev xz-utils wabt
# CPython is Debian's source package of 3.13.5 without Debian's patches, and not patched here either; the C library is
# Debian's wasi-libc. Both come from the mirror that apt is set up for, through package lists of our own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
out=${2:-$here/../python}
mkdir -p "$out"
out=$(cd "$out" && pwd)
guest=$(cd "$here/../../loader/guest/wasi" && pwd)
version=3.13.5 prefix=/usr/local
export SOURCE_DATE_EPOCH=1749600000 # of the release; it is what __DATE__ says
export LC_ALL=C PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
unset CPP CFLAGS CPPFLAGS LDFLAGS PYTHONHOME PYTHONPATH

# ---- sources ----
apt=$work/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
mirror=$(awk '$1=="URIs:"{print $2; exit} $1=="deb"{print $2; exit}' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -1)
signed=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg
printf '%s\n' "deb-src [$signed] $mirror trixie main" "deb [$signed] $mirror sid main" > "$apt/list"
apt_get() {
    apt-get -q -o Dir::Etc::sourcelist="$apt/list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$apt/lists" \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}
source=$work/Python-$version
cd "$work"
if [ ! -d "$source" ] || [ ! -d wasi ]; then
    apt_get update
    rm -f wasi-libc_*.deb
    apt_get source --download-only python3.13
    tar xf "python3.13_$version.orig.tar.xz"
    apt_get download wasi-libc
    dpkg -x wasi-libc_*.deb wasi
fi
sysroot=$work/wasi/usr

# ---- the interpreter of the build machine: the cross build needs one of the same version ----
if [ ! -x "$source/b/python" ]; then
    mkdir -p "$source/b"
    cd "$source/b"
    ../configure --disable-test-modules > configure.out 2>&1
    make -j"$(nproc)" > make.out 2>&1
fi
native=$source/b/python

# ---- the objects ----
# Everything that finds headers and libraries is part of CC: configure runs the preprocessor without CFLAGS, and if that
# fails it silently takes the build machine's `cpp` and configures for that.
# Our <dlfcn.h> goes first, wasi-libc has one as well. ac_cv_func_dlopen: the functions exist only at the last link below;
# with it configure chooses dynload_shlib, so that importlib looks for .so files.
cross=$source/h
if [ ! -e "$cross/python.wasm" ]; then
    rm -rf "$cross"
    mkdir -p "$cross"
    cd "$cross"
    CC="clang-19 --target=wasm32-wasi --sysroot=$sysroot -isystem $guest" AR=llvm-ar-19 RANLIB=llvm-ranlib-19 \
    OPT="-DNDEBUG -O2 -Wall" \
    CFLAGS="-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS -ffile-prefix-map=$work=$prefix/src" \
    LDFLAGS="-lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks" \
    CONFIG_SITE=../Tools/wasm/config.site-wasm32-wasi PKG_CONFIG_LIBDIR=/nonexistent \
    ac_cv_cc_name=clang ac_cv_func_dlopen=yes py_cv_module__ctypes=n/a py_cv_module__uuid=n/a py_cv_module_readline=n/a \
    ../configure --host=wasm32-unknown-wasi --build=x86_64-pc-linux-gnu --with-build-python="$native" --prefix="$prefix" \
        --disable-test-modules --with-pymalloc --with-readline=no > configure.out 2>&1
    grep -q "^MULTIARCH=.*wasm32-wasi" Makefile || { echo "configured for another platform, see $cross/configure.out" >&2; exit 1; }
    make -j"$(nproc)" > make.out 2>&1
fi

# ---- the main module ----
# CPython's own link command, and in addition:
#   whole archives      side modules may need any function of the C library, not only what the interpreter uses; the
#                       compiler's helper functions (128-bit arithmetic, long double) too
#   --export-all        wasi-libc is compiled with hidden visibility, which --export-dynamic would leave out. It exports
#                       __wasm_call_ctors too, without which the linker may wrap every export in a function that runs
#                       constructors and destructors; hosts do not call it, _start does
#   __stack_pointer     is not part of "all"; side modules share the stack
#   table               exported, and with no maximum
# Names of functions are kept (they are not debug information to wasm-ld): traps show them.
cd "$cross"
clang-19 --target=wasm32-wasi --sysroot="$sysroot" -isystem "$guest" -O2 -Wall -Wextra -Werror \
    -ffile-prefix-map="$guest=." -c "$guest/libdl.c" -o libdl.o
link=$(grep -E -- '^clang-19 .* -o python\.wasm ' make.out | tail -1)
link=${link/ -o python.wasm / }
cp "$(clang-19 --target=wasm32-wasi -print-libgcc-file-name)" helpers.a
llvm-ar-19 d helpers.a gcc_personality_v0.c.obj # wants an unwinder, which does not exist here
main=$out/python.wasm
# the archives come first: whole archives cannot follow a use of some of their members
${link%% *} libdl.o -Wl,--whole-archive -lc -lm -lsetjmp -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks \
    helpers.a -Wl,--no-whole-archive -Wl,--strip-debug -Wl,--export-all -Wl,--export-table -Wl,--growable-table \
    -Wl,--export=__stack_pointer ${link#* } -o "$main"
chmod 644 "$main"

# ---- the standard library ----
# Left out: tests, what needs a window or other processes to be of any use, and the build's leftovers. Each module has its
# .pyc beside it, never compared with its source, so that a process compiles nothing and needs no writable folder.
library=$out/lib/python3.13
rm -rf "$out/lib"
mkdir -p "$library"
cp -r "$source/Lib/." "$library"
rm -rf "$out/include"
mkdir -p "$out/include"
cp -r "$source/Include" "$out/include/python3.13"
cp "$cross/pyconfig.h" "$out/include/python3.13"
cp "$source/LICENSE" "$out/LICENSE"
cp "$source/Doc/license.rst" "$out/LICENSE.incorporated.rst" # of what CPython itself incorporates
cp "$work/wasi/usr/share/doc/wasi-libc/copyright" "$out/LICENSE.wasi-libc"
data=_sysconfigdata__wasi_wasm32-wasi.py
sed -e "s|$source/b/python|$prefix/bin/python3.13|g" -e "s|$source|$prefix/src/Python-$version|g" -e "s|$sysroot|$prefix|g" \
    -e "s|$guest|$prefix/include/pydl|g" -e "s|$work|$prefix/src|g" "$cross/$(cat "$cross/pybuilddir.txt")/$data" > "$library/$data"
cd "$library"
rm -rf test idlelib tkinter turtledemo turtle.py ensurepip venv lib-dynload config-*
find . -name __pycache__ -prune -exec rm -rf {} +
find . \( -name '*.exe' -o -name '*.pyc' -o -name tests -o -name test -o -name .gitignore \) -prune -exec rm -rf {} +
"$native" -m compileall -q -j0 -s "$library" -p "$prefix/lib/python3.13" --invalidation-mode unchecked-hash "$library"
mkdir lib-dynload
echo "Empty on purpose: the interpreter warns if this folder is missing, and hosts mount folders of side modules here." \
    > lib-dynload/README
find "$out" -type f -exec chmod 644 {} +

# ---- checks ----
cd "$out"
wasm-objdump -x -j Export python.wasm > "$work/exports"
wasm-objdump -x -j Import python.wasm > "$work/imports"
failed=0
expect() { # expect TEXT COMMAND...: COMMAND must succeed
    local text=$1
    shift
    "$@" > /dev/null || { echo "python.wasm: $text" >&2; failed=1; }
}
for name in memory __indirect_function_table __stack_pointer _start malloc free calloc aligned_alloc pydl_read_file dlopen dlsym \
    dlclose dlerror dladdr chdir; do
    expect "$name is not exported" grep -q -- "-> \"$name\"\$" "$work/exports"
done
expect "exports are wrapped" sh -c '! grep -q "command_export" "$1"' - "$work/exports"
expect "the table has a maximum" sh -c 'wasm-objdump -x -j Table "$1" | grep -q "type=funcref initial=[0-9]*\$"' - python.wasm
expect "__stack_pointer is not mutable" sh -c 'wasm-objdump -x -j Global "$1" | grep -q "mutable=1 <__stack_pointer>"' - python.wasm
expect "imports of an unknown module" sh -c '! grep " <- " "$1" | grep -v " <- \(wasi_snapshot_preview1\|pydl_dlfcn_v1\)\."' - "$work/imports"
expect "a path of the build machine is in it" sh -c '! grep -a -F -e "$1" -e "$2" python.wasm' - "$work" "$here"
expect "a path of the build machine is in the library" sh -c '! grep -r -a -l -F -e "$1" -e "$2" lib' - "$work" "$here"
echo "$(stat -c %s python.wasm) bytes, $(grep -c ' -> ' "$work/exports") exports, library $(du -sk lib | cut -f1) KiB"
exit $failed
