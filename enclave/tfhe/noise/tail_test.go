package noise

import (
	"math"
	"testing"
)

func TestTheTailOfTheNormalDistributionIsRight(t *testing.T) {
	// erfc(x/√2) to 12 digits where float64 has it, and beyond by its asymptotic
	// expansion to many terms.
	for _, c := range []struct{ sigmas, log2, tolerance float64 }{
		{0, 0, 1e-12},
		{1, math.Log2(0.317310507863), 1e-9},
		{6, math.Log2(1.97317529008e-9), 1e-9},
		{7, math.Log2(2.55962508777e-12), 1e-9},
		{8, math.Log2(1.24419211485e-15), 1e-9},
		{13.17, -129.3, 1},
		{37, math.Log2(math.Erfc(37 / math.Sqrt2)), 1e-6},
	} {
		if got := log2Tail(c.sigmas*3, 9); math.Abs(got-c.log2) > c.tolerance {
			t.Errorf("beyond %v sigmas: 2^%v, want 2^%v", c.sigmas, got, c.log2)
		}
	}
	if got := log2Tail(1000, 1); got > -721000 || got < -722000 {
		t.Errorf("beyond 1000 sigmas: 2^%v", got)
	}
	if !math.IsInf(log2Tail(1, 0), -1) {
		t.Error("no noise fails")
	}
}
