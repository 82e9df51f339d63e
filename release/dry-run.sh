#!/bin/sh
# Builds all files of a release of HEAD twice, in two folders, and compares their
# checksums. The files stay in dist/.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
tag=$(git describe --exact-match --tags --match 'v*' 2>/dev/null || echo v0.0.0-dry-run)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ ! -e dist ] || { echo "error: dist/ exists: remove it first" >&2; exit 1; }

for folder in first the-second; do
	git clone -q . "$work/$folder"
	(
		cd "$work/$folder"
		git tag -f "$tag" >/dev/null
		cd release
		go run . -output "$work/$folder-files" -url https://releases.example.com/docker-credential-cgr
	)
done
if ! cmp "$work/first-files/checksums.txt" "$work/the-second-files/checksums.txt"; then
	diff "$work/first-files/checksums.txt" "$work/the-second-files/checksums.txt" >&2
	exit 1
fi
mv "$work/first-files" "$root/dist"
cat dist/checksums.txt
echo "Both builds have the same bytes. The files are in dist/."
