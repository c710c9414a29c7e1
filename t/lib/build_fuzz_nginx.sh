#!/bin/bash
# build_fuzz_nginx.sh SOURCE TARGET.c OUT: links a fuzz target with all objects
# of the nginx that was built in SOURCE; its main() becomes nginx_main().

set -e
source=$1 target=$(realpath "$2") out=$(realpath -m "$3")
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$source"

objects=$(find objs -name '*.o' ! -path '*/core/nginx.o' ! -name 'fuzz_*')
libraries=$(grep -oE -- ' -l[a-z0-9-]+' objs/Makefile | sort -u)

objcopy --redefine-sym main=nginx_main objs/src/core/nginx.o objs/fuzz_main.o

clang -g -O1 -Wall -Wextra -Wno-unused-parameter -Werror \
    -fsanitize=fuzzer,address,undefined \
    -fno-sanitize=function,alignment,nonnull-attribute,pointer-overflow \
    -Isrc/core -Isrc/event -Isrc/os/unix -Isrc/http -Isrc/http/modules \
    -Isrc/http/v2 -Iobjs -I"$top/src/core" -DNGX_DEBUG_PALLOC=1 \
    -Wl,--wrap=ngx_process_events_and_timers \
    -o "$out" "$target" objs/fuzz_main.o $objects $libraries
