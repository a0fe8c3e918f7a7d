package evaluate

import (
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// decompose writes the digits of x/2^128 to base 2^BaseLog, level 1, the uppermost,
// first, so that Σ digit_l·2^(128−BaseLog·l) is the multiple of 2^(128−BaseLog·Levels)
// next to x. They are balanced, from −2^(BaseLog−1) to 2^(BaseLog−1).
//
// A 64-bit coefficient is the upper word of x.
func decompose(x wide.Word, d tfhe.Decomposition, digits []int64) {
	base := uint(d.BaseLog)       // #nosec G115 -- small
	kept := base * uint(d.Levels) // #nosec G115 -- small
	state := x
	if kept < 128 {
		state = x.Add(wide.Word{Lo: 1}.Shl(127 - kept)).Shr(128 - kept)
	}
	mask := uint64(1)<<base - 1
	for l := len(digits) - 1; l >= 0; l-- {
		digit := state.Lo & mask
		state = state.Shr(base)
		// A digit of exactly half the base stays if the next one is below half, as in
		// TFHE-rs: digits then have mean 0.
		carry := ((digit - 1) | state.Lo) & digit >> (base - 1) & 1
		state = state.Add(wide.Word{Lo: carry})
		digits[l] = int64(digit) - int64(carry<<base) // #nosec G115 -- small
	}
}
