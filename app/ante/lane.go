package ante

import (
	"context"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
)

// Limits of one party transaction.
const (
	// MaxPartyTxBytes leaves room for the largest share of a user decryption, or a batch of results.
	MaxPartyTxBytes = 384 << 10
	// MaxPartyTxGas bounds what a free transaction may compute.
	MaxPartyTxGas = 20_000_000
	// MaxPartyTxLifetime bounds how far after the block time a party transaction may time out, and with it
	// how many used nonces the chain remembers.
	MaxPartyTxLifetime = 2 * time.Minute
)

// PartyKeeper knows the registered parties.
type PartyKeeper interface {
	// IsPartyAccount reports whether the account belongs to a party that is registered and not removed.
	IsPartyAccount(ctx context.Context, account sdk.AccAddress) bool
	// PartyTxAllowed counts one more transaction of the party in the present window of blocks, and fails,
	// with an error that x/parties registers, if that is one too many or the party is not in standing.
	PartyTxAllowed(ctx context.Context, account sdk.AccAddress) error
}

// Lanes sorts transactions by the type URLs of their messages.
type Lanes struct{ party map[string]struct{} }

// NewLanes takes the type URLs of the messages that parties send.
func NewLanes(partyMessages ...string) Lanes {
	lanes := Lanes{party: make(map[string]struct{}, len(partyMessages))}
	for _, url := range partyMessages {
		lanes.party[url] = struct{}{}
	}
	return lanes
}

// IsParty reports whether all messages belong to parties; ErrMixedLanes if only some do.
func (l Lanes) IsParty(tx sdk.Tx) (bool, error) {
	messages := tx.GetMsgs()
	parties := 0
	for _, message := range messages {
		if _, ok := l.party[sdk.MsgTypeURL(message)]; ok {
			parties++
		}
	}
	if parties != 0 && parties != len(messages) {
		return false, ErrMixedLanes.Wrapf("%d of %d messages are a party's", parties, len(messages))
	}
	return parties != 0, nil
}

// PartyShape refuses party transactions that are not unordered, short-lived, small, free and of one signer.
type PartyShape struct{ lanes Lanes }

// NewPartyShape returns the decorator.
func NewPartyShape(lanes Lanes) PartyShape { return PartyShape{lanes} }

// AnteHandle implements sdk.AnteDecorator.
func (d PartyShape) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	party, err := d.lanes.IsParty(tx)
	if err != nil {
		return ctx, err
	}
	if party {
		if err := checkPartyShape(ctx, tx); err != nil {
			return ctx, err
		}
	}
	return next(ctx, tx, simulate)
}

func checkPartyShape(ctx sdk.Context, tx sdk.Tx) error {
	if size := len(ctx.TxBytes()); size > MaxPartyTxBytes {
		return ErrPartyTxTooLarge.Wrapf("%d bytes, at most %d", size, MaxPartyTxBytes)
	}
	unordered, ok := tx.(sdk.TxWithUnordered)
	if !ok || !unordered.GetUnordered() {
		return ErrNotUnordered
	}
	timeout := unordered.GetTimeoutTimeStamp()
	if latest := ctx.BlockTime().Add(MaxPartyTxLifetime); timeout.IsZero() || timeout.Unix() == 0 || timeout.After(latest) {
		return ErrTimeoutTooFar.Wrapf("at most %s after the block time", MaxPartyTxLifetime)
	}
	signed, ok := tx.(authsigning.Tx)
	if !ok {
		return ErrManySigners.Wrapf("%T", tx)
	}
	if gas := signed.GetGas(); gas > MaxPartyTxGas {
		return ErrPartyGasTooHigh.Wrapf("%d, at most %d", gas, MaxPartyTxGas)
	}
	signers, err := signed.GetSigners()
	if err != nil {
		return err
	}
	if len(signers) != 1 {
		return ErrManySigners.Wrapf("%d signers", len(signers))
	}
	// FeePayer is the first signer unless the transaction names another.
	if !signed.GetFee().IsZero() || len(signed.FeeGranter()) != 0 || !sdk.AccAddress(signers[0]).Equals(sdk.AccAddress(signed.FeePayer())) {
		return ErrPartyTxPays
	}
	return nil
}

// PartyOnly refuses party transactions of accounts that belong to no party, and those above a party's rate.
// It must come after PartyShape, and after the signature is verified: only then is the signer known.
type PartyOnly struct {
	lanes   Lanes
	parties PartyKeeper
}

// NewPartyOnly returns the decorator.
func NewPartyOnly(lanes Lanes, parties PartyKeeper) PartyOnly { return PartyOnly{lanes, parties} }

// AnteHandle implements sdk.AnteDecorator.
func (d PartyOnly) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	party, err := d.lanes.IsParty(tx)
	if err != nil {
		return ctx, err
	}
	if !party {
		return next(ctx, tx, simulate)
	}
	signed, ok := tx.(authsigning.Tx)
	if !ok {
		return ctx, ErrManySigners.Wrapf("%T", tx)
	}
	signers, err := signed.GetSigners()
	if err != nil {
		return ctx, err
	}
	for _, signer := range signers {
		if !d.parties.IsPartyAccount(ctx, signer) {
			return ctx, ErrNotAParty.Wrap(sdk.AccAddress(signer).String())
		}
		if err := d.parties.PartyTxAllowed(ctx, signer); err != nil {
			return ctx, err
		}
	}
	return next(ctx, tx, simulate)
}
