package sharing

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// openings are settings with the rings that they are tested over: all where that is
// quick, else one for each layout of lanes.
func openings(f func(s setting, k uint)) {
	for _, s := range settings {
		if s.n <= 4 {
			for k := uint(1); k <= 64; k++ {
				f(s, k)
			}
			continue
		}
		for _, k := range []uint{5, 7, 17, 19, 64} {
			f(s, k)
		}
	}
}

// openBoth is OpenIntegers and, where that is possible, OpenWords, which must agree.
func openBoth(t *testing.T, c *Code, dst []uint64, from Parties, shares [][]uint64, k uint) int {
	t.Helper()
	index := c.OpenIntegers(dst, 2*c.t, from, byParty(shares), k)
	l := c.ring.Lanes(k)
	if !l.Single() {
		return index
	}
	var rows []uint64
	for i := range dst {
		for _, party := range from.List() {
			rows = append(rows, l.Pack(c.ring.At(shares[party-1], i))[0])
		}
	}
	got := make([]uint64, len(dst))
	if i := c.OpenWords(got, 2*c.t, from, rows, k); i != index || index < 0 && !slices.Equal(got, dst) {
		t.Fatalf("n=%d k=%d: index %d of words, %d of integers, or other values", c.n, k, i, index)
	}
	return index
}

func TestIntegersAreOpenedAsElementsAre(t *testing.T) {
	openings(func(s setting, k uint) {
		c := code(t, s)
		const count = 2*chunk + 3
		want := secrets(count, rand.New(rand.NewPCG(uint64(k), 2)))
		shares, err := c.Deal(source(byte(k)), 2*s.t, want)
		if err != nil {
			t.Fatal(err)
		}
		for absent := range s.t + 1 {
			from := AllParties(s.n - absent)
			values, got := make([]uint64, count*s.d), make([]uint64, count)
			if i := c.OpenAll(values, 2*s.t, from, byParty(shares), k); i >= 0 {
				t.Fatalf("%+v k=%d: index %d is no codeword", s, k, i)
			}
			if i := openBoth(t, c, got, from, shares, k); i >= 0 {
				t.Fatalf("%+v k=%d: index %d is no integer", s, k, i)
			}
			for i, x := range got {
				if x != want[i]<<(64-k)>>(64-k) || values[i*s.d] != x || slices.Max(values[i*s.d+1:(i+1)*s.d]) != 0 {
					t.Fatalf("%+v k=%d: value %d is %x, not %x", s, k, i, x, want[i])
				}
			}
		}
	})
}

func TestEveryWrongBitIsNoticedAtItsIndex(t *testing.T) {
	g := rand.New(rand.NewPCG(3, 3))
	openings(func(s setting, k uint) {
		if s.t == 0 {
			return
		}
		c := code(t, s)
		const count = chunk + 5
		shares, _ := c.Deal(source(byte(k)), 2*s.t, make([]uint64, count))
		dst := make([]uint64, count)
		for party := range s.n {
			at, bit := g.IntN(count*s.d), g.UintN(k)
			shares[party][at] ^= 1 << bit
			if i := openBoth(t, c, dst, AllParties(s.n), shares, k); i != at/s.d {
				t.Fatalf("%+v k=%d: bit %d of word %d of party %d: index %d", s, k, bit, at, party+1, i)
			}
			shares[party][at] ^= 1 << bit
			if k < 64 { // what lies beyond does not count
				shares[party][at] ^= 1 << k
			}
			if i := openBoth(t, c, dst, AllParties(s.n), shares, k); i >= 0 {
				t.Fatalf("%+v k=%d: a bit that does not count fails index %d", s, k, i)
			}
		}
	})
}

func TestWithoutSlackNoIntegerPassesForOne(t *testing.T) {
	// With t parties absent any vectors of degree 2t are a codeword, so only the other
	// coordinates of a value tell.
	for i, s := range append(settings[1:], settings[1:]...) {
		k := uint(17)
		if i >= len(settings)-1 {
			k = 5
		}
		c := code(t, s)
		const count = chunk + 2
		shares, _ := c.Deal(source(4), 2*s.t, make([]uint64, count))
		from := AllParties(s.n - s.t)
		for _, at := range []int{0, chunk, count - 1} {
			shares[0][at*s.d] ^= 1
			values := make([]uint64, count*s.d)
			if i := c.OpenAll(values, 2*s.t, from, byParty(shares), k); i >= 0 {
				t.Fatalf("%+v: index %d is no codeword", s, i)
			}
			want := c.Integers(make([]uint64, count), values)
			if i := openBoth(t, c, make([]uint64, count), from, shares, k); i != want {
				t.Errorf("%+v: index %d, not %d", s, i, want)
			}
			shares[0][at*s.d] ^= 1
		}
	}
}

func TestPlansThatWereDroppedAreMadeAgain(t *testing.T) {
	c := code(t, setting{7, 2, 4})
	shares, _ := c.Deal(source(5), 2, []uint64{9})
	for round := range 2 {
		for k := uint(1); k <= 64; k++ {
			for mask := range 1 << 5 {
				from := AllParties(7)
				for i := range 5 {
					if mask>>i&1 == 1 && from.Count() > 3 {
						from = from.Without(PartiesOf(i + 1))
					}
				}
				value := make([]uint64, 4)
				if c.OpenAll(value, 2, from, byParty(shares), k) >= 0 || value[0] != 9<<(64-k)>>(64-k) {
					t.Fatalf("round %d, %v, k=%d: %d", round, from, k, value[0])
				}
			}
		}
	}
	if len(c.plans) > maxPlans {
		t.Errorf("%d plans", len(c.plans))
	}
}

func TestSumsAreErasedAfterAnOpening(t *testing.T) {
	kept := sums.New
	defer func() { sums = sync.Pool{New: kept} }()
	c := code(t, setting{4, 1, 4})
	shares, _ := c.Deal(source(6), 2, secrets(chunk+1, rand.New(rand.NewPCG(6, 6))))
	for _, good := range []bool{true, false} {
		buffer := make([]uint64, 64*chunk)
		sums = sync.Pool{New: func() any { return &buffer }}
		if !good {
			shares[3][4*chunk]++
		}
		dst := make([]uint64, chunk+1)
		if i := c.OpenIntegers(dst, 2, AllParties(4), byParty(shares), 64); (i < 0) != good {
			t.Fatalf("index %d", i)
		}
		if dst[0] == 0 || slices.Max(buffer) != 0 {
			t.Errorf("good=%v: sums are left", good)
		}
		if i := openBoth(t, c, dst, AllParties(4), shares, 5); (i < 0) != good || slices.Max(buffer) != 0 {
			t.Errorf("good=%v: sums of words are left, or index %d", good, i)
		}
	}
}
