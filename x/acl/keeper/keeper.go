// Package keeper holds the state of x/acl: the registered host chains, the headers whose seals were
// checked, and the rules by which a decryption is authorized.
package keeper

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/acl/types"
)

var _ types.Verifier = Keeper{}

// Keeper owns the module's state. The collections are exported for queries; only this package writes them.
type Keeper struct {
	authority string

	Schema collections.Schema
	Params collections.Item[types.Params]
	// HostChains by chain id.
	HostChains collections.Map[uint64, types.HostChain]
	// Headers holds verified headers by (chain id, height), at most Params.HeaderCache of each host chain.
	// All of a host chain were sealed by its current validators.
	Headers collections.Map[collections.Pair[uint64, uint64], types.VerifiedHeader]
	// HeaderCounts is the number of headers of each host chain.
	HeaderCounts collections.Map[uint64, uint64]
	// LatestHeights is the highest block of each host chain that was verified or is part of a fork. Unlike
	// Headers it never goes back.
	LatestHeights collections.Map[uint64, uint64]
}

// NewKeeper panics if authority, the only account that registers host chains, is not an address.
func NewKeeper(cdc codec.Codec, storeService corestore.KVStoreService, authority string) Keeper {
	if _, err := sdk.AccAddressFromBech32(authority); err != nil {
		panic(fmt.Errorf("acl: authority: %w", err))
	}
	sb := collections.NewSchemaBuilder(storeService)
	k := Keeper{
		authority:  authority,
		Params:     collections.NewItem(sb, types.ParamsPrefix, "params", codec.CollValue[types.Params](cdc)),
		HostChains: collections.NewMap(sb, types.HostChainsPrefix, "host_chains", collections.Uint64Key, codec.CollValue[types.HostChain](cdc)),
		Headers: collections.NewMap(sb, types.HeadersPrefix, "headers",
			collections.PairKeyCodec(collections.Uint64Key, collections.Uint64Key), codec.CollValue[types.VerifiedHeader](cdc)),
		HeaderCounts:  collections.NewMap(sb, types.HeaderCountsPrefix, "header_counts", collections.Uint64Key, collections.Uint64Value),
		LatestHeights: collections.NewMap(sb, types.LatestHeightsPrefix, "latest_heights", collections.Uint64Key, collections.Uint64Value),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(fmt.Errorf("acl: schema: %w", err))
	}
	k.Schema = schema
	return k
}

// Authority is the account that may register host chains.
func (k Keeper) Authority() string { return k.authority }

// HostChain returns a host chain's record, or ErrUnknownHostChain.
func (k Keeper) HostChain(ctx context.Context, id uint64) (types.HostChain, error) {
	chain, err := k.HostChains.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return types.HostChain{}, types.ErrUnknownHostChain.Wrapf("%d", id)
	}
	return chain, err
}

// usableHostChain is HostChain for one whose headers may be believed now.
func (k Keeper) usableHostChain(ctx context.Context, id uint64) (types.HostChain, error) {
	chain, err := k.HostChain(ctx, id)
	if err != nil {
		return types.HostChain{}, err
	}
	if chain.Frozen {
		return types.HostChain{}, types.ErrHostChainFrozen.Wrapf("%d", id)
	}
	return chain, nil
}

// InitGenesis stores a valid state into an empty store.
func (k Keeper) InitGenesis(ctx context.Context, state types.GenesisState) error {
	if err := state.Validate(); err != nil {
		return err
	}
	if err := k.Params.Set(ctx, state.Params); err != nil {
		return err
	}
	for _, chain := range state.HostChains {
		if err := k.putHostChain(ctx, chain); err != nil {
			return err
		}
	}
	for _, latest := range state.LatestHeights {
		if err := k.LatestHeights.Set(ctx, latest.HostChainId, latest.Height); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis returns parameters, host chains and latest heights. Verified headers are left out: each can be shown again,
// and nothing depends on their being known.
func (k Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	state := &types.GenesisState{Params: params}
	err = k.HostChains.Walk(ctx, nil, func(_ uint64, chain types.HostChain) (bool, error) {
		state.HostChains = append(state.HostChains, chain)
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	err = k.LatestHeights.Walk(ctx, nil, func(id, height uint64) (bool, error) {
		state.LatestHeights = append(state.LatestHeights, types.LatestHeight{HostChainId: id, Height: height})
		return false, nil
	})
	return state, err
}
