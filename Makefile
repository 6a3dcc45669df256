# `make` alone lists what there is to make.

# go.mod may name a newer Go than this machine has; the go command fetches it itself, unless the environment forbids it.
export GOTOOLCHAIN := auto

GO                 ?= go
GOLANGCI_VERSION   := v2.15.0
NFPM_VERSION       := v2.45.2
BENCHSTAT_VERSION  := v0.0.0-20260908200009-22c9c6c9d4da
FUZZTIME           ?= 20s
BENCHCOUNT         ?= 6
COMPAREFLAGS       ?=
SCENARIO           ?= echo
CHAOS_SECONDS      ?= 60
CHAOS_TUNNELS      ?= 2000
CHAOS_SEED         ?=

# Tools are built with the Go of go.mod: the linter reads no newer Go than it was built with.
GO_OF_MODULE := $(shell awk '/^go / {v = "go" $$2} /^toolchain / {v = $$2} END {print v}' go.mod)

# What describes this build. A clone by another user, or none at all, leaves it to the go command.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION)) $(if $(COMMIT),-X main.commit=$(COMMIT))
BUILD   := $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'

GOLANGCI  := bin/golangci-lint-$(GOLANGCI_VERSION)
BENCHSTAT := bin/benchstat-$(BENCHSTAT_VERSION)
NFPM      := bin/nfpm-$(NFPM_VERSION)

# What is released is of the time of its commit, whenever it is made (https://reproducible-builds.org/specs/source-date-epoch/).
EPOCH     := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),0)
DIST      := VERSION='$(or $(VERSION),unknown)' COMMIT='$(or $(COMMIT),unknown)' SOURCE_DATE_EPOCH=$(EPOCH) packaging/dist
DIST_BIN  := bin/dist

# Clients that the scenario tests run on Node.
NODE       := cmd/fairlead/testdata/node
NODE_STAMP := $(if $(wildcard $(NODE)/package.json),$(NODE)/node_modules/.installed)

# Tests of the program run the file that FAIRLEAD_BINARY names, not one they build themselves.
PLAIN_BINARY := $(CURDIR)/bin/fairlead
RACE_BINARY  := $(CURDIR)/bin/race/fairlead

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build dist dist-check demo docs test race fuzz chaos pictures bench bench-compare bench-goals profile fmt vet lint check need-go need-tests

help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: need-go ## build bin/fairlead and bin/fairlead-bench
	CGO_ENABLED=0 $(BUILD) -o bin/fairlead ./cmd/fairlead
	CGO_ENABLED=0 $(BUILD) -o bin/fairlead-bench ./cmd/fairlead-bench

dist: need-go $(NFPM) ## packages, archives and images for amd64 and arm64 in bin/dist, the same bytes each time
	$(DIST) $(DIST_BIN) $(NFPM)

# Another folder, another name of it, and the files of git alone.
dist-check: dist ## make them once more from another folder, and compare
	@set -e; there=$$(mktemp -d); trap 'rm -rf "$$there"' EXIT; mkdir "$$there/elsewhere"; \
	git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --ignore-failed-read -cf - 2>/dev/null | tar -C "$$there/elsewhere" -xf -; \
	(cd "$$there/elsewhere" && $(DIST) "$$there/dist" $(CURDIR)/$(NFPM)); \
	diff --recursive --brief $(DIST_BIN) "$$there/dist"; cat $(DIST_BIN)/SHA256SUMS

demo: build ## run the demo: a chat on three backends behind wss://localhost:8443
	@exec bin/fairlead demo

test: build $(NODE_STAMP) ## run all tests
	FAIRLEAD_BINARY=$(PLAIN_BINARY) $(GO) test -shuffle=on ./...

race: need-go $(NODE_STAMP) ## run all tests, and the program they drive, under the race detector
	CGO_ENABLED=1 $(BUILD) -race -o $(RACE_BINARY) ./cmd/fairlead
	FAIRLEAD_BINARY=$(RACE_BINARY) CGO_ENABLED=1 $(GO) test -race -shuffle=on ./...

fuzz: need-go ## run each fuzz target for FUZZTIME (20s)
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x $$package; \
		done; \
	done

chaos: need-go ## tunnels in trouble for CHAOS_SECONDS (60), CHAOS_TUNNELS (2000) at a time; CHAOS_SEED repeats the choices of a run
	CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_TUNNELS=$(CHAOS_TUNNELS) CHAOS_SEED=$(CHAOS_SEED) \
		$(GO) test ./lb/relay -run '^TestChaos$$' -v -count 1 -timeout 30m

pictures: $(NODE_STAMP) ## take the pictures of docs/dashboard.md anew, with Chromium
	node $(NODE)/dashboard-pictures.js lb/admin/dashboard/page docs "$$(command -v chromium)"

bench: need-go $(BENCHSTAT) ## run the benchmarks BENCHCOUNT (6) times and summarize them
	$(GO) test -run '^$$' -bench . -benchmem -count $(BENCHCOUNT) ./... | tee bin/bench.txt
	$(BENCHSTAT) bin/bench.txt

docs: need-go ## write docs/configuration.md, fairlead.schema.json and openapi.json anew, from the code
	$(GO) test ./config -run '^(TestSchemaIsPublished|TestReferenceIsPublished)$$' -update
	$(GO) test ./lb/admin -run '^TestDescription$$' -update

bench-compare: build ## what clients of several edges see, and what each costs: bin/compare.html, .json (under 20 minutes; COMPAREFLAGS='--scenario echo'); an error in the end if any edge failed
	bin/fairlead-bench compare --fairlead $(PLAIN_BINARY) --json bin/compare.json --html bin/compare.html $(COMPAREFLAGS)

bench-goals: build ## whether fairlead reaches its goals, beside haproxy and nginx: bin/goals.html, .json (15 minutes; COMPAREFLAGS too); an error only if any edge failed
	bin/fairlead-bench compare --goals fairlead --fairlead $(PLAIN_BINARY) --json bin/goals.json --html bin/goals.html $(COMPAREFLAGS)

profile: build ## CPU and heap profiles of fairlead under SCENARIO (echo), in bin/profile
	rm -rf bin/profile && mkdir -p bin/profile
	CGO_ENABLED=0 $(GO) build -tags profile -o bin/profile/fairlead ./cmd/fairlead
	FAIRLEAD_PROFILE=$(CURDIR)/bin/profile bin/fairlead-bench compare --edges fairlead --fairlead bin/profile/fairlead \
		--scenario $(SCENARIO) --rounds 1 --as-written $(COMPAREFLAGS)
	@ls bin/profile/*.pprof; echo "go tool pprof -http=: bin/profile/fairlead bin/profile/cpu-*.pprof shows them"

fmt: need-go ## format the Go files
	@$(GO_FILES) | xargs -0 "$$($(GO) env GOROOT)/bin/gofmt" -w

check: need-tests ## what CI runs: format, vet, lint, build, packages, all tests with the race detector
	@$(MAKE) --no-print-directory check-format vet lint build dist-check
	@$(MAKE) --no-print-directory race

# Go files outside of what npm installed, which may hold some too.
GO_FILES := find . -name node_modules -prune -o -name '*.go' -print0

.PHONY: check-format
check-format:
	@unformatted=$$($(GO_FILES) | xargs -0 "$$($(GO) env GOROOT)/bin/gofmt" -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt does it):"; echo "$$unformatted"; exit 1; fi

vet: need-go ## run go vet
	$(GO) vet ./...

lint: need-go $(GOLANGCI) ## run golangci-lint as .golangci.yml says
	$(GOLANGCI) run ./...

bin/golangci-lint-%:
	@echo "building golangci-lint $* (once; two to five minutes)"
	@$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$*,golangci-lint)

bin/nfpm-%:
	@$(call install,github.com/goreleaser/nfpm/v2/cmd/nfpm@$*,nfpm)

bin/benchstat-%:
	@$(call install,golang.org/x/perf/cmd/benchstat@$*,benchstat)

# $(call install,PACKAGE@VERSION,NAME) builds a tool into the file of the rule.
define install
mkdir -p bin/tools && GOTOOLCHAIN=$(GO_OF_MODULE) GOBIN=$(CURDIR)/bin/tools $(GO) install $(1) && mv bin/tools/$(2) $@
endef

$(NODE)/node_modules/.installed: $(NODE)/package.json $(NODE)/package-lock.json
	npm ci --prefix $(NODE) --no-audit --no-fund
	@touch $@

# Any Go since 1.21 fetches the version that go.mod asks for.
need-go:
	@have=$$(cd / && $(GO) env GOVERSION 2>/dev/null); \
	if [ "$$(printf '%s\n' go1.21 "$$have" | sort -V | head -n 1)" != go1.21 ]; then \
		echo "Go 1.21 or newer is needed, and $${have:-none} is here"; \
		echo "on Debian 13 or newer: apt-get install golang; anywhere: .ci/run brings one for its own run"; exit 1; fi

# Each line of NEEDS: a command, and the Debian package that has it.
define NEEDS
gcc gcc
node nodejs
npm npm
chromium chromium
openssl openssl
gnutls-cli gnutls-bin
curl curl
nginx nginx
strace strace
prlimit util-linux
linux.uml user-mode-linux
ip iproute2
nft nftables
systemd-analyze systemd
busybox busybox-static
man man-db
rpm rpm
pgrep procps
endef
export NEEDS
need-tests: need-go
	@missing=$$(echo "$$NEEDS" | while read -r command package; do \
		PATH="$$PATH:/usr/sbin" command -v "$$command" >/dev/null || echo "$$package"; done); \
	if [ -n "$$missing" ]; then \
		echo "the tests drive fairlead with programs that are missing here:" $$missing; \
		echo "on Debian: apt-get install" $$missing "(.ci/run does it)"; exit 1; fi
