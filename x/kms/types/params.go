package types

import (
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// ProductionPKE names the parameter set of fhEVM's compact public keys.
const ProductionPKE = "production-pke"

// Bounds of parameters.
const (
	maxParameterSets    = 16
	maxParameterSetName = 64
	maxKeyRequesters    = 256
	maxEndBlockItems    = 10_000
	maxKeyAttempts      = 100
	maxBlocks           = 1 << 30
)

// DefaultParams suit blocks of about 200 ms.
func DefaultParams() Params {
	return Params{
		KeyFee:            0,
		KeyDeadlineBlocks: 3_000,
		MaxKeyAttempts:    5,
		PayoutDelayBlocks: 5,
		MaxEndBlockItems:  100,
		WorkWindowBlocks:  100_000,
		ParameterSets:     []string{ProductionPKE},
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
	if len(p.ParameterSets) == 0 || len(p.ParameterSets) > maxParameterSets {
		return fmt.Errorf("%w: 1 to %d parameter sets", ErrInvalidParams, maxParameterSets)
	}
	for _, name := range p.ParameterSets {
		if name == "" || len(name) > maxParameterSetName {
			return fmt.Errorf("%w: name of a parameter set", ErrInvalidParams)
		}
	}
	return nil
}
