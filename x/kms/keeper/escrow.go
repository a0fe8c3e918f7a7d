package keeper

import (
	"context"
	"math/bits"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/kms/types"
)

func utkms(amount uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(types.FeeDenom, math.NewIntFromUint64(amount)))
}

// price of a request of the given number of LWE blocks. A price beyond 64 bits is
// one that nobody can pay.
func price(perRequest, perBlock, blocks uint64) (uint64, error) {
	high, low := bits.Mul64(perBlock, blocks)
	sum, carry := bits.Add64(low, perRequest, 0)
	if high != 0 || carry != 0 {
		return 0, types.ErrFeeTooLow.Wrap("the price exceeds 64 bits")
	}
	return sum, nil
}

// escrow takes a fee from its payer into the module's account.
func (k Keeper) escrow(ctx context.Context, payer sdk.AccAddress, fee uint64) error {
	if fee == 0 {
		return nil
	}
	if err := k.bank.SendCoinsFromAccountToModule(ctx, payer, types.ModuleName, utkms(fee)); err != nil {
		return err
	}
	return k.changeTotals(ctx, func(t *types.Totals) { t.Escrow += fee })
}

// release pays amount of the escrow to an account.
func (k Keeper) release(ctx context.Context, to string, amount uint64) error {
	if amount == 0 {
		return nil
	}
	recipient, err := sdk.AccAddressFromBech32(to)
	if err != nil {
		return err
	}
	if err := k.bank.SendCoins(ctx, k.account, recipient, utkms(amount)); err != nil {
		return err
	}
	return k.changeTotals(ctx, func(t *types.Totals) { t.Escrow -= amount })
}

// split divides fee among the operators of the parties with the given indices,
// which ascend: equal parts, and of the remainder one utkms each to the lowest
// indices.
func (k Keeper) split(ctx context.Context, epochID, fee uint64, indices []uint32) error {
	if fee == 0 {
		return nil
	}
	epoch, err := k.parties.EpochByID(ctx, epochID)
	if err != nil {
		return err
	}
	parties, err := k.parties.EpochParties(ctx, epoch)
	if err != nil {
		return err
	}
	count := uint64(len(indices))
	for i, index := range indices {
		part := fee / count
		if uint64(i) < fee%count {
			part++
		}
		if err := k.release(ctx, parties[index-1].Operator, part); err != nil {
			return err
		}
	}
	return nil
}
