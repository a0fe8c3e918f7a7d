package qbft

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// MaxValidators bounds a validator set, and with it the seals of a header.
const MaxValidators = 128

// ValidatorSet is a set of 1 … MaxValidators validator addresses. The zero value
// is no valid set: it contains nobody and its quorum cannot be met.
type ValidatorSet struct {
	// sorted ascending, distinct.
	sorted []common.Address
}

// NewValidatorSet makes a set from addresses in any order. It fails with
// ErrInvalidSet on an empty or oversized list, a duplicate, or the zero address.
func NewValidatorSet(addresses []common.Address) (ValidatorSet, error) {
	if len(addresses) == 0 || len(addresses) > MaxValidators {
		return ValidatorSet{}, fmt.Errorf("%w: %d validators, want 1 to %d", ErrInvalidSet, len(addresses), MaxValidators)
	}
	sorted := slices.Clone(addresses)
	slices.SortFunc(sorted, common.Address.Cmp)
	if sorted[0] == (common.Address{}) {
		return ValidatorSet{}, fmt.Errorf("%w: the zero address is no validator", ErrInvalidSet)
	}
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return ValidatorSet{}, fmt.Errorf("%w: %s is listed twice", ErrInvalidSet, sorted[i])
		}
	}
	return ValidatorSet{sorted: sorted}, nil
}

// ValidatorSetFromBytes is NewValidatorSet for addresses of 20 bytes each.
func ValidatorSetFromBytes(addresses [][]byte) (ValidatorSet, error) {
	if len(addresses) > MaxValidators {
		return ValidatorSet{}, fmt.Errorf("%w: %d validators, want 1 to %d", ErrInvalidSet, len(addresses), MaxValidators)
	}
	list := make([]common.Address, len(addresses))
	for i, a := range addresses {
		if len(a) != common.AddressLength {
			return ValidatorSet{}, fmt.Errorf("%w: address %d has %d bytes, want %d", ErrInvalidSet, i, len(a), common.AddressLength)
		}
		copy(list[i][:], a)
	}
	return NewValidatorSet(list)
}

// Len is the number of validators.
func (s ValidatorSet) Len() int { return len(s.sorted) }

// Quorum is the number of seals that a block needs: ceil(2n/3), Besu's
// BftHelpers.calculateRequiredValidatorQuorum. For the zero value it is 1, which no
// seals can meet because nobody is a member.
func (s ValidatorSet) Quorum() int { return max(1, (2*len(s.sorted)+2)/3) }

// Contains tells whether the address is a member.
func (s ValidatorSet) Contains(address common.Address) bool {
	_, found := slices.BinarySearchFunc(s.sorted, address, common.Address.Cmp)
	return found
}

// Equal tells whether both sets have the same members.
func (s ValidatorSet) Equal(other ValidatorSet) bool { return slices.Equal(s.sorted, other.sorted) }

// Addresses returns the members in ascending order.
func (s ValidatorSet) Addresses() []common.Address { return slices.Clone(s.sorted) }

// Bytes returns the members in ascending order, 20 bytes each.
func (s ValidatorSet) Bytes() [][]byte {
	out := make([][]byte, len(s.sorted))
	for i, a := range s.sorted {
		out[i] = bytes.Clone(a[:])
	}
	return out
}

// CanCross tells whether a header sealed for one of two chains could satisfy the
// other: headers name no chain, so a quorum of either set inside both sets makes
// the chains indistinguishable.
func (s ValidatorSet) CanCross(other ValidatorSet) bool {
	shared := 0
	for _, a := range s.sorted {
		if other.Contains(a) {
			shared++
		}
	}
	return shared >= min(s.Quorum(), other.Quorum())
}
