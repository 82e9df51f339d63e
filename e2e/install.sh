#!/bin/sh
# Installs from Debian what the end-to-end tests run and is not here yet. Where
# all of it is here, nothing is done. Crane is built by the tests themselves.
set -eu

# A user's own PATH may lack where daemons lie.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

has() {
	command -v "$1" >/dev/null 2>&1
}

missing=
while read -r program package; do
	has "$program" || missing="$missing $package"
done <<LIST
dockerd docker.io
containerd containerd
podman podman
skopeo skopeo
buildah buildah
dbus-daemon dbus
dbus-launch dbus-x11
gnome-keyring-daemon gnome-keyring
secret-tool libsecret-tools
docker-compose docker-compose
docker-credential-secretservice golang-docker-credential-helpers
keyctl keyutils
chromium chromium
tmux tmux
ssh openssh-client
sshd openssh-server
strace strace
time time
ip iproute2
iptables iptables
jq jq
pass pass
gpg gnupg
curl curl
debootstrap debootstrap
rpm rpm
LIST
/usr/bin/python3 -c 'import docker' 2>/dev/null || missing="$missing python3-docker"
/usr/bin/python3 -c 'import pip' 2>/dev/null || missing="$missing python3-pip"
has crun || has runc || missing="$missing crun"
if ! has docker; then
	# In docker.io up to Debian 12, in a package of its own since.
	if has apt-cache && apt-cache show docker-cli >/dev/null 2>&1; then
		missing="$missing docker-cli"
	else
		missing="$missing docker.io"
	fi
fi

[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" != 0 ] || ! has apt-get; then
	echo "The end-to-end tests need more than is installed here. On Debian, run as root:" >&2
	echo "  $install" >&2
	exit 1
fi

log=$(mktemp)
# Daemons that are installed are not to start by themselves: the tests start their
# own, and nobody asked for an sshd that lets people in.
policy=/usr/sbin/policy-rc.d
if [ -e $policy ]; then
	trap 'rm -f "$log"' EXIT
else
	trap 'rm -f "$log" $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
echo "installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # its words are what is wanted
if ! { apt-get update && $install; } >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
