package sharing

import (
	"fmt"
	"io"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// WideRing returns the ring of shares beyond 64 bits: the same ring mod 2^128.
func (c *Code) WideRing() wide.Ring { return c.wide }

// DealWide is Deal for shares over R_128.
func (c *Code) DealWide(random io.Reader, degree int, secrets []wide.Word) ([][]wide.Word, error) {
	d := c.Degree()
	out := make([][]wide.Word, c.n)
	for i := range out {
		out[i] = make([]wide.Word, len(secrets)*d)
		for m, s := range secrets {
			out[i][m*d] = s
		}
	}
	coefficients := make([]wide.Word, len(secrets)*d)
	raw := make([]byte, wide.Size*len(coefficients))
	for j := 1; j <= degree; j++ {
		if _, err := io.ReadFull(random, raw); err != nil {
			return nil, fmt.Errorf("sharing: read randomness: %w", err)
		}
		for m := range coefficients {
			coefficients[m] = wide.Read(raw[wide.Size*m:])
		}
		for i := range out {
			power := c.wide.Matrix(c.power(i+1, j))
			c.wide.MulAdd(out[i], coefficients, &power)
		}
	}
	clear(raw)
	clear(coefficients)
	return out, nil
}

// LagrangeWide is Lagrange over R_128.
func (c *Code) LagrangeWide(from Parties, at int) []wide.Elem {
	points := from.List()
	out := make([]wide.Elem, len(points))
	target := c.wide.Point(at)
	for a, i := range points {
		num, den := wide.Integer(wide.Word{Lo: 1}), wide.Integer(wide.Word{Lo: 1})
		for _, j := range points {
			if i != j {
				num = c.wide.Mul(num, c.wide.Sub(target, c.wide.Point(j)))
				den = c.wide.Mul(den, c.wide.Sub(c.wide.Point(i), c.wide.Point(j)))
			}
		}
		inverse, err := c.wide.Inverse(den)
		if err != nil {
			panic("sharing: points coincide") // they are distinct members of the exceptional set
		}
		out[a] = c.wide.Mul(num, inverse)
	}
	return out
}

// OpenAllWide is OpenAll over R_k with k up to 128: it opens elements, d words each,
// that must all lie on polynomials of the given degree.
func (c *Code) OpenAllWide(values []wide.Word, degree int, from Parties, vectors [][]wide.Word, k uint) int {
	basis := basisOf(from, degree)
	return c.openWide(values, basis, from.Without(basis), vectors, k)
}

// widePlan is plan over R_128, which needs no lanes.
//
// The coefficients of Lagrange's formula add up to 1, so what it makes of the vectors
// v_a of the basis is v_0 + Σ_{a>0} λ_a·(v_a − v_0).
type widePlan struct {
	basis, rest []int
	// maps[q][a] is multiplication by λ_{a+1} for vector q of rest, and for the value.
	maps [][]wide.Matrix
}

func (c *Code) widePlan(basis, rest Parties) *widePlan {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := planKey{basis: basis, rest: rest}
	if p, ok := c.widePlans[key]; ok {
		return p
	}
	p := &widePlan{basis: basis.List(), rest: rest.List()}
	for _, at := range append(rest.List(), 0) {
		var maps []wide.Matrix
		for _, e := range c.LagrangeWide(basis, at)[1:] {
			maps = append(maps, c.wide.Matrix(e))
		}
		p.maps = append(p.maps, maps)
	}
	if len(c.widePlans) >= maxPlans { // they are made again when wanted
		clear(c.widePlans)
	}
	c.widePlans[key] = p
	return p
}

// wideChunk is the number of elements worked on at a time.
const wideChunk = 32

// openWide is open for elements over R_k: dst is nil if no values are wanted.
func (c *Code) openWide(dst []wide.Word, basis, rest Parties, vectors [][]wide.Word, k uint) int {
	p, d := c.widePlan(basis, rest), c.Degree()
	size := wideChunk * d
	first, total := vectors[p.basis[0]], len(vectors[p.basis[0]])
	acc, differences := make([]wide.Word, size), make([]wide.Word, (len(p.basis)-1)*size)
	for lo := 0; lo < total; lo += size {
		hi := min(lo+size, total)
		for a, i := range p.basis[1:] {
			subtract(differences[a*size:][:hi-lo], vectors[i][lo:hi], first[lo:hi])
		}
		interpolate := func(q int) []wide.Word {
			acc := acc[:copy(acc, first[lo:hi])]
			for a := range p.maps[q] {
				c.wide.MulAdd(acc, differences[a*size:][:hi-lo], &p.maps[q][a])
			}
			return acc
		}
		good := hi - lo // the words before the first element that differs
		for q, j := range p.rest {
			if i := differ(interpolate(q)[:good], vectors[j][lo:lo+good], k); i >= 0 {
				good = i / d * d
			}
		}
		if dst != nil {
			values := interpolate(len(p.rest))[:good]
			wide.Reduce(values, k)
			copy(dst[lo:], values)
		}
		if lo+good < hi {
			return (lo + good) / d
		}
	}
	return -1
}

func subtract(dst, x, y []wide.Word) {
	for i := range dst {
		dst[i] = x[i].Sub(y[i])
	}
}

// differ returns the index of the first word that differs mod 2^k, or −1.
func differ(x, y []wide.Word, k uint) int {
	m := wide.Mask(k)
	var bad uint64
	for i := range x {
		bad |= (x[i].Lo^y[i].Lo)&m.Lo | (x[i].Hi^y[i].Hi)&m.Hi
	}
	if bad == 0 {
		return -1
	}
	for i := range x {
		if (x[i].Lo^y[i].Lo)&m.Lo|(x[i].Hi^y[i].Hi)&m.Hi != 0 {
			return i
		}
	}
	return -1
}

// WideOpener opens a vector of degree-t sharings of elements over R_k, k up to 128,
// as Opener does. It is not safe for concurrent use.
type WideOpener struct {
	settlement
	k       uint
	count   int
	vectors [][]wide.Word
	values  []wide.Word
}

// NewWideOpener opens count sharings of elements of R_k, k in 1..128.
func (c *Code) NewWideOpener(k uint, count int) *WideOpener {
	return &WideOpener{settlement: settlement{code: c}, k: k, count: count, vectors: make([][]wide.Word, c.n+1)}
}

// Add takes party's points, count·d words, and keeps the slice. It reports
// whether the opening is done. A second vector of one party is ignored. It panics
// on a length or party that the caller should have refused.
func (o *WideOpener) Add(party int, points []wide.Word) bool {
	if party < 1 || party > o.code.n || len(points) != o.count*o.code.Degree() {
		panic("sharing: points of an unknown party or of the wrong length")
	}
	if !o.have.Has(party) {
		o.vectors[party] = points
		o.add(party, o)
	}
	return o.done
}

func (o *WideOpener) open(basis, rest Parties) int {
	if o.done {
		return o.code.openWide(nil, basis, rest, o.vectors, o.k)
	}
	if o.values == nil {
		o.values = make([]wide.Word, o.count*o.code.Degree())
	}
	return o.code.openWide(o.values, basis, rest, o.vectors, o.k)
}

func (o *WideOpener) liars(index int) (Parties, error) {
	points := make([]wide.Elem, o.code.n+1)
	for _, i := range o.have.List() {
		points[i] = o.code.wide.At(o.vectors[i], index)
	}
	_, liars, err := o.code.DecodeWide(o.have, points, o.k, o.code.Quorum())
	return liars, err
}

// Values returns what was opened mod 2^k, d words an element; nil before Done.
func (o *WideOpener) Values() []wide.Word {
	if !o.done {
		return nil
	}
	return o.values
}
