SHELL := /bin/bash
.DEFAULT_GOAL := help
export GOFLAGS ?= -buildvcs=false
BUILD := $(CURDIR)/build
GO_BUILD := go build -ldflags='-s -w'
GOLANGCI := v2.6.2

.PHONY: help build release hostchain-artifacts client-crs demo devnet soak bench bench-engine bench-plots test test-network test-race fuzz interop proto lint lint-tools fmt clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

build: ## Build tkmsd, tkms-party, tkms-relayer, the test host chain and the faulty party into build/
	@mkdir -p $(BUILD)
	$(GO_BUILD) -o $(BUILD)/ ./cmd/... ./testutil/hostchain/cmd/... ./testutil/devnet/cmd/...

release: ## Build byte for byte reproducible binaries into build/release/
	@mkdir -p $(BUILD)/release
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -buildid=' -o $(BUILD)/release/ ./cmd/...

hostchain-artifacts: ## Fetch and compile the host chain's contracts (npm)
	@testutil/hostchain/contracts/build.sh

demo: build hostchain-artifacts ## Run a whole network on this machine and check every step
	$(BUILD)/tkmsd demo --bin $(BUILD) --out $(BUILD)/demo.json

devnet: build hostchain-artifacts client-crs ## Keep a whole network up (PARTIES=4 FAULTS=p4=bad-share)
	$(BUILD)/tkmsd devnet --bin $(BUILD) --parties $${PARTIES:-4} --faults "$$FAULTS"

soak: build hostchain-artifacts ## Run a network under fire and judge what became of it (SEED=1 REQUESTS=200)
	$(BUILD)/tkmsd devnet soak --bin $(BUILD) --seed $${SEED:-1} --requests $${REQUESTS:-200}

bench: build hostchain-artifacts ## Print the benchmark table
	$(BUILD)/tkmsd bench --bin $(BUILD)

bench-engine: build ## Measure the MPC engine alone, and where its time goes
	$(BUILD)/tkmsd bench engine --cpuprofile $(BUILD)/profiles

bench-plots: build ## Draw into docs/ how the engine scales
	$(BUILD)/tkmsd bench engine --parties 1,4,7,10,13,16 --plot docs

test: hostchain-artifacts ## Run the tests
	go test -timeout 20m ./...

test-network: build hostchain-artifacts ## Run the tests that start processes of a network
	TKMS_NETWORK_TESTS=1 TKMS_BIN=$(BUILD) TKMS_TKMSD=$(BUILD)/tkmsd \
		go test -count=1 -p 1 -timeout 20m ./testutil/network/... ./cmd/tkms-relayer

test-race: ## Run the concurrent packages under the race detector
	go test -race -timeout 20m ./enclave/session/... ./enclave/transport/... ./enclave/mpc/... ./enclave/seal/... \
		./enclave/party/stock/... ./enclave/party/journal/... \
		./cmd/tkms-relayer/internal/store/...

fuzz: ## Run every fuzz target for a short while (FUZZTIME=10s)
	scripts/fuzz.sh $${FUZZTIME:-10s}

interop: build hostchain-artifacts ## Check against the real TFHE-rs (cargo) and the published clients (npm)
	scripts/interop.sh

client-crs: ## Make the single-party CRS that clients of a devnet need, once (npm)
	@testutil/relayersdk/crs.sh

proto: ## Regenerate the protobuf code
	scripts/protocgen/protocgen.sh

lint-tools:
	@mkdir -p bin
	@[ -x bin/golangci-lint ] || GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)

lint: lint-tools ## Run the linters
	GOGC=50 bin/golangci-lint run --concurrency 2 ./...

fmt: ## Format the Go code
	gofmt -w $$(git ls-files '*.go' | grep -v '\.pb\.')

clean: ## Remove build outputs
	rm -rf $(BUILD)
