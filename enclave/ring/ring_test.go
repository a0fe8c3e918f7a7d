package ring

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

func rings(t testing.TB) []Ring {
	t.Helper()
	var out []Ring
	for _, d := range []int{4, 5} {
		r, err := New(d)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func random(r Ring, g *rand.Rand) Elem {
	var e Elem
	for c := range r.d {
		e[c] = g.Uint64()
	}
	return e
}

// schoolbook multiplies by repeated reduction of Y·x, independent of Mul.
func schoolbook(r Ring, a, b Elem) Elem {
	var sum Elem
	for j := range r.d {
		for c := range r.d {
			sum[c] += a[c] * b[j]
		}
		var shifted Elem
		copy(shifted[1:], a[:r.d-1])
		top := a[r.d-1]
		shifted[0] -= top
		if r.d == 4 {
			shifted[1] -= top
		} else {
			shifted[2] -= top
		}
		a = shifted
	}
	return sum
}

func TestOtherDegreesAreRefused(t *testing.T) {
	for _, d := range []int{-1, 0, 1, 3, 6} {
		if _, err := New(d); !errors.Is(err, ErrDegree) {
			t.Errorf("degree %d: %v", d, err)
		}
	}
}

func TestProductsAgreeWithSchoolbook(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 1))
	for _, r := range rings(t) {
		for range 200 {
			a, b := random(r, g), random(r, g)
			if r.Mul(a, b) != schoolbook(r, a, b) {
				t.Fatalf("d=%d: %v * %v", r.d, a, b)
			}
		}
	}
}

func TestVectorFunctionsAgreeWithSingleElements(t *testing.T) {
	g := rand.New(rand.NewPCG(2, 1))
	for _, r := range rings(t) {
		const n = 9
		a, b := make([]uint64, n*r.d), make([]uint64, n*r.d)
		mul, mat := make([]uint64, n*r.d), make([]uint64, n*r.d)
		c := random(r, g)
		for i := range n {
			r.Set(a, i, random(r, g))
			r.Set(b, i, random(r, g))
		}
		m := r.Matrix(c)
		copy(mul, b)
		copy(mat, b)
		r.MulVec(mul, a, append([]uint64(nil), b...))
		r.MulAdd(mat, a, &m)
		for i := range n {
			ai, bi := r.At(a, i), r.At(b, i)
			if r.At(mul, i) != r.Add(bi, r.Mul(ai, bi)) {
				t.Fatal("MulVec")
			}
			if r.At(mat, i) != r.Add(bi, r.Mul(ai, c)) {
				t.Fatal("MulAdd")
			}
		}
	}
}

func TestDifferencesOfPointsAreUnitsAndInvert(t *testing.T) {
	for _, r := range rings(t) {
		for i := 0; i <= r.Points(); i++ {
			for j := 0; j <= r.Points(); j++ {
				e := r.Sub(r.Point(i), r.Point(j))
				inv, err := r.Inverse(e)
				if i == j {
					if !errors.Is(err, ErrNotUnit) {
						t.Fatal("zero has an inverse")
					}
					continue
				}
				if err != nil || r.Mul(e, inv) != Integer(1) {
					t.Fatalf("d=%d: inverse of %d−%d: %v", r.d, i, j, err)
				}
			}
		}
	}
}

func TestReductionIsARingHomomorphism(t *testing.T) {
	g := rand.New(rand.NewPCG(3, 1))
	for _, r := range rings(t) {
		for k := uint(1); k <= 64; k++ {
			a, b := random(r, g), random(r, g)
			x := r.ReduceElem(r.Mul(a, b), k)
			y := r.ReduceElem(r.Mul(r.ReduceElem(a, k), r.ReduceElem(b, k)), k)
			if x != y {
				t.Fatalf("d=%d k=%d", r.d, k)
			}
		}
	}
}

func TestPackingRoundTripsAtEveryWidth(t *testing.T) {
	g := rand.New(rand.NewPCG(4, 1))
	for k := uint(1); k <= 64; k++ {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 20, 65} {
			v := make([]uint64, n)
			for i := range v {
				v[i] = g.Uint64()
			}
			room := bytes.Repeat([]byte{7}, 1+8*n+8)
			packed := AppendPacked(room[:1], v, k)[1:]
			if rest := room[1+len(packed):]; bytes.Count(rest, []byte{7}) != len(rest) {
				t.Fatalf("k=%d n=%d: wrote more than it appended", k, n)
			}
			Reduce(v, k)
			if len(packed) != PackedLen(n, k) {
				t.Fatalf("k=%d n=%d: %d bytes", k, n, len(packed))
			}
			got := make([]uint64, n)
			if err := Unpack(got, packed, k); err != nil || !slices.Equal(got, v) {
				t.Fatalf("k=%d n=%d: %v", k, n, err)
			}
		}
	}
}

func TestUnpackRefusesWrongLengthsAndPadding(t *testing.T) {
	v := make([]uint64, 3)
	packed := AppendPacked(nil, []uint64{1, 2, 3}, 5)
	if err := Unpack(v, packed[:1], 5); !errors.Is(err, ErrLength) {
		t.Error(err)
	}
	if err := Unpack(v, append(bytes.Clone(packed), 0), 5); !errors.Is(err, ErrLength) {
		t.Error(err)
	}
	packed[1] |= 0x80
	if err := Unpack(v, packed, 5); !errors.Is(err, ErrPadding) {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(5), uint8(4))
	f.Fuzz(func(t *testing.T, src []byte, k, n uint8) {
		width := uint(k)%64 + 1
		v := make([]uint64, n)
		if Unpack(v, src, width) != nil {
			return
		}
		if !bytes.Equal(AppendPacked(nil, v, width), src) {
			t.Fatal("accepted bytes are not the encoding of the vector")
		}
	})
}

func BenchmarkMulVec(b *testing.B) {
	r, _ := New(4)
	v := make([]uint64, 4096)
	d := make([]uint64, 4096)
	for b.Loop() {
		r.MulVec(d, v, v)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/elem")
}
