package preproc

import (
	"math/bits"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
)

// Bounds of the sections below: a digit of b bits takes 2^b − b − 1 openings.
const (
	maxDigitBits   = 6
	maxChainDigits = 4
)

// Monomials. Let x_0 … x_(b−1) be shared integers that PRSS gives: every party
// knows its shares before anything is opened. For every set S of at least two of
// them, with greatest member j, PRSS gives another integer z_S, and
//
//	δ_S = z_(S−j)·x_j − z_S      (z_{i} = x_i)
//
// is opened with degree 2t like the difference of any product. Each is masked by a
// z_S of its own, so together they say nothing. The products of all subsets are
// then linear in the z_S (expand): one opening a subset, all in one round, where
// multiplying level by level would take a round a level.
//
// The subsets are numbered by their members' bits, 1 … 2^b − 1.

// top returns the greatest member of a subset and the rest.
func top(subset int) (member, rest int) {
	member = bits.Len(uint(subset)) - 1
	return member, subset &^ (1 << member)
}

// composite reports whether a subset has an opening: it has two members or more.
func composite(subset int) bool { return subset&(subset-1) != 0 }

// composites is the number of such subsets of b members.
func composites(b int) int { return 1<<b - b - 1 }

// expand turns w[S] = y·z_S, 2^b vectors with y = w[0], into y times the product of
// the x_i of S. delta is indexed by the subset, and then by the item. If w[0] is nil
// then y is 1.
func expand(w, delta [][]uint64, b, d int) {
	// y·z_(T+j) + δ_(T+j)·y = y·z_T·x_j, so the upper half is the lower one's problem
	// with y·x_j for y; then the same in both halves.
	for j := b - 1; j > 0; j-- {
		half := 1 << j
		for base := 0; base < len(w); base += 2 * half {
			for t := 1; t < half; t++ {
				if y := w[base]; y != nil {
					addScaled(w[base+half+t], y, delta[half+t], d)
				} else {
					addIntegers(w[base+half+t], delta[half+t], d)
				}
			}
		}
	}
}

// addScaled adds x[i]·src[i] to element i of dst.
func addScaled(dst, src, x []uint64, d int) {
	if d == 4 {
		for i, v := range x {
			to, from := (*[4]uint64)(dst[4*i:]), (*[4]uint64)(src[4*i:])
			to[0] += from[0] * v
			to[1] += from[1] * v
			to[2] += from[2] * v
			to[3] += from[3] * v
		}
		return
	}
	for i, v := range x {
		for c := i * d; c < (i+1)*d; c++ {
			dst[c] += src[c] * v
		}
	}
}

// addIntegers adds the integer x[i] to element i of dst.
func addIntegers(dst, x []uint64, d int) {
	for i, v := range x {
		dst[i*d] += v
	}
}

// split turns w and w·a into w·(1−b) and w·b, where b = (a − root)·inverse.
func split(without, with, root, inverse []uint64, d int) {
	if d == 4 {
		for i, r := range root {
			q, x, y := inverse[i], (*[4]uint64)(without[4*i:]), (*[4]uint64)(with[4*i:])
			y[0] = (y[0] - x[0]*r) * q
			y[1] = (y[1] - x[1]*r) * q
			y[2] = (y[2] - x[2]*r) * q
			y[3] = (y[3] - x[3]*r) * q
			x[0] -= y[0]
			x[1] -= y[1]
			x[2] -= y[2]
			x[3] -= y[3]
		}
		return
	}
	for i, r := range root {
		for c := i * d; c < (i+1)*d; c++ {
			with[c] = (with[c] - without[c]*r) * inverse[i]
			without[c] -= with[c]
		}
	}
}

// A digit's section has for x_i the integers that the b bits from FirstBit on come
// from. Its tables are T_v = [digit ≥ v], v = 1 … 2^b − 1.
//
// With the opened c the carry out of the digit and whether it passes a carry on
// are then entries of the table: [digit + c ≥ 2^b] = T_(2^b−c), and
// [digit + c = 2^b − 1] = T_(2^b−1−c) − T_(2^b−c).

// product is one δ: x·y − z, by the tables' numbers.
type product struct{ x, y, z int }

// products returns the section's openings in order; they are not to be changed. The
// tables of a digit are numbered by subset, from 1; those of a chain as said below.
func (s Section) products() []product {
	if s.Bits > 0 {
		return digitProducts[s.Bits]
	}
	return chainProducts[s.Chain]
}

// digitProducts are the openings of a digit, by its bits.
var digitProducts = func() (out [maxDigitBits + 1][]product) {
	for b := range out {
		out[b] = subsetProducts(b)
	}
	return out
}()

// chainProducts are the openings of a chain, by its digits.
var chainProducts = func() (out [maxChainDigits + 1][]product) {
	for digits := 2; digits < len(out); digits++ {
		members := digits - 1
		list := subsetProducts(members)
		for i := range members {
			g := ChainGenerate(digits, i)
			for set := 1; set < 1<<(members-i); set++ {
				list = append(list, product{set, g, g + set})
			}
		}
		out[digits] = list
	}
	return out
}()

// subsetProducts are those of the composite subsets of b members.
func subsetProducts(b int) (out []product) {
	for set := 1; set < 1<<b; set++ {
		if j, rest := top(set); composite(set) {
			out = append(out, product{rest, 1 << j, set})
		}
	}
	return out
}

// A chain's section serves the product that joins the digits' carries,
//
//	carry = G_(D−1) + P_(D−1)·(G_(D−2) + P_(D−2)·( … (G_1 + P_1·G_0)))
//
// in one round: it has masks p_k of P_k (k ≥ 1) and g_i of G_i (i ≤ D−2) and the
// products of them that the expanded terms take. Its tables, from 1, are the
// products of each set of p (p_(D−1) is member 0, p_1 member D−2), and then for
// each i from 0 those of g_i with each set of the p_k, k > i, the empty set first.

// ChainGenerate returns the number of g_i's table, i ≤ digits−2, counted from 1.
func ChainGenerate(digits, i int) int {
	at := 1 << (digits - 1)
	for k := range i {
		at += 1 << (digits - 1 - k)
	}
	return at
}

// tables returns the number of tables of a digit's or chain's section.
func (s Section) tables() int {
	switch {
	case s.Bits > 0:
		return 1<<s.Bits - 1
	case s.Chain > 0:
		return ChainGenerate(s.Chain, s.Chain-1) - 1
	}
	return 0
}

// vectors returns the number of vectors of the section's finished material.
func (s Section) vectors() int {
	if n := s.tables(); n > 0 {
		return n
	}
	return 1 + 2*s.Products
}

// generateTables is generate for the tables of a digit or a chain.
func (s Section) generateTables(source prss.Randomness, made []Material, memory []uint64, vector []byte) (Material, []byte, error) {
	words := s.Count * source.Code().Degree()
	m := Material{Tables: make([][]uint64, s.tables())}
	w := borrow(0, len(m.Tables))
	defer w.giveBack()
	integers := w.vectors[:0]
	for i := range m.Tables {
		m.Tables[i], memory = memory[:words:words], memory[words:]
		if s.Bits == 0 || composite(i+1) {
			integers = append(integers, m.Tables[i])
		}
	}
	for i := range s.Bits { // not yet finished: the integers that the bits come from
		table := m.Tables[1<<i-1]
		copy(table, made[s.FirstBit+i].Bits)
		ring.Reduce(table, s.K)
	}
	masks := make([]masked, 0, len(s.products()))
	for _, p := range s.products() {
		masks = append(masks, masked{m.Tables[p.x-1], m.Tables[p.y-1], m.Tables[p.z-1]})
	}
	vector, err := s.deal(source, vector, integers, masks)
	return m, vector, err
}

// tableItems is how many items are finished at a time: their tables stay in the
// cache.
const tableItems = 64

// finishTables turns generated tables into their final form with the opened
// differences. made has the finished sections before this one.
func (s Section) finishTables(m *Material, made []Material, d int, opened [][]uint64) {
	count := len(m.Tables) + 1
	borrowed := borrow(tableItems*(d+2), 2*count)
	defer borrowed.giveBack()
	w, delta, scratch := borrowed.vectors[:count], borrowed.vectors[count:], borrowed.words
	for first := 0; first < s.Count; first += tableItems {
		end := min(first+tableItems, s.Count)
		for a, v := range m.Tables {
			w[a+1] = v[first*d : end*d]
		}
		for q, p := range s.products() {
			delta[p.z] = opened[q][first:end]
		}
		if s.Bits > 0 {
			s.finishDigit(w, delta, made[s.FirstBit:], d, first, scratch)
		} else {
			s.finishChain(w, delta, d)
		}
		for _, v := range w[1:] {
			ring.Reduce(v, s.K)
		}
	}
}

func (s Section) finishDigit(w, delta [][]uint64, bits []Material, d, first int, scratch []uint64) {
	w[0] = nil
	expand(w, delta, s.Bits, d)
	// From the products of integers a to those of bits and their negations.
	items := len(w[1]) / d
	root, inverse := scratch[:items], scratch[tableItems:][:items]
	w[0] = scratch[2*tableItems:][:items*d]
	clear(w[0])
	for i := range items {
		w[0][i*d] = 1
	}
	for i := range s.Bits {
		for item, v := range bits[i].opened[first : first+items] {
			root[item], inverse[item] = bitRoot(v, s.K)
		}
		for set := range w {
			if set>>i&1 == 0 {
				split(w[set], w[set|1<<i], root, inverse, d)
			}
		}
	}
	for v := len(w) - 2; v > 0; v-- { // from [digit = v] to [digit ≥ v]
		above := w[v+1]
		for c := range w[v] {
			w[v][c] += above[c]
		}
	}
}

func (s Section) finishChain(w, delta [][]uint64, d int) {
	members := s.Chain - 1
	for i := range members {
		g := ChainGenerate(s.Chain, i)
		table := w[g : g+1<<(members-i)]
		for set := 1; set < len(table); set++ {
			addIntegers(table[set], delta[g+set], d)
		}
		expand(table, delta, members-i, d)
	}
	expand(w[:1<<members], delta, members, d)
}
