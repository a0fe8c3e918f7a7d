package app

import (
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/bank"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/consensus"
	consensustypes "github.com/cosmos/cosmos-sdk/x/consensus/types"
	"github.com/cosmos/cosmos-sdk/x/gov"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"

	"github.com/tkms-network/tkms/x/acl"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	"github.com/tkms-network/tkms/x/parties"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
	"github.com/tkms-network/tkms/x/poa"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

// moduleOrder is the order of genesis and of block hooks: accounts and balances exist before the modules
// that use them; x/poa comes last, so that the validator updates of a block see all that the block did.
var moduleOrder = []string{
	consensustypes.ModuleName,
	authtypes.ModuleName,
	banktypes.ModuleName,
	govtypes.ModuleName,
	partiestypes.ModuleName,
	acltypes.ModuleName,
	kmstypes.ModuleName,
	poatypes.ModuleName,
}

func newModules(cdc codec.Codec, k Keepers) *module.Manager {
	manager := module.NewManager(
		auth.NewAppModule(cdc, k.Accounts, nil),
		bank.NewAppModule(cdc, k.Bank, k.Accounts),
		consensus.NewAppModule(cdc, k.Consensus),
		gov.NewAppModule(cdc, k.Gov, k.Accounts, k.Bank),
		parties.NewAppModule(cdc, k.Parties),
		acl.NewAppModule(cdc, k.ACL),
		kms.NewAppModule(cdc, k.KMS),
		poa.NewAppModule(cdc, k.PoA),
	)
	manager.SetOrderPreBlockers(authtypes.ModuleName) // forgets the nonces of unordered transactions
	manager.SetOrderBeginBlockers(moduleOrder...)
	manager.SetOrderEndBlockers(moduleOrder...)
	manager.SetOrderInitGenesis(moduleOrder...)
	manager.SetOrderExportGenesis(moduleOrder...)
	return manager
}
