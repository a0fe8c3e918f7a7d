package decrypt

import "fmt"

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
	count, d := blocks.Len(), k.code.Degree()
	if count < 1 || count > MaxBlocks {
		return nil, fmt.Errorf("%w: %d blocks", ErrConfig, count)
	}
	if k.n != blocks.Dimension() {
		return nil, fmt.Errorf("%w: a key of dimension %d for blocks of dimension %d", ErrConfig, k.n, blocks.Dimension())
	}
	p := &Phases{key: k, count: count, shares: make([]uint64, count*d)}
	for i := range count {
		mask, rotation, body := blocks.View(i)
		if len(mask) != 8*k.n || rotation < 0 || rotation >= k.n {
			return nil, fmt.Errorf("%w: block %d of %d bytes, rotated by %d", ErrConfig, i, len(mask), rotation)
		}
		k.phase(p.shares[i*d:(i+1)*d], mask, rotation, body)
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
