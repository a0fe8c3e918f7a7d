package negacyclic

import (
	"errors"
	"fmt"
	"math/bits"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// maxTerms bounds a sum of products, each below 2^(primeBits+1), that is kept in one
// word before it is reduced.
const maxTerms = 1 << (64 - primeBits - 1)

// ErrTerms reports a sum of too many products, or of too large ones.
var ErrTerms = errors.New("negacyclic: a sum of so many products, or of such large ones, cannot be computed")

// Digits multiplies public polynomials with small signed coefficients, the digits of a
// decomposition, by public ones of 64 or 128 bits modulo X^N+1, and sums up. It is safe
// for concurrent use.
//
// A polynomial is transformed once and used often. It is taken for one with
// coefficients from 0 to 2^width − 1; results are right modulo 2^width.
type Digits struct {
	degree  int
	fields  []field
	product wide.Word
	// scale is that of the fields, for sums in Montgomery form.
	scale []uint64
}

// NewDigits returns what computes sums of up to terms products of digits of at most
// 2^(digitBits−1) in size by polynomials of degree N with words of width bits.
func NewDigits(degree int, width, digitBits uint, terms int) (*Digits, error) {
	if degree < MinDegree || degree > MaxDegree || degree&(degree-1) != 0 {
		return nil, fmt.Errorf("%w, not %d", ErrDegree, degree)
	}
	// Half of the product of the primes must be well above the sums.
	need := width + digitBits + uint(bits.Len(uint(degree))) + 8 // #nosec G115 -- positive
	primes := (need + primeBits - 1) / primeBits
	if terms < 1 || terms > maxTerms || primes > widePrimes-1 {
		return nil, fmt.Errorf("%w: %d of %d and %d bits", ErrTerms, terms, width, digitBits)
	}
	fields, product, err := newFields(degree, int(primes)) // #nosec G115 -- small
	if err != nil {
		return nil, err
	}
	d := &Digits{degree: degree, fields: fields, product: product}
	for _, f := range fields {
		d.scale = append(d.scale, lattigo.MForm(f.scale, f.Modulus, f.BRedConstant))
	}
	return d, nil
}

// Words returns the size of a transformed polynomial, or of a sum.
func (d *Digits) Words() int { return len(d.fields) * d.degree }

// at returns the part of a transformed polynomial modulo prime i.
func (d *Digits) at(p []uint64, i int) []uint64 { return p[i*d.degree:][:d.degree] }

// Transform transforms a polynomial modulo 2^64.
func (d *Digits) Transform(dst, words []uint64) {
	for i := range d.fields {
		f, v := &d.fields[i], d.at(dst, i)
		for j, x := range words[:d.degree] {
			v[j] = f.reduce(x)
		}
		f.NTTLazy(v, v)
	}
}

// TransformWide transforms a polynomial modulo 2^128.
func (d *Digits) TransformWide(dst []uint64, words []wide.Word) {
	for i := range d.fields {
		f, v := &d.fields[i], d.at(dst, i)
		for j, x := range words[:d.degree] {
			v[j] = f.reduceWide(x)
		}
		f.NTTLazy(v, v)
	}
}

// MulAdd adds to each sum the product of the digits with the transformed polynomial of
// the same index. Sums start as zeros and are good for as many products as [NewDigits]
// was told. scratch has N words.
func (d *Digits) MulAdd(sums [][]uint64, digits []int64, polynomials [][]uint64, scratch []uint64) {
	for i := range d.fields {
		f := &d.fields[i]
		for j, x := range digits {
			scratch[j] = uint64(x) + f.Modulus&uint64(x>>63) // #nosec G115 -- a small residue
		}
		f.NTTLazy(scratch, scratch)
		for c, p := range polynomials {
			f.MulCoeffsMontgomeryLazyThenAddLazy(scratch, d.at(p, i), d.at(sums[c], i))
		}
	}
}

// AddTo adds a sum to dst, modulo 2^128, and destroys it.
func (d *Digits) AddTo(dst []wide.Word, sum []uint64) {
	for i := range d.fields {
		f, v := &d.fields[i], d.at(sum, i)
		f.Reduce(v, v)
		f.INTTLazy(v, v)
		f.MulScalarMontgomeryLazy(v, d.scale[i], v)
	}
	for j := range dst[:d.degree] {
		dst[j] = combine(d.fields, d.product, dst[j], sum[j:], d.degree)
	}
}
