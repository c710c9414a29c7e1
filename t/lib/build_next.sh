#!/bin/bash
# build_next.sh SOURCE WORK OUT: builds this module with files of the next format
# version, in WORK, so that two versions can be run side by side.

set -e
source=$1 work=$2 out=$3
top=$(cd "$(dirname "$0")/../.." && pwd)

rm -rf "$work/tree"
mkdir -p "$work/tree/t/lib"
cp -r "$top/config" "$top"/*.c "$top/src" "$work/tree"
cp "$top/t/lib/build_module.sh" "$work/tree/t/lib"

header=$work/tree/src/core/trv_core.h
version=$(sed -n 's/^#define TRV_FORMAT_VERSION *\([0-9]*\)$/\1/p' "$header")
sed -i "s/^\(#define TRV_FORMAT_VERSION\).*/\1 $((version + 1))/" "$header"
! cmp -s "$header" "$top/src/core/trv_core.h"

bash "$work/tree/t/lib/build_module.sh" "$source" "$work/nginx" "$out"
