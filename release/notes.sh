#!/bin/sh
# Prints what CHANGELOG.md has for a version tag. A version without an entry is an error.
set -eu
cd "$(dirname "$0")/.."
version=${1#v}
notes=$(awk -v heading="## $version" 'index($0, "## ") == 1 {on = index($0 " ", heading " ") == 1; next} on' CHANGELOG.md)
[ -n "$notes" ] || {
	echo "error: CHANGELOG.md has no entry for $version" >&2
	exit 1
}
printf '%s\n' "$notes"
