#!/bin/bash
# Fetches the package msgpack as it is published for Pyodide: a real wheel's side module, compiled by Cython and Emscripten.
#
# Owns: testdata/emscripten/msgpack/. Nothing in it is changed. Needs: pip, unzip
set -eu
cd "$(dirname "$0")"
version=1.2.4
wheel=msgpack-$version-cp314-cp314-pyemscripten_2026_0_wasm32.whl
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pip download --quiet --no-deps --only-binary :all: --platform pyemscripten_2026_0_wasm32 --python-version 3.14 \
    --implementation cp --abi cp314 --dest "$folder" "msgpack==$version"
echo "06a0657a4110d563255006b7cb7147432f67827144e429c2cdb1c967548d1817  $folder/$wheel" | sha256sum --check --quiet
rm -rf msgpack
unzip -q "$folder/$wheel" 'msgpack/*' -d .
unzip -q -j "$folder/$wheel" '*/licenses/COPYING' -d msgpack
find msgpack -type f -exec chmod 644 {} +
