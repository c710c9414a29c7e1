#!/bin/bash
# build_sanitized.sh WORK: builds WORK/nginx, the distribution's nginx version
# from source with the module linked into it, under ASan and UBSan.  A dynamic
# module would not do: it and the executable both export ngx_modules.

set -e
work=$1
top=$(cd "$(dirname "$0")/../.." && pwd)

mkdir -p "$work/logs"
work=$(cd "$work" && pwd)
cd "$work"

# the source package, by way of a private list made from the machine's own

fetch() {
    local apt=$work/apt options

    rm -rf "$apt"
    mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"

    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        test -f "$list" || continue
        case $list in
        *.sources) sed -E 's/^Types:.*/Types: deb-src/' "$list" \
                       > "$apt/parts/$(basename "$list")" ;;
        *.list)    sed -nE 's/^deb(-src)?([[:space:]])/deb-src\2/p' "$list" \
                       >> "$apt/parts/own.list" ;;
        esac
    done

    options=(-q -o Dir::Etc::SourceList=/dev/null
             -o "Dir::Etc::SourceParts=$apt/parts"
             -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache"
             -o "APT::Sandbox::User=$(id -un)")

    apt-get "${options[@]}" update || true
    apt-get "${options[@]}" source --download-only nginx
}

version=$(nginx -v 2>&1 | sed -n 's|.*nginx/\([0-9.]*\).*|\1|p')
tar=nginx_$version.orig.tar.gz

if test ! -e "$tar"; then

    # other files of the source package may be gone already; apt puts a file
    # here only after checking it against the signed index

    fetch > fetch.log 2>&1 || true

    if test ! -e "$tar"; then
        tail -5 fetch.log >&2
        echo "cannot get the source of nginx $version" >&2
        exit 1
    fi
fi

if test ! -e source/configure; then
    mkdir -p source
    tar -xzf "$tar" -C source --strip-components 1
fi

# function, alignment, nonnull-attribute, pointer-overflow: nginx calls handlers
# through other types, reads words unaligned, copies nothing from nowhere and
# adds zero to no pointer (unit tests and fuzzing check these in src/core); with
# NGX_DEBUG_PALLOC every pool allocation is one that ASan sees; the edges that
# the code takes are counted for the fuzzer of whole requests

cd source
flags="-O1 -g -fno-omit-frame-pointer
       -fsanitize=address,undefined,fuzzer-no-link
       -fno-sanitize=function,alignment,nonnull-attribute,pointer-overflow
       -DNGX_DEBUG_PALLOC=1"

# configuring makes all of nginx be compiled anew: only if it changes anything

configure() {
    test -e objs/Makefile \
        && test -z "$(find "$top/config" "$top"/src/* -maxdepth 0 \
                           -newer objs/Makefile)" \
        && test -z "$(find "$top/src/lua" -newer objs/Makefile)" \
        && return

    ./configure --with-cc=clang --with-cc-opt="$(echo $flags)" \
        --with-ld-opt="-fsanitize=address,undefined" \
        --prefix="$work" --with-debug --with-threads --with-pcre-jit \
        --with-http_ssl_module --with-http_v2_module \
        --with-http_auth_request_module --with-http_realip_module \
        --with-http_slice_module --add-module="$top"
}

if ! { configure && make -k -j"$(nproc)"; } > "$work/build.log" 2>&1
then
    grep -E 'error: ' "$work/build.log" >&2 || tail -20 "$work/build.log" >&2
    exit 1
fi

cp objs/nginx "$work/nginx.new"
mv "$work/nginx.new" "$work/nginx"
