#!/bin/bash
# Builds driver and cases as ELF programs for this machine, runs them, and compares what they print with expected.txt.
#
# Owns: where expected.txt comes from. usage: native.sh OUT_DIR [--update] [CASE...]
# --update writes expected.txt instead; native.txt where there is one, since pydl differs there on purpose.
# Needs: gcc g++, on a system with glibc
set -eu
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
update=no
[ "${1-}" != --update ] || { update=yes; shift; }
only=("$@")
cd "$(dirname "$0")"
export LC_ALL=C

flags="-O2 -Wall -Wextra -Werror -D_GNU_SOURCE -Idriver"
gcc $flags -rdynamic driver/driver.c -o "$out/driver" -ldl
wanted() {
    [ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $1 "* ]]
}
build_library() { # build_library CASE LIBRARY [OPTION...] [NEEDED...], as in libraries.txt
    local case=$1 library=$2 compiler=gcc source linked=() members=()
    shift 2
    # Libraries beside each other are found, unless the case is about folders.
    [ -n "$(find "$case" -mindepth 1 -type d)" ] || linked+=('-Wl,-rpath,$ORIGIN')
    while [[ ${1-} == [+=@-]* ]]; do
        case $1 in
            @*) linked+=("-Wl,--enable-new-dtags,-rpath,${1#@}") ;;
            =*) members+=("$case/${1#=}.c") ;;
        esac
        shift
    done
    source=$case/$library.c
    [ -e "$source" ] || { source=$case/$library.cpp; compiler="g++ -std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics"; }
    mkdir -p "$out/$case/$(dirname "$library")"
    local needed=("${@/#/$out/$case/}")
    $compiler $flags -shared -fPIC "$source" "${members[@]}" -o "$out/$case/$library.so" -Wl,-soname,"${library##*/}.so" \
        "${linked[@]}" -Wl,--no-as-needed "${needed[@]/%/.so}" -ldl
}
lines=$(grep -v '^#' libraries.txt)
while read -r case line; do
    if wanted "$case"; then build_library "$case" $line; fi
done <<< "$lines"
while read -r case library mark _; do
    [ "$mark" != -gone ] || rm -f "$out/$case/$library.so"
done <<< "$lines"

failed=0
for case in $(cut -d' ' -f1 <<< "$lines" | sort -u); do
    wanted "$case" || continue
    status=0
    expected=$case/native.txt
    [ -e "$expected" ] || expected=$case/expected.txt
    path=$out/$case
    for folder in $(cat "$case/library_path.txt" 2> /dev/null || true); do path=$path:$out/$case/$folder; done
    LD_LIBRARY_PATH=$path "$out/driver" case.so > "$out/$case/output.txt" || status=$?
    if [ $status -ne 0 ]; then
        echo "$case: status $status"
        failed=1
    elif [ $update = yes ]; then
        cp "$out/$case/output.txt" "$expected"
        echo "$case: written"
    elif diff -u "$expected" "$out/$case/output.txt"; then
        echo "$case: same"
    else
        echo "$case: differs"
        failed=1
    fi
done
exit $failed
