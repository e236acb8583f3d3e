#!/bin/bash
# Gathers seeds for the fuzz targets out of the fixtures: side modules and main modules of up to 200 kB.
#   fuzz/seeds.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?a folder for the seeds}
mkdir -p "$folder"
find testdata tests/cases -type f \( -name '*.so' -o -name '*.wasm' \) -size -200k | while read -r file; do
    cp "$file" "$folder/$(sha256sum "$file" | cut -c1-16)"
done
echo "$(find "$folder" -type f | wc -l) seeds in $folder"
