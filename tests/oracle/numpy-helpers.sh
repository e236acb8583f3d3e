#!/bin/bash
# Builds numpy's compiled test helpers, which no wheel for WebAssembly has, out of numpy's source distribution.
#
# Owns: which sources and settings each helper has. usage: numpy-helpers.sh FOLDER HEADERS
# FOLDER is that of numpy-suite.sh; the helpers are put into its numpy. HEADERS holds `sysroot` and `include`, Emscripten's headers and
# CPython's: testdata/fputs/build-fputs.sh makes them, as WORKDIR/emscripten. Needs: clang-19, lld-19, pip, python3
set -euo pipefail
suite=$(cd "$1" && pwd)
headers=$(cd "$2" && pwd)
work=$suite/helpers
core=$work/numpy-2.5.5/numpy/_core
mkdir -p "$work/stub" "$work/out"
cd "$work"

# pip asks the build backend of a source distribution for its name, and numpy's would configure a build for that.
cat > stub/mesonpy.py <<'PYTHON'
import pathlib


def prepare_metadata_for_build_wheel(folder, settings=None):
    info = pathlib.Path(folder, "numpy-2.5.5.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.5.5\n")
    return info.name
PYTHON
[ -e numpy-2.5.5.tar.gz ] || PYTHONPATH=$work/stub pip download --quiet --disable-pip-version-check --ignore-requires-python --no-deps \
    --no-binary :all: --no-build-isolation --dest . numpy==2.5.5
tar xf numpy-2.5.5.tar.gz

# What numpy's build generates: its template language, and the settings of a processor without features to choose from.
template() {
    python3 numpy-2.5.5/numpy/_build_utils/process_src_template.py "$core/src/$1" -o "out/$2"
}
template multiarray/_multiarray_tests.c.src _multiarray_tests.c
template umath/_umath_tests.c.src _umath_tests.c
template common/templ_common.h.src templ_common.h
template npymath/npy_math_internal.h.src npy_math_internal.h
sed -e 's/@P@/NPY_/g; s/@WITH_CPU_\(BASELINE\|DISPATCH\)_N@/0/; s/@WITH_CPU_[A-Z_]*@//' \
    numpy-2.5.5/meson_cpu/main_config.h.in > out/npy_cpu_dispatch_config.h
cat > out/_umath_tests.dispatch.h <<'C'
#define NPY_MTARGETS_CONF_BASELINE(CB, ...) NPY__CPU_EXPAND(CB(__VA_ARGS__))
#define NPY_MTARGETS_CONF_DISPATCH(CHECK, CB, ...)
C
cat > out/config.h <<'C'
#define SIZEOF_PY_INTPTR_T 4
#define SIZEOF_OFF_T 8
#define SIZEOF_PY_LONG_LONG 8
#define HAVE__THREAD_LOCAL 1
#define HAVE_LDOUBLE_IEEE_QUAD_LE 1
#define HAVE_FTELLO 1
#define HAVE_FSEEKO 1
C

cd out
compile() {
    # Headers of a newer clang's time expect its macros for integer constants.
    clang-19 --target=wasm32-unknown-emscripten -O2 -fPIC -fvisibility=default -w -nostdinc \
        '-D__UINT8_C(c)=c' '-D__UINT16_C(c)=c' '-D__UINT32_C(c)=c##U' '-D__UINT64_C(c)=c##ULL' '-D__UINTMAX_C(c)=c##ULL' \
        '-D__INT8_C(c)=c' '-D__INT16_C(c)=c' '-D__INT32_C(c)=c' '-D__INT64_C(c)=c##LL' '-D__INTMAX_C(c)=c##LL' \
        -DNPY_INTERNAL_BUILD -DHAVE_NPY_CONFIG_H -isystem "$headers/sysroot/compat" \
        -isystem "$(clang-19 -print-resource-dir)/include" -isystem "$headers/sysroot" -I"$headers/include" \
        -I"$suite/numpy/_core/include" -I. -I"$core" -I"$core/src/common" -I"$core/src/multiarray" -I"$core/src/npymath" \
        -c "$1" -o "$(basename "$1" .c).o"
}
helper() { # helper NAME SOURCE...
    local name=$1 objects=()
    shift
    for source in "$@"; do
        compile "$source"
        objects+=("$(basename "$source" .c).o")
    done
    wasm-ld-19 -shared --experimental-pic --unresolved-symbols=import-dynamic --strip-debug "--export=PyInit_$name" \
        "${objects[@]}" "$suite/numpy/_core/lib/libnpymath.a" -o "$suite/numpy/_core/$name.cpython-314-wasm32-emscripten.so"
}
helper _multiarray_tests _multiarray_tests.c "$core"/src/common/{mem_overlap,npy_argparse,npy_hashtable,npy_import}.c
helper _umath_tests _umath_tests.c "$core/src/common/npy_cpu_features.c" "$core/src/umath/_umath_tests.dispatch.c"
for name in _rational_tests _struct_ufunc_tests _operand_flag_tests; do
    helper "$name" "$core/src/umath/$name.c"
done
ls -l "$suite"/numpy/_core/_*_tests.*.so
