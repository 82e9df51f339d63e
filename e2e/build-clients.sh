#!/bin/sh
# Installs clients for TestMatrix that e2e/install.sh does not: Ansible from Debian, and others from
# the Go module proxy and npm's registry into the folder that is given. What is there already stays.
# A client that cannot be built is named, and left out. The first time takes up to an hour.
set -eu

command -v ansible >/dev/null || apt-get install -y --no-install-recommends ansible >/dev/null

bin=$1
mkdir -p "$bin"
bin=$(cd "$bin" && pwd)
export GOBIN="$bin" GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
log=$(mktemp)
work=$(mktemp -d)
trap 'rm -rf "$log" "$work"' EXIT

# build NAME VERSION COMMAND... runs a command that builds the client, unless it is there.
build() {
	name=$1 version=$2
	shift 2
	if [ -e "$bin/$name" ] && [ "$(cat "$bin/$name.version" 2>/dev/null)" = "$version" ]; then
		return
	fi
	echo "building $name $version" >&2
	if (cd "$work" && "$@") >"$log" 2>&1; then
		echo "$version" >"$bin/$name.version"
	else
		echo "cannot build $name $version: $(tail -n 1 "$log")" >&2
	fi
}

# docker_cli builds the docker CLI, whose module has its go.mod under another name.
docker_cli() {
	dir=$(go mod download -json "github.com/docker/cli@v$1+incompatible" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
	cp -r "$dir" cli
	chmod -R u+w cli
	cd cli
	cp vendor.mod go.mod
	cp vendor.sum go.sum
	go build -o "$bin/docker-29" -trimpath -ldflags "-s -w -X github.com/docker/cli/cli/version.Version=$1" ./cmd/docker
}

# testcontainers installs a library for Node.
testcontainers() {
	npm install --no-audit --no-fund --ignore-scripts --prefix "$bin/npm" "testcontainers@$1"
	ln -sf npm/node_modules/testcontainers "$bin/testcontainers"
}

build oras 1.3.0 go install oras.land/oras/cmd/oras@v1.3.0
build regctl 0.11.3 go install github.com/regclient/regclient/cmd/regctl@v0.11.3
build docker-29 29.8.2 docker_cli 29.8.2
build testcontainers 11.14.0 testcontainers 11.14.0
build buildx 0.38.2 go install -ldflags "-X github.com/docker/buildx/version.Version=0.38.2" github.com/docker/buildx/cmd/buildx@v0.38.2
