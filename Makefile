# make help lists the targets.
.DEFAULT_GOAL := build

GO      ?= go
BIN     := bin/docker-credential-cgr
# As it is shipped.
SHIPPED := -trimpath -ldflags="-s -w"
# Flags for go test, such as -v.
TESTFLAGS ?=
# The race detector needs cgo, and cgo a C compiler.
RACE    := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)

.PHONY: build
build: ## Build bin/docker-credential-cgr as in a release
	CGO_ENABLED=0 $(GO) build $(SHIPPED) -o $(BIN) .

.PHONY: install
install: ## Install into Go's bin folder
	CGO_ENABLED=0 $(GO) install $(SHIPPED) .
	@release/check-path.sh "$$($(GO) env GOBIN)" "$$($(GO) env GOPATH)/bin"

.PHONY: demo
demo: ## Sign in and pull a private image, on a fake platform
	@echo "Building the demo and the fake platform: the first time takes a few minutes."
	@cd e2e && $(GO) run ./cmd/demo

.PHONY: check
check: ## Formatting, vet and the fast unit tests, in less than a minute
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted (run gofmt -w): $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) test -short $(TESTFLAGS) ./...

.PHONY: test
test: ## Unit tests, fuzz seeds and scripts; needs only Go
	@echo "Building and testing: about five minutes the first time."
	$(GO) test $(RACE) $(TESTFLAGS) ./...
	cd e2e && $(GO) test $(if $(CI),$(RACE)) $(TESTFLAGS) -count=1 -timeout 20m ./... # they build the program, which go's cache does not see

.PHONY: e2e
e2e: ## Tests with real Docker, Podman, Skopeo, Chromium, Secret Service
	sh e2e/install.sh
	cd e2e && $(GO) test $(RACE) $(TESTFLAGS) -count=1 -p 1 -timeout 30m -tags e2e ./clients/ ./faults/ ./kubernetes/

# Outside of the repository.
CLIENTS ?= $(HOME)/.cache/docker-credential-cgr/clients

.PHONY: clients
clients: ## Build further clients and write the table in docs/clients.md
	sh e2e/install.sh
	sh e2e/build-clients.sh "$(CLIENTS)"
	cd e2e && CLIENTS="$(CLIENTS)" UPDATE_DOCS=1 $(GO) test $(TESTFLAGS) -count=1 -timeout 30m -tags e2e -run '^TestMatrix$$' ./clients/

.PHONY: e2e-systems
e2e-systems: ## Tests on Windows (Wine), other processors (QEMU) and an empty root folder
	sh e2e/systems/install.sh
	cd e2e && $(GO) test $(TESTFLAGS) -count=1 -timeout 20m -tags e2e ./systems/

# Outside of the repository.
KUBERNETES ?= $(HOME)/.cache/docker-credential-cgr/kubernetes

.PHONY: e2e-kubernetes
e2e-kubernetes: ## Build a kubelet, an API server and etcd (20 minutes the first time), and test with them
	sh e2e/install.sh
	sh e2e/kubernetes/build.sh "$(KUBERNETES)"
	cd e2e && KUBERNETES="$(KUBERNETES)" $(GO) test $(RACE) $(TESTFLAGS) -count=1 -timeout 20m -tags e2e ./kubernetes/

.PHONY: bench
bench: ## Measure against the budgets; writes docs/benchmarks.md
	sh e2e/install.sh
	cd e2e && $(GO) run ./bench

.PHONY: recording
recording: ## Draw docs/recording.svg by running the demo; needs a Docker daemon
	cd e2e && $(GO) run ./cmd/recording

.PHONY: release
release: ## Build all files of a release into dist/, from a tagged commit
	cd release && $(GO) run . -output ../dist -url "$(RELEASES)"

.PHONY: release-test
release-test: ## Test the release for this machine, and its installer
	cd release && $(GO) test $(TESTFLAGS) -count=1 ./...

.PHONY: release-dry-run
release-dry-run: ## Build all files of a release twice, in two folders, and compare them
	release/dry-run.sh

.PHONY: rename
rename: ## Give the project its address: make rename HOME=example.org/owner/docker-credential-cgr
	@release/rename.sh "$(if $(filter command line,$(origin HOME)),$(HOME))"

.PHONY: lint
lint: ## Formatting, vet and staticcheck, for every system that is shipped
	.ci/lint

.PHONY: help
help:
	@grep -hE '^[a-z0-9-]+: .*##' $(MAKEFILE_LIST) | sed 's/: .*## /\t/' | expand -t 20
