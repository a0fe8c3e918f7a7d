package negacyclic

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/ring"
)

func schoolbook(n, d int, dst, a, s []uint64) {
	for i, x := range a {
		for j := range n {
			for c := range d {
				if i+j < n {
					dst[(i+j)*d+c] += x * s[j*d+c]
				} else {
					dst[(i+j-n)*d+c] -= x * s[j*d+c]
				}
			}
		}
	}
}

func TestProductsAgreeWithSchoolbook(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2))
	for _, d := range []int{4, 5} {
		r, _ := ring.New(d)
		for _, n := range []int{16, 64, 2048} {
			for _, kind := range []string{"random", "largest", "alternating"} {
				m, err := New(n)
				if err != nil {
					t.Fatal(err)
				}
				a, s, want := make([]uint64, n), make([]uint64, n*d), make([]uint64, n*d)
				for i := range a {
					a[i] = g.Uint64()
				}
				for i := range s {
					s[i], want[i] = g.Uint64(), g.Uint64()
				}
				if kind != "random" { // the sums of most positive and most negative size
					for i := range a {
						a[i] = ^uint64(0)
						if kind == "alternating" && i > 0 {
							a[i] = 0
						}
					}
					for i := range s {
						s[i] = ^uint64(0)
					}
				}
				got := slices.Clone(want)
				m.MulAdd(r, got, a, s)
				schoolbook(n, d, want, a, s)
				if !slices.Equal(got, want) {
					t.Fatalf("n=%d d=%d %s", n, d, kind)
				}
			}
		}
	}
}

func TestOtherDegreesAreRefused(t *testing.T) {
	for _, n := range []int{-1, 0, 8, 17, 1 << 17} {
		if _, err := New(n); !errors.Is(err, ErrDegree) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func BenchmarkMulAdd(b *testing.B) {
	for _, n := range []int{2048} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, _ := New(n)
			r, _ := ring.New(4)
			a, s, dst := make([]uint64, n), make([]uint64, 4*n), make([]uint64, 4*n)
			for b.Loop() {
				m.MulAdd(r, dst, a, s)
			}
		})
	}
}
