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

// expand turns w[S] = y·z_S, of 2^b elements with y = w[0], into y times the
// product of the x_i of S. delta is indexed by the subset.
func expand(w []ring.Elem, delta []uint64, b int) {
	// y·z_(T+j) + δ_(T+j)·y = y·z_T·x_j, so the upper half is the lower one's problem
	// with y·x_j for y; then the same in both halves.
	for j := b - 1; j > 0; j-- {
		half := 1 << j
		for base := 0; base < len(w); base += 2 * half {
			y := &w[base]
			for t := 1; t < half; t++ {
				addScaled(&w[base+half+t], y, delta[half+t])
			}
		}
	}
}

func addScaled(dst, src *ring.Elem, x uint64) {
	for c := range dst {
		dst[c] += src[c] * x
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

// products returns the section's openings in order. The tables of a digit are
// numbered by subset, from 1; those of a chain as chainTables says.
func (s Section) products() []product {
	var out []product
	if s.Bits > 0 {
		for set := 1; set < 1<<s.Bits; set++ {
			if j, rest := top(set); composite(set) {
				out = append(out, product{rest, 1 << j, set})
			}
		}
		return out
	}
	members := s.Chain - 1
	for set := 1; set < 1<<members; set++ {
		if j, rest := top(set); composite(set) {
			out = append(out, product{rest, 1 << j, set})
		}
	}
	for i := range members {
		g := ChainGenerate(s.Chain, i)
		for set := 1; set < 1<<(members-i); set++ {
			out = append(out, product{set, g, g + set})
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
func (s Section) generateTables(source *prss.Source, made []Material, vector []byte) (Material, []byte, error) {
	words := s.Count * source.Code().Degree()
	m := Material{Tables: make([][]uint64, s.tables())}
	flat := make([]uint64, words*len(m.Tables))
	var integers [][]uint64
	for i := range m.Tables {
		m.Tables[i], flat = flat[:words:words], flat[words:]
		if s.Bits == 0 || composite(i+1) {
			integers = append(integers, m.Tables[i])
		}
	}
	for i := range s.Bits { // not yet finished: the integers that the bits come from
		table := m.Tables[1<<i-1]
		copy(table, made[s.FirstBit+i].Bits)
		ring.Reduce(table, s.K)
	}
	var masks []masked
	for _, p := range s.products() {
		masks = append(masks, masked{m.Tables[p.x-1], m.Tables[p.y-1], m.Tables[p.z-1]})
	}
	vector, err := s.deal(source, vector, integers, masks)
	return m, vector, err
}

// finishTables turns generated tables into their final form with the opened
// differences. made has the finished sections before this one.
func (s Section) finishTables(m *Material, made []Material, d int, opened [][]uint64) {
	w := make([]ring.Elem, len(m.Tables)+1)
	delta := make([]uint64, len(w))
	products := s.products()
	for item := range s.Count {
		for a, v := range m.Tables {
			copy(w[a+1][:d], v[item*d:])
		}
		w[0] = ring.Integer(1)
		for q, p := range products {
			delta[p.z] = opened[q][item]
		}
		if s.Bits > 0 {
			s.finishDigit(w, delta, made[s.FirstBit:], item)
		} else {
			s.finishChain(w, delta)
		}
		mask := ring.Mask(s.K)
		for a, v := range m.Tables {
			for c := range d {
				v[item*d+c] = w[a+1][c] & mask
			}
		}
	}
	clear(w)
}

func (s Section) finishDigit(w []ring.Elem, delta []uint64, bits []Material, item int) {
	expand(w, delta, s.Bits)
	// From the products of integers a to those of bits and their negations: with
	// b = (a − r)·q, w and w·a become w·(1−b) and w·b.
	for i := range s.Bits {
		root, inverse := bitRoot(bits[i].opened[item], s.K)
		for set := range w {
			if set>>i&1 == 1 {
				continue
			}
			without, with := &w[set], &w[set|1<<i]
			for c := range with {
				with[c] = (with[c] - without[c]*root) * inverse
				without[c] -= with[c]
			}
		}
	}
	for v := len(w) - 2; v > 0; v-- { // from [digit = v] to [digit ≥ v]
		for c := range w[v] {
			w[v][c] += w[v+1][c]
		}
	}
}

func (s Section) finishChain(w []ring.Elem, delta []uint64) {
	members := s.Chain - 1
	for i := range members {
		g := ChainGenerate(s.Chain, i)
		table := w[g : g+1<<(members-i)]
		for set := 1; set < len(table); set++ {
			table[set][0] += delta[g+set]
		}
		expand(table, delta, members-i)
	}
	expand(w[:1<<members], delta, members)
}
