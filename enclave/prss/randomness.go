package prss

import (
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Randomness is what protocols draw one party's shares of common random values from:
// a Source, or what the parties dealt each other (package vss) where C(n, t) is too
// large for one. It is safe for concurrent use.
type Randomness interface {
	// Code returns the code of the sharings.
	Code() *sharing.Code
	// Self returns the party's index.
	Self() int
	// Context returns the epoch's or session's id that the values belong to.
	Context() mpc.Digest
	// Begin starts a draw of count items at a with K of at most 64. Close it.
	Begin(a Address, l Layout, count int) (Run, error)
	// Draw overwrites v with the party's shares at address a, reduced mod 2^K.
	Draw(a Address, v Vectors) error
	// DrawWide is Draw for K in 65..128.
	DrawWide(a Address, v WideVectors) error
	// DrawNoise overwrites dst, a vector over R_64, with shares of noise that is a sum of
	// samples of TUniform(bound), coordinates 0..3 of an element being four of them.
	DrawNoise(a Address, bound uint, dst []uint64) error
	// DrawWideNoise is DrawNoise over R_128.
	DrawWideNoise(a Address, bound uint, dst []wide.Word) error
}

// Demand is what will be drawn at an address: Count items of a layout, whose number of
// zero sharings is not negative.
type Demand struct {
	Address
	Layout
	Count int
}

// Run is a draw of consecutive items in pieces, so that a caller works on values
// that are still in the cache. It is not safe for concurrent use, and not to be used
// after Close.
type Run interface {
	// Next overwrites v with the next items, reduced mod 2^K. It panics if the numbers
	// of vectors are not those of Begin or fewer items are left.
	Next(v Vectors)
	// Lanes returns the layout of what NextWords returns.
	Lanes() ring.Lanes
	// NextWords is Next for count items, 1 … Piece, of a run with Single lanes, except that
	// it leaves the zero sharings in words: those of the first sharing, one an item, then
	// those of the second. They are not reduced, and are there until the run is used again.
	NextWords(count int, integers [][]uint64) []uint64
	// Close erases what the run held.
	Close()
}

var _ Randomness = (*Source)(nil)
