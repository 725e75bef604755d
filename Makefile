# The tasks of this project. "make help" lists them.

GO        ?= go
FUZZTIME  ?= 20s
PACKAGES  := ./...
PLATFORMS := darwin/arm64 windows/amd64
WASM_DIR  ?= bin
# Packages that are as fast in the module without inlined functions, and smaller.
SMALL     := ./core/merge ./core/plan ./wasm

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Fetch what the checks and tests need; the rest works offline
	$(GO) mod download
	$(GO) mod download -modfile=tools/go.mod
	cd hostjs && npm ci --no-audit --no-fund
	@for t in git busybox toybox dash chromium /usr/sbin/sshd; do command -v $$t >/dev/null || { echo "$$t is needed by the tests; install the Debian packages git, busybox, toybox, dash, chromium and openssh-server" >&2; exit 1; }; done

.PHONY: build
build: ## Build bin/planner
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/planner ./cmd/planner

.PHONY: wasm
wasm: ## Build bin/planner.wasm
	GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 $(GO) build -buildmode=c-shared -trimpath -ldflags='-w -buildid=' $(SMALL:%=-gcflags=%=-l) -o $(WASM_DIR)/linked.wasm ./wasm
	$(GO) run ./internal/wasmlink $(WASM_DIR)/linked.wasm $(WASM_DIR)/planner.wasm

.PHONY: js
js: wasm ## Build the npm package in hostjs/dist, and its tests
	cd hostjs && rm -rf dist build && npx tsc -p . && cp ../bin/planner.wasm src/plan.schema.json dist/ && npx tsc -p tsconfig.test.json && cp ../bin/planner.wasm build/src/
	@# In one file the thread of a sync starts in half the time, and without the loader of ES modules in two thirds of that.
	@# It is given the module.
	cd hostjs && for d in dist build/src; do npx esbuild $$d/host/worker.js --bundle --platform=node --format=cjs --packages=external "--alias:#load=./$$d/loadElsewhere.js" --alias:node:fs=./$$d/host/fs.js --outfile=$$d/host/worker.cjs --log-level=warning && rm $$d/host/worker.js || exit 1; done

.PHONY: check
check: ## Format, vet on three platforms, staticcheck, purity of core, licenses
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt these:" $$out >&2; exit 1; }
	$(GO) vet $(PACKAGES)
	@for p in $(PLATFORMS); do echo "vet for $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) vet $(PACKAGES) || exit 1; done
	GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 $(GO) build ./core/...
	$(GO) tool -modfile=tools/go.mod staticcheck -checks inherit,ST1000,ST1016,ST1020,ST1021,ST1022 $(PACKAGES)
	$(GO) test -run 'Purity' ./core
	$(GO) run ./internal/licenses

.PHONY: test
test: build js ## Every test with the race detector, the vectors by the binary, and the tests of the npm package
	$(GO) test -race -timeout 60m $(PACKAGES)
	bin/planner conformance --cmd 'bin/planner plan' testdata/golden
	bin/planner conformance --wasm bin/planner.wasm testdata/golden
	node --test $$(find hostjs/build/test -name "*.test.js")

.PHONY: test-package
test-package: js ## The npm package packed, installed and used: by Node, a bundler, Chromium, Bun and Deno (a part of test)
	node --test $$(find hostjs/build/test/package -name "*.test.js")

.PHONY: golden
golden: build ## Regenerate the machine-written outputs of the vectors
	bin/planner conformance -update testdata/golden

.PHONY: bench-js
bench-js: js ## Benchmarks in Node: the module beside JavaScript and native Go, whole syncs beside the seed's way (takes long)
	cd hostjs && node build/bench/bench.js
	cd hostjs && node build/bench/host.js
	cd hostjs && node build/bench/delay.js

.PHONY: bench
bench: ## Benchmarks: the core, and push beside tar and the seed's way
	$(GO) test -run '^$$' -bench . -benchmem ./core/... ./hostgo/...

.PHONY: bench-sync
bench-sync: build ## Every operation beside the seed's way, rsync, tar, unison and rclone (takes long)
	$(GO) run ./internal/benchsync

.PHONY: bench-link
bench-link: build ## First push, small changes and nothing over an emulated slow link (Linux, root)
	$(GO) run ./internal/benchlink

.PHONY: soak
soak: ## 5,000 generated histories, incremental beside full (some ten minutes)
	$(GO) test ./hostgo -run TestHistories -histories 5000 -timeout 60m

.PHONY: soak-js
soak-js: build js ## 10,000 runs of a planner and 480 syncs out and home in one process, whose memory stays flat, and 600 histories played by both hosts (some twelve minutes)
	cd hostjs && node build/bench/soak.js
	cd hostjs && node build/bench/soakSyncs.js
	cd hostjs && SYNCPLAN_HISTORIES=600 node --test build/test/host/histories.test.js

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME
	@for p in $$($(GO) list $(PACKAGES)); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
	  done; \
	done

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin hostjs/dist hostjs/build
