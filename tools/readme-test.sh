#!/bin/bash
# readme-test.sh WORK: follows README.md in a fresh Debian 12 in a directory.
# Needs root; has a network of its own but for the packages.

set -e
mkdir -p "$1"
work=$(cd "$1" && pwd)
tools=$(cd "$(dirname "$0")" && pwd)
root=$work/root

bash "$tools/debian.sh" "$root"

inside() { sh "$tools/inside.sh" "$root" "$@"; }

# "a clone of this repository (that takes git and make)"; openssl for the
# certificates that its configurations name
mkdir "$root/root/clone"
cd "$tools/.."
git ls-files -z | xargs -0 cp --parents -t "$root/root/clone"
inside sh -c 'apt-get -q update && apt-get -q install -y --no-install-recommends git make openssl' \
    > "$work/apt.log" 2>&1 || { tail -5 "$work/apt.log" >&2; exit 1; }

# what its commands begin with; with the network, as packages are installed
inside sh -c 'cd ~/clone && make' > "$work/make.log" 2>&1 \
    || { tail -5 "$work/make.log" >&2; exit 1; }
echo "ok - make"

# what its configurations name
unshare -n sh -c "
    ip link set lo up
    ip address add 10.0.0.5/32 dev lo
    ip address add 10.0.0.10/32 dev lo
    sh '$tools/inside.sh' '$root' sh -c 'cd ~/clone && sh tools/readme-test-inside.sh'"

rm -rf --one-file-system "$root"
