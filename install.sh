#!/bin/sh
# Installs docker-credential-cgr from a folder of release files. Needs no root.
#
#   curl -fsSL "$RELEASES/install.sh" | RELEASES=$RELEASES sh
#
# RELEASES is the address or the path of the folder.
set -eu

# The whole script is read before main runs, so that a download that was cut does nothing.
usage() {
	cat <<'END'
Install docker-credential-cgr.

Usage: install.sh [--version VERSION] [--dir DIR] [--uninstall]

  --version VERSION   install this version, from the folder vVERSION below $RELEASES
                      (default: the one in $RELEASES)
  --dir DIR           install into this folder (default: /usr/local/bin for root, otherwise
                      the one of ~/.local/bin and ~/bin that is in PATH, or ~/.local/bin)
  --uninstall         remove the program, its man pages, its completions and the Docker plugin;
                      run docker-credential-cgr configure-docker --remove first

Environment:
  RELEASES            address (https://…) or path of a folder of release files
END
}

# The address of the latest release, once the project has one.
default_releases=
# The identity that signs releases, for cosign.
signer=

name=docker-credential-cgr

fail() {
	printf 'error: %s\n' "$1" >&2
	[ $# -lt 2 ] || hint "$2"
	exit 1
}
warn() { printf 'warning: %s\n' "$1" >&2; }
hint() { printf 'hint: %s\n' "$1" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

main() {
	version='' dir='' uninstall=''
	while [ $# -gt 0 ]; do
		case $1 in
		--version=*) version=${1#*=} ;;
		--dir=*) dir=${1#*=} ;;
		--version | --dir)
			[ $# -gt 1 ] || fail "$1 needs a value"
			case $1 in --version) version=$2 ;; *) dir=$2 ;; esac
			shift
			;;
		--uninstall) uninstall=1 ;;
		-h | --help)
			usage
			exit 0
			;;
		*) fail "unknown argument: $1" "install.sh --help" ;;
		esac
		shift
	done
	version=${version#v}
	case $version in *[!0-9A-Za-z.+-]*) fail "invalid version: $version" ;; esac
	[ -n "$dir" ] || choose_dir
	case $dir in /*) ;; *) dir=$(pwd)/$dir ;; esac
	choose_places
	if [ -n "$uninstall" ]; then
		remove
		return
	fi
	detect
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 130' INT TERM HUP
	fetch_archive
	install_files
}

# choose_dir sets dir to a folder that is in PATH, if there is a usual one.
choose_dir() {
	if [ "$(id -u)" = 0 ]; then
		dir=/usr/local/bin
		return
	fi
	[ -n "${HOME:-}" ] || fail "HOME is not set" "install.sh --dir DIR"
	dir=$HOME/.local/bin
	for candidate in "$HOME/.local/bin" "$HOME/bin"; do
		case :$PATH: in *:"$candidate":*)
			dir=$candidate
			return
			;;
		esac
	done
}

# choose_places sets where the other files go. Programs look for man pages and completions
# beside the folders in PATH.
choose_places() {
	share='' plugins=''
	case $dir in */bin) share=${dir%/bin}/share ;; esac
	if [ "$dir" = /usr/local/bin ]; then
		plugins=/usr/local/lib/docker/cli-plugins
	elif [ -n "${HOME:-}" ]; then
		case $dir in "$HOME"/*)
			share=${share:+$HOME/.local/share}
			plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
			;;
		esac
	fi
}

# detect sets system and arch to Go's names.
detect() {
	system=$(uname -s)
	case $system in
	Linux) system=linux ;;
	Darwin) system=darwin ;;
	FreeBSD) system=freebsd ;;
	OpenBSD) system=openbsd ;;
	NetBSD) system=netbsd ;;
	MINGW* | MSYS* | CYGWIN*) fail "this is Windows" "run install.ps1 in PowerShell" ;;
	*) fail "there is no release for $system" "build it from the source: make install" ;;
	esac
	machine=$(uname -m)
	case $machine in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	armv7* | armv8l) arch=arm ;;
	i?86) arch=386 ;;
	riscv64 | ppc64le | s390x) arch=$machine ;;
	*) fail "there is no release for $machine" "build it from the source: make install" ;;
	esac
	# A shell that runs under Rosetta is told that the processor is Intel's.
	if [ "$system/$arch" = darwin/amd64 ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then
		arch=arm64
	fi
}

# fetch copies the file $1 of the release to $2.
fetch() {
	case $releases in
	http://* | https://*)
		if has curl; then
			curl -fsSL --retry 2 --proto '=http,https' -o "$2" "$releases/$1"
		elif has wget; then
			wget -q -O "$2" "$releases/$1"
		elif [ -x /usr/lib/apt/apt-helper ]; then
			/usr/lib/apt/apt-helper download-file "$releases/$1" "$2" >/dev/null
		else
			fail "neither curl nor wget is installed"
		fi
		;;
	*) cp "${releases#file://}/$1" "$2" 2>/dev/null ;;
	esac
}

sha256() {
	if has sha256sum; then
		sha256sum <"$1"
	elif has shasum; then
		shasum -a 256 <"$1"
	elif has sha256; then
		sha256 -q <"$1"
	elif has openssl; then
		openssl dgst -sha256 -r <"$1"
	else
		fail "nothing here computes SHA-256: install sha256sum, shasum or openssl"
	fi | cut -d ' ' -f 1
}

# fetch_archive downloads and checks the archive, and sets version.
fetch_archive() {
	releases=${RELEASES:-$default_releases}
	[ -n "$releases" ] || fail "RELEASES is not set" "RELEASES=https://… sh install.sh"
	releases=${releases%/}
	if [ -n "$version" ]; then
		case $releases in
		*/latest/download) releases=${releases%/latest/download}/download/v$version ;;
		*) releases=$releases/v$version ;;
		esac
	fi
	fetch checksums.txt "$tmp/checksums.txt" || fail "cannot download $releases/checksums.txt"
	verify_signature

	line=$(grep -E "^[0-9a-f]{64}  ${name}_[0-9A-Za-z.+-]+_${system}_${arch}\.tar\.gz\$" "$tmp/checksums.txt") ||
		fail "$releases/checksums.txt names no archive for $system/$arch"
	case $line in *"
"*) fail "$releases/checksums.txt names several archives for $system/$arch" "install.sh --version VERSION" ;; esac
	archive=${line#*  }
	found=${archive#"${name}"_}
	found=${found%_"${system}"_"${arch}".tar.gz}
	[ -z "$version" ] || [ "$found" = "$version" ] || fail "$releases has version $found, want $version"
	version=$found

	fetch "$archive" "$tmp/$archive" || fail "cannot download $releases/$archive"
	sum=$(sha256 "$tmp/$archive")
	[ -n "$sum" ] || exit 1
	[ "$sum" = "${line%% *}" ] ||
		fail "$releases/$archive has the wrong checksum: got $sum, want ${line%% *}" "download it again; if the error stays, do not use the file"
}

# verify_signature checks who signed checksums.txt, if cosign is installed. A release of an
# organization's own has no known signer.
verify_signature() {
	[ -n "$signer" ] && has cosign || return 0
	fetch checksums.txt.sigstore.json "$tmp/bundle" || fail "cannot download $releases/checksums.txt.sigstore.json"
	cosign verify-blob --bundle "$tmp/bundle" --certificate-oidc-issuer https://token.actions.githubusercontent.com \
		--certificate-identity-regexp "$signer" "$tmp/checksums.txt" >/dev/null 2>"$tmp/cosign" ||
		fail "$releases/checksums.txt has no valid signature: $(tail -n 1 "$tmp/cosign")"
}

install_files() {
	mkdir "$tmp/files"
	tar -xzf "$tmp/$archive" -C "$tmp/files" || fail "cannot unpack $archive"
	mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] || fail "$dir cannot be written" "install.sh --dir DIR"
	# In one step, since Docker may be running the program.
	cp "$tmp/files/$name" "$dir/.$name.new"
	chmod 755 "$dir/.$name.new"
	if ! "$dir/.$name.new" version >/dev/null; then
		rm -f "$dir/.$name.new"
		fail "the program does not run on this machine"
	fi
	mv -f "$dir/.$name.new" "$dir/$name"
	if [ -n "$share" ]; then
		for page in "$tmp/files/man"/*.1; do copy "$page" "$share/man/man1"; done
		copy "$tmp/files/completions/$name.bash" "$share/bash-completion/completions" "$name"
		copy "$tmp/files/completions/$name.fish" "$share/fish/vendor_completions.d"
		copy "$tmp/files/completions/$name.zsh" "$share/zsh/site-functions" "_$name"
	fi
	if [ -n "$plugins" ] && mkdir -p "$plugins" 2>/dev/null; then
		ln -sf "$dir/$name" "$plugins/docker-cgr"
		# Older versions are no plugin, which docker info would report as an error.
		"$plugins/docker-cgr" docker-cli-plugin-metadata >/dev/null 2>&1 || rm -f "$plugins/docker-cgr"
	fi
	printf 'Installed %s %s in %s.\n' "$name" "$version" "$dir"
	case :$PATH: in
	*:"$dir":*)
		first=$(command -v "$name" || true)
		[ "$first" = "$dir/$name" ] || warn "$first comes first in PATH"
		printf 'Next: %s configure-docker\n' "$name"
		;;
	*)
		warn "$dir is not in PATH, so Docker does not find the program there"
		hint "export PATH=\"$dir:\$PATH\""
		;;
	esac
}

# copy copies the file $1 into the folder $2, under the name $3 if it is given. Man pages
# and completions are extras, so it does not fail.
copy() {
	{ mkdir -p "$2" && cp "$1" "$2/${3:-${1##*/}}"; } 2>/dev/null || warn "$2 cannot be written"
}

remove() {
	[ -e "$dir/$name" ] || fail "$dir/$name does not exist" "install.sh --uninstall --dir DIR"
	rm -f "$dir/$name"
	if [ -n "$share" ]; then
		rm -f "$share/man/man1/$name.1" "$share/man/man1/$name"-*.1 "$share/bash-completion/completions/$name" \
			"$share/fish/vendor_completions.d/$name.fish" "$share/zsh/site-functions/_$name"
	fi
	if [ -n "$plugins" ] && [ "$(readlink "$plugins/docker-cgr" 2>/dev/null)" = "$dir/$name" ]; then
		rm -f "$plugins/docker-cgr"
	fi
	printf 'Removed %s from %s.\n' "$name" "$dir"
	config=${DOCKER_CONFIG:-${HOME:-}/.docker}/config.json
	if grep -q '"cgr"' "$config" 2>/dev/null; then
		warn "$config still names the helper, so Docker reports an error for the registry"
		hint "delete \"cgr.dev\": \"cgr\" from it"
	fi
}

main "$@"
