package ring_test

import (
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/ring"
)

func TestPackedElementsAreSumsOfShiftedOnes(t *testing.T) {
	for _, d := range []int{4, 5} {
		r, err := ring.New(d)
		if err != nil {
			t.Fatal(err)
		}
		const count = 7
		x := uint64(1)
		fill := func(words int) []uint64 {
			v := make([]uint64, words)
			for i := range v {
				x = x*0x9e3779b97f4a7c15 + 0xbf58476d1ce4e5b9
				v[i] = x
			}
			return v
		}
		a := [4][]uint64{fill(count * d), fill(count * d), fill(count * d), fill(count * d)}
		root, factor, src, before := fill(4*count), fill(4*count), fill(4*count*d), fill(count*d)
		// packed adds Σ_p Y^p·part(i, p) to every element of before.
		packed := func(part func(i, p int) ring.Elem) []uint64 {
			out := slices.Clone(before)
			for i := range count {
				sum := r.At(out, i)
				for p := range 4 {
					var power ring.Elem
					power[p] = 1
					sum = r.Add(sum, r.Mul(power, part(i, p)))
				}
				r.Set(out, i, sum)
			}
			return out
		}
		for name, tc := range map[string]struct {
			do   func(dst []uint64)
			want []uint64
		}{
			"squares": {func(dst []uint64) { r.PackSquareAdd(dst, &a) }, packed(func(i, p int) ring.Elem {
				e := r.At(a[p], i)
				return r.Add(r.Mul(e, e), e)
			})},
			"multiples": {func(dst []uint64) { r.PackScaleAdd(dst, &a, root, factor) }, packed(func(i, p int) ring.Elem {
				return r.Scale(r.Sub(r.At(a[p], i), ring.Integer(root[4*i+p])), factor[4*i+p])
			})},
			"elements": {func(dst []uint64) { r.PackAdd(dst, src) }, packed(func(i, p int) ring.Elem { return r.At(src, 4*i+p) })},
		} {
			got := slices.Clone(before)
			if tc.do(got); !slices.Equal(got, tc.want) {
				t.Errorf("d=%d: %s differ", d, name)
			}
		}
	}
}
