package negacyclic

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Bounds of N.
const (
	MinDegree = 16
	MaxDegree = 1 << 16
)

// ErrDegree reports an N that is no power of two within the bounds.
var ErrDegree = errors.New("negacyclic: the degree must be a power of two from 16 to 65536")

// primeBits is the size of the primes. Transforms leave numbers below 2^(primeBits+3),
// so that a product with a reduced one is below 2^119 and hundreds can be summed up in
// 128 bits.
const primeBits = 58

// field is arithmetic modulo one prime and the transform of some size over it.
type field struct {
	*lattigo.SubRing
	high uint64 // 2^128 mod the prime: what MRed multiplies an upper word by
	// share is what coefficients modulo the prime contribute: the product of the other
	// primes mod 2^128.
	share wide.Word
	// rate is ⌊2^(64+ratioBits)/prime⌋: the upper word of its product with a coefficient
	// is the coefficient's ratio to the prime in units of 2^−ratioBits.
	rate uint64
	// scale makes the coefficient of share out of a residue: the inverse of share modulo
	// the prime, in Montgomery form.
	scale uint64
}

// ratioBits is the precision of quotients: five of them, each below 2, fit a word.
const ratioBits = 57

// half rounds sums of quotients.
const half = 1 << (ratioBits - 1)

// newFields returns arithmetic modulo so many primes with transforms of a size, and the
// primes' product mod 2^128.
func newFields(size, primes int) ([]field, wide.Word, error) {
	generator := lattigo.NewNTTFriendlyPrimesGenerator(primeBits, uint64(2*size)) // #nosec G115 -- positive
	moduli, err := generator.NextDownstreamPrimes(primes)
	if err != nil {
		return nil, wide.Word{}, fmt.Errorf("negacyclic: %w", err)
	}
	r, err := lattigo.NewRing(size, moduli)
	if err != nil {
		return nil, wide.Word{}, fmt.Errorf("negacyclic: %w", err)
	}
	product := big.NewInt(1)
	for _, q := range moduli {
		product.Mul(product, new(big.Int).SetUint64(q))
	}
	fields := make([]field, primes)
	for i, s := range r.SubRings {
		q := new(big.Int).SetUint64(s.Modulus)
		others := new(big.Int).Div(product, q)
		montgomery := new(big.Int).Lsh(big.NewInt(1), 64)
		inverse := new(big.Int).ModInverse(others, q)
		fields[i] = field{
			SubRing: s,
			high:    new(big.Int).Mod(new(big.Int).Mul(montgomery, montgomery), q).Uint64(),
			share:   word(others),
			rate:    new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 64+ratioBits), q).Uint64(),
			scale:   inverse.Mul(inverse, montgomery).Mod(inverse, q).Uint64(),
		}
	}
	return fields, word(product), nil
}

// combine adds to x mod 2^128 the coefficient whose scaled residues, below twice their
// primes, are every stride'th of y.
func combine(fields []field, product, x wide.Word, y []uint64, stride int) wide.Word {
	quotient := uint64(half)
	for i := range fields {
		f := &fields[i]
		ratio, _ := bits.Mul64(y[i*stride], f.rate)
		quotient += ratio
		x = x.Add(f.share.Mul(wide.Word{Lo: y[i*stride]}))
	}
	return x.Sub(product.Mul(wide.Word{Lo: quotient >> ratioBits}))
}

// word returns x mod 2^128.
func word(x *big.Int) wide.Word {
	low := new(big.Int).SetUint64(^uint64(0))
	return wide.Word{Lo: new(big.Int).And(x, low).Uint64(), Hi: low.And(low, new(big.Int).Rsh(x, 64)).Uint64()}
}

// reduce returns x modulo the prime, below twice the prime.
func (f *field) reduce(x uint64) uint64 {
	return lattigo.BRedAddLazy(x, f.Modulus, f.BRedConstant)
}

// reduceWide is reduce for a word of 128 bits.
func (f *field) reduceWide(x wide.Word) uint64 {
	upper := lattigo.MRedLazy(x.Hi, f.high, f.Modulus, f.MRedConstant)
	return f.reduce(upper + f.reduce(x.Lo))
}
