package types

import (
	"fmt"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// Bounds of parameters.
const (
	maxKeyRequesters = 256
	maxEndBlockItems = 10_000
	maxKeyAttempts   = 100
	maxBlocks        = 1 << 30
)

// DefaultParams suit blocks of 150 to 200 ms. An attempt at a key has some three
// times the 12 minutes that the largest set takes four parties on two cores.
func DefaultParams() Params {
	return Params{
		KeyFee:            0,
		KeyDeadlineBlocks: 15_000,
		MaxKeyAttempts:    5,
		PayoutDelayBlocks: 5,
		MaxEndBlockItems:  100,
		WorkWindowBlocks:  100_000,
		ParameterSets:     []string{Production, ProductionCompute, ProductionPKE},
		ProgressBlocks:    10,
	}
}

// Validate refuses parameters under which the module could not work.
func (p Params) Validate() error {
	for _, c := range []struct {
		name       string
		value      uint32
		least, max uint32
	}{
		{"key_deadline_blocks", p.KeyDeadlineBlocks, 1, maxBlocks},
		{"max_key_attempts", p.MaxKeyAttempts, 1, maxKeyAttempts},
		{"payout_delay_blocks", p.PayoutDelayBlocks, 0, maxBlocks},
		{"max_end_block_items", p.MaxEndBlockItems, 1, maxEndBlockItems},
		{"work_window_blocks", p.WorkWindowBlocks, 1, maxBlocks},
		{"progress_blocks", p.ProgressBlocks, 1, maxBlocks},
	} {
		if c.value < c.least || c.value > c.max {
			return fmt.Errorf("%w: %s is outside %d..%d", ErrInvalidParams, c.name, c.least, c.max)
		}
	}
	if p.RetentionBlocks > 1<<40 {
		return fmt.Errorf("%w: retention_blocks exceeds 2^40", ErrInvalidParams)
	}
	if len(p.KeyRequesters) > maxKeyRequesters {
		return fmt.Errorf("%w: more than %d key requesters", ErrInvalidParams, maxKeyRequesters)
	}
	for _, account := range p.KeyRequesters {
		if _, err := sdk.AccAddressFromBech32(account); err != nil {
			return fmt.Errorf("%w: key requester %q is no account", ErrInvalidParams, account)
		}
	}
	if len(p.ParameterSets) == 0 {
		return fmt.Errorf("%w: no parameter set", ErrInvalidParams)
	}
	for i, name := range p.ParameterSets {
		if _, known := ParameterSetByName(name); !known || slices.Contains(p.ParameterSets[:i], name) {
			return fmt.Errorf("%w: parameter set %q is unknown, or there twice", ErrInvalidParams, name)
		}
	}
	return nil
}

// ValidateChange refuses what a running chain may not change p to: insecure parameter
// sets are admitted by genesis only.
func (p Params) ValidateChange(next Params) error {
	if err := next.Validate(); err != nil {
		return err
	}
	for _, name := range next.ParameterSets {
		if set, _ := ParameterSetByName(name); set.Insecure && !slices.Contains(p.ParameterSets, name) {
			return fmt.Errorf("%w: parameter set %q is insecure, and not in the chain's genesis", ErrInvalidParams, name)
		}
	}
	return nil
}
