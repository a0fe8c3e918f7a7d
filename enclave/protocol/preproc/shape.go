package preproc

import (
	"errors"
	"fmt"
)

// ErrShape reports K, W and Digits that no decryption has.
var ErrShape = errors.New("preproc: a shape needs 1 ≤ W < K ≤ 32, and digits of 1 to 6 bits")

// Shape is what the offline material of one decrypted block depends on: the
// ciphertext is switched to modulus 2^K, and its top W bits are the result. K and
// W belong to the key's parameters, never to a request.
//
// Digits says how the carry out of the other bits is computed. With 0 it takes a
// tree of products, a round a level. With D = 2, 3 or 4 the bits are D digits, of
// which the offline phase makes tables; a single round joins their carries. It is
// a matter of the epoch: all parties use the same.
type Shape struct {
	K, W   uint
	Digits uint8
}

// Production returns K = 17 and W = 5, for LWE keys of up to 2048 coefficients with
// 4 bits of message and carry and a padding bit: the switch's error, whatever the
// ciphertext is, takes half of the noise margin, real noise a hundredth.
func Production() Shape { return Shape{K: 17, W: 5} }

// Check returns ErrShape unless 1 ≤ W < K ≤ 32 and the digits are within bounds.
func (s Shape) Check() error {
	digits := int(s.Digits)
	if s.W < 1 || s.W >= s.K || s.K > 32 || digits == 1 || digits > maxChainDigits ||
		digits > 0 && (s.Low() < digits || s.Low() > digits*maxDigitBits) {
		return fmt.Errorf("%w: K=%d W=%d, %d digits", ErrShape, s.K, s.W, digits)
	}
	return nil
}

// Low returns K − W, the bits whose carry the protocol computes.
func (s Shape) Low() int { return int(s.K) - int(s.W) }

// Rounds returns the number of rounds of the online phase: 6 for K=17, W=5 with a
// tree, 3 with digits.
func (s Shape) Rounds() int {
	if s.Digits > 0 {
		return 3
	}
	return 2 + len(s.Tree())
}

// DigitBits returns the bits of each digit, the lowest digit first: as even as can
// be.
func (s Shape) DigitBits() []int {
	out := make([]int, s.Digits)
	for i := range out {
		out[i] = s.Low() / len(out)
		if i < s.Low()%len(out) {
			out[i]++
		}
	}
	return out
}

// Pair is one node of the carry tree: (g, p) of Lo becomes (g, p)Hi ∘ (g, p)Lo.
// It takes the product pHi·gLo and, if Double, pHi·pLo.
type Pair struct {
	Lo, Hi int
	Double bool
}

// Products returns the products that the pair takes.
func (p Pair) Products() int {
	if p.Double {
		return 2
	}
	return 1
}

// Tree returns the levels of the carry tree over leaves 0…Low−1; the carry ends
// as g of leaf 0. The lowest pair of a level needs no p, since no carry comes in.
func (s Shape) Tree() [][]Pair {
	live := make([]int, s.Low())
	for i := range live {
		live[i] = i
	}
	var levels [][]Pair
	for len(live) > 1 {
		var level []Pair
		var next []int
		for i := 0; i+1 < len(live); i += 2 {
			level = append(level, Pair{Lo: live[i], Hi: live[i+1], Double: i > 0})
			next = append(next, live[i])
		}
		if len(live)%2 == 1 {
			next = append(next, live[len(live)-1])
		}
		live = next
		levels = append(levels, level)
	}
	return levels
}

// Products returns the number of products that one block takes: for K=17, W=5 it
// is 18 with a tree, 115, 38 and 31 with two, three and four digits.
func (s Shape) Products() int {
	total := 0
	for _, section := range s.Sections(0, 1)[s.K:] {
		total += section.openings()
	}
	return total
}

// Sections returns the sections of the offline material of items first,
// first+1, …: one for each of the K bits, bit i over R_(K−i) since it counts 2^i
// times, then over R_W those of the pairs of the tree, level by level, or of the
// digits and their chain. No two shapes share randomness.
func (s Shape) Sections(first uint64, count int) []Section {
	kind := fmt.Sprintf("decrypt/%d/%d/%d/", s.K, s.W, s.Digits)
	out := make([]Section, 0, s.K+uint(s.Low()))
	for i := range s.K {
		out = append(out, Section{Kind: kind + "bit", K: s.K - i, First: first, Count: count, Factor: s.Digits > 0 && int(i) < s.Low()})
	}
	if s.Digits > 0 {
		at := 0
		for i, bits := range s.DigitBits() {
			out = append(out, Section{Kind: kind + "digit", K: s.W, Sub: uint16(i), First: first, Count: count, Bits: bits, FirstBit: at})
			at += bits
		}
		return append(out, Section{Kind: kind + "chain", K: s.W, First: first, Count: count, Chain: int(s.Digits)})
	}
	var sub uint16
	for _, level := range s.Tree() {
		for _, p := range level {
			out = append(out, Section{Kind: kind + "product", K: s.W, Sub: sub, First: first, Count: count, Products: p.Products()})
			sub++
		}
	}
	return out
}
