#!/usr/bin/env bash
# Runs every fuzz target for a while. Usage: scripts/fuzz.sh [10s]
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r folder; do
  grep -hoE '^func (Fuzz[A-Za-z0-9_]+)' "$folder"/*_test.go | awk '{print $2}' | while read -r target; do
    echo "== $folder $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$folder"
  done
done
