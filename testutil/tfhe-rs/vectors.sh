#!/usr/bin/env bash
# Makes enclave/tfhe/testdata/rs/test anew with the judge. The keys follow from
# the seed, the ciphertexts do not: what is committed is frozen, and this says how
# it was made.
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-../../build/tfhe-rs}
cargo build --release --quiet --target-dir "$target"
judge=$(realpath "$target")/release/judge
out=$(realpath ../../enclave/tfhe/testdata)/rs/test
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir -p "$out"

"$judge" generate --parameters test --seed "frozen vectors" --out "$work" > "$work/keys.json"
"$judge" compute --server-key "$work/xof_key_set.bin" --types ebool,euint8,euint64 \
  --seed "frozen vectors" --out "$work" > "$work/all.json"
# One of each form, and the lists with everything in them.
node - "$work" "$out" <<'SELECT'
const fs = require('node:fs');
const path = require('node:path');
const [work, out] = process.argv.slice(2);
const wanted = ['list_packed', 'list_unpacked', 'compressed_all', 'packed_all'];
for (const form of ['', 'compressed_', 'squashed_', 'packed_']) {
  wanted.push(`${form}ebool_and`, `${form}euint8_mul`);
}
const files = wanted.map((name) => `${name}.bin`);
const entries = JSON.parse(fs.readFileSync(path.join(work, 'meta.json'))).filter((e) => files.includes(e.file));
for (const file of [...files, 'client_key.bin', 'public_key.bin']) {
  fs.copyFileSync(path.join(work, file), path.join(out, file));
}
const lines = entries.map((e) => ` ${JSON.stringify(e)}`);
fs.writeFileSync(path.join(out, 'meta.json'), `[\n${lines.join(',\n')}\n]\n`);
SELECT
