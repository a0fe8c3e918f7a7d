package vss

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// origins returns the dealings that the items of demands are from, in their order.
func (s *Source) origins(at []prss.Demand) ([]*origin, error) {
	var out []*origin
	seen := map[*origin]bool{}
	for _, q := range at {
		e, _, err := s.find(q.Address, q.Layout, q.Count)
		if err != nil {
			return nil, err
		}
		if !seen[e.origin] {
			seen[e.origin] = true
			out = append(out, e.origin)
		}
	}
	return out, nil
}

// Reveal returns the own seeds of the dealings that the items of demands are from. Who
// shows them lays open all that it dealt in these, of which nothing may be used then.
func (s *Source) Reveal(at []prss.Demand) ([]byte, error) {
	list, err := s.origins(at)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(list)*SeedSize)
	for _, o := range list {
		out = append(out, o.seed[:]...)
	}
	return out, nil
}

// Check reports whether revealed is what a party has to Reveal.
func (s *Source) Check(party int, at []prss.Demand, revealed []byte) bool {
	list, err := s.origins(at)
	if err != nil || !s.from.Has(party) || len(revealed) != len(list)*SeedSize {
		return false
	}
	for i, o := range list {
		if !o.isSeed(party, revealed[i*SeedSize:][:SeedSize]) {
			return false
		}
	}
	return true
}

// Recompute returns the shares that each party draws for demands of one item each, by
// party and demand, from what all members of E revealed (by party, as Check demands). If
// dealers dealt otherwise than their seeds say it returns these instead.
func (s *Source) Recompute(at []prss.Demand, revealed [][]byte) (shares [][]prss.WideShares, culprits sharing.Parties, err error) {
	list, err := s.origins(at)
	if err != nil {
		return nil, 0, err
	}
	shares = make([][]prss.WideShares, s.code.N()+1)
	for _, i := range s.from.List() {
		shares[i] = make([]prss.WideShares, len(at))
		for a, q := range at {
			shares[i][a] = prss.WideShares{
				Integers: make([]wide.Elem, q.Integers), Elements: make([]wide.Elem, q.Elements), Zeros: make([]wide.Elem, q.Zeros),
			}
		}
	}
	for i, o := range list {
		for _, party := range s.from.List() {
			if len(revealed[party]) != len(list)*SeedSize {
				return nil, 0, fmt.Errorf("%w: the seeds of party %d", ErrEncoding, party)
			}
			o.seeds.have[party] = revealed[party][i*SeedSize:][:SeedSize]
		}
		wrong, err := o.open(func(dealer int, dealt [][]byte) error { return s.addDealt(o, at, shares, dealer, dealt) })
		if err != nil {
			return nil, 0, err
		}
		culprits |= wrong
	}
	if culprits != 0 {
		return nil, culprits, nil
	}
	return shares, 0, nil
}

// addDealt adds what a dealer dealt for the items to all parties' shares of them.
func (s *Source) addDealt(o *origin, at []prss.Demand, shares [][]prss.WideShares, dealer int, dealt [][]byte) error {
	p, r := o.plan, s.code.WideRing()
	position := (p.from & (1<<dealer - 1)).Count()
	for a, q := range at {
		e, item, err := s.find(q.Address, q.Layout, 1)
		if err != nil {
			return err
		}
		if e.origin != o {
			continue
		}
		for v, place := range p.slots[e.demand] {
			pool := p.pools[place.pool]
			index := place.offset + item
			if p.extract.rows[index/pool.block]>>position&1 == 0 {
				continue
			}
			for _, i := range s.from.List() {
				x, err := p.element(dealt[i], place.pool, index%pool.block)
				if err != nil {
					return err
				}
				to := shareAt(&shares[i][a], v)
				*to = r.ReduceElem(r.Add(*to, x), pool.k)
			}
		}
	}
	return nil
}

// shareAt returns share v of an item, counting integers, elements and zeros.
func shareAt(s *prss.WideShares, v int) *wide.Elem {
	for _, group := range [][]wide.Elem{s.Integers, s.Elements} {
		if v < len(group) {
			return &group[v]
		}
		v -= len(group)
	}
	return &s.Zeros[v]
}

// element reads one element of a pool of a dealer's shares for one member.
func (p *plan) element(share []byte, at, index int) (wide.Elem, error) {
	d := p.code.Degree()
	for _, q := range p.pools[:at] {
		share = share[q.bytes(d):]
	}
	q := p.pools[at]
	const group = 8 // elements that are whole bytes
	first := index / group * group
	count := min(group, q.block-first)
	size := ring.PackedLen(count*d, q.k)
	words := make([]wide.Word, count*d)
	if err := wide.Unpack(words, share[first*d*int(q.k)/8:][:size], q.k); err != nil { // #nosec G115 -- at most 128
		return wide.Elem{}, err
	}
	return p.code.WideRing().At(words, index-first), nil
}
