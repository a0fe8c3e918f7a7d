package prss_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

func wideVectors(l prss.Layout, words int) prss.WideVectors {
	group := func(n int) [][]wide.Word {
		out := make([][]wide.Word, n)
		for i := range out {
			out[i] = make([]wide.Word, words)
			out[i][0].Lo = 99 // a draw overwrites
		}
		return out
	}
	return prss.WideVectors{Integers: group(l.Integers), Elements: group(l.Elements), Zeros: group(l.Zeros)}
}

// drawWide lets every party draw the same positions; the result is indexed by party.
func drawWide(t *testing.T, sources []*prss.Source, a prss.Address, l prss.Layout, count int) []prss.WideVectors {
	t.Helper()
	out := make([]prss.WideVectors, len(sources))
	for i := 1; i < len(sources); i++ {
		out[i] = wideVectors(l, count*sources[1].Code().Degree())
		if err := sources[i].DrawWide(a, out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// openWide opens what of picks of every party's vectors.
func openWide(t *testing.T, code *sharing.Code, degree int, k uint, drawn []prss.WideVectors, of func(prss.WideVectors) []wide.Word) []wide.Word {
	t.Helper()
	vectors := make([][]wide.Word, len(drawn))
	for i := 1; i < len(drawn); i++ {
		vectors[i] = of(drawn[i])
	}
	values := make([]wide.Word, len(vectors[1]))
	if i := code.OpenAllWide(values, degree, sharing.AllParties(code.N()), vectors, k); i >= 0 {
		t.Fatalf("index %d is not on a polynomial of degree %d", i, degree)
	}
	return values
}

// covers returns the bits that some values have and those that all have.
func covers(values []wide.Word) (or, and wide.Word) {
	and = wide.Mask(128)
	for _, x := range values {
		or.Lo, or.Hi = or.Lo|x.Lo, or.Hi|x.Hi
		and.Lo, and.Hi = and.Lo&x.Lo, and.Hi&x.Hi
	}
	return or, and
}

func TestWideDrawsAreSharingsOfTheRightKind(t *testing.T) {
	layout := prss.Layout{Integers: 2, Elements: 1, Zeros: 2}
	for _, s := range settings {
		sources := mpctest.Sources(t, s.n, s.d, 1, mpctest.Epoch)
		code := sources[1].Code()
		for _, k := range []uint{65, 72, 128} {
			t.Run(fmt.Sprintf("n=%d,d=%d,k=%d", s.n, s.d, k), func(t *testing.T) {
				got := drawWide(t, sources, prss.Address{Kind: "test", K: k, First: 7}, layout, items)
				for q := range layout.Integers {
					values := openWide(t, code, code.T(), k, got, func(v prss.WideVectors) []wide.Word { return v.Integers[q] })
					var integers []wide.Word
					for i, x := range values {
						if i%s.d == 0 {
							integers = append(integers, x)
						} else if x != (wide.Word{}) {
							t.Fatalf("value %d is no integer", i/s.d)
						}
					}
					if or, and := covers(integers); or != wide.Mask(k) || and != (wide.Word{}) {
						t.Errorf("integers cover the bits %x, miss none of %x", or, and)
					}
				}
				elements := openWide(t, code, code.T(), k, got, func(v prss.WideVectors) []wide.Word { return v.Elements[0] })
				for c := range s.d {
					var coordinates []wide.Word
					for i := range items {
						coordinates = append(coordinates, elements[i*s.d+c])
					}
					if or, and := covers(coordinates); or != wide.Mask(k) || and != (wide.Word{}) {
						t.Errorf("coordinate %d of the elements covers %x, misses none of %x", c, or, and)
					}
				}
				for q := range layout.Zeros {
					if or, _ := covers(openWide(t, code, 2*code.T(), k, got, func(v prss.WideVectors) []wide.Word { return v.Zeros[q] })); or != (wide.Word{}) {
						t.Fatal("a zero sharing opens to something else")
					}
					for c := range s.d { // no coordinate shows what it masks
						var coordinates []wide.Word
						for i := range items {
							coordinates = append(coordinates, got[1].Zeros[q][i*s.d+c])
						}
						if or, _ := covers(coordinates); s.n > 1 && or != wide.Mask(k) {
							t.Errorf("coordinate %d of a zero sharing covers %x", c, or)
						}
					}
				}
				if s.n > 1 && slices.Equal(got[1].Zeros[0], got[1].Zeros[1]) || slices.Equal(got[1].Integers[0], got[1].Integers[1]) {
					t.Error("two sharings of an item are the same")
				}
			})
		}
	}
}

func TestAWidePositionHasOneValueHoweverItIsReached(t *testing.T) {
	layout := prss.Layout{Integers: 1, Elements: 1, Zeros: 1}
	for _, s := range settings {
		source := mpctest.Sources(t, s.n, s.d, 2, mpctest.Epoch)[1:2]
		sources := append([]*prss.Source{nil}, source...)
		a := prss.Address{Kind: "test", K: 72}
		whole := drawWide(t, sources, a, layout, 200)[1]
		for _, r := range [][2]int{{0, 1}, {1, 1}, {31, 3}, {32, 100}, {199, 1}} {
			a.First = uint64(r[0])
			part := drawWide(t, sources, a, layout, r[1])[1]
			lo, hi := r[0]*s.d, (r[0]+r[1])*s.d
			if !slices.Equal(part.Integers[0], whole.Integers[0][lo:hi]) || !slices.Equal(part.Zeros[0], whole.Zeros[0][lo:hi]) ||
				!slices.Equal(part.Elements[0], whole.Elements[0][lo:hi]) {
				t.Fatalf("n=%d: items %v differ", s.n, r)
			}
		}
	}
}

func TestEveryPartOfAnAddressChangesWideValuesAndNoise(t *testing.T) {
	s := mpctest.Sources(t, 4, 4, 3, mpctest.Epoch)[1]
	other := mpctest.Sources(t, 4, 4, 3, mpc.Hash("another context"))[1]
	base := prss.Address{Kind: "test", K: 128, First: 5}
	seen := map[wide.Word]string{}
	check := func(name string, x wide.Word) {
		if before, ok := seen[x]; ok {
			t.Errorf("%s draws what %s draws", name, before)
		}
		seen[x] = name
	}
	integer := func(s *prss.Source, a prss.Address) wide.Word {
		v := wideVectors(prss.Layout{Integers: 1}, 4)
		if err := s.DrawWide(a, v); err != nil {
			t.Fatal(err)
		}
		return v.Integers[0][0]
	}
	noise := func(s *prss.Source, a prss.Address, bound uint) wide.Word {
		v := make([]wide.Word, 4)
		if err := s.DrawWideNoise(a, bound, v); err != nil {
			t.Fatal(err)
		}
		return v[0]
	}
	narrow := func(s *prss.Source, a prss.Address, bound uint) wide.Word {
		v := make([]uint64, 4)
		if err := s.DrawNoise(a, bound, v); err != nil {
			t.Fatal(err)
		}
		return wide.Word{Lo: v[0]}
	}
	all := func(name string, s *prss.Source, a prss.Address) {
		check(name, integer(s, a))
		check("noise, "+name, noise(s, a, 60))
		check("narrow noise, "+name, narrow(s, a, 60))
	}
	all("base", s, base)
	all("context", other, base)
	check("bound", noise(s, base, 59))
	check("narrow bound", narrow(s, base, 59))
	for name, change := range map[string]func(*prss.Address){
		"kind": func(a *prss.Address) { a.Kind = "other" }, "sub": func(a *prss.Address) { a.Sub = 1 },
		"try": func(a *prss.Address) { a.Try = 1 }, "item": func(a *prss.Address) { a.First++ },
	} {
		a := base
		change(&a)
		all(name, s, a)
	}
	base.K = 127
	check("k", integer(s, base))
	v := prss.WideVectors{Integers: [][]wide.Word{make([]wide.Word, 4)}, Zeros: [][]wide.Word{make([]wide.Word, 4)}}
	if err := s.DrawWide(base, v); err != nil {
		t.Fatal(err)
	}
	check("layout", v.Integers[0][0])
}

func TestWideDrawsOfOtherRingsAndPositionsAreRefused(t *testing.T) {
	s := mpctest.Sources(t, 4, 4, 3, mpctest.Epoch)[1]
	v := wideVectors(prss.Layout{Integers: 1}, 8)
	for _, k := range []uint{0, 64, 129} {
		if err := s.DrawWide(prss.Address{K: k}, v); !errors.Is(err, prss.ErrParameters) {
			t.Errorf("k=%d: %v", k, err)
		}
		if _, err := s.WideWords(prss.Address{K: k}, prss.Layout{Integers: 1}); !errors.Is(err, prss.ErrParameters) {
			t.Errorf("k=%d: %v", k, err)
		}
	}
	if err := s.Draw(prss.Address{K: 65}, prss.Vectors{Integers: [][]uint64{make([]uint64, 8)}}); !errors.Is(err, prss.ErrParameters) {
		t.Errorf("65 bits of 64: %v", err)
	}
	for _, first := range []uint64{1 << 43, ^uint64(0), ^uint64(0) - 1} {
		a := prss.Address{K: 128, First: first}
		if err := s.DrawWide(a, v); !errors.Is(err, prss.ErrRange) {
			t.Errorf("first %d: %v", first, err)
		}
		if err := s.DrawNoise(a, 40, make([]uint64, 8)); !errors.Is(err, prss.ErrRange) {
			t.Errorf("first %d: %v", first, err)
		}
		if err := s.DrawWideNoise(a, 40, make([]wide.Word, 8)); !errors.Is(err, prss.ErrRange) {
			t.Errorf("first %d: %v", first, err)
		}
	}
}

func TestWideSharesRecomputedFromTheWordsOfAllSetsAreThoseDrawn(t *testing.T) {
	const count, item = 40, 33
	layout := prss.Layout{Integers: 3, Elements: 1, Zeros: 2}
	for _, n := range []int{1, 4, 7, 10} {
		for _, d := range []int{4, 5} {
			sources := mpctest.Sources(t, n, d, 3, mpctest.Epoch)
			code := sources[1].Code()
			for _, k := range []uint{65, 72, 128} {
				a := prss.Address{Kind: "words", K: k, Sub: 9, Try: 1, First: 77}
				at := a
				at.First += item
				known := map[sharing.Parties][]wide.Word{}
				for i := n; i >= 1; i-- { // every party has its words from another
					sets, _ := prss.SharingSets(code, i)
					words, err := sources[i].WideWords(at, layout)
					if err != nil {
						t.Fatal(err)
					}
					for q, set := range sets {
						known[set] = words[q]
					}
				}
				drawn := drawWide(t, sources, a, layout, count)
				for i := 1; i <= n; i++ {
					sets, _ := prss.SharingSets(code, i)
					var words [][]wide.Word
					for _, set := range sets {
						words = append(words, known[set])
					}
					checkRecomputed(t, code, i, k, words, drawn[i], item)
					if _, err := prss.RecomputeWide(code, i, k, layout, words[1:]); !errors.Is(err, prss.ErrParameters) {
						t.Error(err)
					}
					words[0] = words[0][1:]
					if _, err := prss.RecomputeWide(code, i, k, layout, words); !errors.Is(err, prss.ErrParameters) {
						t.Error(err)
					}
				}
			}
		}
	}
}

func checkRecomputed(t *testing.T, code *sharing.Code, i int, k uint, words [][]wide.Word, drawn prss.WideVectors, item int) {
	t.Helper()
	layout := prss.Layout{Integers: len(drawn.Integers), Elements: len(drawn.Elements), Zeros: len(drawn.Zeros)}
	got, err := prss.RecomputeWide(code, i, k, layout, words)
	if err != nil {
		t.Fatal(err)
	}
	for g, group := range [][][]wide.Word{drawn.Integers, drawn.Elements, drawn.Zeros} {
		for q, want := range group {
			if share := [][]wide.Elem{got.Integers, got.Elements, got.Zeros}[g][q]; share != code.WideRing().At(want, item) {
				t.Fatalf("n=%d k=%d party %d: vector %d of group %d differs", code.N(), k, i, q, g)
			}
		}
	}
}

func BenchmarkDrawWide(b *testing.B) {
	for _, n := range []int{4, 7, 10} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			s := mpctest.Sources(b, n, 4, 1, mpctest.Epoch)[1]
			v := wideVectors(prss.Layout{Integers: 1, Zeros: 1}, 4096)
			for b.Loop() {
				if err := s.DrawWide(prss.Address{Kind: "product", K: 72}, v); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/item")
		})
	}
}
