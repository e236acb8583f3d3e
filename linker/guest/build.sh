#!/bin/bash
# Builds the side modules that the static linker makes a part of programs.
#
# Owns: how linked.so and tree.so are made. usage: build.sh
# Needs Debian with: clang-19 lld-19. The same tools give the same files, byte for byte.
set -eu
cd "$(dirname "$0")"
object=$(mktemp)
trap 'rm -f "$object"' EXIT
builtin=$(clang-19 -print-resource-dir)/include
for name in linked tree; do
    clang-19 --target=wasm32-wasip1 -Os -fPIC -ffreestanding -nostdinc -isystem "$builtin" -I ../../loader/guest/wasi \
        -fvisibility=hidden -mbulk-memory -Wall -Wextra -Werror -c "$name.c" -o "$object"
    wasm-ld-19 -shared --experimental-pic --no-entry --strip-debug --unresolved-symbols=import-dynamic "$object" -o "$name.so"
done
