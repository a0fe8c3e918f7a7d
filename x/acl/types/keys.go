package types

import (
	"encoding/binary"

	"cosmossdk.io/collections"
)

const (
	// ModuleName names the module, its store and its gRPC services.
	ModuleName = "acl"
	// StoreKey is the name of the module's IAVL store.
	StoreKey = ModuleName
)

// Prefixes of the module's store.
var (
	ParamsPrefix        = collections.NewPrefix(0)
	HostChainsPrefix    = collections.NewPrefix(1)
	HeadersPrefix       = collections.NewPrefix(2)
	HeaderCountsPrefix  = collections.NewPrefix(3)
	LatestHeightsPrefix = collections.NewPrefix(4)
)

// StoreKeyOfHostChain is the raw key of a HostChain record (protobuf):
// 0x01 || id as big-endian u64.
func StoreKeyOfHostChain(id uint64) []byte {
	return binary.BigEndian.AppendUint64(HostChainsPrefix.Bytes(), id)
}
