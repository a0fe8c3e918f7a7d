#!/usr/bin/env bash
# Checks against the real TFHE-rs (npm package node-tfhe): keys and ciphertexts in
# both directions, and threshold decryption of what it encrypts. Against the published
# client (npm package node-tkms): answers to user decryptions.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in tfhers tkmsclient; do
  (cd "testutil/$package" && npm ci --no-audit --no-fund)
done
export TKMS_INTEROP=1
go test -count=1 -timeout 20m -v -run 'TFHErs' ./testutil/tfhers ./testutil/cluster
go test -count=1 -timeout 10m -v ./testutil/tkmsclient
