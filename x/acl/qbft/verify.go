package qbft

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Sealers recovers who sealed the header, in the order of the seals: distinct
// addresses, whoever they are. It fails with ErrBadSeal on a signature that is not
// canonical (v 0 or 1, low s) and on a second seal of one key.
func (h *Header) Sealers() ([]common.Address, error) {
	digest := h.CommitDigest()
	sealers := make([]common.Address, 0, len(h.Extra.Seals))
	seen := make(map[common.Address]struct{}, len(h.Extra.Seals))
	for i := range h.Extra.Seals {
		sealer, err := recoverSealer(digest, &h.Extra.Seals[i])
		if err != nil {
			return nil, fmt.Errorf("seal %d: %w", i, err)
		}
		if _, twice := seen[sealer]; twice {
			return nil, fmt.Errorf("%w: seal %d: %s sealed twice", ErrBadSeal, i, sealer)
		}
		seen[sealer] = struct{}{}
		sealers = append(sealers, sealer)
	}
	return sealers, nil
}

func recoverSealer(digest common.Hash, seal *Seal) (common.Address, error) {
	r, s, v := new(big.Int).SetBytes(seal[:32]), new(big.Int).SetBytes(seal[32:64]), seal[64]
	// Besu's clients sign with low s; accepting the other half would give every seal
	// a second encoding.
	if !crypto.ValidateSignatureValues(v, r, s, true) {
		return common.Address{}, fmt.Errorf("%w: not a canonical signature", ErrBadSeal)
	}
	key, err := crypto.Ecrecover(digest[:], seal[:])
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", ErrBadSeal, err)
	}
	return common.BytesToAddress(crypto.Keccak256(key[1:])[12:]), nil
}

// Verify checks that the header was sealed by a quorum of the trusted set and by
// nobody else, and that it carries that set. A header with an empty list (validators
// chosen by a contract) is accepted on its seals: such a chain changes its set on
// TKMS by governance only.
//
// Errors: ErrBadSeal, ErrStranger, ErrNoQuorum, ErrForeignSet, in this order.
func (h *Header) Verify(trusted ValidatorSet) error {
	if _, err := h.sealedBy(trusted); err != nil {
		return err
	}
	if h.CarriesOther(trusted) {
		return fmt.Errorf("%w: submit the header that changed it first", ErrForeignSet)
	}
	return nil
}

// CarriesOther tells whether the header lists validators and they are not the trusted
// set: such a header can only be accepted by VerifySuccession.
func (h *Header) CarriesOther(trusted ValidatorSet) bool {
	if len(h.Extra.Validators) == 0 {
		return false
	}
	carried, err := NewValidatorSet(h.Extra.Validators)
	return err != nil || !carried.Equal(trusted)
}

// sealedBy returns the sealers if they are a quorum of the set and nobody else.
func (h *Header) sealedBy(set ValidatorSet) ([]common.Address, error) {
	// Before any signature is recovered: the work is what callers charge for.
	if len(h.Extra.Seals) > set.Len() {
		return nil, fmt.Errorf("%w: %d seals of %d validators", ErrStranger, len(h.Extra.Seals), set.Len())
	}
	sealers, err := h.Sealers()
	if err != nil {
		return nil, err
	}
	for _, a := range sealers {
		if !set.Contains(a) {
			return nil, fmt.Errorf("%w: %s is no validator", ErrStranger, a)
		}
	}
	if len(sealers) < set.Quorum() {
		return nil, fmt.Errorf("%w: %d seals, want %d of %d", ErrNoQuorum, len(sealers), set.Quorum(), set.Len())
	}
	return sealers, nil
}

// VerifySuccession checks that the header carries a set that may succeed the
// trusted one, and returns it. In QBFT block N is sealed by the set that block N
// carries, so the new set must reach its own quorum; that alone anybody could forge,
// so more than a third of the trusted set must have sealed too: at least one honest
// member of it saw the change happen.
//
// Errors: ErrBadSeal, ErrStranger and ErrNoQuorum (against the carried set), and
// ErrNoSuccession when the header carries no set or the trusted one, or when too few
// of the trusted set sealed it.
func (h *Header) VerifySuccession(trusted ValidatorSet) (ValidatorSet, error) {
	if len(h.Extra.Validators) == 0 {
		return ValidatorSet{}, fmt.Errorf("%w: the header carries no validators; such a chain changes its set by governance", ErrNoSuccession)
	}
	carried, err := NewValidatorSet(h.Extra.Validators)
	if err != nil {
		return ValidatorSet{}, err
	}
	if carried.Equal(trusted) {
		return ValidatorSet{}, fmt.Errorf("%w: the set is the trusted one", ErrNoSuccession)
	}
	sealers, err := h.sealedBy(carried)
	if err != nil {
		return ValidatorSet{}, err
	}
	known := 0
	for _, a := range sealers {
		if trusted.Contains(a) {
			known++
		}
	}
	if 3*known <= trusted.Len() {
		return ValidatorSet{}, fmt.Errorf("%w: sealed by %d of the %d trusted validators, want more than a third; a larger change needs governance",
			ErrNoSuccession, known, trusted.Len())
	}
	return carried, nil
}

// VerifyFork checks that two headers prove a fork: the same height, different block
// hashes, each sealed by a quorum of the trusted set or of a set that may succeed it.
// The same block with other seals or of another round is no fork.
//
// Errors: ErrNoFork, and those of Verify and VerifySuccession.
func VerifyFork(a, b *Header, trusted ValidatorSet) error {
	if a.Height != b.Height {
		return fmt.Errorf("%w: heights %d and %d", ErrNoFork, a.Height, b.Height)
	}
	if a.BlockHash() == b.BlockHash() {
		return fmt.Errorf("%w: both headers are block %s", ErrNoFork, a.BlockHash())
	}
	for i, h := range []*Header{a, b} {
		var err error
		if h.CarriesOther(trusted) {
			_, err = h.VerifySuccession(trusted)
		} else {
			err = h.Verify(trusted)
		}
		if err != nil {
			return fmt.Errorf("header %d: %w", i, err)
		}
	}
	return nil
}
