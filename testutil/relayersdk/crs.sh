#!/bin/sh
# Makes, once, the CRS with which the published client library proves its inputs, into build/crs (never
# committed), and prints its path. It is a single-party CRS: whoever runs this could keep the secret in it.
#
#   testutil/relayersdk/crs.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out="$root/build/crs"
file="$out/single-party-crs-2048.bin"
mkdir -p "$out"

# Tests run side by side: only one may install and make it.
if command -v flock >/dev/null 2>&1; then
	exec 9>"$out/.lock"
	flock 9
fi

command -v npm >/dev/null 2>&1 || {
	echo "error: npm is not installed" >&2
	echo "hint: install Node.js 20 or newer; the client library is published as an npm package" >&2
	exit 1
}
# npm keeps a copy of the lock that it installed by.
if [ ! "$here/node_modules/.package-lock.json" -nt "$here/package-lock.json" ]; then
	(cd "$here" && npm ci --loglevel=error --no-audit --no-fund >&2)
fi

want=$(cat "$here/crs.mjs" "$here/package-lock.json" | sha256sum | cut -d' ' -f1)
if [ ! -f "$file" ] || [ ! -f "$out/.stamp" ] || [ "$(cat "$out/.stamp")" != "$want" ]; then
	echo "making a single-party CRS of 2048 bits: two minutes, once" >&2
	node "$here/crs.mjs" "$file" &
	maker=$!
	trap 'kill "$maker" 2>/dev/null || true' EXIT
	passed=0
	while kill -0 "$maker" 2>/dev/null; do
		[ ! -t 2 ] || printf '\r  %d s' "$passed" >&2
		sleep 1
		passed=$((passed + 1))
	done
	[ ! -t 2 ] || printf '\r' >&2
	wait "$maker"
	trap - EXIT
	printf '%s' "$want" >"$out/.stamp"
fi
echo "$file"
