package keeper

import (
	"bytes"
	"context"
	"errors"

	abci "github.com/cometbft/cometbft/abci/types"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/poa/types"
)

// setValidator appoints or changes an operator's validator; an empty key keeps the present one.
func (k Keeper) setValidator(ctx context.Context, operator sdk.AccAddress, moniker string, pubkey []byte, power int64) error {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	validator, err := k.Validators.Get(ctx, operator)
	known := err == nil
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if !known {
		if err := k.requireRoom(ctx); err != nil {
			return err
		}
		validator = types.Validator{OperatorAddress: operator.String()}
	}

	keyChanges := len(pubkey) > 0 && !bytes.Equal(pubkey, validator.ConsensusPubkey)
	if keyChanges {
		if known {
			if err := k.forgetLiveness(ctx, validator.ConsensusAddress()); err != nil {
				return err
			}
		}
		validator.ConsensusPubkey = pubkey
	}
	validator.Moniker, validator.Power = moniker, power
	restarts := keyChanges || !validator.IsActive()
	if !validator.IsActive() {
		validator.Status, validator.StatusHeight = types.VALIDATOR_STATUS_ACTIVE, height
	}
	if err := validator.Validate(); err != nil {
		return err
	}
	if err := k.claimKey(ctx, validator); err != nil {
		return err
	}
	if restarts {
		if err := k.startLiveness(ctx, validator.ConsensusAddress()); err != nil {
			return err
		}
	}
	return k.Validators.Set(ctx, operator, validator)
}

// claimKey records the validator's consensus key as its operator's, and refuses keys of others and keys
// that signed twice.
func (k Keeper) claimKey(ctx context.Context, validator types.Validator) error {
	address := validator.ConsensusAddress()
	owner, err := k.KeyOwners.Get(ctx, address)
	switch {
	case errors.Is(err, collections.ErrNotFound):
		return k.KeyOwners.Set(ctx, address, types.KeyOwner{
			ConsensusAddress: address.String(), OperatorAddress: validator.OperatorAddress,
		})
	case err != nil:
		return err
	case owner.OperatorAddress != validator.OperatorAddress:
		return types.ErrKeyTaken.Wrap(address.String())
	case owner.DoubleSigned:
		return types.ErrKeyDoubleSigned.Wrap(address.String())
	}
	return nil
}

func (k Keeper) requireRoom(ctx context.Context) error {
	all, err := k.AllValidators(ctx)
	if err != nil {
		return err
	}
	if len(all) >= types.MaxValidators {
		return types.ErrTooManyValidators.Wrapf("%d validators", len(all))
	}
	return nil
}

// dismiss deletes an operator's validator unless it is the last active one.
func (k Keeper) dismiss(ctx context.Context, operator sdk.AccAddress) (types.Validator, error) {
	validator, err := k.Validators.Get(ctx, operator)
	if errors.Is(err, collections.ErrNotFound) {
		return types.Validator{}, types.ErrUnknownValidator.Wrap(operator.String())
	}
	if err != nil {
		return types.Validator{}, err
	}
	all, err := k.AllValidators(ctx)
	if err != nil {
		return types.Validator{}, err
	}
	others := 0
	for _, other := range all {
		if other.IsActive() && other.OperatorAddress != validator.OperatorAddress {
			others++
		}
	}
	if others == 0 {
		return types.Validator{}, types.ErrLastValidator.Wrap(operator.String())
	}
	if err := k.forgetLiveness(ctx, validator.ConsensusAddress()); err != nil {
		return types.Validator{}, err
	}
	return validator, k.Validators.Remove(ctx, operator)
}

// deactivate takes the power of a validator for the reason that status gives, if that is safe.
func (k Keeper) deactivate(ctx context.Context, validator types.Validator, status types.ValidatorStatus) (bool, error) {
	all, err := k.AllValidators(ctx)
	if err != nil || !safeWithout(all, validator) {
		return false, err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	validator.Status, validator.StatusHeight = status, sdkCtx.BlockHeight()
	operator, err := sdk.AccAddressFromBech32(validator.OperatorAddress)
	if err != nil {
		return false, err
	}
	if err := k.forgetLiveness(ctx, validator.ConsensusAddress()); err != nil {
		return false, err
	}
	if err := k.Validators.Set(ctx, operator, validator); err != nil {
		return false, err
	}
	return true, sdkCtx.EventManager().EmitTypedEvent(&types.EventValidatorRemoved{
		OperatorAddress:  validator.OperatorAddress,
		ConsensusAddress: validator.ConsensusAddress().String(),
		Status:           status,
	})
}

// ValidatorUpdates returns what changed since CometBFT was last told, ordered by consensus key, and
// records it as told.
func (k Keeper) ValidatorUpdates(ctx context.Context) ([]abci.ValidatorUpdate, error) {
	all, err := k.AllValidators(ctx)
	if err != nil {
		return nil, err
	}
	var updates []abci.ValidatorUpdate
	for _, validator := range all {
		if !validator.IsActive() {
			continue
		}
		told, err := k.Applied.Get(ctx, validator.ConsensusPubkey)
		if err != nil && !errors.Is(err, collections.ErrNotFound) {
			return nil, err
		}
		if err != nil || told != validator.Power {
			updates = append(updates, types.ValidatorUpdate(validator.ConsensusPubkey, validator.Power))
		}
	}
	gone, err := k.appliedButGone(ctx, all)
	if err != nil {
		return nil, err
	}
	updates = append(updates, gone...)
	for _, update := range updates {
		key := update.PubKey.GetEd25519()
		if update.Power == 0 {
			err = k.Applied.Remove(ctx, key)
		} else {
			err = k.Applied.Set(ctx, key, update.Power)
		}
		if err != nil {
			return nil, err
		}
	}
	return updates, nil
}

// appliedButGone returns removals of the keys that CometBFT knows and no active validator uses.
func (k Keeper) appliedButGone(ctx context.Context, all []types.Validator) ([]abci.ValidatorUpdate, error) {
	var gone []abci.ValidatorUpdate
	err := k.Applied.Walk(ctx, nil, func(key []byte, _ int64) (bool, error) {
		for _, validator := range all {
			if validator.IsActive() && bytes.Equal(validator.ConsensusPubkey, key) {
				return false, nil
			}
		}
		gone = append(gone, types.ValidatorUpdate(bytes.Clone(key), 0))
		return false, nil
	})
	return gone, err
}
