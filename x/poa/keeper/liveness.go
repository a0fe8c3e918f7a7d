package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/comet"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/poa/types"
)

// BeginBlock counts who missed the previous block and takes note of double signing.
func (k Keeper) BeginBlock(ctx context.Context) error {
	info := sdk.UnwrapSDKContext(ctx).CometInfo()
	if info == nil {
		return nil
	}
	evidence := info.GetEvidence()
	for i := 0; i < evidence.Len(); i++ {
		if err := k.recordMisbehaviour(ctx, evidence.Get(i)); err != nil {
			return err
		}
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	votes := info.GetLastCommit().Votes()
	for i := 0; i < votes.Len(); i++ {
		vote := votes.Get(i)
		missed := vote.GetBlockIDFlag() == comet.BlockIDFlagAbsent
		if err := k.recordVote(ctx, params, vote.Validator().Address(), missed); err != nil {
			return err
		}
	}
	return nil
}

// EndBlock splits fees and removes validators whose keys signed twice; it repeats what was unsafe before.
func (k Keeper) EndBlock(ctx context.Context) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	if err := k.splitFees(ctx, params); err != nil {
		return err
	}
	all, err := k.AllValidators(ctx)
	if err != nil {
		return err
	}
	for _, validator := range all {
		if !validator.IsActive() {
			continue
		}
		owner, err := k.KeyOwners.Get(ctx, validator.ConsensusAddress())
		if err != nil {
			return err
		}
		if !owner.DoubleSigned {
			continue
		}
		if _, err := k.deactivate(ctx, validator, types.VALIDATOR_STATUS_DOUBLE_SIGNED); err != nil {
			return err
		}
	}
	return nil
}

// recordMisbehaviour marks the key of a double-signing validator. CometBFT has verified the evidence.
func (k Keeper) recordMisbehaviour(ctx context.Context, evidence comet.Evidence) error {
	switch evidence.Type() {
	case comet.DuplicateVote, comet.LightClientAttack:
	default:
		return nil
	}
	address := sdk.ConsAddress(evidence.Validator().Address())
	owner, err := k.KeyOwners.Get(ctx, address)
	if errors.Is(err, collections.ErrNotFound) || owner.DoubleSigned {
		return nil
	}
	if err != nil {
		return err
	}
	owner.DoubleSigned = true
	if err := k.KeyOwners.Set(ctx, address, owner); err != nil {
		return err
	}
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&types.EventDoubleSign{
		OperatorAddress:  owner.OperatorAddress,
		ConsensusAddress: owner.ConsensusAddress,
		InfractionHeight: evidence.Height(),
	})
}

// recordVote moves the liveness window of one key by one block. Keys that are no longer (or not yet)
// appointed are skipped: CometBFT applies changes two heights late.
func (k Keeper) recordVote(ctx context.Context, params types.Params, address sdk.ConsAddress, missed bool) error {
	info, err := k.SigningInfos.Get(ctx, address)
	if errors.Is(err, collections.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	height := sdk.UnwrapSDKContext(ctx).BlockHeight() - 1
	if height < 0 {
		return nil
	}
	slot := collections.Join(address, uint64(height%params.LivenessWindow))
	before, err := k.MissedSlots.Has(ctx, slot)
	if err != nil || before == missed {
		return err
	}
	if missed {
		info.MissedBlocks++
		err = k.MissedSlots.Set(ctx, slot)
	} else {
		info.MissedBlocks--
		err = k.MissedSlots.Remove(ctx, slot)
	}
	if err != nil {
		return err
	}
	if err := k.SigningInfos.Set(ctx, address, info); err != nil {
		return err
	}
	if missed && info.MissedBlocks > params.MaxMissedBlocks {
		return k.removeAbsent(ctx, address)
	}
	return nil
}

func (k Keeper) removeAbsent(ctx context.Context, address sdk.ConsAddress) error {
	owner, err := k.KeyOwners.Get(ctx, address)
	if err != nil {
		return err
	}
	operator, err := sdk.AccAddressFromBech32(owner.OperatorAddress)
	if err != nil {
		return err
	}
	validator, err := k.Validators.Get(ctx, operator)
	if err != nil {
		return err
	}
	_, err = k.deactivate(ctx, validator, types.VALIDATOR_STATUS_ABSENT)
	return err
}

func (k Keeper) startLiveness(ctx context.Context, address sdk.ConsAddress) error {
	if err := k.forgetLiveness(ctx, address); err != nil {
		return err
	}
	return k.SigningInfos.Set(ctx, address, types.SigningInfo{
		ConsensusAddress: address.String(),
		StartHeight:      sdk.UnwrapSDKContext(ctx).BlockHeight(),
	})
}

func (k Keeper) forgetLiveness(ctx context.Context, address sdk.ConsAddress) error {
	if err := k.MissedSlots.Clear(ctx, collections.NewPrefixedPairRange[sdk.ConsAddress, uint64](address)); err != nil {
		return err
	}
	return k.SigningInfos.Remove(ctx, address)
}

// restartLiveness forgets what all active validators missed, because slots of another window mean nothing.
func (k Keeper) restartLiveness(ctx context.Context) error {
	all, err := k.AllValidators(ctx)
	if err != nil {
		return err
	}
	for _, validator := range all {
		if !validator.IsActive() {
			continue
		}
		if err := k.startLiveness(ctx, validator.ConsensusAddress()); err != nil {
			return err
		}
	}
	return nil
}
