#!/bin/sh
# Fills in the templates from the environment, as images of nginx do, then runs
# what it was told to.

set -e

# what nobody has said: the name of this host, and its own name servers
: "${TOKEN_REVOKE_NODE:=$(hostname)}"
: "${TOKEN_REVOKE_RESOLVER:=$(sed -n 's/^nameserver *//p' /etc/resolv.conf \
                              | sed 's/.*:.*/[&]/' | tr '\n' ' ')}"
: "${TOKEN_REVOKE_RESOLVER:=127.0.0.1}"
export TOKEN_REVOKE_NODE TOKEN_REVOKE_RESOLVER

from=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
to=${NGINX_ENVSUBST_OUTPUT_DIR:-/tmp/conf.d}
mkdir -p "$to"

# only variables that are there: $host and others are nginx' own
names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')

for template in "$from"/*.template; do
    test -e "$template" || continue
    envsubst "$names" < "$template" > "$to/$(basename "$template" .template)"
done

exec "$@"
