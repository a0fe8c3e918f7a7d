package evaluate

import (
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// decompose writes the digits of x/2^128 to base 2^BaseLog, level 1, the uppermost,
// first, so that Σ digit_l·2^(128−BaseLog·l) is the multiple of 2^(128−BaseLog·Levels)
// next to x. They are balanced, from −2^(BaseLog−1) to 2^(BaseLog−1), with mean 0.
//
// A 64-bit coefficient is the upper word of x.
func decompose(x wide.Word, d tfhe.Decomposition, digits []int64) {
	base := uint(d.BaseLog)           // #nosec G115 -- small
	drop := 128 - base*uint(d.Levels) // #nosec G115 -- small
	state := x
	if drop > 0 {
		state = shiftSigned(x.Add(wide.Word{Lo: 1}.Shl(drop-1)), drop)
	}
	mask := uint64(1)<<base - 1
	for l := len(digits) - 1; l >= 0; l-- {
		digit := state.Lo & mask
		state = shiftSigned(state, base)
		// A digit of exactly half the base becomes negative if the next one is, as in
		// TFHE-rs.
		carry := ((digit - 1) | state.Lo) & digit >> (base - 1) & 1
		state = state.Add(wide.Word{Lo: carry})
		digits[l] = int64(digit) - int64(carry<<base) // #nosec G115 -- small
	}
}

// shiftSigned returns ⌊x/2^n⌋ of x from −2^127 to 2^127−1, for n < 128.
func shiftSigned(x wide.Word, n uint) wide.Word {
	sign := uint64(int64(x.Hi) >> 63) // #nosec G115 -- two's complement
	shifted := x.Shr(n)
	fill := wide.Word{Lo: sign, Hi: sign}.Shl(128 - n)
	return wide.Word{Lo: shifted.Lo | fill.Lo, Hi: shifted.Hi | fill.Hi}
}
