package decrypt

import (
	"fmt"
)

// Blocks are LWE ciphertexts mod 2^64 under one key, read switched to 2^k.
type Blocks interface {
	// Len returns the number of blocks, Dimension the number N of mask
	// coefficients of each.
	Len() int
	Dimension() int
	// SwitchedLWE writes block i to dst, N mask coefficients and then the body, each
	// x becoming ⌊x·2^(k−64)⌉ mod 2^k. dst has N+1 words.
	SwitchedLWE(i int, k uint, dst []uint32)
}

// Switch returns ⌊x·2^(k−64)⌉ mod 2^k for k in 1..32: the public modulus switch.
// Its error is at most half a unit, so over a whole block with a binary key at
// most (N+1)/2 units whatever the block is.
func Switch(x uint64, k uint) uint32 {
	return uint32((x + 1<<(63-k)) >> (64 - k)) // #nosec G115 -- k bits
}

// LWEs are blocks in memory: N mask coefficients and the body one after another.
type LWEs struct {
	n    int
	data []uint64
}

// NewLWEs returns the blocks in data, N+1 words each; it keeps the slice.
func NewLWEs(dimension int, data []uint64) (*LWEs, error) {
	if dimension < 1 || dimension > MaxDimension || len(data)%(dimension+1) != 0 {
		return nil, fmt.Errorf("%w: %d words in dimension %d", ErrDimension, len(data), dimension)
	}
	return &LWEs{n: dimension, data: data}, nil
}

// Len returns the number of blocks.
func (l *LWEs) Len() int { return len(l.data) / (l.n + 1) }

// Dimension returns N.
func (l *LWEs) Dimension() int { return l.n }

// SwitchedLWE writes block i switched to 2^k to dst.
func (l *LWEs) SwitchedLWE(i int, k uint, dst []uint32) {
	for j, x := range l.data[i*(l.n+1) : (i+1)*(l.n+1)] {
		dst[j] = Switch(x, k)
	}
}
