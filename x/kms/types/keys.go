package types

import (
	"encoding/binary"

	"cosmossdk.io/collections"
)

const (
	// ModuleName names the module and its account.
	ModuleName = "kms"
	// StoreKey names the module's store.
	StoreKey = ModuleName
	// FeeDenom is the unit of all prices.
	FeeDenom = "utkms"
	// IDSize is the length of the id of a key or request.
	IDSize = 32
	// MaxHandles bounds a request whatever its host chain's limits say.
	MaxHandles = 1024
	// MaxResults bounds the results of one message.
	MaxResults = 128
	// MaxShareSize bounds a party's share, in bytes, so that it fits into one
	// transaction: 256 small handles need 279 kB.
	MaxShareSize = 320 << 10
	// StandInEnclave marks what parties with simulated enclave devices made.
	StandInEnclave = "enclave device"
	// StandInParameters marks keys of an insecure parameter set, and what was
	// decrypted with them.
	StandInParameters = "insecure parameters"
)

// Prefixes of the store. What parties prove, present or absent, stands before the
// fence, whose value is not empty: ICS-23 cannot prove absence beside a key with
// an empty value, as the indexes behind the fence have.
var (
	ParamsPrefix       = collections.NewPrefix(0)
	KeysPrefix         = collections.NewPrefix(1)
	RequestsPrefix     = collections.NewPrefix(2)
	WorkPrefix         = collections.NewPrefix(3)
	HostKeysPrefix     = collections.NewPrefix(4)
	ItemCountersPrefix = collections.NewPrefix(5)
	FencePrefix        = collections.NewPrefix(6)
	AttemptsPrefix     = collections.NewPrefix(7)
	OpenRequestsPrefix = collections.NewPrefix(8)
	OpenKeysPrefix     = collections.NewPrefix(9)
	ExpiryQueuePrefix  = collections.NewPrefix(10)
	PayoutQueuePrefix  = collections.NewPrefix(11)
	KeyQueuePrefix     = collections.NewPrefix(12)
	KeyPayoutPrefix    = collections.NewPrefix(13)
	PruneQueuePrefix   = collections.NewPrefix(14)
	TotalsPrefix       = collections.NewPrefix(15)
	KeySequencePrefix  = collections.NewPrefix(16)
	WindowsPrefix      = collections.NewPrefix(17)
	SharesPrefix       = collections.NewPrefix(18)
	HostEpochsPrefix   = collections.NewPrefix(19)
	HeldKeysPrefix     = collections.NewPrefix(20)
	EndedEpochsPrefix  = collections.NewPrefix(21)
)

// StoreKeyOfKey is the raw key of a Key record: 0x01 || id.
func StoreKeyOfKey(id []byte) []byte { return append([]byte{1}, id...) }

// StoreKeyOfRequest is the raw key of a Request record: 0x02 || id.
func StoreKeyOfRequest(id []byte) []byte { return append([]byte{2}, id...) }

// StoreKeyOfWork is the raw key of the Work record of a block: 0x03 || height as
// big-endian u64. A proof of absence shows that the block accepted nothing.
func StoreKeyOfWork(height uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{3}, height)
}

// StoreKeyOfHostEpoch is the raw key of a HostEpoch record: 0x13 || host chain as
// big-endian u64.
func StoreKeyOfHostEpoch(hostChainID uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{19}, hostChainID)
}

// StoreKeyOfItemCounter is the raw key of an epoch's next unassigned offline
// item, 8 bytes big-endian: 0x05 || epoch as big-endian u64.
func StoreKeyOfItemCounter(epoch uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{5}, epoch)
}
