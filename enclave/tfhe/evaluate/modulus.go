package evaluate

import "math/bits"

// exponents is an LWE ciphertext modulo 2N: mask and body are exponents of X.
type exponents []int

// switchModulus rounds an LWE ciphertext (mask, body) to multiples of 2^64/2N. If it
// is centered, the mean of the error over the binary keys, half the sum of the mask's
// errors, is taken off the body, and half a step more, which centers the 2·box
// exponents around 0 that the lookup table maps to the same value (TFHE-rs'
// CenteredMeanNoiseReduction).
//
// The mask must have at most 2N words: the sum of the errors then fits in 63 bits.
func switchModulus(lwe []uint64, degree int, centered bool) exponents {
	drop := uint(64 - bits.Len(uint(degree))) // #nosec G115 -- degree is a power of two: 2N = 2^Len
	half := uint64(1) << (drop - 1)
	out := make(exponents, len(lwe))
	last := len(lwe) - 1
	var errors int64
	for i, a := range lwe[:last] {
		rounded := (a + half) >> drop
		errors += int64(rounded<<drop - a) // #nosec G115 -- at most half a step
		out[i] = int(rounded)              // #nosec G115 -- below 2N
	}
	body := lwe[last]
	if centered {
		body += uint64(errors>>1) - half // #nosec G115 -- modulo 2^64
	}
	out[last] = int((body + half) >> drop) // #nosec G115 -- below 2N
	return out
}
