package preproc

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// recipe is how the openings of one item follow from what was drawn for it. It
// says the same as Section.generate, for one party and one item in the open.
type recipe struct {
	section Section // its K, Products, Bits and Chain
	factors []uint  // the rings of the bits that a digit is of
}

// draw is a run of a stream that an item takes.
type draw struct {
	k      uint
	layout prss.Layout
}

// recipeOf returns the recipe of a section of a list.
func recipeOf(list []Section, a int) recipe {
	s := list[a]
	r := recipe{section: Section{K: s.K, Products: s.Products, Bits: s.Bits, Chain: s.Chain}}
	for i := range s.Bits {
		r.factors = append(r.factors, list[s.FirstBit+i].K)
	}
	return r
}

// sources returns the sections that an item of section a is drawn from, in the
// order of draws.
func sources(list []Section, a int) []Section {
	s := list[a]
	return append([]Section{s}, list[s.FirstBit:s.FirstBit+s.Bits]...)
}

// check returns ErrEvidence for a recipe of nothing.
func (r recipe) check() error {
	s := r.section
	s.Kind, s.Count = "evidence", 1
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

// encode returns the one encoding: K, Products, Bits, Chain and the rings
// of the factors, a byte each.
func (r recipe) encode() []byte {
	s := r.section
	out := []byte{byte(s.K), byte(s.Products), byte(s.Bits), byte(s.Chain)}
	for _, k := range r.factors {
		out = append(out, byte(k))
	}
	return out
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

// draws returns the section's own draw, then those of the bits.
func (r recipe) draws() []draw {
	out := []draw{{r.section.K, r.section.layout()}}
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
func (r recipe) openings(code *sharing.Code, party int, words [][]byte) ([]ring.Elem, error) {
	draws := r.draws()
	shares := make([]prss.Shares, len(draws))
	for a, d := range draws {
		sets := make([][]uint64, len(words))
		size := ring.PackedLen(d.layout.Words(code), d.k)
		for q := range words {
			if len(words[q]) < size {
				return nil, fmt.Errorf("%w: words of the wrong length", ErrEvidence)
			}
			sets[q] = make([]uint64, d.layout.Words(code))
			if err := ring.Unpack(sets[q], words[q][:size], d.k); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
			}
		}
		var err error
		if shares[a], err = prss.Recompute(code, party, d.k, d.layout, sets); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
		}
		rest := make([][]byte, len(words))
		for q := range words {
			rest[q] = words[q][size:]
		}
		words = rest
	}
	return r.combine(code.Ring(), shares), nil
}

// combine computes the openings of an item from one party's shares.
func (r recipe) combine(of ring.Ring, shares []prss.Shares) []ring.Elem {
	s, own := r.section, shares[0]
	var out []ring.Elem
	open := func(x, y, z ring.Elem) { // x·y − z, masked
		e := of.Add(of.Sub(of.Mul(x, y), z), own.Zeros[len(out)])
		out = append(out, of.ReduceElem(e, s.K))
	}
	switch {
	case s.Products > 0:
		for q := range s.Products {
			open(own.Integers[0], own.Integers[1+2*q], own.Integers[2+2*q])
		}
	case s.Bits > 0 || s.Chain > 0:
		tables := make([]ring.Elem, s.tables()+1)
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
		open(a, a, of.Sub(ring.Elem{}, a))
	}
	return out
}
