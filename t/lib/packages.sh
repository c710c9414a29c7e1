#!/bin/sh
# Installs the Debian packages that are named and missing.  COMMAND=PACKAGE: one
# that may as well have come from elsewhere, if only the command is there.

missing=
for package; do
    case $package in
    *=*)
        command -v "${package%=*}" > /dev/null \
            || missing="$missing ${package#*=}"
        continue
    esac

    dpkg-query -W -f '${Status}' "$package" 2>/dev/null \
        | grep -q '^install ok installed$' || missing="$missing $package"
done

test -z "$missing" && exit 0

if test "$(id -u)" != 0; then
    echo "these packages are missing, install them as root:$missing" >&2
    exit 1
fi

echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive

# servers that a package brings are not to be started here
policy=/usr/sbin/policy-rc.d
made=
if test ! -e $policy; then
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod 755 $policy
    made=1
fi

apt-get -q update > /dev/null \
    && apt-get -q -o DPkg::Lock::Timeout=600 install -y \
           --no-install-recommends $missing > /dev/null
rc=$?

test -n "$made" && rm -f $policy
exit $rc
