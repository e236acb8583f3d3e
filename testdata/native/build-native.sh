#!/bin/bash
# Builds native.so, an ELF shared object for x86-64 Linux, as small as gcc makes it.
#
# Owns: how native.so is made. Needs: gcc on x86-64
set -eu
cd "$(dirname "$0")"
gcc -O2 -fPIC -shared -nostdlib -s -Wl,--build-id=none -Wl,-z,noseparate-code -o native.so native.c
chmod 644 native.so
