#!/bin/bash
# deb-test.sh WORK: installs the package that deb.sh has built in WORK in a
# fresh Debian 12 in a directory, uses its example, revokes a token, purges it.
# Needs root; has a network of its own but for the packages.

set -e
work=$(cd "$1" && pwd)
tools=$(cd "$(dirname "$0")" && pwd)
root=$work/root

deb=$(ls "$work"/libnginx-mod-http-token-revoke_*.deb)
bash "$tools/debian.sh" "$root"

inside() { sh "$tools/inside.sh" "$root" "$@"; }

cp "$deb" "$root/tmp/"
inside apt-get -q update > "$work/apt.log" 2>&1
inside sh -c 'apt-get -q install -y --no-install-recommends nginx redis-server \
              apache2-utils curl procps /tmp/libnginx-mod-*.deb' \
    >> "$work/apt.log" 2>&1 || { tail -5 "$work/apt.log" >&2; exit 1; }

cp "$tools/deb-test-inside.sh" "$root/tmp/"
unshare -n sh -c "ip link set lo up && sh '$tools/inside.sh' '$root' sh /tmp/deb-test-inside.sh"

inside apt-get -q purge -y libnginx-mod-http-token-revoke \
    >> "$work/apt.log" 2>&1
inside nginx -t 2>&1 | grep -q successful
left=$(find "$root/etc" "$root/usr" -name '*token?revoke*' -o -name 'trv-*')
test -z "$left" || { echo "not purged: $left" >&2; exit 1; }

echo "ok - installed, used and purged"
rm -rf --one-file-system "$root"
