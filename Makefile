# Every target with two hashes behind its name is in `make help`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# check's steps are a sequence, also under make -j: the tests would disturb each other's timing.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

MODULE := github.com/tandem-go/tandem
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
VERSION := $(VERSION)# asked once, so that all that is made has the same
LDFLAGS := -X $(MODULE)/internal/cli.version=$(VERSION) -X main.version=$(VERSION)
# Static, and the same bytes from the same source wherever it lies. The version is
# stamped, so Go need not ask git (which refuses a directory of another owner).
BUILD = CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)"
TOOL := go tool -modfile=tools/go.mod
# How long `make fuzz` spends on each target.
FUZZTIME ?= 20s
# Where `make image` writes, and what the image is called.
IMAGE ?= dist/tandem-image.tar
IMAGE_NAME ?= tandem
# What make packages and make release-dry build for, and where binaries and results go.
ARCHS ?= amd64 arm64
BINARIES ?= dist/bin
DIST ?= dist
# The time that packages bear: that of the commit, so that it gives the same bytes.
EPOCH = $${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 0)}
# Where make install puts things: below DESTDIR, which is in no file's content.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
INSTALL := DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" UNITDIR="$(UNITDIR)"

##@ Run

.PHONY: run
run: build ## build both binaries and serve on 127.0.0.1:8000 with 4 workers
	exec bin/supervisor --workers 4

.PHONY: build
build: ## build supervisor and app into bin/
	@mkdir -p bin
	$(BUILD) -o bin/ ./cmd/supervisor ./cmd/app

##@ Test

# The race detector sleeps for a second at the end of every process, for goroutines that
# still run then: of tests that wait for what they start there are none.
RACE = CGO_ENABLED=1 GORACE="atexit_sleep_ms=0 $${GORACE:-}"

.PHONY: test
test: ## the whole test suite that needs no privileges, race detector on
	$(RACE) go test -race ./...

.PHONY: examples
examples: ## build, vet, lint and test the examples and otel: each is a module of its own
	@mkdir -p bin
	go build -o bin/tandemvet ./cmd/tandemvet
	scripts/examples go build -o /dev/null ./...
	scripts/examples go vet ./...
	scripts/examples go tool -modfile=$(CURDIR)/tools/go.mod staticcheck ./...
	scripts/examples $(CURDIR)/bin/tandemvet -tests ./...
	$(RACE) go run ./internal/pgtest/with TEST_DATABASE_URL scripts/examples go test -race ./...

.PHONY: simulate
simulate: ## 20,000 simulated histories of the supervisor's decisions
	go test -count=1 -run '^TestSimulation$$' ./internal/arbiter -args -sim.n=20000

.PHONY: mutate
mutate: ## break the supervisor's decisions in many ways; the tests must notice (about ten minutes; bounded: an hour)
	go run ./internal/arbiter/mutate $(MUTATE)

.PHONY: load
load: build ## the load tests: no request lost in reloads, restarts, crashes
	go test -count=1 -tags load ./test/load/...

.PHONY: torture
torture: build ## faults of every kind under clients of every kind; writes docs/torture.md
	go run ./test/torture -o docs/torture.md

.PHONY: torture-minute
torture-minute: build ## the same, two seconds a fault
	go run ./test/torture -seconds 2

.PHONY: check
# With CI set a program that a test needs and does not find, PostgreSQL above all, fails it; else it is skipped.
check: export CI ?= true
check: format vet lint tandemvet docs-in-step check-units check-install simulate load torture-minute examples test ## what CI runs; ends with the lines of go test

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s)
	@scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: build ## measure, and compare with net/http
	go run ./bench

##@ Code

.PHONY: fmt
fmt: ## format all Go files
	$(TOOL) gofumpt -w .

.PHONY: format
format: ## fail when a Go file is not formatted
	@unformatted=$$($(TOOL) gofumpt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:" >&2; echo "$$unformatted" >&2; exit 1; fi

# Together, since no file asks for one of them and not the other.
TAGS := load,faults

.PHONY: vet
vet: ## go vet, also of the files behind build tags
	go vet ./...
	go vet -tags $(TAGS) ./...

.PHONY: lint
lint: ## staticcheck, also of the files behind build tags
	$(TOOL) staticcheck ./...
	$(TOOL) staticcheck -tags $(TAGS) ./...

.PHONY: tandemvet
tandemvet: ## our own checker of sync and async code, on this repository
	@mkdir -p bin
	go build -o bin/tandemvet ./cmd/tandemvet
	bin/tandemvet ./...
	bin/tandemvet -tags $(TAGS) ./...

.PHONY: tidy
tidy: ## go mod tidy, in every module
	go mod tidy
	cd tools && go mod tidy
	cd tools/h2spec && go mod tidy
	cd tools/monitoring && go mod tidy
	cd tools/packages && go mod tidy
	scripts/examples go mod tidy

.PHONY: vuln
vuln: ## govulncheck; needs its database
	$(TOOL) govulncheck ./...

.PHONY: docs
docs: ## write the generated documentation anew
	go run ./internal/docgen

.PHONY: screenshots
screenshots: ## pictures of the live page and of top, from real runs of five minutes; needs node, npm and chromium
	scripts/screenshots
	scripts/screenshot-top

.PHONY: docs-in-step
docs-in-step: ## fail when the generated documentation is not what make docs writes
	@scripts/docs-in-step

##@ Deploy

.PHONY: install
install: $(if $(shell command -v go),build) ## install below PREFIX (/usr/local), settings in /etc; with DESTDIR below that
	@$(INSTALL) SOURCE_DATE_EPOCH="$(EPOCH)" scripts/install install

.PHONY: uninstall
uninstall: ## take away what install put there; an env file that was changed is kept
	@$(INSTALL) scripts/install uninstall

.PHONY: binaries
# Without symbols for debuggers: stack traces and profiles need none.
binaries: LDFLAGS := -s -w $(LDFLAGS)
binaries:
	@for arch in $(ARCHS); do mkdir -p "$(BINARIES)/$$arch"; GOOS=linux GOARCH=$$arch $(BUILD) -o "$(BINARIES)/$$arch/" ./cmd/supervisor ./cmd/app; done

.PHONY: packages
packages: build binaries ## write .deb and .rpm for ARCHS to dist/; builds nfpm first (a minute, once)
	@tools/packages/build
	@SOURCE_DATE_EPOCH="$(EPOCH)" deploy/packages/build "$(VERSION)" "$(DIST)" $(ARCHS:%=$(BINARIES)/%)

.PHONY: release-dry
release-dry: build binaries ## build all of a release into dist/release/, check it, say what would be published
	@tools/packages/build
	@STRICT="$(STRICT)" SOURCE_DATE_EPOCH="$(EPOCH)" deploy/release/build "$(VERSION)" "$(DIST)/release" $(ARCHS:%=$(BINARIES)/%)

.PHONY: check-install
check-install: build ## check make install, the manual pages and the packages
	@deploy/packages/verify.sh

.PHONY: image
image: ## write the container image, an OCI archive, to dist/
	@mkdir -p dist/image
	$(BUILD) -o dist/image/ ./cmd/supervisor ./cmd/app
	go run ./deploy/image -version "$(VERSION)" -name "$(IMAGE_NAME)" -o "$(IMAGE)" dist/image/supervisor dist/image/app

.PHONY: check-image
check-image: ## build the image twice and hold it to the Dockerfile's steps
	deploy/image/verify.sh

.PHONY: check-units
check-units: build ## check the systemd units and their env file
	@deploy/systemd/verify.sh bin

.PHONY: check-deploy
check-deploy: check-units check-image ## check the image and the Helm chart too; builds helm first (minutes, once)
	deploy/helm/verify.sh

.PHONY: e2e-systemd
e2e-systemd: build ## run it all under a real systemd in a container; needs root (SUITE=trixie: a newer one)
	CGO_ENABLED=0 go build -trimpath -o bin/ ./deploy/hammer
	deploy/systemd/boot_test.sh

.PHONY: e2e-packages
e2e-packages: build ## install, upgrade under load, remove and purge the package under a real systemd; needs root
	@tools/packages/build
	CGO_ENABLED=0 go build -trimpath -o bin/ ./deploy/hammer
	SOURCE_DATE_EPOCH="$(EPOCH)" deploy/packages/boot_test.sh

.PHONY: e2e-k8s
e2e-k8s: ## run the chart on a real cluster on this machine; needs root, and builds Kubernetes first (half an hour, once)
	tools/deploy/build
	tools/kube/build
	deploy/helm/e2e/run.sh

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile
