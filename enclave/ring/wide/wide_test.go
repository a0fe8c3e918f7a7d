package wide_test

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

var modulus = new(big.Int).Lsh(big.NewInt(1), 128)

func integer(x wide.Word) *big.Int {
	out := new(big.Int).SetUint64(x.Hi)
	return out.Lsh(out, 64).Or(out, new(big.Int).SetUint64(x.Lo))
}

func word(x *big.Int) wide.Word {
	b := new(big.Int).Mod(x, modulus).FillBytes(make([]byte, wide.Size))
	slices.Reverse(b)
	return wide.Read(b)
}

// some are random words and those at which carries begin and end.
func some(g *rand.Rand) []wide.Word {
	edge := []uint64{0, 1, 2, 1 << 63, ^uint64(0)}
	var out []wide.Word
	for _, lo := range append(edge, g.Uint64()) {
		for _, hi := range append(edge, g.Uint64()) {
			out = append(out, wide.Word{Lo: lo, Hi: hi})
		}
	}
	return out
}

func vector(g *rand.Rand, n int) []wide.Word {
	out := make([]wide.Word, n)
	for i := range out {
		out[i] = wide.Word{Lo: g.Uint64(), Hi: g.Uint64()}
	}
	return out
}

func TestWordsAreIntegersModulo2To128(t *testing.T) {
	words := some(rand.New(rand.NewPCG(1, 1)))
	for _, a := range words {
		for _, b := range words {
			x, y := integer(a), integer(b)
			for name, pair := range map[string][2]wide.Word{
				"sum":        {a.Add(b), word(new(big.Int).Add(x, y))},
				"difference": {a.Sub(b), word(new(big.Int).Sub(x, y))},
				"product":    {a.Mul(b), word(new(big.Int).Mul(x, y))},
				"negative":   {a.Neg(), word(new(big.Int).Neg(x))},
			} {
				if pair[0] != pair[1] {
					t.Fatalf("%s of %x and %x: %x, not %x", name, x, y, pair[0], pair[1])
				}
			}
		}
		for n := range uint(140) {
			if got, want := a.Shl(n), word(new(big.Int).Lsh(integer(a), n)); got != want {
				t.Fatalf("%x << %d: %x, not %x", a, n, got, want)
			}
			if got, want := a.Shr(n), word(new(big.Int).Rsh(integer(a), n)); got != want {
				t.Fatalf("%x >> %d: %x, not %x", a, n, got, want)
			}
			if n >= 1 && n <= 128 {
				if got, want := a.Reduce(n), word(new(big.Int).Mod(integer(a), new(big.Int).Lsh(big.NewInt(1), n))); got != want {
					t.Fatalf("%x mod 2^%d: %x, not %x", a, n, got, want)
				}
			}
		}
		if b := a.Append(nil); len(b) != wide.Size || wide.Read(b) != a {
			t.Fatalf("%x is read as %x", a, wide.Read(b))
		}
	}
}

// multiply is the product of polynomials over the integers, divided with remainder by
// the ring's polynomial.
func multiply(d int, a, b wide.Elem) wide.Elem {
	t := make([]*big.Int, 2*d-1)
	for i := range t {
		t[i] = new(big.Int)
	}
	for i := range d {
		for j := range d {
			t[i+j].Add(t[i+j], new(big.Int).Mul(integer(a[i]), integer(b[j])))
		}
	}
	lower := map[int][]int{4: {0, 1}, 5: {0, 2}}[d]
	for i := 2*d - 2; i >= d; i-- {
		for _, j := range lower {
			t[i-d+j].Sub(t[i-d+j], t[i])
		}
	}
	var e wide.Elem
	for c := range d {
		e[c] = word(t[c])
	}
	return e
}

func TestElementsMultiplyAsPolynomials(t *testing.T) {
	g := rand.New(rand.NewPCG(2, 1))
	for _, d := range []int{4, 5} {
		r, _ := wide.New(d)
		y := wide.Elem{1: {Lo: 1}}
		for range 200 {
			v := vector(g, 3*d)
			a, b, c := r.At(v, 0), r.At(v, 1), r.At(v, 2)
			if r.Mul(a, b) != multiply(d, a, b) {
				t.Fatalf("d=%d: product", d)
			}
			if r.Shift(a) != multiply(d, a, y) || r.Scale(a, b[0]) != multiply(d, a, wide.Integer(b[0])) {
				t.Fatalf("d=%d: multiple", d)
			}
			if r.Sub(r.Add(a, c), c) != a {
				t.Fatalf("d=%d: sum", d)
			}
			if r.Mul(a, b).Narrow() != r.Narrow().Mul(a.Narrow(), b.Narrow()) {
				t.Fatalf("d=%d: mod 2^64 the product is another", d)
			}
			for _, k := range []uint{1, 64, 72, 128} {
				if e := r.ReduceElem(a, k); e[d-1] != a[d-1].Reduce(k) {
					t.Fatalf("d=%d: mod 2^%d", d, k)
				}
			}
		}
	}
}

func TestUnitsHaveInverses(t *testing.T) {
	g := rand.New(rand.NewPCG(3, 1))
	for _, d := range []int{4, 5} {
		r, _ := wide.New(d)
		one := wide.Integer(wide.Word{Lo: 1})
		for i := range r.Narrow().Points() {
			for j := range i {
				e := r.Sub(r.Point(i), r.Point(j))
				if x, err := r.Inverse(e); err != nil || r.Mul(x, e) != one {
					t.Fatalf("d=%d: α_%d − α_%d: %v", d, i, j, err)
				}
			}
		}
		for range 50 {
			e := r.At(vector(g, d), 0)
			e[0].Lo |= 1
			if x, err := r.Inverse(e); err != nil || r.Mul(x, e) != one {
				t.Fatalf("d=%d: %v", d, err)
			}
			if _, err := r.Inverse(r.Scale(e, wide.Word{Lo: 2})); !errors.Is(err, ring.ErrNotUnit) {
				t.Fatalf("d=%d: an element that is 0 mod 2: %v", d, err)
			}
		}
	}
	if _, err := wide.New(3); !errors.Is(err, ring.ErrDegree) {
		t.Error(err)
	}
}

func TestVectorsAreElementsOneByOne(t *testing.T) {
	const count = 7
	g := rand.New(rand.NewPCG(4, 1))
	for _, d := range []int{4, 5} {
		r, _ := wide.New(d)
		c := r.At(vector(g, d), 0)
		m := r.Matrix(c)
		src, other, start := vector(g, count*d), vector(g, count*d), vector(g, count*d)
		small, integers := make([]uint64, count*d), make([]wide.Word, count)
		for i := range small {
			small[i] = g.Uint64()
		}
		for i := range integers {
			integers[i] = src[i*d]
		}
		apart := make([]wide.Word, count*9)
		for i := range count {
			copy(apart[i*9:], src[i*d:(i+1)*d])
		}
		four := vector(g, 4*count*d)
		y := r.Shift(wide.Integer(wide.Word{Lo: 1}))
		packed := func(i int) (e wide.Elem) {
			for p := 3; p >= 0; p-- {
				e = r.Add(r.Mul(y, e), r.At(four, 4*i+p))
			}
			return e
		}
		for name, f := range map[string]struct {
			run  func(dst []wide.Word)
			want func(i int) wide.Elem
		}{
			"PackAdd":    {func(v []wide.Word) { r.PackAdd(v, four) }, packed},
			"MulAdd":     {func(v []wide.Word) { r.MulAdd(v, src, &m) }, func(i int) wide.Elem { return r.Mul(c, r.At(src, i)) }},
			"MulAddEach": {func(v []wide.Word) { r.MulAddEach(v, apart, 9, &m) }, func(i int) wide.Elem { return r.Mul(c, r.At(apart[i*9:], 0)) }},
			"MulAddNarrow": {func(v []wide.Word) { r.MulAddNarrow(v, small, &m) },
				func(i int) wide.Elem { return r.Mul(c, wide.Widen(r.Narrow().At(small, i))) }},
			"MulIntegers": {func(v []wide.Word) { r.MulIntegers(v, src, d, &c) }, func(i int) wide.Elem { return r.Scale(c, integers[i]) }},
			"ScaleAdd":    {func(v []wide.Word) { r.ScaleAdd(v, src, integers[0]) }, func(i int) wide.Elem { return r.Scale(r.At(src, i), integers[0]) }},
			"MulVec":      {func(v []wide.Word) { r.MulVec(v, src, other) }, func(i int) wide.Elem { return r.Mul(r.At(src, i), r.At(other, i)) }},
			"SquareAdd": {func(v []wide.Word) { r.SquareAdd(v, src) },
				func(i int) wide.Elem { return r.Add(r.At(src, i), r.Mul(r.At(src, i), r.At(src, i))) }},
		} {
			got := slices.Clone(start)
			f.run(got)
			for i := range count {
				if r.At(got, i) != r.Add(r.At(start, i), f.want(i)) {
					t.Errorf("d=%d: element %d of %s", d, i, name)
				}
			}
		}
	}
}

func TestVectorsOfDifferentLengthsPanic(t *testing.T) {
	r, _ := wide.New(4)
	var m wide.Matrix
	v := make([]wide.Word, 9)
	for name, f := range map[string]func(){
		"MulAdd":       func() { r.MulAdd(v[:8], v[:4], &m) },
		"MulAddEach":   func() { r.MulAddEach(v[:8], v[:8], 5, &m) },
		"elements":     func() { r.MulAddEach(v[:7], v, 4, &m) },
		"MulAddNarrow": func() { r.MulAddNarrow(v[:8], make([]uint64, 7), &m) },
		"MulIntegers":  func() { r.MulIntegers(v[:8], v[:4], 4, &m[0]) },
		"ScaleAdd":     func() { r.ScaleAdd(v[:8], v[:4:4], wide.Word{}) },
		"MulVec":       func() { r.MulVec(v[:8], v[:8], v[:4]) },
		"PackAdd":      func() { r.PackAdd(v[:4], v[:8]) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes them", name)
				}
			}()
			f()
		}()
	}
}

func TestPackedVectorsAreReadBack(t *testing.T) {
	g := rand.New(rand.NewPCG(5, 1))
	for k := uint(1); k <= 128; k++ {
		for _, n := range []int{0, 1, 2, 3, 7, 8, 33} {
			v := vector(g, n)
			b := wide.AppendPacked([]byte{7}, v, k)
			if b[0] != 7 || len(b) != 1+ring.PackedLen(n, k) {
				t.Fatalf("k=%d n=%d: %d bytes", k, n, len(b))
			}
			got := make([]wide.Word, n)
			if err := wide.Unpack(got, b[1:], k); err != nil {
				t.Fatalf("k=%d n=%d: %v", k, n, err)
			}
			bits := new(big.Int)
			for i := range v {
				v[i] = v[i].Reduce(k)
				bits.Or(bits, new(big.Int).Lsh(integer(v[i]), uint(i)*k))
			}
			if !slices.Equal(got, v) {
				t.Fatalf("k=%d n=%d: other values", k, n)
			}
			little := slices.Clone(b[1:])
			slices.Reverse(little)
			if new(big.Int).SetBytes(little).Cmp(bits) != 0 {
				t.Fatalf("k=%d n=%d: bits in another order", k, n)
			}
			if k <= 64 {
				low := make([]uint64, n)
				for i, x := range v {
					low[i] = x.Lo
				}
				if !slices.Equal(ring.AppendPacked(nil, low, k), b[1:]) {
					t.Fatalf("k=%d n=%d: another form than that of 64 bits", k, n)
				}
			}
		}
	}
}

func TestOtherLengthsAndPaddingAreRefused(t *testing.T) {
	v := make([]wide.Word, 3)
	for _, k := range []uint{1, 23, 72, 121, 127, 128} {
		size := ring.PackedLen(3, k)
		for _, n := range []int{0, size - 1, size + 1} {
			if err := wide.Unpack(v, make([]byte, n), k); !errors.Is(err, ring.ErrLength) {
				t.Errorf("k=%d, %d bytes: %v", k, n, err)
			}
		}
		if 3*k%8 != 0 {
			b := make([]byte, size)
			b[size-1] = 1 << (3 * k % 8)
			if err := wide.Unpack(v, b, k); !errors.Is(err, ring.ErrPadding) {
				t.Errorf("k=%d: %v", k, err)
			}
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(2), uint8(12))
	f.Add(make([]byte, 27), uint8(3), uint8(72))
	f.Fuzz(func(t *testing.T, b []byte, n, k uint8) {
		if k < 1 || k > 128 {
			return
		}
		v := make([]wide.Word, n)
		if err := wide.Unpack(v, b, uint(k)); err == nil && !slices.Equal(wide.AppendPacked(nil, v, uint(k)), b) {
			t.Fatalf("%d words of %d bits: %x is written otherwise", n, k, b)
		}
	})
}

func BenchmarkMulAdd(b *testing.B) {
	const count = 64
	r, _ := wide.New(4)
	g := rand.New(rand.NewPCG(6, 1))
	m := r.Matrix(r.At(vector(g, 4), 0))
	dst, src, small := vector(g, 4*count), vector(g, 4*count), make([]uint64, 4*count)
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(4*count), "ns/coordinate")
	}
	b.Run("wide", func(b *testing.B) {
		for b.Loop() {
			r.MulAdd(dst, src, &m)
		}
		report(b)
	})
	b.Run("narrow", func(b *testing.B) {
		for b.Loop() {
			r.MulAddNarrow(dst, small, &m)
		}
		report(b)
	})
	b.Run("vectors", func(b *testing.B) {
		for b.Loop() {
			r.MulVec(dst, src, src)
		}
		report(b)
	})
}

func BenchmarkPack(b *testing.B) {
	v := vector(rand.New(rand.NewPCG(7, 1)), 1024)
	for _, k := range []uint{72, 81, 128} {
		b.Run(fmt.Sprintf("k=%d", k), func(b *testing.B) {
			var packed []byte
			for b.Loop() {
				packed = wide.AppendPacked(packed[:0], v, k)
				if err := wide.Unpack(v, packed, k); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/word")
		})
	}
}
