package types

import "cosmossdk.io/collections"

const (
	// ModuleName names the module, its store and its gRPC services.
	ModuleName = "poa"
	// StoreKey is the name of the module's IAVL store.
	StoreKey = ModuleName
)

// Prefixes of the module's store.
var (
	ParamsPrefix      = collections.NewPrefix(0)
	ValidatorsPrefix  = collections.NewPrefix(1)
	KeyOwnersPrefix   = collections.NewPrefix(2)
	SigningInfoPrefix = collections.NewPrefix(3)
	MissedSlotsPrefix = collections.NewPrefix(4)
	AppliedPrefix     = collections.NewPrefix(5)
)
