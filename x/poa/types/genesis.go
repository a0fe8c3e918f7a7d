package types

import (
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// DefaultGenesis has no validators: a network adds its own before it starts.
func DefaultGenesis() *GenesisState { return &GenesisState{Params: DefaultParams()} }

// Validate checks the state's internal consistency. A state without validators is accepted, because the
// genesis file of a network passes through it before the validators are added; InitGenesis refuses it.
func (gs GenesisState) Validate() error {
	if err := gs.Params.Validate(); err != nil {
		return err
	}
	if len(gs.Validators) > MaxValidators {
		return ErrTooManyValidators.Wrapf("%d validators", len(gs.Validators))
	}
	operators := make(map[string]bool)
	keys := make(map[string]string)
	for _, validator := range gs.Validators {
		if err := validator.Validate(); err != nil {
			return fmt.Errorf("validator %s: %w", validator.OperatorAddress, err)
		}
		address := validator.ConsensusAddress().String()
		if operators[validator.OperatorAddress] {
			return ErrInvalidValidator.Wrapf("operator %s twice", validator.OperatorAddress)
		}
		if _, taken := keys[address]; taken {
			return ErrKeyTaken.Wrap(address)
		}
		operators[validator.OperatorAddress] = true
		keys[address] = validator.OperatorAddress
	}
	if err := gs.validateKeyOwners(keys); err != nil {
		return err
	}
	return gs.validateLiveness(keys)
}

func (gs GenesisState) validateKeyOwners(keys map[string]string) error {
	seen := make(map[string]bool)
	for _, owner := range gs.KeyOwners {
		if _, err := sdk.ConsAddressFromBech32(owner.ConsensusAddress); err != nil {
			return ErrInvalidValidator.Wrapf("key owner: %s", err)
		}
		if _, err := sdk.AccAddressFromBech32(owner.OperatorAddress); err != nil {
			return ErrInvalidValidator.Wrapf("key owner: %s", err)
		}
		if seen[owner.ConsensusAddress] {
			return ErrInvalidValidator.Wrapf("key owner %s twice", owner.ConsensusAddress)
		}
		seen[owner.ConsensusAddress] = true
		if operator, used := keys[owner.ConsensusAddress]; used && operator != owner.OperatorAddress {
			return ErrKeyTaken.Wrap(owner.ConsensusAddress)
		}
	}
	return nil
}

func (gs GenesisState) validateLiveness(keys map[string]string) error {
	seen := make(map[string]bool)
	for _, liveness := range gs.Liveness {
		address := liveness.Info.ConsensusAddress
		if _, known := keys[address]; !known || seen[address] {
			return ErrInvalidValidator.Wrapf("liveness of %s: not a validator's key, or twice", address)
		}
		seen[address] = true
		if liveness.Info.MissedBlocks != int64(len(liveness.MissedSlots)) {
			return ErrInvalidValidator.Wrapf("liveness of %s: %d missed blocks but %d slots", address, liveness.Info.MissedBlocks, len(liveness.MissedSlots))
		}
		for i, slot := range liveness.MissedSlots {
			if slot >= uint64(gs.Params.LivenessWindow) || (i > 0 && slot <= liveness.MissedSlots[i-1]) {
				return ErrInvalidValidator.Wrapf("liveness of %s: slot %d out of range or order", address, slot)
			}
		}
	}
	return nil
}
