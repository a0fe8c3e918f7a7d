package vss

import (
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// checks is the number of sums of each class: a wrong sharing escapes each with
// probability 1/2. It is even.
const checks = 40

// nibble is the sharings that a sum's challenge is drawn for at a time: the sums of all
// subsets of so many are made once, and each check adds one of them.
const nibble = 4

// nibbleBytes is what the checks of one nibble take of the challenge.
const nibbleBytes = checks * nibble / 8

// sums are a member's shares of the checks' sums, by class.
type sums struct {
	plan   *plan
	narrow map[kind]*[checks]ring.Elem
	broad  map[kind]*[checks]wide.Elem
}

func (p *plan) newSums() *sums {
	s := &sums{plan: p, narrow: map[kind]*[checks]ring.Elem{}, broad: map[kind]*[checks]wide.Elem{}}
	for _, c := range p.classes {
		if c.wide {
			s.broad[c.kind] = &[checks]wide.Elem{}
		} else {
			s.narrow[c.kind] = &[checks]ring.Elem{}
		}
	}
	return s
}

// add adds what a dealer dealt the member, by the challenge: a share over R_k counts
// 2^(64−k) times, so that all of a class is checked in one ring. The masks are added once.
func (s *sums) add(challenge mpc.Digest, dealer int, share []byte) error {
	p, d := s.plan, s.plan.code.Degree()
	random := stream(challenge, "tkms/v1/vss/challenge", mpc.Uint64(uint64(dealer))) // #nosec G115 -- an index
	raw := make([]byte, piece/nibble*nibbleBytes)
	return p.each(share, func(at, lo int, narrow []uint64, broad []wide.Word) error {
		q := p.pools[at]
		if !q.extracted {
			s.addMasks(q, lo, d, narrow, broad)
			return nil
		}
		count := (len(narrow) + len(broad)) / d
		bytes := raw[:(count+nibble-1)/nibble*nibbleBytes]
		clear(bytes)
		random.XORKeyStream(bytes, bytes)
		if q.wide() {
			addSubsetsWide(s.broad[q.kind], broad, d, 128-q.k, bytes)
		} else {
			addSubsets(s.narrow[q.kind], narrow, d, 64-q.k, bytes)
		}
		return nil
	})
}

func (s *sums) addMasks(q pool, lo, d int, narrow []uint64, broad []wide.Word) {
	for e := range (len(narrow) + len(broad)) / d {
		for c := range d {
			if q.wide() {
				x := &s.broad[q.kind][lo+e][c]
				*x = x.Add(broad[e*d+c])
			} else {
				s.narrow[q.kind][lo+e][c] += narrow[e*d+c]
			}
		}
	}
}

// addSubsets adds to each sum a random subset of the elements of v, times 2^shift.
func addSubsets(sums *[checks]ring.Elem, v []uint64, d int, shift uint, challenge []byte) {
	var table [1 << nibble]ring.Elem
	for ; len(v) > 0; v = v[min(nibble*d, len(v)):] {
		for a := range nibble {
			var x ring.Elem
			if a*d < len(v) {
				for c := range d {
					x[c] = v[a*d+c] << (shift & 63)
				}
			}
			for subset := range 1 << a {
				from, to := &table[subset], &table[subset|1<<a]
				for c := range x {
					to[c] = from[c] + x[c]
				}
			}
		}
		for at, b := range challenge[:nibbleBytes] {
			low, high := &table[b&15], &table[b>>4]
			even, odd := &sums[2*at], &sums[2*at+1]
			for c := range low {
				even[c] += low[c]
				odd[c] += high[c]
			}
		}
		challenge = challenge[nibbleBytes:]
	}
	clear(table[:])
}

// addSubsetsWide is addSubsets beyond 64 bits.
func addSubsetsWide(sums *[checks]wide.Elem, v []wide.Word, d int, shift uint, challenge []byte) {
	var table [1 << nibble]wide.Elem
	for ; len(v) > 0; v = v[min(nibble*d, len(v)):] {
		for a := range nibble {
			var x wide.Elem
			if a*d < len(v) {
				for c := range d {
					x[c] = v[a*d+c].Shl(shift)
				}
			}
			for subset := range 1 << a {
				for c := range x {
					table[subset|1<<a][c] = table[subset][c].Add(x[c])
				}
			}
		}
		for at, b := range challenge[:nibbleBytes] {
			for c := range d {
				sums[2*at][c] = sums[2*at][c].Add(table[b&15][c])
				sums[2*at+1][c] = sums[2*at+1][c].Add(table[b>>4][c])
			}
		}
		challenge = challenge[nibbleBytes:]
	}
	clear(table[:])
}

// encode appends the sums, class by class.
func (s *sums) encode(out []byte) []byte {
	d := s.plan.code.Degree()
	for _, c := range s.plan.classes {
		if c.wide {
			words := make([]wide.Word, 0, checks*d)
			for _, e := range s.broad[c.kind] {
				words = append(words, e[:d]...)
			}
			out = wide.AppendPacked(out, words, 128)
			continue
		}
		words := make([]uint64, 0, checks*d)
		for _, e := range s.narrow[c.kind] {
			words = append(words, e[:d]...)
		}
		out = ring.AppendPacked(out, words, 64)
	}
	return out
}

// verdict reports whether the sums that the members agreed on, by party, are on
// polynomials of their degrees with values of their kinds.
func (p *plan) verdict(agreed [][]byte) (bool, error) {
	d, offset := p.code.Degree(), 0
	for _, c := range p.classes {
		size := c.bytes(d)
		vectors := make([][]wide.Word, p.code.N()+1)
		for _, i := range p.from.List() {
			vectors[i] = make([]wide.Word, checks*d)
			if err := wide.Unpack(vectors[i], agreed[i][offset:offset+size], c.k()); err != nil {
				return false, err
			}
		}
		offset += size
		if !right(p.code, p.from, c, vectors) {
			return false, nil
		}
	}
	return true, nil
}

// right reports whether vectors of a class, by party, are right.
func right(code *sharing.Code, from sharing.Parties, c class, vectors [][]wide.Word) bool {
	d := code.Degree()
	values := make([]wide.Word, checks*d)
	if code.OpenAllWide(values, c.kind.degree(code.T()), from, vectors, c.k()) >= 0 {
		return false
	}
	for i, x := range values {
		if x != (wide.Word{}) && (c.kind == zeros || c.kind == integers && i%d != 0) {
			return false
		}
	}
	return true
}
