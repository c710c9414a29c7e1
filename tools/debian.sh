#!/bin/bash
# debian.sh ROOT: makes a fresh Debian 12 in the directory ROOT, which has its
# packages from where this machine has them.  Needs root.

set -e
root=$1

test "$(id -u)" = 0 || { echo "a Debian in a directory needs root" >&2; exit 1; }

mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null \
         | grep -oE '(https?|file):/[^ ]*/debian/?( |$)' | head -1)

rm -rf --one-file-system "$root"
mkdir -p "$(dirname "$root")"
debootstrap --variant=minbase bookworm "$root" $mirror > "$root.log" 2>&1 \
    || { tail -5 "$root.log" >&2; exit 1; }

cp -r /etc/apt/sources.list* /etc/apt/apt.conf.d /etc/apt/trusted.gpg* \
      "$root/etc/apt/" 2>/dev/null || true
mkdir -p "$root/usr/share/keyrings" "$root/etc/ssl"
cp -rn /usr/share/keyrings/. "$root/usr/share/keyrings/"
cp -rLn /etc/ssl/certs "$root/etc/ssl/" 2>/dev/null || true
cp /etc/resolv.conf /etc/hosts "$root/etc/"

# a package that is installed starts nothing
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
