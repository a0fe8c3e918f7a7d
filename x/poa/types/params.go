package types

import (
	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

const (
	// MaxLivenessWindow bounds the state that one validator's liveness may take.
	MaxLivenessWindow = 100_000
	// MaxFeeSplitBlocks bounds how long validators wait for their fees.
	MaxFeeSplitBlocks = 1_000_000
	// DefaultFeeDenom is the chain's base denomination.
	DefaultFeeDenom = "utkms"
)

// DefaultParams removes a validator that missed more than 95% of the last 2000 blocks. Blocks follow each
// other within milliseconds when there is work, so that a slow but live validator's vote often arrives too
// late for the next block; only absence is to be caught.
func DefaultParams() Params {
	return Params{
		LivenessWindow:    2000,
		MaxMissedBlocks:   1900,
		RejoinAfterBlocks: 100,
		MinGasPrice:       sdk.NewDecCoinFromDec(DefaultFeeDenom, math.LegacyNewDecWithPrec(1, 3)),
		FeeSplitBlocks:    1000,
	}
}

// Validate checks the documented ranges.
func (p Params) Validate() error {
	if p.LivenessWindow < 1 || p.LivenessWindow > MaxLivenessWindow {
		return ErrInvalidParams.Wrapf("liveness window %d is not within 1..%d", p.LivenessWindow, MaxLivenessWindow)
	}
	if p.MaxMissedBlocks < 0 || p.MaxMissedBlocks > p.LivenessWindow {
		return ErrInvalidParams.Wrapf("max missed blocks %d is not within 0..%d", p.MaxMissedBlocks, p.LivenessWindow)
	}
	if p.RejoinAfterBlocks < 0 {
		return ErrInvalidParams.Wrapf("rejoin after blocks %d is negative", p.RejoinAfterBlocks)
	}
	if err := p.MinGasPrice.Validate(); err != nil {
		return ErrInvalidParams.Wrapf("min gas price: %s", err)
	}
	if p.FeeSplitBlocks < 1 || p.FeeSplitBlocks > MaxFeeSplitBlocks {
		return ErrInvalidParams.Wrapf("fee split blocks %d is not within 1..%d", p.FeeSplitBlocks, MaxFeeSplitBlocks)
	}
	return nil
}
