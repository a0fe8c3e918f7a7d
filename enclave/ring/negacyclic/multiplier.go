package negacyclic

import (
	"fmt"
	"math/bits"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"

	"github.com/tkms-network/tkms/enclave/ring"
)

const primes = 3

// Multiplier multiplies a public polynomial by a vector of elements modulo X^N + 1 and
// 2^64, with three primes and Garner's algorithm. It is safe for concurrent use.
type Multiplier struct {
	n     int
	field [primes]*lattigo.SubRing
	// Garner's constants: 1/q0 mod q1, 1/q0 and 1/q1 mod q2.
	inv01, inv02, inv12 uint64
}

// New returns the multiplier of degree n.
func New(n int) (*Multiplier, error) {
	if n < MinDegree || n > MaxDegree || n&(n-1) != 0 {
		return nil, fmt.Errorf("%w, not %d", ErrDegree, n)
	}
	generator := lattigo.NewNTTFriendlyPrimesGenerator(60, uint64(2*n)) // #nosec G115 -- positive
	moduli, err := generator.NextDownstreamPrimes(primes)
	if err != nil {
		return nil, fmt.Errorf("negacyclic: %w", err)
	}
	r, err := lattigo.NewRing(n, moduli)
	if err != nil {
		return nil, fmt.Errorf("negacyclic: %w", err)
	}
	m := &Multiplier{n: n}
	copy(m.field[:], r.SubRings)
	m.inv01 = m.inverse(1, moduli[0])
	m.inv02 = m.inverse(2, moduli[0])
	m.inv12 = m.inverse(2, moduli[1])
	return m, nil
}

// inverse returns 1/x modulo prime i.
func (m *Multiplier) inverse(i int, x uint64) uint64 {
	q := m.field[i].Modulus
	return lattigo.ModExp(x%q, q-2, q)
}

// Degree returns N.
func (m *Multiplier) Degree() int { return m.n }

// MulAdd adds a·s to dst mod (2^64, X^N+1). a has N words; s and dst are vectors
// of N elements of r, whose coordinates are multiplied one by one.
func (m *Multiplier) MulAdd(r ring.Ring, dst, a, s []uint64) {
	d := r.Degree()
	if len(a) != m.n || len(s) != m.n*d || len(dst) != m.n*d {
		panic("negacyclic: vectors of the wrong length")
	}
	var fixed, residues [primes][]uint64
	for i, f := range m.field {
		fixed[i], residues[i] = make([]uint64, m.n), make([]uint64, m.n)
		for j, x := range a {
			fixed[i][j] = lattigo.BRedAdd(x, f.Modulus, f.BRedConstant)
		}
		f.NTT(fixed[i], fixed[i])
	}
	for c := range d {
		for i, f := range m.field {
			v := residues[i]
			for j := range v {
				v[j] = lattigo.BRedAdd(s[j*d+c], f.Modulus, f.BRedConstant)
			}
			f.NTT(v, v)
			f.MulCoeffsBarrett(v, fixed[i], v)
			f.INTT(v, v)
		}
		for j := range m.n {
			dst[j*d+c] += m.lift(residues[0][j], residues[1][j], residues[2][j])
		}
	}
	for i := range residues {
		clear(residues[i])
	}
}

// lift returns mod 2^64 the integer of least size with the given residues
// (Garner's algorithm).
func (m *Multiplier) lift(x0, x1, x2 uint64) uint64 {
	q0 := m.field[0].Modulus
	v1 := m.mulSub(1, x1, x0, m.inv01)
	v2 := m.mulSub(2, m.mulSub(2, x2, x0, m.inv02), v1, m.inv12)
	q1, q2 := m.field[1].Modulus, m.field[2].Modulus
	_, borrow := bits.Sub64(q2/2, v2, 0) // 1 if the integer is negative
	return x0 + q0*(v1+q1*(v2-q2*borrow))
}

// mulSub returns (x − y)·f modulo prime i; y may exceed the prime.
func (m *Multiplier) mulSub(i int, x, y, f uint64) uint64 {
	q, u := m.field[i].Modulus, m.field[i].BRedConstant
	return lattigo.BRed(x+q-lattigo.BRedAdd(y, q, u), f, q, u)
}
