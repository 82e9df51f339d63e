#!/bin/sh
# Gives the project its public address, such as example.org/owner/docker-credential-cgr:
# the module path, and the default addresses of all that downloads a release.
set -eu
cd "$(dirname "$0")/.."

address=${1:-}
case $address in
https://* | http://* | */ | '' | *[!0-9A-Za-z./_-]* | *..*)
	echo "usage: release/rename.sh ADDRESS, without https://, such as example.org/owner/docker-credential-cgr" >&2
	exit 2
	;;
*.*/*) ;;
*)
	echo "error: $address has no host and path" >&2
	exit 2
	;;
esac
old=$(sed -n 's/^module //p' go.mod)

# replace runs a sed script on the files that are named on standard input, a line each.
replace() {
	while IFS= read -r path; do
		sed "$1" "$path" >"$path.new"
		cat "$path.new" >"$path" # keeps the mode
		rm "$path.new"
	done
}

# The module path stands in imports and in the go.mod files. The name of the program, which is
# the last part of the path, stays in all other places.
git ls-files '*.go' | replace "s|^\\([[:space:]]*[A-Za-z0-9_ ]*\\)\"$old/\\([^\"]*\\)\"\$|\\1\"$address/\\2\"|"
git ls-files go.mod '*/go.mod' | replace "s|^module $old|module $address|; s|$old => |$address => |; s|\\([[:space:]]\\)$old v|\\1$address v|; s|^require $old v|require $address v|"

{
	grep '^#' release/home
	echo "$address"
} >release/home.new
mv release/home.new release/home

releases=https://$address/releases/latest/download
echo install.sh | replace "s|^default_releases=.*|default_releases=$releases|; s|^signer=.*|signer=^https://$address/|"
echo install.ps1 | replace "s|^\\\$defaultReleases = .*|\$defaultReleases = '$releases'|"
gofmt -l -w $(git ls-files '*.go') >/dev/null
echo "The project's address is $address."
echo "README.md, docs/ci/README.md and SECURITY.md still say that it has none: edit them."
