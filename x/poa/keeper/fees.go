package keeper

import (
	"context"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/x/poa/types"
)

// MinGasPrice is what a transaction pays at least for each unit of its gas limit.
func (k Keeper) MinGasPrice(ctx context.Context) (sdk.DecCoin, error) {
	params, err := k.Params.Get(ctx)
	return params.MinGasPrice, err
}

// splitFees pays the collected fees to the operators of active validators in proportion to their power.
// What does not divide stays for the next time.
func (k Keeper) splitFees(ctx context.Context, params types.Params) error {
	if sdk.UnwrapSDKContext(ctx).BlockHeight()%params.FeeSplitBlocks != 0 {
		return nil
	}
	denom := params.MinGasPrice.Denom
	collected := k.bank.GetBalance(ctx, authtypes.NewModuleAddress(authtypes.FeeCollectorName), denom)
	total, err := k.activePower(ctx)
	if err != nil || total == 0 || !collected.IsPositive() {
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
		share := collected.Amount.Mul(math.NewInt(validator.Power)).Quo(math.NewInt(total))
		if !share.IsPositive() {
			continue
		}
		operator, err := sdk.AccAddressFromBech32(validator.OperatorAddress)
		if err != nil {
			return err
		}
		amount := sdk.NewCoins(sdk.NewCoin(denom, share))
		if err := k.bank.SendCoinsFromModuleToAccount(ctx, authtypes.FeeCollectorName, operator, amount); err != nil {
			return err
		}
	}
	return nil
}
