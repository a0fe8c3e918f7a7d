package evaluate

import (
	"fmt"
	"math/bits"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// primeBits is the size of the moduli. Up to 32 lazy products, each below twice the
// modulus, are summed in one word.
const primeBits = 58

// transform multiplies polynomials with small signed coefficients by polynomials of
// a key, exactly, in Z[X]/(X^N+1) modulo primes whose product is more than twice
// what the sum of the products can be. It is safe for concurrent use.
//
// A key's polynomial is taken for one with coefficients from 0 to 2^width − 1. What
// is equal modulo 2^width gives results that are.
type transform struct {
	degree int
	field  []*lattigo.SubRing
	// square is 2^128 mod each prime.
	square []uint64
	// inverses[i][j] is 1/prime j mod prime i, j < i (Garner).
	inverses [][]uint64
	// radix[i] is the product of primes below i mod 2^128.
	radix []wide.Word
}

// newTransform returns the transform for sums of up to rows products of digits of
// at most 2^(digitBits-1) in size by keys of width bits.
func newTransform(degree int, width, digitBits, rows int) (*transform, error) {
	need := width + digitBits + bits.Len(uint(degree*rows)) + 1 // #nosec G115 -- positive
	generator := lattigo.NewNTTFriendlyPrimesGenerator(primeBits, uint64(2*degree))
	// Primes are chosen below 2^primeBits, each of at least primeBits-1 bits.
	moduli, err := generator.NextDownstreamPrimes((need + primeBits - 2) / (primeBits - 1))
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	r, err := lattigo.NewRing(degree, moduli)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	t := &transform{degree: degree, field: r.SubRings}
	product := wide.Word{Lo: 1}
	for i, f := range t.field {
		q, u := f.Modulus, f.BRedConstant
		t.square = append(t.square, lattigo.MForm(lattigo.MForm(1, q, u), q, u))
		inverses := make([]uint64, i)
		for j := range inverses {
			inverses[j] = lattigo.ModExp(t.field[j].Modulus%q, q-2, q)
		}
		t.inverses = append(t.inverses, inverses)
		t.radix = append(t.radix, product)
		product = product.Mul(wide.Word{Lo: q})
	}
	return t, nil
}

// words is the size of a transformed polynomial: one after the other, its residues
// modulo each prime.
func (t *transform) words() int { return len(t.field) * t.degree }

// key transforms a polynomial modulo 2^64.
func (t *transform) key(dst, words []uint64) {
	for i, f := range t.field {
		v := dst[i*t.degree:][:t.degree]
		for j, x := range words {
			v[j] = lattigo.BRedAdd(x, f.Modulus, f.BRedConstant)
		}
		f.NTTLazy(v, v)
	}
}

// wideKey transforms a polynomial modulo 2^128.
func (t *transform) wideKey(dst []uint64, words []wide.Word) {
	for i, f := range t.field {
		v := dst[i*t.degree:][:t.degree]
		q, u, inverse, square := f.Modulus, f.BRedConstant, f.MRedConstant, t.square[i]
		for j, x := range words {
			v[j] = lattigo.CRed(lattigo.MRed(x.Hi, square, q, inverse)+lattigo.BRedAdd(x.Lo, q, u), q)
		}
		f.NTTLazy(v, v)
	}
}

// product is a sum of products, transformed; the zero value of words() words is 0.
type product []uint64

// addDigits transforms digits into scratch, of N words, one prime at a time, and adds
// their products with the keys to the sums.
func (t *transform) addDigits(sums []product, digits []int64, keys [][]uint64, scratch []uint64) {
	for i, f := range t.field {
		for j, x := range digits {
			scratch[j] = uint64(x) + f.Modulus&uint64(x>>63) // #nosec G115 -- the residue of a small negative number
		}
		f.NTTLazy(scratch, scratch)
		for c, key := range keys {
			at := i * t.degree
			f.MulCoeffsMontgomeryLazyThenAddLazy(scratch, key[at:][:t.degree], sums[c][at:][:t.degree])
		}
	}
}

// finish transforms a sum back in place: residues of its coefficients.
func (t *transform) finish(sum product) {
	for i, f := range t.field {
		v := sum[i*t.degree:][:t.degree]
		f.Reduce(v, v)
		f.INTTLazy(v, v)
		// The products came in Montgomery's form, divided by 2^64.
		f.MForm(v, v)
	}
}

// coefficient returns, modulo 2^128, coefficient j of a finished sum: the integer of
// least size with its residues (Garner's algorithm).
func (t *transform) coefficient(sum product, j int) wide.Word {
	var mixed [8]uint64
	var value wide.Word
	last := len(t.field) - 1
	for i, f := range t.field {
		q, u := f.Modulus, f.BRedConstant
		x := sum[i*t.degree+j]
		for k, inverse := range t.inverses[i] {
			x = lattigo.BRed(x+q-lattigo.BRedAdd(mixed[k], q, u), inverse, q, u)
		}
		mixed[i] = x
		value = value.Add(t.radix[i].Mul(wide.Word{Lo: x}))
	}
	// Of the upper half of the range, the integer is negative.
	q := t.field[last].Modulus
	_, negative := bits.Sub64(q/2, mixed[last], 0)
	return value.Sub(t.radix[last].Mul(wide.Word{Lo: q}).Mul(wide.Word{Lo: negative}))
}
