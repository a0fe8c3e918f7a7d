package vss

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// kind is what sharings are of.
type kind uint8

const (
	integers kind = iota // degree t, an integer at 0
	elements             // degree t
	zeros                // degree 2t, 0 at 0
	kinds
)

// degree returns that of the polynomials.
func (k kind) degree(t int) int {
	if k == zeros {
		return 2 * t
	}
	return t
}

// free returns the number of words that choose a sharing: the value's, if it has one,
// then those of the other coefficients.
func (k kind) free(t, d int) int {
	return [...]int{1 + t*d, (1 + t) * d, 2 * t * d}[k]
}

// pool is all sharings of one kind in one ring: each dealer deals block of them, from
// which length are extracted.
type pool struct {
	kind          kind
	k             uint
	length, block int
	extracted     bool // not a pool of masks
}

// wide reports whether the pool's words have more than 64 bits.
func (p pool) wide() bool { return p.k > 64 }

// bytes is the length of a dealer's shares of the pool for one member.
func (p pool) bytes(d int) int { return ring.PackedLen(p.block*d, p.k) }

// class is the pools that are checked together: those of a kind, up to 64 bits or above.
type class struct {
	kind kind
	wide bool
}

func (p pool) class() class { return class{p.kind, p.wide()} }

// k is that of the ring that a class is checked in.
func (c class) k() uint {
	if c.wide {
		return 128
	}
	return 64
}

// bytes is the length of a member's shares of the sums of a class.
func (c class) bytes(d int) int { return ring.PackedLen(checks*d, c.k()) }

// slot is where a vector of a demand is.
type slot struct{ pool, offset int }

// plan is how a demand is dealt: all parties make the same of it.
type plan struct {
	code    *sharing.Code
	from    sharing.Parties
	demand  []prss.Demand
	pools   []pool    // those of the demand, then those of the masks, one a class
	slots   [][]slot  // by demand: its integers, elements and zeros
	classes []class   // in the order of their masks
	masks   int       // the first pool of masks
	extract extractor // over the members of from, ascending
}

// Bounds of a demand.
const (
	maxDemands  = 1 << 14
	maxElements = 1 << 24
)

// newPlan returns the plan, ErrDemand if the demand is outside its bounds.
func newPlan(code *sharing.Code, from sharing.Parties, demand []prss.Demand) (*plan, error) {
	p := &plan{code: code, from: from, demand: demand, extract: extractorFor(from.Count(), code.T())}
	if len(demand) == 0 || len(demand) > maxDemands {
		return nil, fmt.Errorf("%w: %d addresses", ErrDemand, len(demand))
	}
	type poolKey struct {
		kind kind
		k    uint
	}
	at, total := map[poolKey]int{}, 0
	for _, q := range demand {
		counts := [kinds]int{q.Integers, q.Elements, q.Zeros}
		if q.Kind == "" || q.K < 1 || q.K > 128 || q.Count < 1 || q.Count > maxElements ||
			min(counts[0], counts[1], counts[2]) < 0 || max(counts[0], counts[1], counts[2]) > maxDemands {
			return nil, fmt.Errorf("%w: %d items at %+v", ErrDemand, q.Count, q.Address)
		}
		var slots []slot
		for kind := range kinds {
			for range counts[kind] {
				key := poolKey{kind, q.K}
				i, ok := at[key]
				if !ok {
					i = len(p.pools)
					at[key], p.pools = i, append(p.pools, pool{kind: kind, k: q.K, extracted: true})
				}
				slots = append(slots, slot{i, p.pools[i].length})
				p.pools[i].length += q.Count
				if total += q.Count; total > maxElements {
					return nil, fmt.Errorf("%w: more than %d sharings", ErrDemand, maxElements)
				}
			}
		}
		p.slots = append(p.slots, slots)
	}
	p.addMasks()
	return p, nil
}

// addMasks sizes the pools and adds those of the masks.
func (p *plan) addMasks() {
	outputs := len(p.extract.rows)
	seen := map[class]bool{}
	p.masks = len(p.pools)
	for i := range p.masks {
		q := &p.pools[i]
		q.block = (q.length + outputs - 1) / outputs
		if c := q.class(); !seen[c] {
			seen[c] = true
			p.classes = append(p.classes, c)
		}
	}
	for _, c := range p.classes {
		p.pools = append(p.pools, pool{kind: c.kind, k: c.k(), block: checks})
	}
}

// shareBytes is the length of what a dealer sends one member.
func (p *plan) shareBytes() int {
	total := 0
	for _, q := range p.pools {
		total += q.bytes(p.code.Degree())
	}
	return total
}

// canonical reports whether the bits that fill up the last byte of each pool are 0.
func (p *plan) canonical(share []byte) bool {
	d := p.code.Degree()
	for _, q := range p.pools {
		size := q.bytes(d)
		if used := q.block * d * int(q.k) % 8; used != 0 && share[size-1]>>used != 0 { // #nosec G115 -- at most 128
			return false
		}
		share = share[size:]
	}
	return true
}

// checkBytes is the length of a member's shares of all sums.
func (p *plan) checkBytes() int {
	total := 0
	for _, c := range p.classes {
		total += c.bytes(p.code.Degree())
	}
	return total
}

// digest names the plan: who signs anything signs that it is about this one.
func (p *plan) digest() mpc.Digest {
	number := func(x int) []byte { return mpc.Uint64(uint64(x)) } // #nosec G115 -- not negative
	fields := [][]byte{mpc.Uint64(uint64(p.from)), number(p.code.N()), number(p.code.T()), number(p.code.Degree())}
	for _, q := range p.demand {
		fields = append(fields, []byte(q.Kind), mpc.Uint64(uint64(q.K)), mpc.Uint64(uint64(q.Sub)), mpc.Uint64(uint64(q.Try)),
			mpc.Uint64(q.First), number(q.Integers), number(q.Elements), number(q.Zeros), number(q.Count))
	}
	return mpc.Hash("tkms/v1/vss/plan", fields...)
}
