#!/bin/bash
# Writers of one SQLite file in one folder: two guests of Emscripten's and a native program, each of which commits rows one by one and tells
# each time how many there were. Every row must be there in the end, and each writer must have seen all that came before.
#
# usage: sqlite_share.sh PYDL MAIN [RUNS [ROWS]]   20 runs of 300 rows each unless told otherwise.  Needs: python3
# Prints a line for each run; ends with 1 when one is wrong.
set -euo pipefail
pydl=$1 main=$2 runs=${3:-20} rows=${4:-300}
writer=$(cd "$(dirname "$0")/.." && pwd)/cases/files/writer.py
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
wrong=0
for ((run = 1; run <= runs; run++)); do
    rm -f "$folder"/rows.db*
    start=$(date +%s%N)
    for guest in one two; do
        "$pydl" run "$main" --dir "$folder::/data" "$writer" /data/rows.db "$guest" "$rows" > "$folder/$guest" 2>&1 &
    done
    python3 "$writer" "$folder/rows.db" native "$rows" > "$folder/native" 2>&1 || true
    wait
    took=$((($(date +%s%N) - start) / 1000000))
    found=$(python3 -c "
import sqlite3, sys
rows = [total for (total,) in sqlite3.connect(sys.argv[1]).execute('select total from rows order by total')]
print('all there' if rows == list(range(3 * int(sys.argv[2]))) else f'{len(rows)} rows, {len(set(rows))} different')
" "$folder/rows.db" "$rows")
    said=$(cat "$folder/one" "$folder/two" "$folder/native" | tr '\n' ' ')
    echo "run $run: $found in $took ms; $said"
    [ "$found" = "all there" ] && [ "$said" = "one done two done native done " ] || wrong=1
done
exit $wrong
