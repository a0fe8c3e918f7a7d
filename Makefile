SHELL := /bin/bash
.DEFAULT_GOAL := help
export GOFLAGS ?= -buildvcs=false
BUILD := $(CURDIR)/build
GO_BUILD := go build -ldflags='-s -w'
BUF := v1.75.0
GOCOSMOS := v1.7.2
GATEWAY := v1.16.0
GOLANGCI := v2.6.2

.PHONY: help build release hostchain-artifacts demo devnet bench test test-race fuzz interop proto proto-tools lint lint-tools fmt clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

build: ## Build tkmsd, tkms-party, tkms-relayer and the test host chain into build/
	@mkdir -p $(BUILD)
	$(GO_BUILD) -o $(BUILD)/ ./cmd/... ./testutil/hostchain/cmd/...

release: ## Build byte for byte reproducible binaries into build/release/
	@mkdir -p $(BUILD)/release
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -buildid=' -o $(BUILD)/release/ ./cmd/...

hostchain-artifacts: ## Fetch and compile the host chain's contracts (npm)
	@testutil/hostchain/contracts/build.sh

demo: build hostchain-artifacts ## Run a whole network on this machine and check every step
	$(BUILD)/tkmsd demo --bin $(BUILD) --out $(BUILD)/demo.json

devnet: build hostchain-artifacts ## Keep a whole network up (PARTIES=4)
	$(BUILD)/tkmsd devnet --bin $(BUILD) --parties $${PARTIES:-4}

bench: build hostchain-artifacts ## Print the benchmark table
	$(BUILD)/tkmsd bench --bin $(BUILD)

test: hostchain-artifacts ## Run the tests
	go test -timeout 20m ./...

test-race: ## Run the concurrent packages under the race detector
	go test -race -timeout 20m ./enclave/session/... ./enclave/transport/... ./enclave/mpc/...

fuzz: ## Run every fuzz target for a short while (FUZZTIME=10s)
	scripts/fuzz.sh $${FUZZTIME:-10s}

interop: build ## Check against the published npm clients
	scripts/interop.sh

proto-tools:
	@mkdir -p bin
	@[ -x bin/buf ] || GOBIN=$(CURDIR)/bin go install github.com/bufbuild/buf/cmd/buf@$(BUF)
	@[ -x bin/protoc-gen-gocosmos ] || GOBIN=$(CURDIR)/bin go install github.com/cosmos/gogoproto/protoc-gen-gocosmos@$(GOCOSMOS)
	@[ -x bin/protoc-gen-grpc-gateway ] || GOBIN=$(CURDIR)/bin go install github.com/grpc-ecosystem/grpc-gateway/protoc-gen-grpc-gateway@$(GATEWAY)
	@[ -x bin/protoc-gen-swagger ] || GOBIN=$(CURDIR)/bin go install github.com/grpc-ecosystem/grpc-gateway/protoc-gen-swagger@$(GATEWAY)

proto: proto-tools ## Regenerate the protobuf code
	scripts/protocgen/protocgen.sh

lint-tools:
	@mkdir -p bin
	@[ -x bin/golangci-lint ] || GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)

lint: lint-tools ## Run the linters
	bin/golangci-lint run ./...

fmt: ## Format the Go code
	gofmt -w $$(git ls-files '*.go' | grep -v '\.pb\.')

clean: ## Remove build outputs
	rm -rf $(BUILD)
