package prss_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// openNoise returns the samples that the parties share and, of every coordinate from 4
// on, that it is 0.
func openNoise(t *testing.T, sources []*prss.Source, bound uint, count int) (narrow, broad []wide.Word) {
	t.Helper()
	code := sources[1].Code()
	n, d := code.N(), code.Degree()
	a := prss.Address{Kind: "noise", Sub: 3, First: 11}
	short, long := make([][]uint64, n+1), make([][]wide.Word, n+1)
	for i := 1; i <= n; i++ {
		short[i], long[i] = make([]uint64, count*d), make([]wide.Word, count*d)
		short[i][0], long[i][0].Hi = 99, 99 // a draw overwrites
		if err := sources[i].DrawWideNoise(a, bound, long[i]); err != nil {
			t.Fatal(err)
		}
		if bound > prss.MaxNoise {
			continue
		}
		if err := sources[i].DrawNoise(a, bound, short[i]); err != nil {
			t.Fatal(err)
		}
	}
	values, words := make([]uint64, count*d), make([]wide.Word, count*d)
	if i := code.OpenAll(values, code.T(), sharing.AllParties(n), short, 64); i >= 0 {
		t.Fatalf("index %d is no sharing", i)
	}
	if i := code.OpenAllWide(words, code.T(), sharing.AllParties(n), long, 128); i >= 0 {
		t.Fatalf("index %d is no sharing", i)
	}
	for i := range values {
		if i%d >= 4 {
			if values[i] != 0 || words[i] != (wide.Word{}) {
				t.Fatalf("coordinate %d is not 0", i%d)
			}
			continue
		}
		signed := int64(values[i])
		narrow = append(narrow, wide.Word{Lo: uint64(signed), Hi: uint64(signed >> 63)})
		broad = append(broad, words[i])
	}
	return narrow, broad
}

// real returns a signed word.
func real(x wide.Word) float64 {
	if x.Hi>>63 == 1 {
		return -real(x.Neg())
	}
	return float64(x.Hi)*0x1p64 + float64(x.Lo)
}

func TestNoiseIsASumOfTUniforms(t *testing.T) {
	for _, s := range settings {
		sources := mpctest.Sources(t, s.n, s.d, 1, mpctest.Epoch)
		sets := 1
		for i := range sharing.Threshold(s.n) {
			sets = sets * (s.n - i) / (i + 1)
		}
		for _, bound := range []uint{0, 3, 14, 30, 43, 62, 63, 110, 126} {
			narrow, broad := openNoise(t, sources, bound, 4000/s.n)
			for name, samples := range map[string][]wide.Word{"narrow": narrow, "wide": broad} {
				if name == "narrow" && bound > 40 && (bound > prss.MaxNoise || sets > 1) {
					continue // not drawn, or the sum may wrap
				}
				if name == "wide" && bound > 120 && sets > 1 {
					continue
				}
				checkTUniforms(t, fmt.Sprintf("n=%d d=%d bound=%d %s", s.n, s.d, bound, name), samples, bound, sets)
			}
		}
	}
}

// checkTUniforms checks bounds, mean and variance of sums of independent TUniform(bound).
func checkTUniforms(t *testing.T, name string, samples []wide.Word, bound uint, sets int) {
	t.Helper()
	limit := float64(sets) * math.Exp2(float64(bound))
	variance := float64(sets) * (math.Exp2(float64(2*bound+1)) + 1) / 6
	var mean, square float64
	for i, x := range samples {
		e := real(x)
		if math.Abs(e) > limit {
			t.Fatalf("%s: sample %d is %g, beyond %g", name, i, e, limit)
		}
		mean += e / float64(len(samples))
		square += e * e / float64(len(samples))
	}
	// Six standard deviations; the fourth moment is at most that of a normal variable but
	// for bound 0, where a sample is 0 or ±1.
	deviation := math.Sqrt(variance / float64(len(samples)))
	if math.Abs(mean) > 6*deviation {
		t.Errorf("%s: mean %g, deviation %g", name, mean, deviation)
	}
	if ratio := square / variance; math.Abs(ratio-1) > 6*math.Sqrt(2/float64(len(samples))) {
		t.Errorf("%s: variance %g times that of the sum", name, ratio)
	}
}

func TestOneSetsNoiseIsTUniform(t *testing.T) {
	sources := mpctest.Sources(t, 1, 4, 1, mpctest.Epoch)
	for _, bound := range []uint{0, 1, 2} {
		narrow, broad := openNoise(t, sources, bound, 10000)
		for name, samples := range map[string][]wide.Word{"narrow": narrow, "wide": broad} {
			counts := map[float64]int{}
			for _, x := range samples {
				counts[real(x)]++
			}
			limit := math.Exp2(float64(bound))
			var squares float64
			for v := -limit; v <= limit; v++ {
				p := math.Exp2(-float64(bound) - 1)
				if math.Abs(v) == limit {
					p /= 2
				}
				expected := p * float64(len(samples))
				squares += math.Pow(float64(counts[v])-expected, 2) / expected
				delete(counts, v)
			}
			if len(counts) != 0 || squares > 40 { // at most 8 degrees of freedom
				t.Errorf("bound %d, %s: χ² = %g, also %v", bound, name, squares, counts)
			}
		}
	}
}

func TestNoiseBeyondTheRingIsRefused(t *testing.T) {
	s := mpctest.Sources(t, 4, 4, 3, mpctest.Epoch)[1]
	if err := s.DrawNoise(prss.Address{}, prss.MaxNoise+1, make([]uint64, 4)); !errors.Is(err, prss.ErrParameters) {
		t.Error(err)
	}
	if err := s.DrawWideNoise(prss.Address{}, prss.MaxWideNoise+1, make([]wide.Word, 4)); !errors.Is(err, prss.ErrParameters) {
		t.Error(err)
	}
}

func TestNoiseOfAPositionIsTheSameHoweverItIsReached(t *testing.T) {
	for _, s := range settings {
		source := mpctest.Sources(t, s.n, s.d, 4, mpctest.Epoch)[1]
		for _, bound := range []uint{3, 17, 43, 100} {
			a := prss.Address{Kind: "noise"}
			draw := func(first, count int) ([]uint64, []wide.Word) {
				short, long := make([]uint64, count*s.d), make([]wide.Word, count*s.d)
				a.First = uint64(first)
				if err := source.DrawWideNoise(a, bound, long); err != nil {
					t.Fatal(err)
				}
				if bound > prss.MaxNoise {
					return short, long
				}
				if err := source.DrawNoise(a, bound, short); err != nil {
					t.Fatal(err)
				}
				return short, long
			}
			short, long := draw(0, 300)
			for _, r := range [][2]int{{0, 1}, {1, 2}, {63, 3}, {64, 129}, {299, 1}, {7, 0}} {
				partShort, partLong := draw(r[0], r[1])
				for i := range partShort {
					if partShort[i] != short[r[0]*s.d+i] || partLong[i] != long[r[0]*s.d+i] {
						t.Fatalf("n=%d bound=%d: elements %v differ", s.n, bound, r)
					}
				}
			}
		}
	}
}

func BenchmarkDrawNoise(b *testing.B) {
	const count = 1024
	for _, n := range []int{4, 7, 10} {
		s := mpctest.Sources(b, n, 4, 1, mpctest.Epoch)[1]
		report := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(4*count), "ns/sample")
		}
		b.Run(fmt.Sprintf("n=%d,k=64", n), func(b *testing.B) {
			v := make([]uint64, 4*count)
			for b.Loop() {
				if err := s.DrawNoise(prss.Address{}, 43, v); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
		})
		b.Run(fmt.Sprintf("n=%d,k=128", n), func(b *testing.B) {
			v := make([]wide.Word, 4*count)
			for b.Loop() {
				if err := s.DrawWideNoise(prss.Address{}, 30, v); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
		})
	}
}
