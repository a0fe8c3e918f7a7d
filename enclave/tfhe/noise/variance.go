package noise

import (
	"math"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Mantissas of the floating-point transforms of TFHE-rs, in bits.
const (
	mantissa     = 53
	mantissaWide = 104
)

// tUniform is the variance of TUniform(b).
func tUniform(b tfhe.Noise) float64 { return (math.Ldexp(1, 2*int(b)+1) + 1) / 6 }

// digit is the mean square of a digit of the balanced decomposition to base 2^BaseLog.
func digit(d tfhe.Decomposition) float64 {
	return (math.Ldexp(1, 2*int(d.BaseLog)) + 2) / 12
}

// rounding is the variance that one coefficient adds by what the decomposition
// leaves of it, times a bit of the secret.
func rounding(d tfhe.Decomposition, width int) float64 {
	return math.Ldexp(1, 2*width-2*int(d.BaseLog*d.Levels))/24 + 1.0/48
}

// keySwitch is the variance that a key switch from a key of n bits adds, packing m
// ciphertexts into one: the key's noise of each of them ends up in every
// coefficient, what the decomposition leaves only in its own.
func keySwitch(n, m int, d tfhe.Decomposition, width int, key float64) float64 {
	return float64(n) * (float64(m)*float64(d.Levels)*digit(d)*key + rounding(d, width))
}

// bootstrapShape is that of a bootstrapping key.
type bootstrapShape struct {
	bits        int // of the key that is left
	polynomials int // k
	degree      int // N
	tfhe.Decomposition
	width int
}

// bootstrap is the variance of a bootstrap's result by exact arithmetic.
func (b bootstrapShape) bootstrap(key float64) float64 {
	k, n := float64(b.polynomials), float64(b.degree)
	v := float64(b.Levels) * (k + 1) * n * digit(b.Decomposition) * key
	v += (math.Ldexp(1, 2*b.width-2*int(b.BaseLog*b.Levels)) - 1) / 24
	v += k * n / 2 * rounding(b.Decomposition, b.width)
	return float64(b.bits) * v
}

// transform is the variance that the floating-point transforms of TFHE-rs add to a
// bootstrap: F of the package comment.
func (b bootstrapShape) transform() float64 {
	bits := mantissa
	if b.width == 128 {
		bits = mantissaWide
	}
	k, n, l := float64(b.polynomials), float64(b.degree), float64(b.Levels)
	v := 0.00705 * math.Ldexp(1, 2*max(0, b.width-bits)+2*int(b.BaseLog))
	v *= math.Pow(l, 1.01827) * math.Pow(k, 1.22003) * math.Pow(n, 2.22003) * math.Pow(k+1, 1.01827)
	return float64(b.bits) * v
}

// centeredSwitch is the variance that the switch to modulus 2N before a bootstrap
// adds if the mean of its error, half of the sum of the coefficients' errors, is
// taken off.
func centeredSwitch(n, degree int) float64 {
	step := math.Ldexp(1, 63) / float64(degree)
	return float64(n) * (step*step/48 + 1.0/24)
}

// Rounding is the variance that rounding n coefficients and the body to the uppermost
// bits adds to a ciphertext modulo 2^64.
func Rounding(n int, bits uint) float64 {
	step := math.Ldexp(1, 64-int(bits))
	return float64(n)*step*step/24 + step*step/12
}
