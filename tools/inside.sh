#!/bin/sh
# inside.sh ROOT COMMAND...: runs a command in the Debian of debian.sh.  What it
# starts and mounts is gone when it ends.

root=$1
shift
exec unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" \
    chroot "$root" env -i DEBIAN_FRONTEND=noninteractive LC_ALL=C HOME=/root \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
