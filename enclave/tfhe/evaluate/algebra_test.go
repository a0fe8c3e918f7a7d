package evaluate

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

func TestDigitsAreBalancedAndAddUpToTheNearestMultiple(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2))
	for _, d := range []tfhe.Decomposition{{BaseLog: 4, Levels: 4}, {BaseLog: 23, Levels: 1}, {BaseLog: 24, Levels: 3}, {BaseLog: 41, Levels: 2}} {
		kept := uint(d.BaseLog * d.Levels)
		half := wide.Word{Lo: 1}.Shl(127 - kept)
		inputs := []wide.Word{{}, {Hi: math.MaxUint64, Lo: math.MaxUint64}, {Hi: 1 << 63}, half, half.Sub(wide.Word{Lo: 1}), half.Neg()}
		for range 1000 {
			inputs = append(inputs, wide.Word{Lo: g.Uint64(), Hi: g.Uint64()})
		}
		digits := make([]int64, d.Levels)
		for _, x := range inputs {
			decompose(x, d, digits)
			var sum wide.Word
			for l, digit := range digits {
				if bound := int64(1) << (d.BaseLog - 1); digit < -bound || digit > bound {
					t.Fatalf("%+v: digit %d of %x", d, digit, x)
				}
				signed := wide.Word{Lo: uint64(digit), Hi: uint64(digit >> 63)}
				sum = sum.Add(signed.Shl(128 - uint(d.BaseLog)*uint(l+1)))
			}
			// −half ≤ sum − x ≤ half
			if rest := sum.Sub(x).Add(half); rest.Shr(129-kept) != (wide.Word{}) && rest != half.Shl(1) {
				t.Fatalf("%+v: %x is decomposed to %x", d, x, sum)
			}
		}
	}
}

func TestDigitsHaveMeanZero(t *testing.T) {
	// All inputs of 16 bits, below which nothing is left.
	d := tfhe.Decomposition{BaseLog: 4, Levels: 4}
	sums, digits := make([]int64, d.Levels), make([]int64, d.Levels)
	for x := range uint64(1 << 16) {
		decompose(wide.Word{Hi: x << 48}, d, digits)
		for l, digit := range digits {
			sums[l] += digit
		}
	}
	for l, sum := range sums {
		// The one input in the middle, 2^15, goes one way only.
		if sum < -8 || sum > 8 {
			t.Errorf("level %d: mean %v", l+1, float64(sum)/(1<<16))
		}
	}
}

func TestTheCenteredSwitchLeavesHalfOfTheRoundingErrors(t *testing.T) {
	g := rand.New(rand.NewPCG(3, 4))
	const n, degree = 918, 2048
	const step = math.MaxUint64/(2*degree) + 1
	var squares, centered float64
	const rounds = 400
	for range rounds {
		lwe, key := make([]uint64, n+1), make([]uint64, n)
		for i := range key {
			key[i], lwe[i] = g.Uint64()&1, g.Uint64()
			lwe[n] += key[i] * lwe[i] // a phase of 0
		}
		plain, mean := switchModulus(lwe, degree, false), switchModulus(lwe, degree, true)
		phase := func(x exponents) float64 {
			p := x[n]
			for i, s := range key {
				p -= x[i] * int(s)
			}
			p &= 2*degree - 1
			return float64((p+degree)&(2*degree-1) - degree)
		}
		squares += phase(plain) * phase(plain)
		centered += (phase(mean) + 0.5) * (phase(mean) + 0.5)
	}
	// In steps: n/24 + 1/12, and n/48 + 1/12 for the body's own rounding.
	for _, c := range []struct{ got, want float64 }{{squares / rounds, n/24. + 1/12.}, {centered / rounds, n/48. + 1/12.}} {
		if c.got < 0.7*c.want || c.got > 1.4*c.want {
			t.Errorf("variance %v, want %v", c.got, c.want)
		}
	}
	if exact := switchModulus([]uint64{5 * step, step - 1, 7*step + step/2 - 1}, degree, false); exact[0] != 5 || exact[1] != 1 || exact[2] != 7 {
		t.Errorf("rounded to %v", exact)
	}
	if wrapped := switchModulus([]uint64{math.MaxUint64, math.MaxUint64}, degree, false); wrapped[0] != 0 || wrapped[1] != 0 {
		t.Errorf("the largest words round to %v", wrapped)
	}
}

func TestRotationsAreProductsWithPowersOfX(t *testing.T) {
	p := polynomial{{Lo: 1}, {Lo: 2}, {Lo: 3}, {Lo: 4}}
	dst := make(polynomial, 4)
	for exponent, want := range map[int][]int64{0: {1, 2, 3, 4}, 1: {-4, 1, 2, 3}, 4: {-1, -2, -3, -4}, 7: {2, 3, 4, -1}, 8: {1, 2, 3, 4}} {
		rotate(dst, p, exponent)
		for j, x := range want {
			if dst[j] != (wide.Word{Lo: uint64(x), Hi: uint64(x >> 63)}) {
				t.Errorf("X^%d: %v, want %v", exponent, dst, want)
			}
		}
	}
}

func TestExtractedCoefficientsDecryptAlike(t *testing.T) {
	g := rand.New(rand.NewPCG(5, 6))
	const n, k = 8, 2
	key := make([]int64, k*n)
	for i := range key {
		key[i] = g.Int64N(2)
	}
	random := make(glwe, k+1)
	for c := range random {
		for range n {
			random[c] = append(random[c], wide.Word{Lo: g.Uint64(), Hi: g.Uint64()})
		}
	}
	phase := make([]*big.Int, n)
	for j := range phase {
		phase[j] = integer(random[k][j])
		for i, s := range key {
			term := new(big.Int).Mul(big.NewInt(s), integer(rotated(random[i/n], (j-i%n)&(2*n-1))))
			phase[j].Sub(phase[j], term)
		}
	}
	for j := range n {
		lwe := random.extract(j)
		got := integer(lwe[k*n])
		for i, s := range key {
			got.Sub(got, new(big.Int).Mul(big.NewInt(s), integer(lwe[i])))
		}
		modulus := new(big.Int).Lsh(big.NewInt(1), 128)
		if got.Sub(got, phase[j]).Mod(got, modulus).Sign() != 0 {
			t.Errorf("coefficient %d", j)
		}
	}
}

func integer(x wide.Word) *big.Int {
	v := new(big.Int).Lsh(new(big.Int).SetUint64(x.Hi), 64)
	return v.Add(v, new(big.Int).SetUint64(x.Lo))
}
