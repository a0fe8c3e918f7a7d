#!/usr/bin/env bash
# Checks against what others wrote, as published on npm: the real TFHE-rs (keys and
# ciphertexts in both directions, threshold decryption of what it encrypts), the
# ecosystem's client library and its decryption of what parties answer, the latter
# against running networks. The binaries must be built: make interop does that.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in tfhers tkmsclient; do
  (cd "testutil/$package" && npm ci --no-audit --no-fund)
done
testutil/relayersdk/crs.sh
export TKMS_INTEROP=1 TKMS_BIN=$PWD/build
go test -count=1 -timeout 20m -v -run 'TFHErs' ./testutil/tfhers ./testutil/cluster
go test -count=1 -timeout 20m -v ./testutil/tkmsclient
go test -count=1 -timeout 40m -v ./testutil/relayersdk
