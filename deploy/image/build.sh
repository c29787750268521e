#!/bin/sh
# Builds the OCI image of rocketaudit for host containers, bootstrap containers and pods, as an ordinary user, without
# a container daemon: Python from Debian packages, rocketaudit and what it needs from wheels, put together by umoci.
# There is no shell, no package manager and no network client in it, and it needs no network when it runs.
#
#   deploy/image/build.sh OUTPUT            an OCI layout in OUTPUT/oci, its file system in OUTPUT/bundle/rootfs
#
# Needs: apt-get and dpkg-deb (Debian or Ubuntu with Python 3.11 in its archive), python3 with pip, umoci.
set -eu
[ $# -eq 1 ] || { echo "usage: build.sh OUTPUT" >&2; exit 2; }
HERE=$(cd "$(dirname "$0")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
PYTHON=${PYTHON:-python3}
VERSION=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$REPO/rocketaudit/__init__.py")
TAG=rocketaudit:$VERSION
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
PACKAGES=$OUT/packages
ROOT=$OUT/bundle/rootfs
for tool in apt-get dpkg-deb umoci "$PYTHON"; do
  command -v "$tool" >/dev/null 2>&1 || { echo "build.sh: $tool is needed" >&2; exit 3; }
done
[ ! -e "$OUT/oci" ] || { echo "build.sh: $OUT/oci is there already" >&2; exit 2; }

# What python3.11 needs on a system that has nothing, without what only installs packages and what only modules of
# Python need that are never imported here (readline, curses, dbm, nis).
UNNEEDED='debconf\|perl.*\|dpkg\|tar\|install-info\|libpam.*\|readline-common\|libreadline8\|libdb5.3\|libtirpc.*'
UNNEEDED="$UNNEEDED"'\|libnsl2\|lib.*krb5.*\|libk5crypto3\|libcom-err2\|libkeyutils1\|libncursesw6\|libtinfo6'
UNNEEDED="$UNNEEDED"'\|libselinux1\|libpcre2-8-0\|libacl1\|libmd0\|libzstd1'
mkdir -p "$PACKAGES"
: >"$OUT/status"
apt-get -qq -o Dir::State::status="$OUT/status" -o Debug::NoLocking=1 -s --no-install-recommends install python3.11 |
  sed -n 's/^Inst \([^ ]*\) .*/\1/p' | sed "/^\($UNNEEDED\)\$/d" >"$OUT/names"
(cd "$PACKAGES" && xargs apt-get -qq download <"$OUT/names")

umask 022
umoci init --layout "$OUT/oci"
umoci new --image "$OUT/oci:$VERSION"
umoci unpack --rootless --image "$OUT/oci:$VERSION" "$OUT/bundle" >/dev/null 2>&1
for package in "$PACKAGES"/*.deb; do dpkg-deb -x "$package" "$ROOT"; done
for name in bin sbin lib lib64; do # as on a merged system, where /lib is /usr/lib
  if [ -d "$ROOT/$name" ] && [ ! -L "$ROOT/$name" ]; then
    mkdir -p "$ROOT/usr/$name"
    cp -a "$ROOT/$name/." "$ROOT/usr/$name/"
    rm -rf "${ROOT:?}/$name"
    ln -s "usr/$name" "$ROOT/$name"
  fi
done
"$PYTHON" -m pip wheel -q --no-deps -w "$OUT/wheels" "$REPO"
"$PYTHON" -m pip install -q --no-compile --python-version 3.11 --implementation cp --only-binary=:all: \
  --target "$ROOT/usr/lib/rocketaudit" "$OUT"/wheels/rocketaudit-*.whl
cp "$HERE/entrypoint.py" "$ROOT/usr/lib/rocketaudit/rocketaudit_entrypoint.py"
rm -rf "$ROOT/usr/share/doc" "$ROOT/usr/share/man" "$ROOT/usr/share/locale" "$ROOT/usr/share/bash-completion" \
  "$ROOT/usr/lib/rocketaudit/bin" "$ROOT/usr/share/lintian" "$ROOT/usr/share/python3" "$ROOT/usr/share/pixmaps"
find "$ROOT" \( -name '*.pyc' -o -name '__pycache__' \) -prune -exec rm -rf {} +
rm -f "$ROOT"/usr/bin/*[!0-9] # ldd, iconv and the like; python3.11 stays
rm -rf "$ROOT/usr/sbin" "$ROOT/sbin"
mkdir -p "$ROOT/.bottlerocket" "$ROOT/host" "$ROOT/reports" "$ROOT/tmp" "$ROOT/run" "$ROOT/proc" "$ROOT/sys" "$ROOT/dev" "$ROOT/etc"
chmod 1777 "$ROOT/tmp"
umoci repack --image "$OUT/oci:$VERSION" "$OUT/bundle" >/dev/null 2>&1
umoci config --image "$OUT/oci:$VERSION" --author "" --config.user 0:0 --config.workingdir / \
  --config.env PYTHONPATH=/usr/lib/rocketaudit --config.env PYTHONDONTWRITEBYTECODE=1 \
  --config.env PATH=/usr/bin --config.env LC_ALL=C.UTF-8 \
  --config.entrypoint /usr/bin/python3.11 --config.entrypoint -m --config.entrypoint rocketaudit_entrypoint \
  --config.label org.opencontainers.image.title=rocketaudit \
  --config.label "org.opencontainers.image.version=$VERSION" \
  --config.label org.opencontainers.image.licenses=Apache-2.0
umoci gc --layout "$OUT/oci" >/dev/null 2>&1
echo "$TAG in $OUT/oci"
