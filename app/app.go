package app

import (
	"encoding/json"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/gogoproto/proto"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	reflectionv1 "cosmossdk.io/api/cosmos/reflection/v1"
	"cosmossdk.io/client/v2/autocli"
	"cosmossdk.io/core/appmodule"
	corestore "cosmossdk.io/core/store"
	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	runtimeservices "github.com/cosmos/cosmos-sdk/runtime/services"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	"github.com/cosmos/cosmos-sdk/std"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
	"github.com/cosmos/cosmos-sdk/version"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	txsigning "github.com/cosmos/cosmos-sdk/x/tx/signing"

	"github.com/tkms-network/tkms/app/ante"
	"github.com/tkms-network/tkms/app/params"
)

type runtimeStore = corestore.KVStoreService

var _ servertypes.Application = (*App)(nil)

// App is the chain's state machine.
type App struct {
	*baseapp.BaseApp
	Keepers

	cdc      codec.Codec
	amino    *codec.LegacyAmino
	registry codectypes.InterfaceRegistry
	txConfig client.TxConfig

	modules      *module.Manager
	basics       module.BasicManager
	configurator module.Configurator

	// executed, if not nil, is told the number of transactions of each executed block.
	executed func(transactions int)
}

// New builds the application on a database. It panics on a wiring mistake, and if loadLatest is set and the
// database cannot be loaded.
func New(logger log.Logger, db dbm.DB, loadLatest bool, options ...func(*baseapp.BaseApp)) *App {
	params.SetAddressPrefixes()
	registry := newInterfaceRegistry()
	cdc := codec.NewProtoCodec(registry)
	amino := codec.NewLegacyAmino()
	std.RegisterLegacyAminoCodec(amino)
	std.RegisterInterfaces(registry)
	txConfig := authtx.NewTxConfig(cdc, authtx.DefaultSignModes)

	base := baseapp.NewBaseApp(params.Name, logger, db, txConfig.TxDecoder(), options...)
	base.SetVersion(version.Version)
	base.SetInterfaceRegistry(registry)
	base.SetTxEncoder(txConfig.TxEncoder())

	keys := storetypes.NewKVStoreKeys(storeNames...)
	a := &App{BaseApp: base, cdc: cdc, amino: amino, registry: registry, txConfig: txConfig}
	a.Keepers = newKeepers(cdc, keys, base.MsgServiceRouter(), logger)
	base.SetParamStore(a.Consensus.ParamsStore)

	a.modules = newModules(cdc, a.Keepers)
	a.basics = module.NewBasicManagerFromManager(a.modules, nil)
	a.basics.RegisterLegacyAminoCodec(amino)
	a.basics.RegisterInterfaces(registry)
	a.configurator = module.NewConfigurator(cdc, base.MsgServiceRouter(), base.GRPCQueryRouter())
	must(a.modules.RegisterServices(a.configurator), "services")
	a.registerReflection()

	base.MountKVStores(keys)
	base.SetInitChainer(a.initChain)
	base.SetPreBlocker(func(ctx sdk.Context, _ *abci.RequestFinalizeBlock) (*sdk.ResponsePreBlock, error) {
		return a.modules.PreBlock(ctx)
	})
	base.SetBeginBlocker(a.modules.BeginBlock)
	base.SetEndBlocker(a.modules.EndBlock)
	base.SetAnteHandler(a.newAnteHandler())
	files, err := proto.MergedRegistry()
	must(err, "protobuf files")
	must(msgservice.ValidateProtoAnnotations(files), "protobuf annotations")
	must(registry.SigningContext().Validate(), "message signers")

	if loadLatest {
		must(base.LoadLatestVersion(), "load")
	}
	return a
}

func newInterfaceRegistry() codectypes.InterfaceRegistry {
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: proto.HybridResolver,
		SigningOptions: txsigning.Options{
			AddressCodec:          addresscodec.NewBech32Codec(params.Bech32Prefix),
			ValidatorAddressCodec: addresscodec.NewBech32Codec(params.Bech32Prefix + "valoper"),
		},
	})
	must(err, "interface registry")
	return registry
}

func (a *App) newAnteHandler() sdk.AnteHandler {
	handler, err := ante.NewHandler(ante.Options{
		Accounts:        a.Accounts,
		Bank:            a.Bank,
		GasPrices:       a.PoA,
		Parties:         a.Parties,
		SignModeHandler: a.txConfig.SignModeHandler(),
		Lanes:           ante.NewLanes(PartyMessages()...),
	})
	must(err, "ante handler")
	return handler
}

func (a *App) registerReflection() {
	autocliv1.RegisterQueryServer(a.GRPCQueryRouter(), runtimeservices.NewAutoCLIQueryService(a.modules.Modules))
	reflection, err := runtimeservices.NewReflectionService()
	must(err, "reflection")
	reflectionv1.RegisterReflectionServiceServer(a.GRPCQueryRouter(), reflection)
}

// initChain runs each module's genesis and returns the validator set that x/poa names.
func (a *App) initChain(ctx sdk.Context, req *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	var state map[string]json.RawMessage
	if err := json.Unmarshal(req.AppStateBytes, &state); err != nil {
		return nil, fmt.Errorf("app state of genesis: %w", err)
	}
	if err := a.importContinuity(ctx, state[continuityKey]); err != nil {
		return nil, err
	}
	return a.modules.InitGenesis(ctx, a.cdc, state)
}

// OnExecuted sets what is told the number of transactions of each block once it is executed. It must not
// influence execution; call it before the node starts.
func (a *App) OnExecuted(f func(transactions int)) { a.executed = f }

// FinalizeBlock executes a block.
func (a *App) FinalizeBlock(req *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	response, err := a.BaseApp.FinalizeBlock(req)
	if err == nil && a.executed != nil {
		a.executed(len(req.Txs))
	}
	return response, err
}

// Codec encodes the chain's messages and state.
func (a *App) Codec() codec.Codec { return a.cdc }

// LegacyAmino encodes keys for the keyring.
func (a *App) LegacyAmino() *codec.LegacyAmino { return a.amino }

// InterfaceRegistry resolves the types that messages may hold.
func (a *App) InterfaceRegistry() codectypes.InterfaceRegistry { return a.registry }

// TxConfig encodes and signs transactions.
func (a *App) TxConfig() client.TxConfig { return a.txConfig }

// BasicModules are the stateless parts of the modules.
func (a *App) BasicModules() module.BasicManager { return a.basics }

// AutoCLI describes the commands of all modules.
func (a *App) AutoCLI() autocli.AppOptions {
	modules := make(map[string]appmodule.AppModule, len(a.modules.Modules))
	for name, m := range a.modules.Modules {
		if appModule, ok := m.(appmodule.AppModule); ok {
			modules[name] = appModule
		}
	}
	return autocli.AppOptions{
		Modules:               modules,
		ModuleOptions:         runtimeservices.ExtractAutoCLIOptions(a.modules.Modules),
		AddressCodec:          addresscodec.NewBech32Codec(params.Bech32Prefix),
		ValidatorAddressCodec: addresscodec.NewBech32Codec(params.Bech32Prefix + "valoper"),
		ConsensusAddressCodec: addresscodec.NewBech32Codec(params.Bech32Prefix + "valcons"),
	}
}

func must(err error, what string) {
	if err != nil {
		panic(fmt.Errorf("app: %s: %w", what, err))
	}
}
