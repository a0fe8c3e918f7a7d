package sharing

import (
	"sync"

	"github.com/tkms-network/tkms/enclave/ring"
)

// OpenAll opens vectors that must all lie on polynomials of the given degree mod
// 2^k: no error is corrected. vectors is indexed by party (element 0 unused), of
// equal lengths, and present for every member of from, of which there are at
// least degree+1. It writes the values at 0 to values and returns −1, or returns
// the lowest index that is no codeword.
func (c *Code) OpenAll(values []uint64, degree int, from Parties, vectors [][]uint64, k uint) int {
	basis := basisOf(from, degree)
	off, _ := c.open(values, elements, basis, from.Without(basis), vectors, k)
	return off
}

// OpenIntegers is OpenAll for values that must be integers, of which it writes one
// word each. It returns the lowest index that is no codeword or no integer.
func (c *Code) OpenIntegers(dst []uint64, degree int, from Parties, vectors [][]uint64, k uint) int {
	basis := basisOf(from, degree)
	rest := from.Without(basis)
	o := checked
	// With t more vectors than determine the polynomial, those of honest parties
	// determine it, and they share integers.
	if rest.Count() >= c.t {
		o = integers
	}
	off, notInt := c.open(dst, o, basis, rest, vectors, k)
	if notInt >= 0 {
		return notInt // what is no codeword has a higher index
	}
	return off
}

// OpenWords is OpenIntegers where the lanes of R_k are Single: rows has for each index
// the words of the members of from, ascending.
func (c *Code) OpenWords(dst []uint64, degree int, from Parties, rows []uint64, k uint) int {
	basis := basisOf(from, degree)
	p := c.plan(planKey{basis, from.Without(basis), k, words})
	stride, first, count := len(p.basis)+len(p.rest), len(p.basis), len(dst)
	buffer := borrow(2 * count)
	defer sums.Put(buffer)
	both := (*buffer)[:2*count]
	defer clear(both)
	bad, expected := both[:count], both[count:]
	for q := range p.rest {
		p.lanes.SumWords(expected, rows, stride, p.rows[q])
		for i, x := range expected {
			bad[i] |= x ^ rows[i*stride+first+q]
		}
	}
	p.lanes.SumWords(dst, rows, stride, p.rows[len(p.rest)])
	for i, x := range dst {
		if bad[i]|x&^ring.Mask(k) != 0 {
			return i
		}
	}
	return -1
}

// basisOf returns the members whose vectors determine the polynomial.
func basisOf(from Parties, degree int) Parties {
	basis := take(from, degree+1)
	if basis.Count() <= degree {
		panic("sharing: too few vectors for the degree")
	}
	return basis
}

// What an opening writes of the values at 0.
type output uint8

const (
	nothing  output = iota
	elements        // d words each
	integers        // coordinate 0, the others not looked at
	checked         // coordinate 0, the others must be 0
	words           // that of OpenWords
)

// plan says how vectors of a basis become those of the rest, which they are
// compared with, and the values at 0. It does not change once made.
type plan struct {
	lanes ring.Lanes
	basis []int
	rest  []int
	maps  []ring.Map // one a member of basis: to the rest, ascending, and the value
	words int        // of the maps

	rows [][]uint64 // of OpenWords: what the basis is multiplied by, for the rest and the value
}

type planKey struct {
	basis, rest Parties
	k           uint
	output      output
}

// maxPlans bounds the plans that are kept: who comes first may change, and with it
// the basis, but not on purpose more often than this.
const maxPlans = 1 << 10

func (c *Code) plan(key planKey) *plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.plans[key]; ok {
		return p
	}
	l := c.ring.Lanes(key.k)
	p := &plan{lanes: l, basis: key.basis.List(), rest: key.rest.List()}
	p.words = len(p.rest) * l.Words()
	targets := p.rest
	switch key.output {
	case elements, checked:
		p.words += l.Words()
	case integers:
		p.words++
	}
	if key.output != nothing {
		targets = append(targets[:len(targets):len(targets)], 0)
	}
	d := c.Degree()
	if key.output != words {
		for range p.basis {
			p.maps = append(p.maps, l.NewMap(d, p.words))
		}
	}
	for q, at := range targets {
		coefficients := c.Lagrange(key.basis, at)
		if key.output == words {
			row := make([]uint64, len(coefficients))
			for a, e := range coefficients {
				row[a] = l.Pack(e)[0]
			}
			p.rows = append(p.rows, row)
			continue
		}
		for a, e := range coefficients {
			c.ring.Element(l, &p.maps[a], 0, q*l.Words(), e)
		}
	}
	if len(c.plans) >= maxPlans { // they are made again when wanted
		clear(c.plans)
	}
	c.plans[key] = p
	return p
}

// chunk is the number of elements worked on at a time: it stays in the L1 cache.
const chunk = 128

// sums are accumulators for a chunk; those that lie in the pool are zero.
var sums = sync.Pool{New: func() any { return new([]uint64) }}

// borrow returns zeros for size accumulators or more, to be put back as zeros.
func borrow(size int) *[]uint64 {
	buffer := sums.Get().(*[]uint64)
	if cap(*buffer) < size {
		*buffer = make([]uint64, size)
	}
	return buffer
}

// open writes the output for the polynomials through the vectors of basis. It
// returns the lowest index at which some vector of rest is not on them, from which
// on it does not write, and the lowest before that one with a value that had to be
// an integer and is none; −1 where there is no such index.
func (c *Code) open(dst []uint64, o output, basis, rest Parties, vectors [][]uint64, k uint) (off, notInt int) {
	notInt = -1
	if rest == 0 && o == nothing {
		return -1, -1
	}
	p := c.plan(planKey{basis, rest, k, o})
	buffer := borrow(chunk * p.words)
	defer sums.Put(buffer)
	d, total := c.Degree(), len(vectors[p.basis[0]])
	for lo := 0; lo < total; lo += chunk * d {
		hi := min(lo+chunk*d, total)
		acc := (*buffer)[:(hi-lo)/d*p.words]
		off := p.check(acc, vectors, lo, hi, d)
		good := acc
		if off >= 0 {
			good = acc[:off*p.words]
		}
		if i := p.write(dst, good, o, lo, d, k); i >= 0 && notInt < 0 {
			notInt = lo/d + i
		}
		clear(acc)
		if off >= 0 {
			return lo/d + off, notInt
		}
	}
	return -1, notInt
}

// check leaves what the maps make of words lo … hi−1 of the basis in acc, which is
// zero, and returns the first of these elements at which the rest differs, or −1.
func (p *plan) check(acc []uint64, vectors [][]uint64, lo, hi, d int) int {
	room := p.lanes.Terms()
	for a, i := range p.basis {
		if room -= d; room < 0 {
			p.lanes.Fold(acc)
			room = p.lanes.Terms() - d
		}
		ring.MulMap(acc, vectors[i][lo:hi], d, &p.maps[a])
	}
	var bad uint64
	for q, j := range p.rest {
		bad |= p.lanes.Differ(acc, vectors[j][lo:hi], p.words, q*p.lanes.Words())
	}
	if bad == 0 {
		return -1
	}
	first := -1
	for i := lo; i < hi && first < 0; i += d {
		for q, j := range p.rest {
			if p.lanes.Differ(acc[(i-lo)/d*p.words:], vectors[j][i:i+d], p.words, q*p.lanes.Words()) != 0 {
				first = (i - lo) / d
			}
		}
	}
	return first
}

// write takes the values, from index lo/d on, out of acc and returns the first that
// had to be an integer and is none, or −1.
func (p *plan) write(dst, acc []uint64, o output, lo, d int, k uint) int {
	at, count := len(p.rest)*p.lanes.Words(), len(acc)/p.words
	if count == 0 {
		return -1
	}
	switch o {
	case elements:
		p.lanes.Spread(dst[lo:lo+count*d], acc, p.words, at)
	case integers:
		for i := range count {
			dst[lo/d+i] = acc[i*p.words+at] & ring.Mask(k)
		}
	case checked:
		dst = dst[lo/d:][:count]
		if p.lanes.Integers(dst, acc, p.words, at) == 0 {
			return -1
		}
		for i := range count {
			if p.lanes.Integers(dst[i:i+1], acc[i*p.words:(i+1)*p.words], p.words, at) != 0 {
				return i
			}
		}
	}
	return -1
}
