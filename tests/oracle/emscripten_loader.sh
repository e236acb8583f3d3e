#!/bin/bash
# Records what the cases of tests/cases/program_emscripten print under Emscripten's own loader, in Pyodide under Node.
#
# Owns: their emscripten_loader.txt, which tests/tests/conformance.rs reads. usage: emscripten_loader.sh MAIN [CASE...]
# MAIN is an unpacked npm package `pyodide`, the one whose main module the cases run in. It takes some minutes.
# Needs: node
set -eu
main=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../cases/program_emscripten"
record() { # record MAIN CASE
    local path=/case folder
    for folder in $(cat "../program/$2/library_path.txt" 2> /dev/null); do path=$path:/case/$folder; done
    # A loader that never returns has printed nothing that counts; Pyodide ends with an error where the case does.
    timeout 120 node ../../oracle/node_program.mjs "$1" "$2" "$path" > "$2/emscripten_loader.txt" 2> /dev/null || true
}
export -f record
[ $# -gt 0 ] || set -- */
printf '%s\n' "${@%/}" | xargs -P 2 -I{} bash -c 'record "$1" "$2"' _ "$main" {}
