#!/bin/bash
# build_module.sh SOURCE WORK OUT [DIR]: builds the dynamic module OUT against
# the nginx headers and flags in SOURCE (of the package nginx-dev), in WORK;
# DIR has the config of the module, the top directory if not given.

set -e
source=$1 work=$2 out=$3
top=$(cd "${4:-$(dirname "$0")/../..}" && pwd)

if test ! -e "$work/configure"; then
    rm -rf "$work"
    mkdir -p "$work"
    cp -r "$source/." "$work"
fi

cd "$work"
. ./conf_flags

log=$work/build.log

if ! { ./configure "${NGX_CONF_FLAGS[@]}" \
           --with-cc="${CC:-cc}" --with-cc-opt="-g -O2 ${MODULE_CFLAGS--Werror}" \
           --add-dynamic-module="$top" \
       && make -k -f objs/Makefile modules; } > "$log" 2>&1
then
    grep -E '(error|warning): |(error: the)' "$log" | grep -v '^cc ' >&2 || tail -20 "$log" >&2
    exit 1
fi

# nginx that run with the old one keep it
cp "objs/$(basename "$out")" "$out.new"
mv "$out.new" "$out"
