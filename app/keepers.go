package app

import (
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/codec"
	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	"github.com/cosmos/cosmos-sdk/runtime"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	bankkeeper "github.com/cosmos/cosmos-sdk/x/bank/keeper"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	consensuskeeper "github.com/cosmos/cosmos-sdk/x/consensus/keeper"
	consensustypes "github.com/cosmos/cosmos-sdk/x/consensus/types"
	govkeeper "github.com/cosmos/cosmos-sdk/x/gov/keeper"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1beta1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1beta1"

	"cosmossdk.io/log/v2"

	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/enclave/tfhe/noise"
	aclkeeper "github.com/tkms-network/tkms/x/acl/keeper"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmskeeper "github.com/tkms-network/tkms/x/kms/keeper"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partieskeeper "github.com/tkms-network/tkms/x/parties/keeper"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
	poakeeper "github.com/tkms-network/tkms/x/poa/keeper"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

// moduleAccounts are the accounts that modules own, with what they may do to the supply.
var moduleAccounts = map[string][]string{
	authtypes.FeeCollectorName: nil,
	govtypes.ModuleName:        {authtypes.Burner},
	kmstypes.ModuleName:        nil,                // holds the fees of open requests
	partiestypes.ModuleName:    {authtypes.Burner}, // holds bonds, burns what is slashed
}

// storeNames of the persistent stores, in no particular order.
var storeNames = []string{
	authtypes.StoreKey, banktypes.StoreKey, consensustypes.StoreKey, govtypes.StoreKey, poatypes.StoreKey,
	partiestypes.StoreKey, acltypes.StoreKey, kmstypes.StoreKey,
}

// Keepers of all modules.
type Keepers struct {
	Accounts  authkeeper.AccountKeeper
	Bank      bankkeeper.BaseKeeper
	Consensus consensuskeeper.Keeper
	Gov       *govkeeper.Keeper
	PoA       poakeeper.Keeper
	Parties   *partieskeeper.Keeper
	ACL       aclkeeper.Keeper
	KMS       kmskeeper.Keeper
}

// Authority is the account of x/gov, which alone changes parameters, validators, host chains and committees.
func Authority() string {
	params.SetAddressPrefixes()
	return authtypes.NewModuleAddress(govtypes.ModuleName).String()
}

func newKeepers(cdc codec.Codec, keys map[string]*storetypes.KVStoreKey, router baseapp.MessageRouter, logger log.Logger) Keepers {
	authority := Authority()
	service := func(name string) runtimeStore { return runtime.NewKVStoreService(keys[name]) }

	var k Keepers
	k.Accounts = authkeeper.NewAccountKeeper(
		cdc, service(authtypes.StoreKey), authtypes.ProtoBaseAccount, moduleAccounts,
		addresscodec.NewBech32Codec(params.Bech32Prefix), params.Bech32Prefix, authority,
		authkeeper.WithUnorderedTransactions(true),
	)
	k.Bank = bankkeeper.NewBaseKeeper(cdc, service(banktypes.StoreKey), k.Accounts, blockedAddresses(), authority, logger)
	k.Consensus = consensuskeeper.NewKeeper(cdc, service(consensustypes.StoreKey), authority, runtime.EventService{})
	k.PoA = poakeeper.NewKeeper(cdc, service(poatypes.StoreKey), authority, k.Bank)
	// There is no community pool: proposal_cancel_dest stays empty, so that charges are burnt.
	k.Gov = govkeeper.NewKeeper(
		cdc, service(govtypes.StoreKey), k.Accounts, k.Bank, nil, router,
		govtypes.DefaultConfig(), authority, poakeeper.NewTally(k.PoA),
	)
	k.Gov.SetLegacyRouter(govv1beta1.NewRouter())
	k.Gov.SetHooks(poakeeper.NewGovHooks(k.PoA)) // not through MultiGovHooks: it would lose the error code
	k.Parties = partieskeeper.NewKeeper(cdc, service(partiestypes.StoreKey), authority, k.Accounts, k.Bank)
	k.ACL = aclkeeper.NewKeeper(cdc, service(acltypes.StoreKey), authority)
	k.KMS = kmskeeper.NewKeeper(cdc, service(kmstypes.StoreKey), authority, k.Bank, k.ACL, k.Parties, noise.Milli)
	k.Parties.SetWork(k.KMS)
	return k
}

// blockedAddresses are the module accounts that may not be sent coins; deposits reach x/gov by its messages.
func blockedAddresses() map[string]bool {
	blocked := make(map[string]bool, len(moduleAccounts))
	for name := range moduleAccounts {
		blocked[sdk.AccAddress(authtypes.NewModuleAddress(name)).String()] = true
	}
	return blocked
}
