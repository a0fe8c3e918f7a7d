package prss_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

const items = 300

var settings = []struct{ n, d int }{{1, 4}, {4, 4}, {4, 5}, {7, 4}, {10, 4}}

type drawn struct{ integers, elements, zeros, zerosT [][]uint64 }

// draw lets every party draw the same positions; vectors are indexed by party.
func draw(t *testing.T, sources []*prss.Source, a prss.Address, count int) drawn {
	t.Helper()
	n, d := len(sources)-1, sources[1].Code().Degree()
	var out drawn
	for _, v := range []*[][]uint64{&out.integers, &out.elements, &out.zeros, &out.zerosT} {
		*v = make([][]uint64, n+1)
		for i := 1; i <= n; i++ {
			(*v)[i] = make([]uint64, count*d)
			(*v)[i][0] = 99 // a draw overwrites
		}
	}
	for i := 1; i <= n; i++ {
		v := prss.Vectors{Integers: out.integers[i : i+1], Elements: out.elements[i : i+1], Zeros: out.zeros[i : i+1]}
		if err := sources[i].Draw(a, v); err != nil {
			t.Fatal(err)
		}
		if err := sources[i].DrawZero(a, out.zerosT[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func open(t *testing.T, code *sharing.Code, degree int, k uint, vectors [][]uint64) []uint64 {
	t.Helper()
	values := make([]uint64, len(vectors[1]))
	if i := code.OpenAll(values, degree, sharing.AllParties(code.N()), vectors, k); i >= 0 {
		t.Fatalf("index %d is not on a polynomial of degree %d", i, degree)
	}
	return values
}

func TestDrawsAreSharingsOfTheRightKind(t *testing.T) {
	for _, s := range settings {
		for _, k := range []uint{5, 17, 32, 33, 64} {
			if s.n > 7 && k > 17 {
				continue // the same code, slowly
			}
			t.Run(fmt.Sprintf("n=%d,d=%d,k=%d", s.n, s.d, k), func(t *testing.T) {
				sources := mpctest.Sources(t, s.n, s.d, 1, mpctest.Epoch)
				code := sources[1].Code()
				got := draw(t, sources, prss.Address{Kind: "test", K: k, First: 7}, items)
				integers := make([]uint64, items)
				if i := code.Integers(integers, open(t, code, code.T(), k, got.integers)); i >= 0 {
					t.Fatalf("value %d is no integer", i)
				}
				var or, and uint64 = 0, ^uint64(0)
				for _, x := range integers {
					or, and = or|x, and&x
				}
				if or != 1<<k-1 && k < 64 || and != 0 {
					t.Errorf("integers cover the bits %x, miss none of %x", or, and)
				}
				elements := open(t, code, code.T(), k, got.elements)
				for c := range s.d {
					var or uint64
					for i := range items {
						or |= elements[i*s.d+c]
					}
					if or != ^uint64(0)>>(64-k) {
						t.Errorf("coordinate %d of the elements covers %x", c, or)
					}
				}
				for _, x := range append(open(t, code, 2*code.T(), k, got.zeros), open(t, code, code.T(), k, got.zerosT)...) {
					if x != 0 {
						t.Fatal("a zero sharing opens to something else")
					}
				}
				if s.n > 1 && (slices.Max(got.zeros[1]) == 0 || slices.Max(got.zerosT[1]) == 0) {
					t.Error("zero sharings have no randomness")
				}
			})
		}
	}
}

func TestAPositionHasOneValueHoweverItIsReached(t *testing.T) {
	for _, s := range settings {
		sources := mpctest.Sources(t, s.n, s.d, 2, mpctest.Epoch)
		for _, k := range []uint{17, 64} {
			a := prss.Address{Kind: "test", K: k}
			whole := draw(t, sources, a, 600)
			for _, r := range [][2]int{{0, 1}, {1, 1}, {255, 3}, {256, 300}, {599, 1}} {
				a.First = uint64(r[0])
				part := draw(t, sources, a, r[1])
				for i := 1; i <= s.n; i++ {
					lo, hi := r[0]*s.d, (r[0]+r[1])*s.d
					if !slices.Equal(part.integers[i], whole.integers[i][lo:hi]) || !slices.Equal(part.zeros[i], whole.zeros[i][lo:hi]) ||
						!slices.Equal(part.elements[i], whole.elements[i][lo:hi]) || !slices.Equal(part.zerosT[i], whole.zerosT[i][lo:hi]) {
						t.Fatalf("n=%d k=%d: items %v differ", s.n, k, r)
					}
				}
			}
		}
	}
}

func TestEveryPartOfAnAddressChangesTheValues(t *testing.T) {
	sources := mpctest.Sources(t, 4, 4, 3, mpctest.Epoch)
	other := mpctest.Sources(t, 4, 4, 3, mpc.Hash("another context"))
	base := prss.Address{Kind: "test", K: 17, First: 5}
	seen := map[uint64]string{}
	check := func(name string, s []*prss.Source, a prss.Address) {
		d := draw(t, s, a, 1)
		v := open(t, s[1].Code(), 1, a.K, d.elements)[0]
		if before, ok := seen[v]; ok {
			t.Errorf("%s draws what %s draws", name, before)
		}
		seen[v] = name
	}
	check("base", sources, base)
	check("context", other, base)
	for name, change := range map[string]func(*prss.Address){
		"kind": func(a *prss.Address) { a.Kind = "other" }, "k": func(a *prss.Address) { a.K = 18 },
		"sub": func(a *prss.Address) { a.Sub = 1 }, "try": func(a *prss.Address) { a.Try = 1 },
		"item": func(a *prss.Address) { a.First++ },
	} {
		a := base
		change(&a)
		check(name, sources, a)
	}
}

func TestPositionsBeyondTheStreamAreRefused(t *testing.T) {
	s := mpctest.Sources(t, 4, 4, 3, mpctest.Epoch)[1]
	v := prss.Vectors{Integers: [][]uint64{make([]uint64, 8)}}
	for _, first := range []uint64{1 << 43, ^uint64(0), ^uint64(0) - 1} {
		if err := s.Draw(prss.Address{K: 64, First: first}, v); !errors.Is(err, prss.ErrRange) {
			t.Errorf("first %d: %v", first, err)
		}
		if err := s.DrawZero(prss.Address{K: 64, First: first}, v.Integers[0]); !errors.Is(err, prss.ErrRange) {
			t.Errorf("first %d: %v", first, err)
		}
	}
}

func TestASourceServesManyGoroutines(t *testing.T) {
	s := mpctest.Sources(t, 4, 4, 3, mpctest.Epoch)[1]
	results := make([][]uint64, 8)
	var wait sync.WaitGroup
	for i := range results {
		wait.Go(func() {
			results[i] = make([]uint64, 4*items)
			for k := uint(1); k <= 17; k++ {
				if err := s.Draw(prss.Address{Kind: "bit", K: k}, prss.Vectors{Integers: results[i : i+1]}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	for _, r := range results {
		if !slices.Equal(r, results[0]) {
			t.Fatal("draws differ")
		}
	}
}

func TestAnErasedSourceDrawsSomethingElse(t *testing.T) {
	s := mpctest.Sources(t, 4, 4, 3, mpctest.Epoch)[1]
	draw := func() []uint64 {
		v := make([]uint64, 4)
		if err := s.Draw(prss.Address{Kind: "bit", K: 64}, prss.Vectors{Integers: [][]uint64{v}}); err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := draw()
	s.Zero()
	if slices.Equal(before, draw()) {
		t.Error("the expanded keys are still there")
	}
}

func TestSetsAreAllOfNMinusTPartiesAndTheWhole(t *testing.T) {
	for n, want := range map[int]int{1: 1, 4: 5, 7: 22, 10: 121, 13: 716} {
		sets, err := prss.Sets(n, sharing.Threshold(n))
		if err != nil || len(sets) != want || !slices.IsSorted(sets) || len(slices.Compact(sets)) != want {
			t.Errorf("n=%d: %d sets, %v", n, len(sets), err)
		}
		for _, a := range sets[:want-1] {
			if a.Count() != n-sharing.Threshold(n) || !a.Within(n) {
				t.Errorf("n=%d: set %v", n, a)
			}
		}
	}
	for _, p := range [][2]int{{0, 0}, {4, 2}, {16, 5}, {32, 1}, {4, -1}} {
		if _, err := prss.Sets(p[0], p[1]); !errors.Is(err, prss.ErrParameters) {
			t.Errorf("%v: %v", p, err)
		}
	}
}

func BenchmarkDrawForBits(b *testing.B) {
	for _, n := range []int{4, 7, 10, 13} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			s := mpctest.Sources(b, n, 4, 1, mpctest.Epoch)[1]
			v := prss.Vectors{Integers: [][]uint64{make([]uint64, 4096)}, Zeros: [][]uint64{make([]uint64, 4096)}}
			for b.Loop() {
				if err := s.Draw(prss.Address{Kind: "bit", K: 17}, v); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/item")
		})
	}
}
