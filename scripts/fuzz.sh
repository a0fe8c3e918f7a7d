#!/usr/bin/env bash
# Runs every fuzz target for a while. Usage: scripts/fuzz.sh [10s]
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
git grep --untracked -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u | while read -r folder; do
  grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$folder"/*_test.go | awk '{print $2}' | while read -r target; do
    echo "== $folder $target"
    # By default a find is minimized for a minute, which would be most of the time.
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s "./$folder"
  done
done
