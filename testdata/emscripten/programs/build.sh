#!/bin/bash
# Builds the programs of the folders beside it with Emscripten, and records what they print under Node.
#
# Owns: main.wasm and the .so files of their builds, and node.txt. usage: build.sh [PROGRAM...]   (all of them unless some are named)
# Needs: emcc, em++ 6.0.5 and the node that they use, as Debian sid has them
set -eu
cd "$(dirname "$0")"
here=$PWD

# build PROGRAM BUILD COMPILER OPTIONS MAIN_OPTIONS: PROGRAM/BUILD/main.wasm, which needs PROGRAM/BUILD/side.so if there is a side.c*
build() {
    local program=$1 folder=$here/$1/$2 compiler=$3 options=$4 main_options=$5 side
    rm -rf "$folder"
    mkdir -p "$folder"
    cd "$folder"
    side=$(ls ../side.c* 2> /dev/null || true)
    if [ -n "$side" ]; then $compiler $options -fPIC -sSIDE_MODULE=1 "$side" -o side.so; fi
    $compiler $options -sMAIN_MODULE=2 $main_options ../main.c* ${side:+side.so} -o main.js
    cd "$here"
}

# The arguments of each run are a line of PROGRAM/runs.txt. A status of 1 with a message of JavaScript's is an end by an error.
record() {
    local line status out=$here/$1/node.txt new
    for folder in "$here/$1"/*/; do
        [ -f "$folder/main.js" ] || continue
        new=$(cd "$folder" && while IFS= read -r line; do
            echo "\$ $line"
            eval "node main.js $line" 2> stderr.txt && status=0 || status=$?
            if grep -qE 'Aborted\(|^Node\.js v' stderr.txt; then status="of an error"; fi
            echo "status $status"
            rm stderr.txt
        done < ../runs.txt)
        if [ -n "${recorded:-}" ] && [ "$recorded" != "$new" ]; then
            echo "$folder prints something else than the builds before it:" >&2
            diff <(echo "$recorded") <(echo "$new") >&2 || true
        fi
        recorded=$new
        rm "$folder/main.js"
    done
    echo "$recorded" > "$out"
    unset recorded
}

exits=-sEXIT_RUNTIME=1
main_in_library() {
    build main_in_library O0 emcc -O0 "$exits --no-entry"
    build main_in_library O2 emcc -O2 "$exits --no-entry"
}
main_below() {
    local folder=$here/main_below/O1
    rm -rf "$folder"
    mkdir -p "$folder"
    cd "$folder"
    emcc -O1 -fPIC -sSIDE_MODULE=1 ../below.c -o below.so
    emcc -O1 -fPIC -sSIDE_MODULE=1 -L. ../between.c below.so -o between.so
    emcc -O1 -sMAIN_MODULE=2 $exits --no-entry -sEXPORTED_FUNCTIONS=_top -L. ../main.c between.so -o main.js
    cd "$here"
}
throw() {
    build throw O0 em++ "-O0 -fwasm-exceptions" "$exits"
    build throw O0_exnref em++ "-O0 -fwasm-exceptions -sWASM_LEGACY_EXCEPTIONS=0" "$exits"
    build throw O0_javascript em++ "-O0 -fexceptions" "$exits"
}
uncaught() {
    build uncaught O1 em++ "-O1 -fwasm-exceptions" "$exits"
    build uncaught O1_exnref em++ "-O1 -fwasm-exceptions -sWASM_LEGACY_EXCEPTIONS=0" "$exits"
    build uncaught O1_javascript em++ "-O1 -fexceptions" "$exits"
}
stack() {
    build stack O0 emcc "-O0 -sSTACK_OVERFLOW_CHECK=2 -sASSERTIONS=2" "$exits"
}
embed() {
    local folder=$here/embed/O0
    rm -rf "$folder"
    mkdir -p "$folder"
    cd "$folder"
    emcc -O2 -fPIC -sSIDE_MODULE=1 ../plugin.c -o plugin.so
    emcc -O0 -sMAIN_MODULE=2 $exits --embed-file ../tree@/data --embed-file plugin.so@/lib/plugin.so ../main.c -o main.js
    rm plugin.so
    cd "$here"
}
exit_() { build exit O0 emcc -O0 "$exits"; }
levels() {
    local level
    for level in O0 O1 O2 O3 Os Oz; do build levels $level emcc -$level "$exits"; done
    build levels g emcc "-O1 -g" "$exits"
    build levels assertions emcc "-O1 -sASSERTIONS=2" "$exits"
}
safe_heap() { build safe_heap O1 emcc "-O1 -sSAFE_HEAP" "$exits"; }
sleep_() { build sleep O1 emcc "-O1 -sASYNCIFY -sASYNCIFY_IMPORTS=wait_in_library" "$exits"; }
halves() { build halves O1 emcc "-O1 -sWASM_BIGINT=0" "$exits"; }
# A library that is opened later, once by a module that exports nothing more than it must, and once by one that exports its C library.
later() {
    local kind folder
    for kind in 1 2; do
        folder=$here/later/main$kind
        rm -rf "$folder"
        mkdir -p "$folder"
        cd "$folder"
        emcc -O1 -fPIC -sSIDE_MODULE=1 ../plugin.c -o side.so
        emcc -O1 -sMAIN_MODULE=$kind $exits -sEXPORTED_FUNCTIONS=_main,_fflush,_printf,_puts,_iprintf -sNO_AUTOLOAD_DYLIBS --embed-file side.so@side.so ../main.c -o main.js
        cd "$here"
    done
}

for program in ${@:-main_in_library main_below throw stack embed exit levels safe_heap sleep halves later uncaught}; do
    case $program in exit | sleep) ${program}_ ;; *) $program ;; esac
    record "$program"
done
find . -name '*.so' -exec chmod 644 {} +
