# `make test` runs everything that has to hold; `.ci/run` calls it. `make help` lists the rest.

CARGO ?= cargo
DENY_VERSION := 0.20.2
# Debian's packages that the interop tests run against.
PEERS := docker-registry skopeo podman containerd docker.io minisign age chromium kubernetes-client fish zsh

# What `make fuzz` runs, and for how many seconds each.
FUZZ_TARGETS := $(sort $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs))))
FUZZ_SECONDS ?= 30

.PHONY: help build dist image dist-check test check fmt lint docs deny advisories peers unit soak fuzz bench quickstart clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

build: ## Build the release binary: target/release/sealift
	$(CARGO) build --release --locked

dist: ## Make a release in ./dist: static binary, image, Debian package, SBOM, SHA256SUMS (docs/PACKAGES.md)
	scripts/dist

image: ## Make the container image in ./dist/image, an OCI layout; needs no daemon
	scripts/dist image

dist-check: dist ## Check what `make dist` made, and that another build gives the same bytes (root, skopeo, python3; long)
	scripts/dist-check twice

test: check unit ## Run everything: format, lints, docs, dependency rules, all tests with their real peers

check: fmt lint docs deny ## Check format, lints, documentation and dependencies

fmt: ## Check the format
	$(CARGO) fmt --all --check

lint: ## Run clippy; a warning is an error
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

docs: ## Build the documentation; a warning is an error
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

deny: ## Check licences, sources and banned crates
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny --version $(DENY_VERSION)
	$(CARGO) deny --log-level error check bans licenses sources

advisories: ## Ask the advisory database (needs the network)
	$(CARGO) deny check advisories

peers: ## Install the real registries and clients that tests and bench run against
	@scripts/install-peers $(PEERS)

unit: peers ## Run all tests
	$(CARGO) test --workspace --locked

soak: peers ## Run all tests at full length: every fault, 100 kills (docs/TESTING.md)
	SEALIFT_SOAK=1 PROPTEST_CASES=20000 $(CARGO) test --workspace --locked --release

fuzz: ## Fuzz each parser for a while (needs a nightly toolchain and `cargo install cargo-fuzz`)
	@set -e; for target in $(FUZZ_TARGETS); do \
		$(CARGO) +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096; done

bench: peers ## Measure against skopeo, curl, sha256sum and docker-registry; prints tables
	@scripts/install-peers golang-go pigz zstd python3-venv
	$(CARGO) build --release --locked --workspace
	$(CARGO) build --release --locked -p regzip --example prove --example soak
	go build -o target/oracle-go crates/regzip/tests/oracle/go/main.go
	target/release/sealift-bench
	target/release/sealift-bench --bundles
	target/release/sealift-bench --deltas
	target/release/examples/soak target/oracle-go -2,0,1,2,3,4,5,6,7,8,9 0 target/testbed/months-1/1/base.tar
	target/release/sealift-bench --serve
	target/release/sealift-bench --growth
	target/release/sealift-bench --large

quickstart: ## Mirror a small release on this machine; needs nothing
	$(CARGO) run --release --locked -- quickstart

clean: ## Remove what was built
	$(CARGO) clean
