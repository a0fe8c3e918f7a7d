// Package params names the chain: address prefix, denomination, chain id and version of its home.
package params

import (
	"sync"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

const (
	// Name is the application's name.
	Name = "tkms"
	// Bech32Prefix starts every account address.
	Bech32Prefix = "tkms"
	// Denom is the base denomination; 1 tkms is 1000000 utkms.
	Denom = "utkms"
	// DefaultChainID is the chain id of development networks.
	DefaultChainID = "tkms-devnet-1"
)

var sealPrefixes = sync.OnceFunc(func() {
	config := sdk.GetConfig()
	config.SetBech32PrefixForAccount(Bech32Prefix, Bech32Prefix+"pub")
	config.SetBech32PrefixForValidator(Bech32Prefix+"valoper", Bech32Prefix+"valoperpub")
	config.SetBech32PrefixForConsensusNode(Bech32Prefix+"valcons", Bech32Prefix+"valconspub")
	config.Seal()
})

// SetAddressPrefixes fixes the SDK's process-wide address prefixes. It may be called any number of times
// and must run before an address is printed or parsed; package app calls it.
func SetAddressPrefixes() { sealPrefixes() }
