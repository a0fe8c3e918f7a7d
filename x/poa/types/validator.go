package types

import (
	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/proto/tendermint/crypto"

	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	sdk "github.com/cosmos/cosmos-sdk/types"
)

const (
	// MaxMonikerBytes bounds a validator's name.
	MaxMonikerBytes = 64
	// MaxPower bounds one validator's weight. With MaxValidators it keeps three times the total power
	// within an int64 and the total below CometBFT's limit of 2^60 - 1.
	MaxPower = 1_000_000_000_000
	// MaxValidators bounds the set, and with it the work per block.
	MaxValidators = 128
)

// IsActive reports whether the validator holds power.
func (v Validator) IsActive() bool { return v.Status == VALIDATOR_STATUS_ACTIVE }

// ConsensusAddress is the address that CometBFT gives the validator's key.
func (v Validator) ConsensusAddress() sdk.ConsAddress { return ConsensusAddress(v.ConsensusPubkey) }

// ConsensusAddress is the first 20 bytes of the SHA-256 of a raw Ed25519 key.
func ConsensusAddress(pubkey []byte) sdk.ConsAddress {
	return sdk.ConsAddress((&ed25519.PubKey{Key: pubkey}).Address())
}

// ValidatorUpdate tells CometBFT to give a raw Ed25519 key the power; 0 removes it.
func ValidatorUpdate(pubkey []byte, power int64) abci.ValidatorUpdate {
	return abci.ValidatorUpdate{PubKey: crypto.PublicKey{Sum: &crypto.PublicKey_Ed25519{Ed25519: pubkey}}, Power: power}
}

// Validate checks what can be checked of a stored validator without state.
func (v Validator) Validate() error {
	operator, err := sdk.AccAddressFromBech32(v.OperatorAddress)
	if err != nil {
		return ErrInvalidValidator.Wrapf("operator address: %s", err)
	}
	if operator.String() != v.OperatorAddress {
		return ErrInvalidValidator.Wrapf("operator address %s is not in canonical form", v.OperatorAddress)
	}
	if err := ValidateMoniker(v.Moniker); err != nil {
		return err
	}
	if err := ValidateConsensusKey(v.ConsensusPubkey); err != nil {
		return err
	}
	if v.Power < 1 || v.Power > MaxPower {
		return ErrInvalidValidator.Wrapf("power %d is not within 1..%d", v.Power, int64(MaxPower))
	}
	switch v.Status {
	case VALIDATOR_STATUS_ACTIVE, VALIDATOR_STATUS_ABSENT, VALIDATOR_STATUS_DOUBLE_SIGNED:
	default:
		return ErrInvalidValidator.Wrapf("status %d", v.Status)
	}
	if v.StatusHeight < 0 {
		return ErrInvalidValidator.Wrapf("status height %d", v.StatusHeight)
	}
	return nil
}

// ValidateMoniker checks the length of a name.
func ValidateMoniker(moniker string) error {
	if moniker == "" || len(moniker) > MaxMonikerBytes {
		return ErrInvalidValidator.Wrapf("moniker has %d bytes, want 1..%d", len(moniker), MaxMonikerBytes)
	}
	return nil
}

// ValidateConsensusKey checks the length of a raw Ed25519 key.
func ValidateConsensusKey(key []byte) error {
	if len(key) != ed25519.PubKeySize {
		return ErrInvalidValidator.Wrapf("consensus key has %d bytes, want %d", len(key), ed25519.PubKeySize)
	}
	return nil
}
