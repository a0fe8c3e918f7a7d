package ring

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWordsAgreeWithElements(t *testing.T) {
	g := rand.New(rand.NewPCG(6, 1))
	r := rings(t)[0]
	for k := uint(1); k <= maxWordBits; k++ {
		l := r.Lanes(k)
		if !l.Single() {
			t.Fatalf("k=%d: %d words", k, l.Words())
		}
		draw := func(count int) []uint64 {
			v := make([]uint64, 4*count)
			for i := range v {
				v[i] = g.Uint64() & 0xffff
				if i%3 == 0 { // the largest sums
					v[i] = 0xffff
				}
			}
			return v
		}
		pack := func(v []uint64) (out []uint64) {
			for i := range len(v) / 4 {
				out = append(out, l.Pack(r.At(v, i))[0])
			}
			return out
		}
		for count := range 12 {
			x, y, z, zero := draw(count), draw(count), draw(count), draw(count)
			want := slices.Clone(zero)
			r.MulVec(want, x, y)
			r.ScaleAdd(want, z, ^uint64(0))
			dst := make([]uint64, count) // full lanes
			for i := range dst {
				for c := range 4 {
					dst[i] |= zero[4*i+c] << (16 * c)
				}
			}
			full := slices.Clone(dst)
			l.MulSubWords(dst, x, y, z)
			if !slices.Equal(dst, pack(want)) {
				t.Fatalf("k=%d: %x, not %x", k, dst, pack(want))
			}
			square := slices.Clone(zero)
			r.SquareAdd(square, x)
			l.SquareAddWords(full, x)
			if !slices.Equal(full, pack(square)) {
				t.Fatalf("k=%d: %x, not %x", k, full, pack(square))
			}

			packed := AppendPacked([]byte{7}, want, k)
			if got := l.AppendWords([]byte{7}, dst); !bytes.Equal(got, packed) {
				t.Fatalf("k=%d: %x, not %x", k, got, packed)
			}
			read := make([]uint64, 3*count)
			if err := l.UnpackWords(read, 3, count, packed[1:]); err != nil {
				t.Fatal(err)
			}
			for i, x := range dst {
				if read[3*i] != x {
					t.Fatalf("k=%d: %x, not %x", k, read, dst)
				}
			}
		}
	}
	if r.Lanes(maxWordBits+1).Single() || rings(t)[1].Lanes(1).Single() {
		t.Error("words that do not hold the products of elements")
	}
}

func TestSumsOfProductsInWordsAgreeWithElements(t *testing.T) {
	g := rand.New(rand.NewPCG(6, 2))
	r := rings(t)[0]
	for k := uint(1); k <= maxWordBits; k++ {
		l := r.Lanes(k)
		for _, terms := range []int{1, 2, 3, MaxWordProducts} {
			for _, largest := range []bool{true, false} {
				const count = 3
				stride := terms + 2
				c, rows, want := make([]uint64, terms), make([]uint64, count*stride), make([]uint64, count)
				constants := make([]Elem, terms)
				draw := func() Elem {
					e := r.ReduceElem(random(r, g), k)
					if largest {
						e = r.ReduceElem(Elem{31, 31, 31, 31}, k)
					}
					return e
				}
				for a := range c {
					constants[a] = draw()
					c[a] = l.Pack(constants[a])[0]
				}
				for i := range count {
					var total Elem
					for a := range c {
						e := draw()
						rows[i*stride+a] = l.Pack(e)[0]
						total = r.Add(total, r.Mul(e, constants[a]))
					}
					want[i] = l.Pack(total)[0]
				}
				got := make([]uint64, count)
				if l.SumWords(got, rows, stride, c); !slices.Equal(got, want) {
					t.Fatalf("k=%d, %d terms: %x, not %x", k, terms, got, want)
				}
			}
		}
	}
}

func TestUnpackedWordsAreStrict(t *testing.T) {
	r := rings(t)[0]
	for k := uint(1); k <= maxWordBits; k++ {
		l := r.Lanes(k)
		for count := range 9 {
			size := PackedLen(4*count, k)
			for _, n := range []int{size - 1, size + 1} {
				if n < 0 {
					continue
				}
				if err := l.UnpackWords(make([]uint64, count), 1, count, make([]byte, n)); !errors.Is(err, ErrLength) {
					t.Errorf("k=%d: %d bytes for %d elements: %v", k, n, count, err)
				}
			}
			for bit := range 8 * size {
				src := make([]byte, size)
				src[bit/8] = 1 << (bit % 8)
				want := Unpack(make([]uint64, 4*count), src, k)
				if err := l.UnpackWords(make([]uint64, count), 1, count, src); !errors.Is(err, want) {
					t.Errorf("k=%d, %d elements, bit %d: %v, not %v", k, count, bit, err, want)
				}
			}
		}
	}
}

func TestBytesAreMultipliedAsWordsAre(t *testing.T) {
	g := rand.New(rand.NewPCG(6, 3))
	for _, r := range rings(t) {
		for k := uint(1); k <= 7; k++ {
			l := r.Lanes(k)
			if l.Words() != 1 {
				continue
			}
			for in := range 10 {
				m := l.NewMap(in, 1)
				for a := range in {
					l.Integer(&m, a, 0, random(r, g))
				}
				const count = 5
				stride := in + 2
				src, wide := make([]byte, count*stride), make([]uint64, count*stride)
				for i := range src {
					src[i] = byte(g.Uint64())
					wide[i] = uint64(src[i])
				}
				got, want := make([]uint64, count), make([]uint64, count)
				MulBytes(got, src, stride, &m)
				MulMap(want, wide, stride, &m)
				if !slices.Equal(got, want) {
					t.Errorf("d=%d k=%d, %d numbers: %x, not %x", r.d, k, in, got, want)
				}
			}
		}
	}
}

func TestEachByteIsMultipliedIntoItsVector(t *testing.T) {
	g := rand.New(rand.NewPCG(6, 4))
	r := rings(t)[0]
	for k := uint(1); k <= 7; k++ {
		l := r.Lanes(k)
		m := l.NewMap(1, 1)
		l.Integer(&m, 0, 0, random(r, g))
		for vectors := range 8 {
			const count = 5
			stride := vectors + 2
			src := make([]byte, count*stride)
			for i := range src {
				src[i] = byte(g.Uint64())
			}
			got, want := make([]uint64, vectors*count), make([]uint64, vectors*count)
			MulEach(got, count, src, stride, &m)
			for v := range vectors {
				MulBytes(want[v*count:(v+1)*count], src[v:], stride, &m)
			}
			if !slices.Equal(got, want) {
				t.Errorf("k=%d, %d vectors: %x, not %x", k, vectors, got, want)
			}
		}
	}
}
