package qbft

import (
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// VanityLength and SealLength are fixed by the layout: 32 bytes of free text, and
// seals of r ‖ s ‖ v with v 0 or 1.
const (
	VanityLength = 32
	SealLength   = 65
)

// addVote is how the layout writes a vote to add a validator; a vote to drop one
// is the empty string.
const addVote = 0xff

// Vote is a proposer's vote on one validator.
type Vote struct {
	Recipient common.Address
	// Add is true for a vote to add the recipient, false to drop it.
	Add bool
}

// Seal is one validator's signature r ‖ s ‖ v on the commit digest.
type Seal [SealLength]byte

// ExtraData is the content of a QBFT header's extraData:
// RLP [vanity, [validator…], [] or [recipient, type], round, [seal…]].
type ExtraData struct {
	Vanity [VanityLength]byte
	// Validators as listed, distinct. Besu sorts them in every block but the first;
	// empty on chains whose validators are chosen by a contract.
	Validators []common.Address
	// Vote is nil when the block carries none.
	Vote *Vote
	// Round of the consensus instance in which the block was sealed, below 2³¹.
	Round uint32
	Seals []Seal
}

// DecodeExtraData decodes the content of extraData. It accepts only what Encode
// gives back byte for byte and fails with ErrMalformed.
func DecodeExtraData(b []byte) (ExtraData, error) {
	items, err := splitList(b, 5, 5)
	if err != nil {
		return ExtraData{}, fmt.Errorf("extraData: %w", err)
	}
	var extra ExtraData
	if err := fixedString(items[0], extra.Vanity[:]); err != nil {
		return ExtraData{}, fmt.Errorf("vanity: %w", err)
	}
	if extra.Validators, err = decodeValidators(items[1]); err != nil {
		return ExtraData{}, fmt.Errorf("validators: %w", err)
	}
	if extra.Vote, err = decodeVote(items[2]); err != nil {
		return ExtraData{}, fmt.Errorf("vote: %w", err)
	}
	round, err := scalar(items[3])
	if err != nil {
		return ExtraData{}, fmt.Errorf("round: %w", err)
	}
	// Besu reads the round into a signed 32-bit integer.
	if round > math.MaxInt32 {
		return ExtraData{}, fmt.Errorf("%w: round %d", ErrMalformed, round)
	}
	extra.Round = uint32(round)
	if extra.Seals, err = decodeSeals(items[4]); err != nil {
		return ExtraData{}, fmt.Errorf("seals: %w", err)
	}
	return extra, nil
}

func decodeValidators(b []byte) ([]common.Address, error) {
	items, err := splitList(b, 0, MaxValidators)
	if err != nil {
		return nil, err
	}
	validators := make([]common.Address, len(items))
	for i, item := range items {
		if err := fixedString(item, validators[i][:]); err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
	}
	if len(validators) > 0 {
		if _, err := NewValidatorSet(validators); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	return validators, nil
}

func decodeVote(b []byte) (*Vote, error) {
	items, err := splitList(b, 0, 2)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, nil
	}
	if len(items) != 2 {
		return nil, fmt.Errorf("%w: %d items, want 2", ErrMalformed, len(items))
	}
	var vote Vote
	if err := fixedString(items[0], vote.Recipient[:]); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	kind, _, err := rlp.SplitString(items[1])
	if err != nil {
		return nil, fmt.Errorf("%w: type: %w", ErrMalformed, err)
	}
	switch {
	case len(kind) == 0:
	case len(kind) == 1 && kind[0] == addVote:
		vote.Add = true
	default:
		return nil, fmt.Errorf("%w: type %x", ErrMalformed, kind)
	}
	return &vote, nil
}

func decodeSeals(b []byte) ([]Seal, error) {
	items, err := splitList(b, 0, MaxValidators)
	if err != nil {
		return nil, err
	}
	seals := make([]Seal, len(items))
	for i, item := range items {
		if err := fixedString(item, seals[i][:]); err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
	}
	return seals, nil
}

// Encode returns the layout's bytes.
func (e ExtraData) Encode() []byte {
	w := rlp.NewEncoderBuffer(nil)
	outer := w.List()
	w.WriteBytes(e.Vanity[:])
	list := w.List()
	for _, v := range e.Validators {
		w.WriteBytes(v[:])
	}
	w.ListEnd(list)
	list = w.List()
	if e.Vote != nil {
		w.WriteBytes(e.Vote.Recipient[:])
		if e.Vote.Add {
			w.WriteBytes([]byte{addVote})
		} else {
			w.WriteBytes(nil)
		}
	}
	w.ListEnd(list)
	w.WriteUint64(uint64(e.Round))
	list = w.List()
	for _, s := range e.Seals {
		w.WriteBytes(s[:])
	}
	w.ListEnd(list)
	w.ListEnd(outer)
	return w.ToBytes()
}

// withoutSeals is the extraData over which validators seal.
func (e ExtraData) withoutSeals() ExtraData {
	e.Seals = nil
	return e
}

// withoutSealsAndRound is the extraData that enters the block hash: the same block
// may be sealed in a later round and keeps its hash.
func (e ExtraData) withoutSealsAndRound() ExtraData {
	e.Seals = nil
	e.Round = 0
	return e
}
