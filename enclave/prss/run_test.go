package prss

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// testSource is party 1's source from keys that nobody set up.
func testSource(t *testing.T, n, d int) *Source {
	t.Helper()
	code, err := sharing.New(n, sharing.Threshold(n), d)
	if err != nil {
		t.Fatal(err)
	}
	sets, err := SetsOf(n, code.T(), 1)
	if err != nil {
		t.Fatal(err)
	}
	keys := newKeys(n, code.T(), 1, mpc.Hash("epoch"), sets)
	for i := range keys.keys {
		keys.keys[i] = mpc.Hash("key", mpc.Uint64(uint64(i)))
	}
	s, err := NewSource(keys, code, mpc.Hash("context"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func vectors(l Layout, words int) Vectors {
	make2 := func(n int) (out [][]uint64) {
		for range n {
			out = append(out, make([]uint64, words))
		}
		return out
	}
	return Vectors{make2(l.Integers), make2(l.Elements), make2(l.Zeros)}
}

func TestPiecesOfARunAreTheWhole(t *testing.T) {
	const count = 700
	layout := Layout{Integers: 2, Elements: 1, Zeros: 2}
	for _, n := range []int{4, 7} {
		for _, d := range []int{4, 5} {
			s := testSource(t, n, d)
			for _, k := range []uint{1, 5, 8, 17, 20, 33, 64} {
				for _, first := range []uint64{0, 1, 77} {
					a := Address{Kind: "pieces", K: k, First: first}
					whole := vectors(layout, count*d)
					if err := s.Draw(a, whole); err != nil {
						t.Fatal(err)
					}
					run, err := s.begin(a, layout, count)
					if err != nil {
						t.Fatal(err)
					}
					at := 0
					for _, size := range []int{1, 128, 0, 129, 256, 3, 183} {
						part := vectors(layout, size*d)
						run.Next(part)
						for _, pair := range [][2][][]uint64{{part.Integers, whole.Integers}, {part.Elements, whole.Elements}, {part.Zeros, whole.Zeros}} {
							for i := range pair[0] {
								if !slices.Equal(pair[0][i], pair[1][i][at*d:(at+size)*d]) {
									t.Fatalf("n=%d d=%d k=%d first=%d: %d items from %d differ", n, d, k, first, size, at)
								}
							}
						}
						at += size
					}
					run.Close()
				}
			}
		}
	}
}

func TestWordsOfARunAreItsZeroSharings(t *testing.T) {
	layout := Layout{Integers: 3, Zeros: 2}
	for _, n := range []int{4, 7, 13} {
		s := testSource(t, n, 4)
		for k := uint(1); k <= 5; k++ {
			a := Address{Kind: "words", K: k, First: 5}
			whole := vectors(layout, 150*4)
			if err := s.Draw(a, whole); err != nil {
				t.Fatal(err)
			}
			run, err := s.begin(a, layout, 150)
			if err != nil {
				t.Fatal(err)
			}
			l := run.Lanes()
			at := 0
			for _, count := range []int{1, Piece, 21} {
				part := vectors(layout, count*4)
				words := run.NextWords(count, part.Integers)
				for q, v := range part.Integers {
					if !slices.Equal(v, whole.Integers[q][at*4:(at+count)*4]) {
						t.Fatalf("n=%d k=%d: %d items from %d differ", n, k, count, at)
					}
				}
				for q, v := range whole.Zeros {
					got := vectors(Layout{Integers: 1}, count*4).Integers[0]
					l.Spread(got, words[q*count:(q+1)*count], 1, 0)
					if !slices.Equal(got, v[at*4:(at+count)*4]) {
						t.Fatalf("n=%d k=%d: zeros of %d items from %d differ", n, k, count, at)
					}
				}
				at += count
			}
			run.Close()
		}
	}
}

func TestWordsAreTakenOfRunsThatHaveThem(t *testing.T) {
	layout := Layout{Integers: 1, Zeros: 1}
	for what, c := range map[string]struct {
		d, count, integers int
		k                  uint
		layout             Layout
	}{
		"another degree":  {5, 1, 1, 5, layout},
		"a larger ring":   {4, 1, 1, 6, layout},
		"elements":        {4, 1, 1, 5, Layout{Integers: 1, Elements: 1, Zeros: 1}},
		"other integers":  {4, 1, 2, 5, layout},
		"too large":       {4, Piece + 1, 1, 5, layout},
		"none":            {4, 0, 1, 5, layout},
		"more than there": {4, 4, 1, 5, layout},
	} {
		run, err := testSource(t, 4, c.d).begin(Address{Kind: "words", K: c.k}, c.layout, 2*Piece)
		if err != nil {
			t.Fatal(err)
		}
		if what == "more than there" {
			run.left = 3
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: taken", what)
				}
			}()
			run.NextWords(c.count, vectors(Layout{Integers: c.integers}, c.count*c.d).Integers)
		}()
		run.Close()
	}
}

func TestABufferIsErasedWhenItsRunIsClosed(t *testing.T) {
	s := testSource(t, 4, 4)
	layout := Layout{Integers: 1, Elements: 1, Zeros: 1}
	for _, count := range []int{1, 300} { // without and with bulk counter modes
		run, err := s.begin(Address{Kind: "erase", K: 17, First: 1}, layout, count)
		if err != nil {
			t.Fatal(err)
		}
		raw, numbers, multiples, tails := run.raw, run.numbers, run.multiples, run.tails
		run.Next(vectors(layout, 4*count))
		if slices.Max(raw) == 0 || slices.Max(numbers) == 0 || slices.Max(multiples) == 0 || (len(tails) == 0) != (count == 1) {
			t.Fatal("the run went through other buffers")
		}
		run.Close()
		for _, tail := range tails {
			if slices.Max(tail[:]) != 0 {
				t.Error("key stream is left")
			}
		}
		if slices.Max(raw[:cap(raw)]) != 0 || slices.Max(numbers[:cap(numbers)]) != 0 || slices.Max(multiples[:cap(multiples)]) != 0 {
			t.Errorf("%d items: a buffer is left with their values", count)
		}
	}
}

func TestARunTakesOnlyWhatItWasBegunFor(t *testing.T) {
	s := testSource(t, 4, 4)
	for name, v := range map[string]Vectors{
		"one item more":  vectors(Layout{Integers: 1}, 4*3),
		"another layout": vectors(Layout{Elements: 1}, 4),
		"half an item":   vectors(Layout{Integers: 1}, 6),
	} {
		t.Run(name, func(t *testing.T) {
			run, err := s.begin(Address{Kind: "run", K: 5}, Layout{Integers: 1}, 2)
			if err != nil {
				t.Fatal(err)
			}
			defer run.Close()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			run.Next(v)
		})
	}
}

func TestStreamsThatWereDroppedAreTheSameAgain(t *testing.T) {
	s := testSource(t, 10, 4)
	draw := func(kind int) []uint64 {
		v := vectors(Layout{Integers: 1}, 4)
		if err := s.Draw(Address{Kind: fmt.Sprint(kind), K: 5}, v); err != nil {
			t.Fatal(err)
		}
		return v.Integers[0]
	}
	before, most := draw(0), 0
	for kind := range maxHeld/84 + 2 {
		draw(kind)
		most = max(most, s.held)
	}
	if most > maxHeld || s.held != 84*len(s.streams) || len(s.streams) > 3 {
		t.Errorf("%d sets were held, now %d of %d kinds", most, s.held, len(s.streams))
	}
	if !slices.Equal(before, draw(0)) {
		t.Error("a position has another value")
	}
}
