package preproc

import (
	"errors"
	"fmt"
)

// ErrShape reports K and W that no decryption has.
var ErrShape = errors.New("preproc: a shape needs 1 ≤ W < K ≤ 32")

// Shape is what the offline material of one decrypted block depends on: the
// ciphertext is switched to modulus 2^K, and its top W bits are the result. It
// belongs to the key's parameters, never to a request.
type Shape struct {
	K, W uint
}

// Production returns K = 17 and W = 5, for LWE keys of up to 2048 coefficients with
// 4 bits of message and carry and a padding bit: the switch's error, whatever the
// ciphertext is, takes half of the noise margin, real noise a hundredth.
func Production() Shape { return Shape{K: 17, W: 5} }

// Check returns ErrShape unless 1 ≤ W < K ≤ 32.
func (s Shape) Check() error {
	if s.W < 1 || s.W >= s.K || s.K > 32 {
		return fmt.Errorf("%w: K=%d W=%d", ErrShape, s.K, s.W)
	}
	return nil
}

// Low returns K − W, the bits whose carry the protocol computes.
func (s Shape) Low() int { return int(s.K) - int(s.W) }

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

// Products returns the number of products that one block takes: 18 for K=17, W=5.
func (s Shape) Products() int {
	total := 0
	for _, level := range s.Tree() {
		for _, p := range level {
			total += p.Products()
		}
	}
	return total
}

// Sections returns the sections of the offline material of items first,
// first+1, …: one for each of the K bits, bit i over R_(K−i) since it counts 2^i
// times, then one for each pair of the tree over R_W, level by level.
func (s Shape) Sections(first uint64, count int) []Section {
	kind := fmt.Sprintf("decrypt/%d/%d/", s.K, s.W)
	var out []Section
	for i := range s.K {
		out = append(out, Section{Kind: kind + "bit", K: s.K - i, First: first, Count: count})
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
