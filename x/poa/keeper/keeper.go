// Package keeper holds the state of x/poa: the validator set that governance appoints, what CometBFT
// was told of it, liveness and double signing, and the tally of governance by validator power.
package keeper

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/poa/types"
)

// Keeper owns the module's state. The collections are exported for queries; only this package writes them.
type Keeper struct {
	authority string
	bank      types.BankKeeper

	Schema collections.Schema
	Params collections.Item[types.Params]
	// Validators by operator.
	Validators collections.Map[sdk.AccAddress, types.Validator]
	// KeyOwners attributes every consensus key that was ever appointed, so that late evidence finds its
	// operator and a key that signed twice never comes back.
	KeyOwners    collections.Map[sdk.ConsAddress, types.KeyOwner]
	SigningInfos collections.Map[sdk.ConsAddress, types.SigningInfo]
	// MissedSlots holds (key, height modulo window) for each missed block. A validator that signs costs
	// no write.
	MissedSlots collections.KeySet[collections.Pair[sdk.ConsAddress, uint64]]
	// Applied is the power by raw consensus key that CometBFT was last told.
	Applied collections.Map[[]byte, int64]
}

// NewKeeper panics if authority, the only account that appoints validators, is not an address.
func NewKeeper(cdc codec.Codec, storeService corestore.KVStoreService, authority string, bank types.BankKeeper) Keeper {
	if _, err := sdk.AccAddressFromBech32(authority); err != nil {
		panic(fmt.Errorf("poa: authority: %w", err))
	}
	sb := collections.NewSchemaBuilder(storeService)
	k := Keeper{
		authority:    authority,
		bank:         bank,
		Params:       collections.NewItem(sb, types.ParamsPrefix, "params", codec.CollValue[types.Params](cdc)),
		Validators:   collections.NewMap(sb, types.ValidatorsPrefix, "validators", sdk.AccAddressKey, codec.CollValue[types.Validator](cdc)),
		KeyOwners:    collections.NewMap(sb, types.KeyOwnersPrefix, "key_owners", sdk.ConsAddressKey, codec.CollValue[types.KeyOwner](cdc)),
		SigningInfos: collections.NewMap(sb, types.SigningInfoPrefix, "signing_infos", sdk.ConsAddressKey, codec.CollValue[types.SigningInfo](cdc)),
		MissedSlots: collections.NewKeySet(sb, types.MissedSlotsPrefix, "missed_slots",
			collections.PairKeyCodec(sdk.ConsAddressKey, collections.Uint64Key)),
		Applied: collections.NewMap(sb, types.AppliedPrefix, "applied", collections.BytesKey, collections.Int64Value),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(fmt.Errorf("poa: schema: %w", err))
	}
	k.Schema = schema
	return k
}

// Authority is the account that may appoint validators.
func (k Keeper) Authority() string { return k.authority }

// AllValidators returns every validator, active or not, ordered by operator.
func (k Keeper) AllValidators(ctx context.Context) ([]types.Validator, error) {
	var all []types.Validator
	err := k.Validators.Walk(ctx, nil, func(_ sdk.AccAddress, validator types.Validator) (bool, error) {
		all = append(all, validator)
		return false, nil
	})
	return all, err
}

// ActiveValidator returns the validator of an operator if it holds power, and ErrUnknownValidator otherwise.
func (k Keeper) ActiveValidator(ctx context.Context, operator sdk.AccAddress) (types.Validator, error) {
	validator, err := k.Validators.Get(ctx, operator)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return types.Validator{}, err
	}
	if err != nil || !validator.IsActive() {
		return types.Validator{}, types.ErrUnknownValidator.Wrap(operator.String())
	}
	return validator, nil
}

// safeWithout reports whether more than two thirds of the power that governance granted stays active
// without the candidate. The base counts inactive validators too: were it the active power, one removal
// after the other could shrink the set to a single validator.
func safeWithout(all []types.Validator, candidate types.Validator) bool {
	var granted, remaining int64
	for _, validator := range all {
		granted += validator.Power
		if validator.IsActive() && validator.OperatorAddress != candidate.OperatorAddress {
			remaining += validator.Power
		}
	}
	return 3*remaining > 2*granted
}
