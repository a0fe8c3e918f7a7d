package negacyclic

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// addDigitProduct adds digits·p to dst modulo 2^128 and X^N+1.
func addDigitProduct(dst []wide.Word, digits []int64, p []wide.Word) {
	n := len(dst)
	for i, d := range digits {
		x := wide.Word{Lo: uint64(d), Hi: uint64(d >> 63)}
		for j, y := range p {
			if i+j < n {
				dst[i+j] = dst[i+j].Add(x.Mul(y))
			} else {
				dst[i+j-n] = dst[i+j-n].Sub(x.Mul(y))
			}
		}
	}
}

func TestProductsOfDigitsAgreeWithSchoolbook(t *testing.T) {
	g := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		degree           int
		width, digitBits uint
		terms            int
	}{{16, 64, 23, 2}, {256, 64, 23, 2}, {256, 128, 24, 9}, {2048, 128, 24, 1}, {16, 128, 24, maxTerms}, {64, 64, 8, 1}} {
		for _, largest := range []bool{false, true} {
			d, err := NewDigits(c.degree, c.width, c.digitBits, c.terms)
			if err != nil {
				t.Fatal(err)
			}
			const columns = 2
			want, sums := make([][]wide.Word, columns), make([][]uint64, columns)
			for i := range sums {
				want[i], sums[i] = make([]wide.Word, c.degree), make([]uint64, d.Words())
			}
			for range c.terms {
				digits := make([]int64, c.degree)
				for i := range digits {
					digits[i] = g.Int64N(1<<c.digitBits+1) - 1<<(c.digitBits-1)
					if largest {
						digits[i] = 1 << (c.digitBits - 1)
						if i > 0 { // all products have one sign
							digits[i] = -digits[i]
						}
					}
				}
				keys := make([][]uint64, columns)
				for i := range keys {
					p := randomPolynomial(g, c.degree, c.width, largest)
					addDigitProduct(want[i], digits, p)
					keys[i] = transformed(d, c.width, p)
				}
				d.MulAdd(sums, digits, keys, make([]uint64, c.degree))
			}
			for i, sum := range sums {
				got := make([]wide.Word, c.degree)
				d.AddTo(got, sum)
				wide.Reduce(got, c.width)
				wide.Reduce(want[i], c.width)
				if !slices.Equal(got, want[i]) {
					t.Errorf("%+v largest=%v: a product differs", c, largest)
				}
			}
		}
	}
}

func randomPolynomial(g *rand.Rand, degree int, width uint, largest bool) []wide.Word {
	p := make([]wide.Word, degree)
	for i := range p {
		p[i] = wide.Word{Lo: g.Uint64(), Hi: g.Uint64()}
		if largest {
			p[i] = wide.Word{}.Sub(wide.Word{Lo: 1})
		}
	}
	wide.Reduce(p, width)
	return p
}

func transformed(d *Digits, width uint, p []wide.Word) []uint64 {
	out := make([]uint64, d.Words())
	if width == 128 {
		d.TransformWide(out, p)
		return out
	}
	words := make([]uint64, len(p))
	for i, x := range p {
		words[i] = x.Lo
	}
	d.Transform(out, words)
	return out
}

func TestSumsThatDoNotFitAreRefused(t *testing.T) {
	for _, terms := range []int{0, maxTerms + 1} {
		if _, err := NewDigits(256, 64, 23, terms); !errors.Is(err, ErrTerms) {
			t.Errorf("%d terms: %v", terms, err)
		}
	}
	if _, err := NewDigits(256, 128, 128, 1); !errors.Is(err, ErrTerms) {
		t.Error(err)
	}
	for _, degree := range []int{0, 8, 100, 2 * MaxDegree} {
		if _, err := NewDigits(degree, 64, 23, 2); !errors.Is(err, ErrDegree) {
			t.Errorf("degree %d: %v", degree, err)
		}
	}
}

func BenchmarkDigits(b *testing.B) {
	for _, width := range []uint{64, 128} {
		d, err := NewDigits(2048, width, 24, 9)
		if err != nil {
			b.Fatal(err)
		}
		g := rand.New(rand.NewPCG(5, 6))
		p := randomPolynomial(g, 2048, width, false)
		digits, sum, scratch := make([]int64, 2048), make([]uint64, d.Words()), make([]uint64, 2048)
		key := transformed(d, width, p)
		b.Run(fmt.Sprintf("transform/%d", width), func(b *testing.B) {
			for b.Loop() {
				d.TransformWide(key, p)
			}
		})
		b.Run(fmt.Sprintf("product/%d", width), func(b *testing.B) {
			for b.Loop() {
				clear(sum)
				d.MulAdd([][]uint64{sum}, digits, [][]uint64{key}, scratch)
			}
		})
		b.Run(fmt.Sprintf("finish/%d", width), func(b *testing.B) {
			for b.Loop() {
				d.AddTo(p, sum)
			}
		})
	}
}
