package decrypt

import (
	"encoding/binary"
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Blocks are LWE ciphertexts mod 2^64 under one key.
type Blocks interface {
	// Len returns the number of blocks, Dimension the number N of mask
	// coefficients of each.
	Len() int
	Dimension() int
	// Polynomial returns the number of coefficients, a divisor of N, that rotate
	// together.
	Polynomial() int
	// View returns block i where it lies: N little-endian 64-bit words, and the body. The
	// words are polynomials of Polynomial coefficients, each of which times X^rotation,
	// rotation in 0 … Polynomial−1, mod X^Polynomial + 1 is a part of the mask. They are
	// only read, until the next call.
	View(i int) (words []byte, rotation int, body uint64)
}

// WideBlocks are LWE ciphertexts mod 2^128 under one key.
type WideBlocks interface {
	// Len, Dimension and Polynomial are those of Blocks.
	Len() int
	Dimension() int
	Polynomial() int
	// ViewWide is View of Blocks with 128-bit words.
	ViewWide(i int) (words []byte, rotation int, body wide.Word)
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

// Polynomial returns N: nothing rotates.
func (l *LWEs) Polynomial() int { return l.n }

// View returns block i.
func (l *LWEs) View(i int) (words []byte, rotation int, body uint64) {
	block := l.data[8*i*(l.n+1):][:8*(l.n+1)]
	return block[:8*l.n], 0, binary.LittleEndian.Uint64(block[8*l.n:])
}

// form is what Blocks and WideBlocks say of themselves.
type form interface {
	Len() int
	Dimension() int
	Polynomial() int
}

// check returns ErrConfig unless blocks are ciphertexts under a key of n coefficients.
func check(b form, n int) error {
	count, size := b.Len(), b.Polynomial()
	if count < 1 || count > MaxBlocks {
		return fmt.Errorf("%w: %d blocks", ErrConfig, count)
	}
	if b.Dimension() != n || size < 1 || n%size != 0 {
		return fmt.Errorf("%w: a key of dimension %d for blocks of dimension %d in polynomials of %d", ErrConfig, n, b.Dimension(), size)
	}
	return nil
}

// checkView returns ErrConfig unless words of width bytes are a mask of n coefficients,
// and rotation one of its polynomials of size.
func checkView(i int, words []byte, width, n, size, rotation int) error {
	if len(words) != width*n || rotation < 0 || rotation >= size {
		return fmt.Errorf("%w: block %d of %d bytes, rotated by %d", ErrConfig, i, len(words), rotation)
	}
	return nil
}
