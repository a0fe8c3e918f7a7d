#!/usr/bin/env bash
# Checks against the real TFHE-rs (npm package node-tfhe): keys and ciphertexts in
# both directions, and threshold decryption of what it encrypts.
set -euo pipefail
cd "$(dirname "$0")/.."
(cd testutil/tfhers && npm ci --no-audit --no-fund)
export TKMS_INTEROP=1
go test -count=1 -timeout 20m -v -run 'TFHErs' ./testutil/tfhers ./testutil/cluster
