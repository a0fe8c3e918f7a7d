package decrypt

import (
	"encoding/binary"
	"fmt"
)

// Blocks are LWE ciphertexts mod 2^64 under one key.
type Blocks interface {
	// Len returns the number of blocks, Dimension the number N of mask
	// coefficients of each.
	Len() int
	Dimension() int
	// View returns block i where it lies: N little-endian 64-bit words, which are the
	// mask when X^rotation, rotation in 0 … N−1, times them is taken mod X^N + 1; and
	// the body. The words are only read, until the next call.
	View(i int) (words []byte, rotation int, body uint64)
}

// LWEs are blocks in memory.
type LWEs struct {
	n    int
	data []byte // N+1 words each, mask and body
}

// NewLWEs returns the blocks in data, each N mask coefficients and the body.
func NewLWEs(dimension int, data []uint64) (*LWEs, error) {
	if dimension < 1 || dimension > MaxDimension || len(data)%(dimension+1) != 0 {
		return nil, fmt.Errorf("%w: %d words in dimension %d", ErrDimension, len(data), dimension)
	}
	l := &LWEs{n: dimension, data: make([]byte, 0, 8*len(data))}
	for _, x := range data {
		l.data = binary.LittleEndian.AppendUint64(l.data, x)
	}
	return l, nil
}

// Len returns the number of blocks.
func (l *LWEs) Len() int { return len(l.data) / (8 * (l.n + 1)) }

// Dimension returns N.
func (l *LWEs) Dimension() int { return l.n }

// View returns block i.
func (l *LWEs) View(i int) (words []byte, rotation int, body uint64) {
	block := l.data[8*i*(l.n+1):][:8*(l.n+1)]
	return block[:8*l.n], 0, binary.LittleEndian.Uint64(block[8*l.n:])
}
