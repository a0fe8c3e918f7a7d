#!/bin/sh
# Builds the contract artifacts of the test host chain into build/hostchain (never committed):
# the published host contracts from npm, and our own contracts compiled with the pinned solc.
# Does nothing when the artifacts are newer than everything they are made of.
#
#   testutil/hostchain/contracts/build.sh [--force]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out="$root/build/hostchain"
mkdir -p "$out"

# Test packages run side by side: only one may build.
if command -v flock >/dev/null 2>&1; then
	exec 9>"$out/.lock"
	flock 9
fi

want=$(cat "$here/package.json" "$here/package-lock.json" "$here/compile.mjs" "$here"/src/*.sol | sha256sum | cut -d' ' -f1)
if [ "${1:-}" != "--force" ] && [ -f "$out/artifacts/.stamp" ] && [ "$(cat "$out/artifacts/.stamp")" = "$want" ]; then
	exit 0
fi

command -v npm >/dev/null 2>&1 || {
	echo "error: npm is not installed" >&2
	echo "hint: install Node.js 20 or newer; the host contracts are published as npm packages" >&2
	exit 1
}

rm -rf "$out/src" "$out/artifacts"
cp -R "$here/src" "$out/src"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$here/compile.mjs" "$out/"
cd "$out"
npm ci --loglevel=error --no-audit --no-fund
node compile.mjs
printf '%s' "$want" >artifacts/.stamp
