package decrypt

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Phases are one party's shares of the phases of blocks, all that a session needs
// of the blocks and of the key. They are made once, when the blocks are taken in:
// d words a block then stand for its N+1 coefficients. They depend on key and
// blocks only, so one serves every session that decrypts the blocks.
type Phases struct {
	key    *Key
	count  int
	shares []uint64
}

// Phases switches the blocks to 2^K and returns the shares of their phases,
// ErrConfig if the blocks do not fit the key.
func (k *Key) Phases(blocks Blocks) (*Phases, error) {
	return k.phases(blocks, func(dst []uint64, i, size int) error {
		mask, rotation, body := blocks.View(i)
		if err := checkView(i, mask, 8, k.n, size, rotation); err != nil {
			return err
		}
		k.phase(dst, mask, size, rotation, body)
		return nil
	})
}

// WidePhases is Phases for blocks mod 2^128.
func (k *Key) WidePhases(blocks WideBlocks) (*Phases, error) {
	return k.phases(blocks, func(dst []uint64, i, size int) error {
		mask, rotation, body := blocks.ViewWide(i)
		if err := checkView(i, mask, wide.Size, k.n, size, rotation); err != nil {
			return err
		}
		k.phaseWide(dst, mask, size, rotation, body)
		return nil
	})
}

// phases has one write the share of the phase of each block.
func (k *Key) phases(blocks form, one func(dst []uint64, i, size int) error) (*Phases, error) {
	if err := check(blocks, k.n); err != nil {
		return nil, err
	}
	count, d, size := blocks.Len(), k.code.Degree(), blocks.Polynomial()
	p := &Phases{key: k, count: count, shares: make([]uint64, count*d)}
	for i := range count {
		if err := one(p.shares[i*d:(i+1)*d], i, size); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Len returns the number of blocks.
func (p *Phases) Len() int { return p.count }

// Zero erases the shares.
func (p *Phases) Zero() { clear(p.shares) }

// String hides the shares.
func (p *Phases) String() string { return fmt.Sprintf("decrypt.Phases(%d blocks, redacted)", p.count) }

// GoString hides the shares.
func (p *Phases) GoString() string { return p.String() }

// MarshalJSON hides the shares.
func (p *Phases) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }
