package preproc_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

func shapes() []preproc.Shape {
	var out []preproc.Shape
	for _, s := range []preproc.Shape{{K: 17, W: 5}, {K: 19, W: 5}, {K: 12, W: 3}, {K: 6, W: 2}, {K: 20, W: 1}} {
		chained := s
		chained.Chain = true
		out = append(out, s, chained)
	}
	return append(out, preproc.Shape{K: 3, W: 1}, preproc.Shape{K: 30, W: 5})
}

func TestTablesOfDigitsAreThoseOfTheirBits(t *testing.T) {
	const count, first = 70, 11
	for _, n := range []int{1, 4, 7} {
		c := newCluster(t, n)
		all := sharing.AllParties(n)
		for _, shape := range shapes() {
			got := batches(t, c, shape, first, count)
			open := func(part func(*preproc.Batch) []uint64) []uint64 {
				return c.open(t, all, shape.W, count, func(i int) []uint64 { return part(got[i]) })
			}
			at := 0
			for digit, size := range shape.DigitBits() {
				value := make([]uint64, count)
				for i := range size {
					for item, bit := range open(func(b *preproc.Batch) []uint64 { return b.Bits(at + i) }) {
						value[item] += bit & 1 << i
					}
				}
				at += size
				for v := 1; v < 1<<size; v++ {
					for item, entry := range open(func(b *preproc.Batch) []uint64 { return b.Digit(digit).At(v - 1) }) {
						if want := value[item] >= uint64(v); entry != 0 != want || entry > 1 {
							t.Fatalf("n=%d %v digit %d: [%d ≥ %d] is %d", n, shape, digit, value[item], v, entry)
						}
					}
				}
			}
			if at != shape.Low() {
				t.Fatalf("%v: digits of %d bits", shape, at)
			}
			if shape.Chain {
				checkChain(t, shape, func(table int) []uint64 {
					return open(func(b *preproc.Batch) []uint64 { return b.Chain().At(table - 1) })
				})
			}
		}
	}
}

func checkChain(t *testing.T, shape preproc.Shape, open func(table int) []uint64) {
	t.Helper()
	members, mask := len(shape.DigitBits())-1, uint64(1)<<shape.W-1
	product := func(table, set int, factor []uint64) {
		want := make([]uint64, len(factor))
		copy(want, factor)
		for m := range members {
			if set>>m&1 == 1 {
				for item, x := range open(1 << m) {
					want[item] *= x
				}
			}
		}
		for item, x := range open(table) {
			if x != want[item]&mask {
				t.Fatalf("%v table %d: %d, not %d", shape, table, x, want[item]&mask)
			}
		}
	}
	ones := make([]uint64, len(open(1)))
	for i := range ones {
		ones[i] = 1
	}
	for set := 1; set < 1<<members; set++ {
		product(set, set, ones)
	}
	for i := range members {
		g := preproc.ChainGenerate(len(shape.DigitBits()), i)
		factor := open(g)
		for set := 1; set < 1<<(members-i); set++ {
			product(g+set, set, factor)
		}
	}
}

func TestProductsRoundsAndBytesOfTheShapes(t *testing.T) {
	const count = 64
	for _, c := range []struct {
		chain                         bool
		products, rounds, vectorBytes int
	}{{false, 20, 4, 126}, {true, 31, 3, 153}} {
		s := preproc.Shape{K: 17, W: 5, Chain: c.chain}
		if s.Products() != c.products || s.Rounds() != c.rounds {
			t.Errorf("%v: %d products, %d rounds", s, s.Products(), s.Rounds())
		}
		w := newCluster(t, 4)
		machines, _ := w.start(t, sharing.AllParties(4), s.Sections(0, count))
		sent := 0
		network := mpctest.Network{InOrder: true, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			if e.From == 1 && e.To == 2 && e.Round == 0 {
				sent = len(e.Payload) / count
			}
			return []mpctest.Envelope{e}
		}}
		if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
			t.Fatal(err)
		}
		if network.Rounds != preproc.Rounds || sent != c.vectorBytes+1 && sent != c.vectorBytes {
			t.Errorf("%v: %d rounds, %d bytes a block", s, network.Rounds, sent)
		}
	}
}

func TestShapesWithoutRoomForTheirDigitsAreRefused(t *testing.T) {
	for _, s := range []preproc.Shape{{K: 3, W: 1, Chain: true}, {K: 30, W: 5, Chain: true}, {K: 6, W: 5}} {
		if err := s.Check(); !errors.Is(err, preproc.ErrShape) {
			t.Errorf("%v: %v", s, err)
		}
	}
}

func TestTheShapeFollowsFromTheRoundTrip(t *testing.T) {
	for micros, chain := range map[uint32]bool{0: false, 200: false, 80_000: true} {
		if s := production.ForRoundTrip(micros); s.Chain != chain || s.Check() != nil || s.K != 17 || s.W != 5 {
			t.Errorf("%d µs: %v", micros, s)
		}
	}
	for _, s := range []preproc.Shape{{K: 3, W: 1}, {K: 30, W: 5}} { // too small and too large for a chain
		if s.ForRoundTrip(80_000) != s {
			t.Errorf("%v", s)
		}
	}
}

func TestDigitsNeedTheirBits(t *testing.T) {
	c := newCluster(t, 4)
	bit := preproc.Section{Kind: "bit", K: 9, Count: 3, Factor: true}
	short := bit
	short.Count = 2
	for name, list := range map[string][]preproc.Section{
		"none":        {{Kind: "digit", K: 5, Count: 3, Bits: 2}},
		"one":         {bit, {Kind: "digit", K: 5, Count: 3, Bits: 2}},
		"later":       {{Kind: "digit", K: 5, Count: 3, Bits: 1, FirstBit: 1}, bit},
		"negative":    {bit, {Kind: "digit", K: 5, Count: 3, Bits: 1, FirstBit: -1}},
		"no bits":     {{Kind: "product", K: 5, Count: 3, Products: 1}, bit, {Kind: "digit", K: 5, Count: 3, Bits: 2}},
		"other items": {short, bit, {Kind: "digit", K: 5, Count: 3, Bits: 2}},
		"not kept":    {bit, {Kind: "bit", K: 8, Count: 3}, {Kind: "digit", K: 5, Count: 3, Bits: 2}},
		"other first": {bit, {Kind: "bit", K: 8, Count: 3, First: 1, Factor: true}, {Kind: "digit", K: 5, Count: 3, Bits: 2}},
		"small ring":  {bit, {Kind: "bit", K: 4, Count: 3, Factor: true}, {Kind: "digit", K: 5, Count: 3, Bits: 2}},
	} {
		if _, err := preproc.New(preproc.Config{Source: c.sources[1], Session: session, From: sharing.AllParties(4), Identity: c.identities[1], Sections: list}); !errors.Is(err, preproc.ErrSection) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []preproc.Section{
		{Kind: "x", K: 5, Count: 1, Bits: 7}, {Kind: "x", K: 5, Count: 1, Chain: 1}, {Kind: "x", K: 5, Count: 1, Chain: 5},
		{Kind: "x", K: 5, Count: 1, Chain: 2, Products: 1}, {Kind: "x", K: 1, Count: 1, Factor: true}, {Kind: "x", K: 5, Count: 1, Products: 1, Factor: true},
	} {
		if _, err := preproc.New(preproc.Config{Source: c.sources[1], Session: session, From: sharing.AllParties(4), Identity: c.identities[1], Sections: []preproc.Section{s}}); !errors.Is(err, preproc.ErrSection) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// The offline phase of decryption in every variant.
func BenchmarkShapes(b *testing.B) {
	for _, n := range []int{4, 7} {
		c := newCluster(b, n)
		for _, chain := range []bool{false, true} {
			b.Run(fmt.Sprintf("n=%d/chain=%v", n, chain), func(b *testing.B) {
				const count = 512
				first := uint64(0)
				for b.Loop() {
					batches(b, c, preproc.Shape{K: 17, W: 5, Chain: chain}, first, count)
					first += count
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count*n), "ns/block/party")
			})
		}
	}
}
