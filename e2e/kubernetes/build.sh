#!/bin/sh
# Builds etcd, the API server and the kubelet into a folder of their own below the one that is given, and prints
# that folder. Its name has the versions, so what is there is up to date. The first time takes 20 minutes on two idle
# cores, and 2 GB of Go's module cache. With "caller" as the second argument, it only builds the program that calls
# credential providers with the kubelet's code.
set -eu

modules=$(cd "$(dirname "$0")/binaries" && pwd)
mkdir -p "$1"
version=$(sed -n 's/^\tk8s\.io\/kubernetes \(v[0-9.]*\).*/\1/p' "$modules/go.mod")
etcd=$(sed -n 's/^\tgo\.etcd\.io\/etcd\/server\/v3 \(v[0-9.]*\).*/\1/p' "$modules/go.mod")
dir=$(cd "$1" && pwd)/kubernetes-$version-etcd-$etcd
mkdir -p "$dir"

# build NAME PACKAGE builds a program, unless it is there.
build() {
	[ ! -x "$dir/$1" ] || return 0
	echo "building $1 of Kubernetes $version" >&2
	(cd "$modules" && GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$dir/$1.new" "$2")
	mv "$dir/$1.new" "$dir/$1"
}

if [ "${2:-}" = caller ]; then
	rm -f "$dir/caller" # Go's build cache knows whether it is up to date
	build caller ./caller
else
	build etcd go.etcd.io/etcd/server/v3
	build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
	build kubelet k8s.io/kubernetes/cmd/kubelet
fi
echo "$dir"
