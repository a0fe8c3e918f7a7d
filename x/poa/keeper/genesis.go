package keeper

import (
	"context"
	"errors"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/poa/types"
)

// InitGenesis stores the state and returns the validator set for CometBFT. At least one validator must be
// active.
func (k Keeper) InitGenesis(ctx context.Context, state types.GenesisState) ([]abci.ValidatorUpdate, error) {
	if err := state.Validate(); err != nil {
		return nil, err
	}
	if err := k.Params.Set(ctx, state.Params); err != nil {
		return nil, err
	}
	for _, owner := range state.KeyOwners {
		address, err := sdk.ConsAddressFromBech32(owner.ConsensusAddress)
		if err != nil {
			return nil, err
		}
		if err := k.KeyOwners.Set(ctx, address, owner); err != nil {
			return nil, err
		}
	}
	for _, validator := range state.Validators {
		if err := k.initValidator(ctx, validator); err != nil {
			return nil, fmt.Errorf("validator %s: %w", validator.OperatorAddress, err)
		}
	}
	for _, liveness := range state.Liveness {
		if err := k.initLiveness(ctx, liveness); err != nil {
			return nil, err
		}
	}
	updates, err := k.ValidatorUpdates(ctx)
	if err == nil && len(updates) == 0 {
		err = types.ErrLastValidator.Wrap("genesis has no active validator")
	}
	return updates, err
}

func (k Keeper) initValidator(ctx context.Context, validator types.Validator) error {
	operator, err := sdk.AccAddressFromBech32(validator.OperatorAddress)
	if err != nil {
		return err
	}
	err = k.claimKey(ctx, validator)
	// A validator that could not be removed safely is still active with a key that signed twice.
	if err != nil && !errors.Is(err, types.ErrKeyDoubleSigned) {
		return err
	}
	if validator.IsActive() {
		if err := k.startLiveness(ctx, validator.ConsensusAddress()); err != nil {
			return err
		}
	}
	return k.Validators.Set(ctx, operator, validator)
}

func (k Keeper) initLiveness(ctx context.Context, liveness types.GenesisLiveness) error {
	address, err := sdk.ConsAddressFromBech32(liveness.Info.ConsensusAddress)
	if err != nil {
		return err
	}
	for _, slot := range liveness.MissedSlots {
		if err := k.MissedSlots.Set(ctx, collections.Join(address, slot)); err != nil {
			return err
		}
	}
	return k.SigningInfos.Set(ctx, address, liveness.Info)
}

// ExportGenesis returns the whole state.
func (k Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	state := &types.GenesisState{Params: params}
	if state.Validators, err = k.AllValidators(ctx); err != nil {
		return nil, err
	}
	err = k.KeyOwners.Walk(ctx, nil, func(_ sdk.ConsAddress, owner types.KeyOwner) (bool, error) {
		state.KeyOwners = append(state.KeyOwners, owner)
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	err = k.SigningInfos.Walk(ctx, nil, func(address sdk.ConsAddress, info types.SigningInfo) (bool, error) {
		liveness := types.GenesisLiveness{Info: info}
		rng := collections.NewPrefixedPairRange[sdk.ConsAddress, uint64](address)
		err := k.MissedSlots.Walk(ctx, rng, func(key collections.Pair[sdk.ConsAddress, uint64]) (bool, error) {
			liveness.MissedSlots = append(liveness.MissedSlots, key.K2())
			return false, nil
		})
		state.Liveness = append(state.Liveness, liveness)
		return false, err
	})
	return state, err
}
