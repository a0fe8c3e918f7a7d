// Package acl decides whether a decryption is authorized: it keeps the registered host chains, verifies their
// sealed headers and, under those, Merkle proofs that the ACL permits a handle and which ciphertext bytes
// belong to it.
//
// It guarantees, against everybody who can send transactions, that a decryption is authorized only by the
// state of the host chain as sealed by its current validators. It does not protect a host chain against its
// own validators or against whoever its registry lets bind bytes to handles: they are as strong as the
// chain's key. README.md says more.
package acl

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	"cosmossdk.io/core/appmodule"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"

	"github.com/tkms-network/tkms/x/acl/keeper"
	"github.com/tkms-network/tkms/x/acl/types"
)

var (
	_ module.HasGenesis   = AppModule{}
	_ module.HasServices  = AppModule{}
	_ appmodule.AppModule = AppModule{}
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

// DefaultGenesis has no host chains.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(types.DefaultGenesis())
}

// ValidateGenesis checks the state's consistency.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, raw json.RawMessage) error {
	var state types.GenesisState
	if err := cdc.UnmarshalJSON(raw, &state); err != nil {
		return fmt.Errorf("acl genesis: %w", err)
	}
	return state.Validate()
}

// InitGenesis stores the state. It panics on a state that Validate refuses, which stops the chain before its
// first block.
func (am AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, raw json.RawMessage) {
	var state types.GenesisState
	cdc.MustUnmarshalJSON(raw, &state)
	if err := am.keeper.InitGenesis(ctx, state); err != nil {
		panic(fmt.Errorf("acl genesis: %w", err))
	}
}

// ExportGenesis returns parameters, host chains and latest heights.
func (am AppModule) ExportGenesis(ctx sdk.Context, cdc codec.JSONCodec) json.RawMessage {
	state, err := am.keeper.ExportGenesis(ctx)
	if err != nil {
		panic(fmt.Errorf("acl genesis export: %w", err))
	}
	return cdc.MustMarshalJSON(state)
}
