package negacyclic

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// packedSchoolbook is the packed product by definition: all products of coefficients,
// then packing by Horner's rule.
func packedSchoolbook(r wide.Ring, n int, dst, mask, share []wide.Word) {
	d := r.Degree()
	product := make([]wide.Word, n*d)
	for i, a := range mask {
		q, i := i/n, i%n
		for j := range n {
			for c := range d {
				x := a.Mul(share[(q*n+j)*d+c])
				if i+j < n {
					product[(i+j)*d+c] = product[(i+j)*d+c].Add(x)
				} else {
					product[(i+j-n)*d+c] = product[(i+j-n)*d+c].Sub(x)
				}
			}
		}
	}
	for i := range n / phases {
		var sum wide.Elem
		for p := phases - 1; p >= 0; p-- {
			sum = r.Add(r.Shift(sum), r.At(product, phases*i+p))
		}
		r.Set(dst, i, r.Add(r.At(dst, i), sum))
	}
}

// extremes are masks and shares whose products have the greatest size of either sign.
func extremes(g *rand.Rand, kind string, n int, mask, share []wide.Word) {
	largest := wide.Mask(128)
	for _, v := range [][]wide.Word{mask, share} {
		for i := range v {
			v[i] = wide.Word{Lo: g.Uint64(), Hi: g.Uint64()}
			if kind != "random" {
				v[i] = largest
			}
		}
	}
	if kind == "alternating" {
		for i := range mask {
			if i%n != 0 {
				mask[i] = wide.Word{}
			}
		}
	}
}

var shapes = []struct{ n, k int }{{64, 1}, {64, 6}, {128, 2}, {256, 6}, {512, 1}, {1024, 1}, {2048, 1}}

func TestPackedProductsAgreeWithSchoolbook(t *testing.T) {
	g := rand.New(rand.NewPCG(3, 4))
	for _, d := range []int{4, 5} {
		r, _ := wide.New(d)
		for _, s := range shapes {
			for _, kind := range []string{"random", "largest", "alternating"} {
				if s.n*s.k > 1024 && (kind == "largest" || d == 5) {
					continue // the same code, slowly
				}
				t.Run(fmt.Sprintf("d=%d,n=%d,k=%d,%s", d, s.n, s.k, kind), func(t *testing.T) {
					mask, share := make([]wide.Word, s.n*s.k), make([]wide.Word, s.n*s.k*d)
					extremes(g, kind, s.n, mask, share)
					want := make([]wide.Word, s.n/4*d)
					for i := range want {
						want[i] = wide.Word{Lo: g.Uint64(), Hi: g.Uint64()}
					}
					got := slices.Clone(want)
					low := narrow(want)
					packedSchoolbook(r, s.n, want, mask, share)
					secret, err := NewWideSecret(r, s.n, s.k, share)
					if err != nil {
						t.Fatal(err)
					}
					if secret.MulAdd(got, mask); !slices.Equal(got, want) {
						t.Fatal("128 bits differ")
					}
					short, err := NewSecret(r.Narrow(), s.n, s.k, narrow(share))
					if err != nil {
						t.Fatal(err)
					}
					if short.MulAdd(low, narrow(mask)); !slices.Equal(low, narrow(want)) {
						t.Fatal("64 bits differ")
					}
				})
			}
		}
	}
}

func narrow(v []wide.Word) []uint64 {
	out := make([]uint64, len(v))
	for i, x := range v {
		out[i] = x.Lo
	}
	return out
}

func BenchmarkSecretMulAdd(b *testing.B) {
	for _, s := range []struct{ n, k int }{{2048, 1}, {256, 4}} {
		b.Run(fmt.Sprintf("n=%d,k=%d", s.n, s.k), func(b *testing.B) {
			r, _ := ring.New(4)
			secret, err := NewSecret(r, s.n, s.k, make([]uint64, 4*s.n*s.k))
			if err != nil {
				b.Fatal(err)
			}
			dst, mask := make([]uint64, s.n), make([]uint64, s.n*s.k)
			for i := range mask {
				mask[i] = uint64(i) * 0x9e3779b97f4a7c15
			}
			b.ReportAllocs()
			for b.Loop() {
				secret.MulAdd(dst, mask)
			}
		})
	}
}

func BenchmarkWideSecretMulAdd(b *testing.B) {
	for _, s := range []struct{ n, k int }{{2048, 2}, {1024, 6}} {
		b.Run(fmt.Sprintf("n=%d,k=%d", s.n, s.k), func(b *testing.B) {
			r, _ := wide.New(4)
			secret, err := NewWideSecret(r, s.n, s.k, make([]wide.Word, 4*s.n*s.k))
			if err != nil {
				b.Fatal(err)
			}
			dst, mask := make([]wide.Word, s.n), make([]wide.Word, s.n*s.k)
			for i := range mask {
				mask[i] = wide.Word{Lo: uint64(i) * 0x9e3779b97f4a7c15, Hi: uint64(i) * 0xc2b2ae3d27d4eb4f}
			}
			b.ReportAllocs()
			for b.Loop() {
				secret.MulAdd(dst, mask)
			}
		})
	}
}

func TestOtherShapesOfSecretsAreRefused(t *testing.T) {
	r, _ := wide.New(4)
	for _, s := range []struct {
		n, k, words int
		want        error
	}{
		{32, 1, 128, ErrDegree}, {96, 1, 384, ErrDegree}, {0, 1, 0, ErrDegree}, {1 << 17, 1, 1 << 19, ErrDegree},
		{64, 0, 0, ErrShare}, {64, 1, 255, ErrShare}, {64, 2, 256, ErrShare}, {64, 65, 64 * 65 * 4, ErrShare},
	} {
		if _, err := NewWideSecret(r, s.n, s.k, make([]wide.Word, s.words)); !errors.Is(err, s.want) {
			t.Errorf("%+v: %v", s, err)
		}
		if _, err := NewSecret(r.Narrow(), s.n, s.k, make([]uint64, s.words)); !errors.Is(err, s.want) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestASecretServesManyGoroutinesAndIsErased(t *testing.T) {
	const n = 256
	r, _ := wide.New(4)
	g := rand.New(rand.NewPCG(5, 6))
	mask, share := make([]wide.Word, n), make([]wide.Word, n*4)
	extremes(g, "random", n, mask, share)
	want := make([]wide.Word, n)
	packedSchoolbook(r, n, want, mask, share)
	secret, _ := NewWideSecret(r, n, 1, share)
	short, _ := NewSecret(r.Narrow(), n, 1, narrow(share))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			got, low := make([]wide.Word, n), make([]uint64, n)
			secret.MulAdd(got, mask)
			short.MulAdd(low, narrow(mask))
			if !slices.Equal(got, want) || !slices.Equal(low, narrow(want)) {
				t.Error("products differ")
			}
		})
	}
	wait.Wait()
	secret.Zero()
	short.Zero()
	got, low := make([]wide.Word, n), make([]uint64, n)
	secret.MulAdd(got, mask)
	short.MulAdd(low, narrow(mask))
	if slices.ContainsFunc(got, func(x wide.Word) bool { return x != wide.Word{} }) || slices.Max(low) != 0 {
		t.Error("the secret is still there")
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	r, _ := wide.New(4)
	secret, _ := NewWideSecret(r, 64, 1, make([]wide.Word, 256))
	short, _ := NewSecret(r.Narrow(), 64, 1, make([]uint64, 256))
	for _, s := range []any{secret, short} {
		for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%#v", s), fmt.Sprintf("%+v", s)} {
			if !strings.Contains(text, "redacted") || strings.Contains(text, "[") {
				t.Error(text)
			}
		}
		if b, err := json.Marshal(s); err != nil || string(b) != `"redacted"` {
			t.Errorf("%s %v", b, err)
		}
	}
}
