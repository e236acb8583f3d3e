#!/bin/bash
# Builds every fputs.so of this folder out of fputsmodule.c, and expected.txt.
#
# Owns: how the fputs fixtures are made. usage: build-fputs.sh WORKDIR
# WORKDIR is that of build/build-python.sh, which has to run first: the headers of CPython and wasi-libc and the native
# interpreter are there. The Emscripten ABI's headers are fetched here.
#
# Needs what build-python.sh needs, and for Emscripten's: npm, unzip, python3
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(cd "$1" && pwd)
source=$work/Python-3.13.5
sysroot=$work/wasi/usr
cd "$here"

# The name given to -o is kept in the module's name section, so each file is linked under its own name, in its own folder.
link="wasm-ld-19 -shared --experimental-pic --unresolved-symbols=import-dynamic"

# ---- native: what the module does when nothing is special about loading it ----
# -P: this folder has an fputs.so too
native=$work/fputs-native
mkdir -p "$native/out"
gcc -O2 -Wall -Wextra -shared -fPIC -I"$source/Include" -I"$source/b" fputsmodule.c -o "$native/fputs.so"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$native "$source/b/python" -P test_fputs.py "$native/out" > expected.txt

# ---- WASI ----
# -fvisibility=default: clang's default for WebAssembly is hidden, and then the linker exports nothing and cannot import
# what headers declare without an attribute.
wasi="clang-19 --target=wasm32-wasi --sysroot=$sysroot -fPIC -fvisibility=default -Wall -Wextra -Werror
    -I$source/Include -I$source/h -ffile-prefix-map=$work=."
object=$work/fputs.o
build_wasi() { # build_wasi FOLDER OPTIMISATION LINKER_OPTION...
    local folder=$1 optimisation=$2
    shift 2
    mkdir -p "$folder"
    $wasi "$optimisation" -c fputsmodule.c -o "$object"
    $link "$@" "$object" -o "$folder/fputs.so"
}
build_wasi . -O2
build_wasi variants/O0 -O0
build_wasi variants/O0-stripped -O0 --strip-all
build_wasi variants/O2 -O2
build_wasi variants/O2-stripped -O2 --strip-all

# ---- Emscripten: another C library behind the same names, so a WASI process has to refuse the file ----
# Emscripten's headers are in Debian sid's package, CPython 3.14's too, but for pyconfig.h, which depends on the platform:
# that one is made out of the values that Pyodide's standard library records of its own configure run.
emscripten=$work/emscripten
if [ ! -e "$emscripten/include/pyconfig.h" ]; then
    mkdir -p "$emscripten/sysroot" "$emscripten/include"
    cd "$emscripten"
    apt=$work/apt
    apt-get -q -o Dir::Etc::sourcelist="$apt/list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$apt/lists" \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root download emscripten libpython3.14-dev
    for package in *.deb; do dpkg -x "$package" debian; done
    npm pack --silent pyodide@314.0.7
    tar xzf pyodide-314.0.7.tgz package/python_stdlib.zip
    unzip -q -o package/python_stdlib.zip '_sysconfigdata__emscripten*'
    # one folder out of the four that Emscripten's own headers lie in; later ones override earlier ones
    system=debian/usr/share/emscripten/system
    for part in include lib/libc/musl/include lib/libc/musl/arch/generic lib/libc/musl/arch/emscripten; do
        cp -r "$system/$part/." sysroot/
    done
    python3 - debian/usr/include/x86_64-linux-gnu/python3.14/pyconfig.h > pyconfig.new <<'PYTHON'
# Keeps the names of the pyconfig.h given, with Emscripten's values. The record has 0 for what configure did not define,
# except for HAVE_DECL_*, which are always defined; it has no names that begin with an underscore or a small letter.
import re
import runpy
import sys

values = runpy.run_path("_sysconfigdata__emscripten_wasm32-emscripten.py")["build_time_vars"]
print("/* pyconfig.h of CPython for Emscripten, generated */")
for name in re.findall(r"^(?:#define|/\* #undef) (\w+)", open(sys.argv[1]).read(), re.MULTILINE):
    value = values.get(name, 0) if name[0].isupper() else 0
    if value != 0 or name.startswith("HAVE_DECL_"):
        print(f"#define {name} {value}")
PYTHON
    # proof that it is the right platform's, before anything is compiled with it
    cat pyconfig.new - > probe.c <<'C'
#include <sys/types.h>
#include <stddef.h>
#include <time.h>
_Static_assert(SIZEOF_INT == sizeof(int) && SIZEOF_LONG == sizeof(long) && SIZEOF_LONG_LONG == sizeof(long long), "integers");
_Static_assert(SIZEOF_VOID_P == sizeof(void *) && SIZEOF_SIZE_T == sizeof(size_t) && SIZEOF_WCHAR_T == sizeof(wchar_t), "pointers");
_Static_assert(SIZEOF_TIME_T == sizeof(time_t) && SIZEOF_OFF_T == sizeof(off_t) && SIZEOF_PID_T == sizeof(pid_t), "system types");
_Static_assert(SIZEOF_LONG_DOUBLE == sizeof(long double) && SIZEOF_DOUBLE == sizeof(double), "floating point");
C
    clang-19 --target=wasm32-unknown-emscripten -nostdinc -isystem sysroot/compat \
        -isystem "$(clang-19 -print-resource-dir)/include" -isystem sysroot -fsyntax-only probe.c
    cp -r debian/usr/include/python3.14/. include
    mv pyconfig.new include/pyconfig.h # in the same folder, where Python.h looks first
    cd "$here"
fi
mkdir -p emscripten
clang-19 --target=wasm32-unknown-emscripten -O2 -fPIC -fvisibility=default -Wall -Wextra -Werror -nostdinc \
    -isystem "$emscripten/sysroot/compat" -isystem "$(clang-19 -print-resource-dir)/include" -isystem "$emscripten/sysroot" \
    -I"$emscripten/include" -ffile-prefix-map="$work=." -c fputsmodule.c -o "$object"
$link "$object" -o emscripten/fputs.so

find . -name fputs.so -exec chmod 644 {} +
for module in $(find . -name fputs.so | sort); do
    wasm-objdump -x -j Export "$module" | grep -q -- '-> "PyInit_fputs"$' || { echo "$module does not export PyInit_fputs" >&2; exit 1; }
    ! grep -a -q -F -e "$work" -e "$here" "$module" || { echo "$module has a path of the build machine in it" >&2; exit 1; }
    ls -l "$module"
done
