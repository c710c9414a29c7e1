#!/bin/sh
# deb.sh WORK: builds the Debian package in WORK and has lintian look at it.

set -e
work=$1
top=$(cd "$(dirname "$0")/.." && pwd)

rm -rf "$work"
mkdir -p "$work/source"
work=$(cd "$work" && pwd)

cd "$top"
git ls-files -z | xargs -0 cp --parents -t "$work/source"

cd "$work/source"
dpkg-buildpackage -us -uc -b > ../build.log 2>&1 || {
    tail -30 ../build.log >&2
    exit 1
}

cd ..
lintian --fail-on error --suppress-tags bad-distribution-in-changes-file \
    ./*.changes
ls "$work"/*.deb
