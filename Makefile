# SPDX-License-Identifier: Apache-2.0
#
# `make` lists the targets. Building and testing need Go and make alone, and
# root for what touches the kernel (sudo is used when it is there). clang 19 is
# only for those who change C.

GO       ?= go
CLANG    ?= clang-19
FORMAT   ?= clang-format-19
# The suite takes the longest, and begins first.
PACKAGES ?= ./e2e ./...
FUZZTIME ?= 30s
# How many packages are tested at a time; each wants a CPU of its own.
PARALLEL ?= 2
# How many networks are drawn at night.
CHECKS   ?= 100000
# Arguments of `mizar conformance` for `make conformance`.
ROWS     ?=
# Arguments of `mizar bench` for `make bench`.
BENCH    ?=

export CGO_ENABLED := 0

# What runs a command as root: nothing for root, sudo with this user's PATH and
# HOME for others. Test binaries are run through it, so Go itself and its caches
# stay with the user.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -E env "PATH=$(PATH)" "HOME=$(HOME)")
TEST := $(GO) test -p $(PARALLEL) $(if $(SUDO),-exec '$(SUDO)')

.DEFAULT_GOAL := help
.PHONY: help build generate generate-check format lint check test kernel-test run conformance bench fuzz nightly clean root

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build ./mizar
	$(GO) build -trimpath -o mizar .

run: build root ## see it work: the tour, on both wires (root)
	@$(SUDO) ./mizar sim run tour

test: root ## units, properties, scenarios on both wires and the conformance suite (root)
	@mkdir -p out
	$(TEST) -count=1 -timeout 45m $(PACKAGES)
	@cat out/conformance.txt

kernel-test: root ## another kernel, a real driver, a foreign stack: virtual machines under qemu (root, Debian's packages)
	@kernel=$$(.ci/kernel-image) && MIZAR_KERNEL=$$kernel $(GO) test $(if $(SUDO),-exec '$(SUDO) MIZAR_KERNEL=$$kernel') \
		-tags kernel -count=1 -timeout 12m -v ./e2e/kernel

conformance: build root ## the table of ACCEPTANCE rows, from the binary alone; ROWS=A1,B1 asks some (root)
	@$(SUDO) ./mizar conformance $(if $(ROWS),--rows $(ROWS))

bench: build root ## what a packet costs, beside its floors; BENCH="--targets" or cases (root)
	@$(SUDO) ./mizar bench $(BENCH)

fuzz: root ## every fuzz target for FUZZTIME (default 30s) (root)
	@for package in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "fuzz $$package $$target $(FUZZTIME)"; \
			$(TEST) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -parallel 1 $$package || exit 1; \
		done; \
	done

nightly: root ## CHECKS (default 100000) drawn networks: what programs do is what the oracle says (root)
	$(TEST) -count=1 -timeout 12h ./sim/property -rapid.checks=$(CHECKS)

generate: ## regenerate the BPF objects and their Go types from the C (clang 19)
	@command -v $(CLANG) >/dev/null || { echo "make generate: $(CLANG) is missing; on Debian: apt-get install clang-19 llvm-19 libbpf-dev linux-libc-dev" >&2; exit 1; }
	$(GO) generate ./bpf ./bench/probe

generate-check: ## fail if the committed BPF objects differ from what their C gives (clang 19)
	@.ci/generate-check

format: ## format Go and C in place
	gofmt -w $$(git ls-files -co --exclude-standard -- '*.go')
	$(FORMAT) -i $$(git ls-files -co --exclude-standard -- '*.c' '*.h')

lint: ## gofmt, vet, import rules; clang-format and golangci-lint where installed
	@.ci/lint

check: lint generate-check test ## all that a change must pass (root, clang 19)

clean: ## remove what the targets made
	rm -rf mizar out

# What needs root says so before anything is half done.
root:
	@[ "$$(id -u)" = 0 ] || command -v sudo >/dev/null || { \
		echo "make: loading BPF programs and making network namespaces needs root: run make as root, or install sudo" >&2; exit 1; }
	@[ "$$(id -u)" = 0 ] || sudo -v
