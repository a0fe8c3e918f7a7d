package ring

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestLanesHoldTheLargestSumThatTheyPromise(t *testing.T) {
	for _, r := range rings(t) {
		for k := uint(1); k <= 64; k++ {
			l := r.Lanes(k)
			m := l.NewMap(1, l.Words())
			all := Elem{}
			for c := range r.d {
				all[c] = ^uint64(0)
			}
			l.Integer(&m, 0, 0, all)
			acc := l.Pack(all)
			rows := acc[:l.Words()]
			want := Mask(k)
			for range min(l.Terms(), 1000) {
				MulMap(rows, []uint64{^uint64(0)}, 1, &m)
				want += Mask(k) * Mask(k)
			}
			got := make([]uint64, r.d)
			l.Spread(got, rows, l.Words(), 0)
			if slices.Min(got) != slices.Max(got) || got[0] != want&Mask(k) {
				t.Fatalf("d=%d k=%d: %x, not %x", r.d, k, got, want&Mask(k))
			}
		}
	}
}

func TestSmallRingsShareWords(t *testing.T) {
	r := rings(t)[0]
	for k, words := range map[uint]int{1: 1, 5: 1, 7: 1, 8: 2, 17: 2, 19: 2, 20: 4, 64: 4} {
		if got := r.Lanes(k).Words(); got != words {
			t.Errorf("k=%d: %d words", k, got)
		}
	}
}

// TestMapsAgreeWithSchoolbook: a map of several elements and an integer, with an
// element and, of another, coordinate 0 as results, where sources lie apart.
func TestMapsAgreeWithSchoolbook(t *testing.T) {
	g := rand.New(rand.NewPCG(5, 1))
	for _, r := range rings(t) {
		for k := uint(1); k <= 64; k++ {
			l := r.Lanes(k)
			for _, elements := range []int{0, 1, 2, 3} {
				for _, words := range []int{l.Words(), l.Words() + 1} {
					in := elements*r.d + 1
					m := l.NewMap(in, words)
					c, e := make([]Elem, elements+1), make([]Elem, elements+1)
					for q := range c {
						c[q], e[q] = random(r, g), random(r, g)
						if q < elements {
							r.Element(l, &m, q*r.d, 0, c[q])
							r.Element(l, &m, q*r.d, l.Words(), e[q])
						} else {
							l.Integer(&m, in-1, 0, c[q])
							l.Integer(&m, in-1, l.Words(), e[q])
						}
					}
					const count = 5
					stride := in + 3
					src := make([]uint64, count*stride)
					for i := range src {
						src[i] = g.Uint64()
					}
					acc := make([]uint64, count*words)
					MulMap(acc, src, stride, &m)
					for twice := range 2 {
						first, second := make([]uint64, count*r.d), uint64(0)
						l.Spread(first, acc, words, 0)
						for i := range count {
							x := src[i*stride:]
							var a, b Elem
							for q := range elements {
								a = r.Add(a, schoolbook(r, r.At(x, q), c[q]))
								b = r.Add(b, schoolbook(r, r.At(x, q), e[q]))
							}
							a = r.ReduceElem(r.Add(a, r.Scale(c[elements], x[in-1])), k)
							b = r.Add(b, r.Scale(e[elements], x[in-1]))
							if words > l.Words() {
								second = (acc[i*words+l.Words()] ^ b[0]) & Mask(k)
							}
							if r.At(first, i) != a || second != 0 {
								t.Fatalf("d=%d k=%d, %d elements, %d words, folded %d times", r.d, k, elements, words, twice)
							}
						}
						l.Fold(acc)
					}
				}
			}
		}
	}
}

func TestDifferNoticesEveryBitThatCounts(t *testing.T) {
	g := rand.New(rand.NewPCG(6, 1))
	for _, r := range rings(t) {
		for k := uint(1); k <= 64; k++ {
			l := r.Lanes(k)
			const count, at = 3, 1
			words := l.Words() + 2
			acc, v := make([]uint64, count*words), make([]uint64, count*r.d)
			for i := range count {
				e := random(r, g)
				r.Set(v, i, e)
				packed := l.Pack(e)
				copy(acc[i*words+at:], packed[:l.Words()])
			}
			if l.Differ(acc, v, words, at) != 0 {
				t.Fatalf("d=%d k=%d: equal vectors differ", r.d, k)
			}
			for w := range v {
				for bit := range uint(64) {
					v[w] ^= 1 << bit
					if differs := l.Differ(acc, v, words, at) != 0; differs != (bit < k) {
						t.Fatalf("d=%d k=%d: bit %d of word %d: %v", r.d, k, bit, w, differs)
					}
					v[w] ^= 1 << bit
				}
			}
		}
	}
}

func TestIntegersNoticesEveryOtherCoordinate(t *testing.T) {
	g := rand.New(rand.NewPCG(9, 1))
	for _, r := range rings(t) {
		for k := uint(1); k <= 64; k++ {
			l := r.Lanes(k)
			const count, at = 3, 2
			words := at + l.Words()
			acc, want, got := make([]uint64, count*words), make([]uint64, count), make([]uint64, count)
			put := func(i int, e Elem) {
				packed := l.Pack(e)
				acc[i*words], acc[i*words+1] = ^uint64(0), ^uint64(0) // somebody else's
				copy(acc[i*words+at:], packed[:l.Words()])
			}
			for i := range count {
				want[i] = g.Uint64() & Mask(k)
				put(i, Integer(want[i]))
			}
			if l.Integers(got, acc, words, at) != 0 || !slices.Equal(got, want) {
				t.Fatalf("d=%d k=%d: %x, not %x", r.d, k, got, want)
			}
			for i := range count {
				for c := 1; c < r.d; c++ {
					e := Integer(want[i])
					e[c] = 1 << g.UintN(k)
					put(i, e)
					if l.Integers(got, acc, words, at) == 0 || got[i] != want[i] {
						t.Fatalf("d=%d k=%d: coordinate %d of element %d", r.d, k, c, i)
					}
				}
				put(i, Integer(want[i]))
			}
		}
	}
}

func TestWidenReadsNumbersOfEverySize(t *testing.T) {
	g := rand.New(rand.NewPCG(7, 1))
	for _, size := range []int{1, 2, 4, 8} {
		for n := range 20 {
			src := make([]byte, n*size+3)
			for i := range src {
				src[i] = byte(g.Uint32())
			}
			v := make([]uint64, n)
			Widen(v, src, size)
			for i, x := range v {
				var want [8]byte
				copy(want[:], src[i*size:(i+1)*size])
				if x != binary.LittleEndian.Uint64(want[:]) {
					t.Fatalf("size %d: number %d of %d", size, i, n)
				}
			}
		}
	}
}

func TestSquareAddAgreesWithSchoolbook(t *testing.T) {
	g := rand.New(rand.NewPCG(8, 1))
	for _, r := range rings(t) {
		a, dst := make([]uint64, 7*r.d), make([]uint64, 7*r.d)
		for i := range a {
			a[i], dst[i] = g.Uint64(), g.Uint64()
		}
		before := slices.Clone(dst)
		r.SquareAdd(dst, a)
		for i := range 7 {
			e := r.At(a, i)
			if r.At(dst, i) != r.Add(r.At(before, i), r.Add(schoolbook(r, e, e), e)) {
				t.Fatalf("d=%d, element %d", r.d, i)
			}
		}
	}
}

func TestVectorsOfDifferentLengthsPanic(t *testing.T) {
	r := rings(t)[0]
	l := r.Lanes(17)
	m := l.NewMap(4, 2)
	for name, f := range map[string]func(){
		"MulMap, short source": func() { MulMap(make([]uint64, 4), make([]uint64, 7), 4, &m) },
		"MulMap, half result":  func() { MulMap(make([]uint64, 3), make([]uint64, 8), 4, &m) },
		"SquareAdd":            func() { r.SquareAdd(make([]uint64, 4), make([]uint64, 8)) },
		"Widen":                func() { Widen(make([]uint64, 1), make([]byte, 8), 3) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func BenchmarkMulMap(b *testing.B) {
	r, _ := New(4)
	for _, k := range []uint{5, 17, 64} {
		b.Run(fmt.Sprintf("k=%d", k), func(b *testing.B) {
			l := r.Lanes(k)
			m := l.NewMap(4, l.Words())
			acc, src := make([]uint64, 128*l.Words()), make([]uint64, 128*4)
			for b.Loop() {
				MulMap(acc, src, 4, &m)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/128, "ns/elem")
		})
	}
}
