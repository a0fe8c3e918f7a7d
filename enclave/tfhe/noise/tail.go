package noise

import "math"

// log2Tail returns the binary logarithm of the probability that a normal variable
// of mean 0 is at least limit in size. It is accurate to some 1e-9 where the
// probability itself is far below the smallest float64.
func log2Tail(limit, variance float64) float64 {
	if variance <= 0 {
		return math.Inf(-1)
	}
	x := limit / math.Sqrt(2*variance)
	const asymptotic = 5
	if x < asymptotic {
		return math.Log2(math.Erfc(x))
	}
	// Laplace's continued fraction: erfc(x)·√π·e^(x²) = 1/(x + ½/(x + 1/(x + …))).
	const terms = 60
	fraction := x
	for i := terms; i > 0; i-- {
		fraction = x + float64(i)/2/fraction
	}
	return -(x*x + math.Log(fraction*math.Sqrt(math.Pi))) / math.Ln2
}
