package negacyclic

import (
	"fmt"
	"math/bits"
	"sync"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// MinPackedDegree is the least N of packed products.
const MinPackedDegree = 64

// phases is the number of values in a packed element.
const phases = 4

// maxPolynomials bounds the polynomials of a secret: their products are summed up
// before they are reduced.
const maxPolynomials = 64

// packer multiplies polynomials of degree N modulo X^N+1 and packs the products: for
// each i the coefficients 4i … 4i+3 become coordinates of one element.
//
// With the phases a^(r) of a polynomial, a = Σ_r X^r·a^(r)(X^4), and Z = X^4, phase p
// of a·s is Σ_r a^(r)·s^((p−r) mod 4)·Z^[r>p] modulo Z^(N/4)+1. Packing is linear, so
// the packed product is Σ_r a^(r)·T^(r) with T^(r) = Σ_p Y^p·s^((p−r) mod 4)·Z^[r>p]:
// four products of N/4 coefficients a coordinate, summed up before one inverse
// transform.
//
// The sum over the integers has a coefficient below k·N·2^(2w) in size, for words of w
// bits, which is less than 2^−10 of the product Q of the primes. It is the x of
// x = Σ_i y_i·Q/q_i − v·Q, where y_i = x·(Q/q_i)^−1 mod q_i and v is the integer next
// to Σ_i y_i/q_i: since x/Q is small, that sum is so near to v that approximate
// quotients tell v.
type packer struct {
	degree, quarter int
	fields          []field
	product         wide.Word // Q mod 2^128
	scratch         sync.Pool // of *workspace
}

// packers are kept: finding primes and their roots takes long. By shape.
var packers sync.Map

type shape struct{ degree, primes int }

// newPacker returns the packer of degree n with the number of primes.
func newPacker(n, primes int) (*packer, error) {
	if n < MinPackedDegree || n > MaxDegree || n&(n-1) != 0 {
		return nil, fmt.Errorf("%w, for packed products from %d, not %d", ErrDegree, MinPackedDegree, n)
	}
	if p, ok := packers.Load(shape{n, primes}); ok {
		return p.(*packer), nil
	}
	quarter := n / phases
	fields, product, err := newFields(quarter, primes)
	if err != nil {
		return nil, err
	}
	p := &packer{degree: n, quarter: quarter, fields: fields, product: product}
	kept, _ := packers.LoadOrStore(shape{n, primes}, p)
	return kept.(*packer), nil
}

// operand is a secret, transformed. hat has for each prime, coordinate, polynomial and
// phase r the transform of T^(r) in Montgomery form, scaled.
type operand struct {
	*packer
	d, polynomials int
	hat            []uint64
}

// at returns the phases of polynomial q of coordinate c modulo prime i.
func (o *operand) at(i, c, q int) []uint64 {
	start := ((i*o.d+c)*o.polynomials + q) * o.degree
	return o.hat[start : start+o.degree]
}

// newOperand transforms a share: polynomials·N elements of d words.
func newOperand(r wide.Ring, width uint, degree, polynomials, primes int, share []wide.Word) (*operand, error) {
	p, err := newPacker(degree, primes)
	if err != nil {
		return nil, err
	}
	d := r.Degree()
	if polynomials < 1 || polynomials > maxPolynomials || len(share) != polynomials*degree*d {
		return nil, fmt.Errorf("%w: %d words for %d polynomials of %d", ErrShare, len(share), polynomials, degree)
	}
	o := &operand{packer: p, d: d, polynomials: polynomials, hat: make([]uint64, primes*d*polynomials*degree)}
	folded := make([]wide.Word, p.quarter*d)
	defer clear(folded)
	for q := range polynomials {
		for phase := range phases {
			o.fold(r, folded, share[q*degree*d:(q+1)*degree*d], phase)
			wide.Reduce(folded, width)
			for i := range p.fields {
				f := &p.fields[i]
				for c := range d {
					hat := o.at(i, c, q)[phase*p.quarter : (phase+1)*p.quarter]
					for j := range hat {
						hat[j] = f.reduceWide(folded[j*d+c])
					}
					f.NTT(hat, hat)
					f.MForm(hat, hat)
					f.MulScalarMontgomery(hat, f.scale, hat)
				}
			}
		}
	}
	return o, nil
}

// fold writes T^(r) for one polynomial of a share.
func (o *operand) fold(r wide.Ring, dst, share []wide.Word, phase int) {
	for j := range o.quarter {
		var sum wide.Elem
		for p := phases - 1; p >= 0; p-- { // Horner's rule for Y
			sum = r.Shift(sum)
			if at := phases*j + p - phase; at >= 0 {
				sum = r.Add(sum, r.At(share, at))
			} else { // X^N = −1
				sum = r.Sub(sum, r.At(share, at+o.degree))
			}
		}
		r.Set(dst, j, sum)
	}
}

// workspace is what one product takes.
type workspace struct {
	mask   []uint64 // transformed phases of all polynomials modulo one prime
	lo, hi []uint64 // sums of products
	out    []uint64 // for each prime and coordinate the scaled residues
}

func (o *operand) workspace() *workspace {
	if w, ok := o.scratch.Get().(*workspace); ok && len(w.mask) >= o.polynomials*o.degree && len(w.out) >= len(o.fields)*o.d*o.quarter {
		return w
	}
	return &workspace{
		mask: make([]uint64, o.polynomials*o.degree),
		lo:   make([]uint64, o.quarter), hi: make([]uint64, o.quarter),
		out: make([]uint64, len(o.fields)*o.d*o.quarter),
	}
}

// release erases what the workspace knows of the secret.
func (o *operand) release(w *workspace) {
	clear(w.lo)
	clear(w.hi)
	clear(w.out)
	o.scratch.Put(w)
}

// multiply leaves in w.out, modulo every prime, the packed product of the secret and
// the mask: load writes the phases of polynomial q, reduced.
func (o *operand) multiply(w *workspace, load func(f *field, dst []uint64, q int)) {
	for i := range o.fields {
		f := &o.fields[i]
		mask := w.mask[:o.polynomials*o.degree]
		for q := range o.polynomials {
			load(f, mask[q*o.degree:(q+1)*o.degree], q)
		}
		for rest := mask; len(rest) > 0; rest = rest[o.quarter:] {
			f.NTTLazy(rest[:o.quarter], rest[:o.quarter])
		}
		for c := range o.d {
			clear(w.lo)
			clear(w.hi)
			for q := range o.polynomials {
				multiplyPhases(w.lo, w.hi, mask[q*o.degree:(q+1)*o.degree], o.at(i, c, q))
			}
			out := o.residues(w, i, c)
			f.collect(out, w.lo, w.hi)
			f.INTTLazy(out, out)
		}
	}
}

// multiplyPhases adds Σ_r a^(r)·t^(r) to sums of 128 bits.
func multiplyPhases(lo, hi, a, t []uint64) {
	n := len(lo)
	hi = hi[:n]
	a0, a1, a2, a3 := a[:n], a[n:][:n], a[2*n:][:n], a[3*n:][:n]
	t0, t1, t2, t3 := t[:n], t[n:][:n], t[2*n:][:n], t[3*n:][:n]
	for i := range lo {
		h0, l0 := bits.Mul64(a0[i], t0[i])
		h1, l1 := bits.Mul64(a1[i], t1[i])
		h2, l2 := bits.Mul64(a2[i], t2[i])
		h3, l3 := bits.Mul64(a3[i], t3[i])
		var carry uint64
		l0, carry = bits.Add64(l0, l1, 0)
		h0, _ = bits.Add64(h0, h1, carry)
		l2, carry = bits.Add64(l2, l3, 0)
		h2, _ = bits.Add64(h2, h3, carry)
		l0, carry = bits.Add64(l0, l2, 0)
		h0, _ = bits.Add64(h0, h2, carry)
		lo[i], carry = bits.Add64(lo[i], l0, 0)
		hi[i], _ = bits.Add64(hi[i], h0, carry)
	}
}

// collect reduces sums of products by Montgomery's method, below twice the prime.
func (f *field) collect(dst, lo, hi []uint64) {
	q, inverse := f.Modulus, f.MRedConstant
	dst, hi = dst[:len(lo)], hi[:len(lo)]
	for i, x := range lo {
		h, _ := bits.Mul64(x*inverse, q)
		dst[i] = f.reduce(hi[i] - h + q)
	}
}

// residues returns what a product left for coordinate c modulo prime i.
func (o *operand) residues(w *workspace, i, c int) []uint64 {
	return w.out[(i*o.d+c)*o.quarter:][:o.quarter]
}

// check panics unless dst and mask have the lengths of packed and public polynomials.
func (o *operand) check(dst, mask int) {
	if dst != o.quarter*o.d || mask != o.polynomials*o.degree {
		panic("negacyclic: vectors of the wrong length")
	}
}
