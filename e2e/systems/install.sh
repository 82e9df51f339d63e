#!/bin/sh
# Installs from Debian what the tests of other systems run and is not here yet.
set -eu

missing=
while read -r program package; do
	command -v "$program" >/dev/null 2>&1 || missing="$missing $package"
done <<LIST
qemu-s390x-static qemu-user-static
/usr/lib/wine/wine64 wine64
x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64
LIST
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "The tests of other systems need more than is installed here. On Debian, run as root:" >&2
	echo "  $install" >&2
	exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update && $install; } >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
