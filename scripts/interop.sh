#!/usr/bin/env bash
# Checks against what others wrote. As published on the Rust registry: TFHE-rs, which
# reads key sets that parties generated, works with them as a coprocessor does, and has
# the parties decrypt the results. As published on npm: TFHE-rs as clients have it (keys
# and ciphertexts in both directions), the ecosystem's client library and its decryption
# of what parties answer, the latter against running networks. Nothing is skipped: what
# is missing is a failure. The binaries must be built: make interop does that.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in tfhers tkmsclient; do
  (cd "testutil/$package" && npm ci --no-audit --no-fund)
done
testutil/relayersdk/crs.sh
export TKMS_INTEROP=1 TKMS_BIN=$PWD/build
go test -count=1 -timeout 60m -v ./testutil/tfhe-rs
cargo test --release --quiet --manifest-path testutil/tfhe-rs/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-build/tfhe-rs}"
go test -count=1 -timeout 20m -v -run 'TFHErs' ./testutil/tfhers ./testutil/cluster
go test -count=1 -timeout 20m -v ./testutil/tkmsclient
go test -count=1 -timeout 40m -v ./testutil/relayersdk
