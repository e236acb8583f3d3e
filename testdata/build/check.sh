#!/bin/bash
# Checks that the binary fixtures are the ones that were tested: their sums against testdata/SHA256SUMS.
#
# Owns: SHA256SUMS, both ways. usage: check.sh [--update]
# --update writes it anew, after a fixture was rebuilt on purpose. The standard library's files are not in it: they are text
# and what CPython compiles out of it.
set -eu
cd "$(dirname "$0")/.."
binaries() { find . \( -name '*.wasm' -o -name '*.so' -o -name '*.whl' \) -type f | LC_ALL=C sort; }
if [ "${1:-}" = --update ]; then
    binaries | sed 's|^\./||' | xargs -d '\n' sha256sum > SHA256SUMS
fi
sha256sum --check --quiet --strict SHA256SUMS
if ! diff <(binaries | sed 's|^\./||') <(sed 's/^[0-9a-f]*  //' SHA256SUMS) > /dev/null; then
    echo "SHA256SUMS does not list the same files as there are" >&2
    exit 1
fi
echo "$(wc -l < SHA256SUMS) fixtures are as recorded"
