package preproc

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc/wire"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// recipe is how the openings of one item follow from what was drawn for it. It
// says the same as Section.generate and Section.dealBulk, for one party and one item in
// the open.
type recipe struct {
	section Section // its K, Products, Bits and Chain, and of what form its openings are
	factors []uint  // the rings of the bits that a digit is of
}

// form is how a section's openings are packed.
type form byte

const (
	plain      form = 0 // not at all
	packedForm form = 1 // bits, a sample's among them
	outerForm  form = 2 // products of a matrix
)

// formOf returns the form of a section.
func formOf(s Section) form {
	switch {
	case s.outer():
		return outerForm
	case s.bulk():
		return packedForm
	}
	return plain
}

// formed returns s in a form: one element of it, if it is packed.
func formed(s Section, f form) Section {
	switch f {
	case packedForm:
		s.Packed, s.Count = true, Pack
	case outerForm:
		s.Outer, s.Count = Outer{Rows: 1, Columns: Pack}, Pack
	}
	return s
}

// draw is a run of a stream that an item takes.
type draw struct {
	k      uint
	layout prss.Layout
}

// recipeOf returns the recipe of the openings at a place: those of its section's item,
// or the one of a packed opening.
func recipeOf(list []Section, at place) recipe {
	s := list[at.section]
	r := recipe{section: formed(Section{K: s.ring(at.opening), Products: s.Products, Bits: s.Bits, Chain: s.Chain}, formOf(s))}
	for i := range s.Bits {
		r.factors = append(r.factors, list[s.FirstBit+i].K)
	}
	return r
}

// sources returns the addresses that the item at a place is drawn from, in the order
// of draws.
func sources(list []Section, at place) []prss.Address {
	s := list[at.section]
	var out []prss.Address
	switch formOf(s) {
	case packedForm:
		return []prss.Address{s.bitAddress(at.opening, at.item)}
	case outerForm:
		element, columns := s.outerElement(at.item), s.Outer.Columns/Pack
		out = append(out, s.factors(outerMasks, element), s.factors(outerZeros, element), s.factors(outerRows, element/columns))
		for p := range Pack {
			out = append(out, s.factors(outerColumns, element%columns*Pack+p))
		}
		return out
	}
	for _, s := range append([]Section{s}, list[s.FirstBit:s.FirstBit+s.Bits]...) {
		address := s.address()
		address.First += uint64(at.item) // #nosec G115 -- below Count
		out = append(out, address)
	}
	return out
}

// check returns ErrEvidence for a recipe of nothing.
func (r recipe) check() error {
	s := r.section
	s.Kind = "evidence"
	if !s.bulk() {
		s.Count = 1
	}
	if s.check() != nil || s.openings() == 0 || len(r.factors) != s.Bits {
		return fmt.Errorf("%w: no such randomness", ErrEvidence)
	}
	for _, k := range r.factors {
		if k < max(s.K, 2) || k > 64 {
			return fmt.Errorf("%w: a digit over R_%d of bits over R_%d", ErrEvidence, s.K, k)
		}
	}
	return nil
}

// encode returns the one encoding: K, Products, Bits, Chain, the form and the rings of
// the factors, a byte each.
func (r recipe) encode() []byte {
	s := r.section
	out := []byte{byte(s.K), byte(s.Products), byte(s.Bits), byte(s.Chain), byte(formOf(s))}
	for _, k := range r.factors {
		out = append(out, byte(k))
	}
	return out
}

// readRecipe reads what encode wrote, ErrEvidence else.
func readRecipe(from *wire.Reader) (recipe, error) {
	s := Section{K: uint(from.Uint8()), Products: int(from.Uint8()), Bits: int(from.Uint8()), Chain: int(from.Uint8())}
	f := form(from.Uint8())
	r := recipe{section: formed(s, f)}
	for _, k := range from.Bytes(s.Bits) {
		r.factors = append(r.factors, uint(k))
	}
	if f > outerForm {
		return recipe{}, fmt.Errorf("%w: form %d", ErrEvidence, f)
	}
	return r, r.check()
}

// layout is that of the section's own draw.
func (s Section) layout() prss.Layout {
	l := prss.Layout{Integers: 1, Zeros: s.openings()}
	switch {
	case s.Products > 0:
		l.Integers += 2 * s.Products
	case s.Bits > 0:
		l.Integers = composites(s.Bits)
	case s.Chain > 0:
		l.Integers = s.tables()
	}
	return l
}

// draws returns the section's own draws, then those of the bits.
func (r recipe) draws() []draw {
	k := r.section.K
	switch formOf(r.section) {
	case packedForm:
		return []draw{{k, packedBits}}
	case outerForm:
		out := []draw{{k, outerMask}, {k, outerZero}}
		for range 1 + Pack {
			out = append(out, draw{k, outerFactor})
		}
		return out
	}
	out := []draw{{k, r.section.layout()}}
	for _, k := range r.factors {
		out = append(out, draw{k, prss.Layout{Integers: 1, Zeros: 1}})
	}
	return out
}

// wordsLen is the bytes of the words that one set's stream gives for an item: of
// each draw, packed.
func (r recipe) wordsLen(code *sharing.Code) int {
	total := 0
	for _, d := range r.draws() {
		total += ring.PackedLen(d.layout.Words(code), d.k)
	}
	return total
}

// openings returns the shares that a party sends of an item, from the words of all
// sets that it is in, in the order of prss.SharingSets. ErrEvidence if they are
// malformed.
func (r recipe) openings(code *sharing.Code, party int, words [][]byte) ([]wide.Elem, error) {
	draws := r.draws()
	shares := make([]prss.WideShares, len(draws))
	for a, d := range draws {
		sets := make([][]wide.Word, len(words))
		size, rest := ring.PackedLen(d.layout.Words(code), d.k), make([][]byte, len(words))
		for q := range words {
			if len(words[q]) < size {
				return nil, fmt.Errorf("%w: words of the wrong length", ErrEvidence)
			}
			sets[q], rest[q] = make([]wide.Word, d.layout.Words(code)), words[q][size:]
			if err := wide.Unpack(sets[q], words[q][:size], d.k); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
			}
		}
		var err error
		if shares[a], err = prss.RecomputeWide(code, party, d.k, d.layout, sets); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
		}
		words = rest
	}
	return r.combine(code.WideRing(), shares), nil
}

// combine computes the openings of an item from one party's shares.
func (r recipe) combine(of wide.Ring, shares []prss.WideShares) []wide.Elem {
	s, own := r.section, shares[0]
	var out []wide.Elem
	if f := formOf(s); f != plain {
		e := packedOpening(of, f, shares)
		return []wide.Elem{of.ReduceElem(e, s.K)}
	}
	open := func(x, y, z wide.Elem) { // x·y − z, masked
		e := of.Add(of.Sub(of.Mul(x, y), z), own.Zeros[len(out)])
		out = append(out, of.ReduceElem(e, s.K))
	}
	switch {
	case s.Products > 0:
		for q := range s.Products {
			open(own.Integers[0], own.Integers[1+2*q], own.Integers[2+2*q])
		}
	case s.Bits > 0 || s.Chain > 0:
		tables := make([]wide.Elem, s.tables()+1)
		drawn, factors := own.Integers, shares[1:]
		for i := 1; i < len(tables); i++ {
			if s.Bits > 0 && !composite(i) {
				tables[i], factors = factors[0].Integers[0], factors[1:]
			} else {
				tables[i], drawn = drawn[0], drawn[1:]
			}
		}
		for _, p := range s.products() {
			open(tables[p.x], tables[p.y], tables[p.z])
		}
	default: // a² + a
		a := own.Integers[0]
		open(a, a, of.Sub(wide.Elem{}, a))
	}
	return out
}

// packedOpening computes a packed opening from one party's shares.
func packedOpening(of wide.Ring, f form, shares []prss.WideShares) wide.Elem {
	var sum wide.Elem
	if f == outerForm {
		z, zero, x, y := shares[0].Elements[0], shares[1].Zeros[0], shares[2].Integers[0], shares[3:]
		for p := Pack - 1; p >= 0; p-- {
			sum = of.Add(of.Shift(sum), y[p].Integers[0])
		}
		return of.Add(of.Sub(of.Mul(x, sum), z), zero)
	}
	for p := Pack - 1; p >= 0; p-- {
		a := shares[0].Integers[p]
		sum = of.Add(of.Shift(sum), of.Add(of.Mul(a, a), a))
	}
	return of.Add(sum, shares[0].Zeros[0])
}
