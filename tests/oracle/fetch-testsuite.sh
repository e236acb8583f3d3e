#!/bin/bash
# Fetches CPython's own regression tests, from Debian's packages libpython3.14-testsuite and (for test.support)
# libpython3.14-stdlib in sid.
#
# Owns: FOLDER/test, the package `test` of the standard library. usage: fetch-testsuite.sh FOLDER
# Uses package lists of its own, from the mirror that apt is set up for; the machine's are left as they are. Needs: apt, dpkg
set -euo pipefail
mkdir -p "$1/apt/lists/partial" "$1/apt/cache/archives/partial"
folder=$(cd "$1" && pwd)
mirror=$(awk '$1=="URIs:"{print $2; exit} $1=="deb"{print $2; exit}' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2> /dev/null | head -1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" > "$folder/apt/sid.list"
apt=(apt-get -o "Dir::Etc::sourcelist=$folder/apt/sid.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache" -o APT::Sandbox::User=root
    -o Acquire::Languages=none -q)
"${apt[@]}" update
cd "$folder"
"${apt[@]}" download libpython3.14-testsuite libpython3.14-stdlib
rm -rf root test
for package in libpython3.14-testsuite_*.deb libpython3.14-stdlib_*.deb; do
    dpkg -x "$package" root
done
mv root/usr/lib/python3.14/test test
rm -rf root apt
ls ./*.deb
