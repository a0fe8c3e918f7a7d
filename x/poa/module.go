// Package poa is proof of authority: the validators of the chain are appointed by governance, which the
// validators themselves are.
//
// It guarantees, while at most a third of the power is faulty, that only governance adds power; that a
// validator absent for too long or caught signing twice loses its power; and that the module by itself
// never takes so much that a third or more of the power granted by governance is out. It does not
// protect against two thirds of the validators colluding, and it does not slash: validators post no bond.
package poa

import (
	"context"
	"encoding/json"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	"cosmossdk.io/core/appmodule"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"

	"github.com/tkms-network/tkms/x/poa/keeper"
	"github.com/tkms-network/tkms/x/poa/types"
)

var (
	_ module.HasABCIGenesis     = AppModule{}
	_ module.HasServices        = AppModule{}
	_ module.HasABCIEndBlock    = AppModule{}
	_ appmodule.HasBeginBlocker = AppModule{}
)

// AppModule connects the keeper to the application.
type AppModule struct {
	cdc    codec.Codec
	keeper keeper.Keeper
}

// NewAppModule wraps the keeper.
func NewAppModule(cdc codec.Codec, k keeper.Keeper) AppModule { return AppModule{cdc: cdc, keeper: k} }

// IsAppModule implements appmodule.AppModule.
func (AppModule) IsAppModule() {}

// IsOnePerModuleType implements depinject.OnePerModuleType.
func (AppModule) IsOnePerModuleType() {}

// Name returns the module's name.
func (AppModule) Name() string { return types.ModuleName }

// ConsensusVersion counts the changes of the store's layout.
func (AppModule) ConsensusVersion() uint64 { return 1 }

// RegisterLegacyAminoCodec does nothing: amino JSON signing reads the protobuf annotations.
func (AppModule) RegisterLegacyAminoCodec(*codec.LegacyAmino) {}

// RegisterInterfaces makes the messages decodable.
func (AppModule) RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	types.RegisterInterfaces(registry)
}

// RegisterGRPCGatewayRoutes serves the queries as REST.
func (AppModule) RegisterGRPCGatewayRoutes(clientCtx client.Context, mux *runtime.ServeMux) {
	if err := types.RegisterQueryHandlerClient(context.Background(), mux, types.NewQueryClient(clientCtx)); err != nil {
		panic(err)
	}
}

// RegisterServices registers messages and queries.
func (am AppModule) RegisterServices(cfg module.Configurator) {
	types.RegisterMsgServer(cfg.MsgServer(), keeper.NewMsgServer(am.keeper))
	types.RegisterQueryServer(cfg.QueryServer(), keeper.NewQueryServer(am.keeper))
}

// DefaultGenesis has no validators.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(types.DefaultGenesis())
}

// ValidateGenesis checks the state's consistency.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, raw json.RawMessage) error {
	var state types.GenesisState
	if err := cdc.UnmarshalJSON(raw, &state); err != nil {
		return fmt.Errorf("poa genesis: %w", err)
	}
	return state.Validate()
}

// InitGenesis stores the state and returns the first validator set. It panics on a state that Validate or
// the keeper refuses, which stops the chain before its first block.
func (am AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, raw json.RawMessage) []abci.ValidatorUpdate {
	var state types.GenesisState
	cdc.MustUnmarshalJSON(raw, &state)
	updates, err := am.keeper.InitGenesis(ctx, state)
	if err != nil {
		panic(fmt.Errorf("poa genesis: %w", err))
	}
	return updates
}

// ExportGenesis returns the whole state.
func (am AppModule) ExportGenesis(ctx sdk.Context, cdc codec.JSONCodec) json.RawMessage {
	state, err := am.keeper.ExportGenesis(ctx)
	if err != nil {
		panic(fmt.Errorf("poa genesis export: %w", err))
	}
	return cdc.MustMarshalJSON(state)
}

// BeginBlock counts missed blocks and double signing.
func (am AppModule) BeginBlock(ctx context.Context) error { return am.keeper.BeginBlock(ctx) }

// EndBlock tells CometBFT what changed in the validator set.
func (am AppModule) EndBlock(ctx context.Context) ([]abci.ValidatorUpdate, error) {
	if err := am.keeper.EndBlock(ctx); err != nil {
		return nil, err
	}
	return am.keeper.ValidatorUpdates(ctx)
}
