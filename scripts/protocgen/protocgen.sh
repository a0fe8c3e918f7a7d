#!/usr/bin/env bash
# Generates the Go code and the OpenAPI description of everything under proto/tkms.
#
#   scripts/protocgen/protocgen.sh          write *.pb.go, *.pb.gw.go and app/openapi/tkms.swagger.json
#   scripts/protocgen/protocgen.sh lint     only lint the protobuf files
#
# No remote registry is used: third-party protobuf files come out of the Go module cache at the
# versions that go.mod pins, and the plugins are Go programs at the versions below.
set -euo pipefail
cd "$(dirname "$0")/../.."

export GOBIN="$PWD/bin"
export PATH="$GOBIN:$PATH"
third_party=build/third_party/proto
out=build/protocgen

# Two runs at once would empty each other's output.
mkdir -p build
exec 9>build/protocgen.lock
flock 9

tool() { # name module version
  if [ ! -x "$GOBIN/$1" ]; then
    echo "protocgen: building $1 $3" >&2
    go install "$2@$3"
  fi
}

module_dir() { go list -m -f '{{.Dir}}' "$1"; }

# The versions here need not be those of go.mod: the module cache holds each version on its own.
download_dir() { go mod download -json "$1" | sed -n 's/^\t*"Dir": "\(.*\)",*$/\1/p'; }

third_party_protos() {
  rm -rf "$third_party"
  mkdir -p "$third_party/google/api" "$third_party/gogoproto"
  local sdk cosmos_proto gogoproto gateway
  sdk=$(module_dir github.com/cosmos/cosmos-sdk)
  cosmos_proto=$(module_dir github.com/cosmos/cosmos-proto)
  gogoproto=$(module_dir github.com/cosmos/gogoproto)
  gateway=$(download_dir github.com/grpc-ecosystem/grpc-gateway@v1.16.0)
  cp -r "$sdk/proto/amino" "$sdk/proto/cosmos" "$sdk/proto/tendermint" "$third_party/"
  cp -r "$cosmos_proto/proto/cosmos_proto" "$third_party/"
  cp "$gogoproto/gogoproto/gogo.proto" "$third_party/gogoproto/"
  cp "$gateway"/third_party/googleapis/google/api/{annotations,http}.proto "$third_party/google/api/"
  chmod -R u+w "$third_party"
}

tool buf github.com/bufbuild/buf/cmd/buf v1.75.0
third_party_protos
if [ "${1:-}" = lint ]; then
  exec buf lint --path proto/tkms
fi
tool protoc-gen-gocosmos github.com/cosmos/gogoproto/protoc-gen-gocosmos v1.7.2
tool protoc-gen-grpc-gateway github.com/grpc-ecosystem/grpc-gateway/protoc-gen-grpc-gateway v1.16.0
tool protoc-gen-swagger github.com/grpc-ecosystem/grpc-gateway/protoc-gen-swagger v1.16.0

rm -rf "$out"
mkdir -p "$out/go" "$out/openapi" app/openapi
buf generate --path proto/tkms --template scripts/protocgen/buf.gen.gogo.yaml

# The chain's own services and those of the SDK that it serves.
buf generate --template scripts/protocgen/buf.gen.swagger.yaml \
  --path proto/tkms \
  --path "$third_party/cosmos/auth/v1beta1/query.proto" \
  --path "$third_party/cosmos/bank/v1beta1/query.proto" \
  --path "$third_party/cosmos/gov/v1/query.proto" \
  --path "$third_party/cosmos/consensus/v1/query.proto" \
  --path "$third_party/cosmos/tx/v1beta1/service.proto" \
  --path "$third_party/cosmos/base/tendermint/v1beta1/query.proto" \
  --path "$third_party/cosmos/base/node/v1beta1/query.proto"

generated="$out/go/github.com/tkms-network/tkms"
cp -r "$generated/." .
# The plugin names the merged description after one of the files.
sed -e '0,/"title": ".*"/s//"title": "REST interface of the TKMS chain"/' \
  -e '0,/"version": ".*"/s//"version": "v1"/' \
  "$out/openapi/tkms.swagger.json" > app/openapi/tkms.swagger.json

# Generated code must not survive the removal of its .proto file.
for root in x enclave; do
  [ -d "$root" ] || continue
  find "$root" \( -name '*.pb.go' -o -name '*.pb.gw.go' \) -print
done | while read -r file; do
  [ -e "$generated/$file" ] || rm -v "$file"
done
