package preproc

import (
	"errors"
	"fmt"
	"slices"
)

// ErrShape reports K, W and Chain that no decryption has.
var ErrShape = errors.New("preproc: a shape needs 1 ≤ W ≤ K − 2 ≤ 30, and a chain 2 to 4 digits of up to 6 bits")

// Shape is what the offline material of one decrypted block depends on: the
// ciphertext is switched to modulus 2^K, and its top W bits are the result. K and
// W belong to the key's parameters, never to a request.
//
// The carry out of the other bits is computed in digits, of which the offline phase
// makes tables. Their carries are joined in a tree, a round a level, or with Chain
// in a single round, for more offline products. It is a matter of the epoch: all
// parties use the same.
type Shape struct {
	K, W  uint
	Chain bool
}

// Production returns K = 17 and W = 5, for LWE keys of up to 2048 coefficients with
// 4 bits of message and carry and a padding bit: the switch's error, whatever the
// ciphertext is, takes half of the noise margin, real noise a hundredth.
func Production() Shape { return Shape{K: 17, W: 5} }

// chainRoundTrip is the round trip in microseconds from which a chain pays: half of
// it is what the round saved takes, and about the same the chain's further products
// for the 1,024 blocks of the largest ciphertext.
const chainRoundTrip = 3000

// ForRoundTrip returns the shape with a chain if that is quicker among parties with
// a round trip of so many microseconds, 0 if none is known.
func (s Shape) ForRoundTrip(micros uint32) Shape {
	s.Chain = micros >= chainRoundTrip
	if s.Check() != nil {
		s.Chain = false
	}
	return s
}

// Check returns ErrShape unless 1 ≤ W ≤ K − 2 ≤ 30 and, with a chain, the digits are
// within its bounds.
func (s Shape) Check() error {
	if s.W < 1 || s.K > 32 || s.W+2 > s.K {
		return fmt.Errorf("%w: K=%d W=%d", ErrShape, s.K, s.W)
	}
	if !s.Chain {
		return nil
	}
	if sizes := s.digitBits(); len(sizes) < 2 || len(sizes) > maxChainDigits || sizes[0] > maxDigitBits {
		return fmt.Errorf("%w: K=%d W=%d with digits of %v bits", ErrShape, s.K, s.W, sizes)
	}
	return nil
}

// Low returns K − W, the bits whose carry the protocol computes.
func (s Shape) Low() int { return int(s.K) - int(s.W) }

// DigitBits returns the bits of each digit, the lowest digit first, as even as can
// be: about 3, since a further bit more than doubles a digit's products, but no
// fifth digit, which is a level of the tree, as long as 4 bits do. A chain has at
// most 4 digits. The caller must not change it.
func (s Shape) DigitBits() []int { return s.plan().digitBits }

func (s Shape) digitBits() []int {
	count := min(maxChainDigits, (s.Low()+2)/3)
	if !s.Chain {
		count = max(count, (s.Low()+3)/4)
	}
	out := make([]int, count)
	for i := range out {
		out[i] = s.Low() / len(out)
		if i < s.Low()%len(out) {
			out[i]++
		}
	}
	return out
}

// Rounds returns the number of rounds of the online phase: for K=17, W=5 it is 4, 3
// with a chain.
func (s Shape) Rounds() int {
	if s.Chain {
		return 3
	}
	return 2 + len(s.Tree())
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

// Tree returns the levels of the tree over the digits; the carry ends as g of digit
// 0. The lowest pair of a level needs no p, since no carry comes in. The caller must
// not change it.
func (s Shape) Tree() [][]Pair { return s.plan().tree }

func treeOver(digits int) [][]Pair {
	live := make([]int, digits)
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

// Products returns the number of products that one block takes: for K=17, W=5 it is
// 20, 31 with a chain.
func (s Shape) Products() int {
	total := 0
	for _, section := range s.plan().sections[s.K:] {
		total += section.openings()
	}
	return total
}

// Sections returns the sections of the offline material of items first,
// first+1, …: one for each of the K bits, bit i over R_(K−i) since it counts 2^i
// times, then over R_W those of the digits and of the chain or, level by level, of
// the pairs of the tree. No two shapes share randomness.
func (s Shape) Sections(first uint64, count int) []Section {
	out := slices.Clone(s.plan().sections)
	for i := range out {
		out[i].First, out[i].Count = first, count
	}
	return out
}

// sections returns those of item 0, for the digits and the tree over them.
func (s Shape) sections(digitBits []int, tree [][]Pair) []Section {
	kind := fmt.Sprintf("decrypt/%d/%d/", s.K, s.W)
	if s.Chain {
		kind += "chained/"
	}
	var out []Section
	for i := range s.K {
		out = append(out, Section{Kind: kind + "bit", K: s.K - i, Count: 1, Factor: int(i) < s.Low()})
	}
	at := 0
	for i, bits := range digitBits {
		out = append(out, Section{Kind: kind + "digit", K: s.W, Sub: uint16(i), Count: 1, Bits: bits, FirstBit: at}) // #nosec G115 -- few
		at += bits
	}
	if s.Chain {
		return append(out, Section{Kind: kind + "chain", K: s.W, Count: 1, Chain: len(digitBits)})
	}
	var sub uint16
	for _, level := range tree {
		for _, p := range level {
			out = append(out, Section{Kind: kind + "product", K: s.W, Sub: sub, Count: 1, Products: p.Products()})
			sub++
		}
	}
	return out
}
