#!/bin/sh
# runs in cgr.dev/chainguard/bash
IMAGE="cgr.dev/chainguard/bash:latest"
docker pull "$IMAGE"
docker run --rm \
  -v "$PWD:/x" \
  cgr.dev/chainguard/crane:latest version
kubectl run x --image=cgr.dev/chainguard/curl:latest
docker build --build-arg BASE=cgr.dev/chainguard/static:latest -t cgr.dev/example.com/app:dev .
docker push cgr.dev/example.com/app:dev
