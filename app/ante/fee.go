package ante

import (
	"context"
	"math"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	authante "github.com/cosmos/cosmos-sdk/x/auth/ante"
)

// GasPriceKeeper knows the gas price that consensus demands.
type GasPriceKeeper interface {
	MinGasPrice(ctx context.Context) (sdk.DecCoin, error)
}

// NewFeeChecker asks nothing of party transactions and of all others at least the minimum gas price for
// their gas limit, in its denomination. The price is consensus state, so that it holds in blocks and not
// only in a node's mempool. The priority is the gas price paid, in units of the minimum.
func NewFeeChecker(lanes Lanes, prices GasPriceKeeper) authante.TxFeeChecker {
	return func(ctx sdk.Context, tx sdk.Tx) (sdk.Coins, int64, error) {
		feeTx, ok := tx.(sdk.FeeTx)
		if !ok {
			return nil, 0, sdkerrors.ErrTxDecode.Wrapf("%T has no fee", tx)
		}
		party, err := lanes.IsParty(tx)
		if err != nil {
			return nil, 0, err
		}
		// Genesis transactions pay nothing: there is no state to read a price from.
		if party || ctx.BlockHeight() == 0 {
			return sdk.Coins{}, math.MaxInt64, nil
		}
		gas := feeTx.GetGas()
		if gas > math.MaxInt64 {
			return nil, 0, ErrGasLimitOverflow
		}
		price, err := prices.MinGasPrice(ctx)
		if err != nil {
			return nil, 0, err
		}
		fee := feeTx.GetFee()
		for _, coin := range fee {
			if coin.Denom != price.Denom {
				return nil, 0, ErrWrongFeeDenom.Wrapf("got %s, want %s", coin.Denom, price.Denom)
			}
		}
		required := price.Amount.MulInt(sdkmath.NewIntFromUint64(gas)).Ceil().TruncateInt()
		paid := fee.AmountOf(price.Denom)
		if paid.LT(required) {
			return nil, 0, ErrFeeTooLow.Wrapf("got %s%s, want %s%s", paid, price.Denom, required, price.Denom)
		}
		return fee, priority(paid, required), nil
	}
}

func priority(paid, required sdkmath.Int) int64 {
	if !required.IsPositive() {
		return 0
	}
	multiple := paid.Quo(required)
	if !multiple.IsInt64() {
		return math.MaxInt64 - 1
	}
	return min(multiple.Int64(), math.MaxInt64-1)
}
