package types

import (
	"math/bits"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// BondDenom is what bonds are made in.
const BondDenom = "utkms"

// BondCoins returns an amount of utkms as the bank takes it.
func BondCoins(amount uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(BondDenom, math.NewIntFromUint64(amount)))
}

// Deposit adds to the bond, or returns ErrInvalidBond for nothing, or for more than
// fits.
func (b *Bond) Deposit(amount uint64) error {
	sum, carry := bits.Add64(b.Amount, amount, 0)
	if amount == 0 || carry != 0 {
		return ErrInvalidBond.Wrapf("%d utkms to a bond of %d", amount, b.Amount)
	}
	b.Amount = sum
	return nil
}

// Withdraw takes from the bond, or returns ErrInvalidBond for nothing, or for more
// than there is. Whether it is locked is not asked here.
func (b *Bond) Withdraw(amount uint64) error {
	if amount == 0 || amount > b.Amount {
		return ErrInvalidBond.Wrapf("%d utkms of a bond of %d", amount, b.Amount)
	}
	b.Amount -= amount
	return nil
}

// Slash takes up to amount, as much as there is, for a conviction and returns it.
func (b *Bond) Slash(amount uint64) uint64 {
	taken := min(amount, b.Amount)
	b.Amount -= taken
	b.Slashed += taken
	return taken
}

// SlashOf returns what a conviction of the kind costs, in utkms.
func (p Params) SlashOf(kind EvidenceKind) uint64 {
	switch kind {
	case EVIDENCE_KIND_FALSE_COMPLAINT, EVIDENCE_KIND_FALSE_ACCUSATION:
		return p.SlashFalseAccusation
	default:
		return p.SlashCheating
	}
}

// validateBonds checks that bonds are of known parties, ascending.
func (g GenesisState) validateBonds() error {
	var last, sum uint64
	for _, bond := range g.Bonds {
		if bond.PartyId <= last || bond.PartyId > uint64(len(g.Parties)) {
			return ErrInvalidBond.Wrap("bonds: of known parties, ascending")
		}
		last = bond.PartyId
		var carry uint64
		if sum, carry = bits.Add64(sum, bond.Amount, 0); carry != 0 {
			return ErrInvalidBond.Wrap("bonds: more than 64 bits of utkms")
		}
	}
	return nil
}
