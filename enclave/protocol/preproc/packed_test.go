package preproc_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

const noiseBound = 17

// packed are sections of every kind with packed openings: bits, the last pack of some
// not full, noise, and two chunks of one matrix over each of two rings.
func packed(rows int) []preproc.Section {
	matrix := func(k uint, first, rows int) preproc.Section {
		return preproc.Section{Kind: "matrix", K: k, Count: rows * 24, Outer: preproc.Outer{Rows: 2*rows + 1, Columns: 24, First: first}}
	}
	return []preproc.Section{
		{Kind: "secret", K: 2, First: 8, Count: 8 * rows, Packed: true},
		{Kind: "secret", K: 17, First: 8, Count: 8*rows + 1, Packed: true},
		{Kind: "secret", K: 64, First: 8, Count: 8*rows - 1, Packed: true},
		{Kind: "secret", K: 65, Count: 3, Packed: true},
		{Kind: "secret", K: 128, First: 4, Count: 8*rows + 2, Packed: true},
		{Kind: "noise", K: 64, First: 12, Count: 8 * rows, Noise: noiseBound + 2},
		matrix(23, 0, rows+1), matrix(23, rows+1, rows), matrix(72, 1, rows), matrix(64, 1, 1), matrix(128, 0, 1),
	}
}

// degree returns the cluster with shares over rings of degree d.
func (c cluster) degree(t testing.TB, d int) cluster {
	c.sources = mpctest.Sources(t, c.n, d, 7, preproc.Context(mpctest.Epoch, 0))
	return c
}

// elements opens vectors of d words an element at degree t.
func (c cluster) elements(t *testing.T, from sharing.Parties, k uint, part func(i int) []wide.Word) []wide.Word {
	t.Helper()
	code := c.source(from.List()[0]).Code()
	vectors := make([][]wide.Word, c.n+1)
	for _, i := range from.List() {
		vectors[i] = part(i)
	}
	values := make([]wide.Word, len(vectors[from.List()[0]]))
	if i := code.OpenAllWide(values, code.T(), from, vectors, k); i >= 0 {
		t.Fatalf("element %d is not on a polynomial of degree t", i)
	}
	return values
}

func widen(v []uint64) []wide.Word {
	out := make([]wide.Word, len(v))
	for i, x := range v {
		out[i].Lo = x
	}
	return out
}

// integers takes the integers out of elements that each have one.
func (c cluster) integers(t *testing.T, values []wide.Word) []wide.Word {
	t.Helper()
	d := c.source(1).Code().Degree()
	out := make([]wide.Word, len(values)/d)
	for i := range out {
		out[i] = values[i*d]
		for _, x := range values[i*d+1 : (i+1)*d] {
			if x != (wide.Word{}) {
				t.Fatalf("element %d is no integer", i)
			}
		}
	}
	return out
}

// unpack takes four integers out of each element.
func (c cluster) unpack(t *testing.T, values []wide.Word) []wide.Word {
	t.Helper()
	d := c.source(1).Code().Degree()
	var out []wide.Word
	for i := 0; i < len(values); i += d {
		out = append(out, values[i:i+preproc.Pack]...)
		for _, x := range values[i+preproc.Pack : i+d] {
			if x != (wide.Word{}) {
				t.Fatalf("element %d has more than four coordinates", i/d)
			}
		}
	}
	return out
}

// bitsOf opens the bits of section a.
func (c cluster) bitsOf(t *testing.T, from sharing.Parties, s preproc.Section, material func(i int) preproc.Material) []wide.Word {
	t.Helper()
	bits := c.integers(t, c.elements(t, from, s.K, func(i int) []wide.Word {
		if m := material(i); s.K > 64 {
			return m.WideBits
		} else {
			return widen(m.Bits)
		}
	}))
	if len(bits) != s.Count {
		t.Fatalf("%d bits of %d", len(bits), s.Count)
	}
	return bits
}

// factorsOf opens x, y and the packed z of row i over a ring of any size.
func (c cluster) factorsOf(t *testing.T, from sharing.Parties, s preproc.Section, rows int) (x, y, z []wide.Word) {
	t.Helper()
	xs, ys, zs := make([][]wide.Word, c.n+1), make([][]wide.Word, c.n+1), make([][]wide.Word, c.n+1)
	for _, i := range from.List() {
		d := c.source(i).Code().Degree()
		var err error
		if s.K > 64 {
			xs[i], ys[i], err = s.WideFactors(c.source(i))
		} else {
			var x, y []uint64
			x, y, err = s.Factors(c.source(i))
			xs[i], ys[i] = widen(x), widen(y)
		}
		for row := s.Outer.First; row < s.Outer.First+rows && err == nil; row++ {
			wideRow, row1 := make([]wide.Word, s.Outer.Columns/preproc.Pack*d), make([]uint64, s.Outer.Columns/preproc.Pack*d)
			if s.K > 64 {
				err = s.WideZ(c.source(i), row, wideRow)
			} else if err = s.Z(c.source(i), row, row1); err == nil {
				wideRow = widen(row1)
			}
			zs[i] = append(zs[i], wideRow...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	x = c.integers(t, c.elements(t, from, s.K, func(i int) []wide.Word { return xs[i] }))
	y = c.integers(t, c.elements(t, from, s.K, func(i int) []wide.Word { return ys[i] }))
	return x, y, c.elements(t, from, s.K, func(i int) []wide.Word { return zs[i] })
}

func isPacked(s preproc.Section) bool {
	return s.Packed || s.Noise > 0 || s.Outer != preproc.Outer{}
}

// checkPacked opens finished material: it is what it should be.
func (c cluster) checkPacked(t *testing.T, from sharing.Parties, s preproc.Section, of func(i int) preproc.Material) {
	t.Helper()
	d, first := c.source(1).Code().Degree(), from.List()[0]
	switch {
	case s.Packed:
		ones := 0
		for i, b := range c.bitsOf(t, from, s, of) {
			if b.Hi != 0 || b.Lo > 1 {
				t.Fatalf("R_%d: number %d is no bit: %x", s.K, i, b)
			}
			ones += int(b.Lo)
		}
		if off := 2*ones - s.Count; off*off > 25*s.Count { // 5 standard deviations
			t.Errorf("R_%d: %d ones of %d", s.K, ones, s.Count)
		}
	case s.Noise > 0:
		samples := c.unpack(t, c.elements(t, from, 64, func(i int) []wide.Word { return widen(of(i).Noise) }))
		if len(samples) < s.Count {
			t.Fatalf("%d samples of %d", len(samples), s.Count)
		}
		for _, e := range samples {
			if x := int64(e.Lo); e.Hi != 0 || x < -1<<(s.Noise-2) || x > 1<<(s.Noise-2) {
				t.Fatalf("noise %d", x)
			}
		}
	default:
		rows := s.Count / s.Outer.Columns
		x, y, z := c.factorsOf(t, from, s, rows)
		delta := of(first).WideDelta
		if s.K <= 64 {
			delta = widen(of(first).Delta)
		}
		if len(x) != s.Outer.Rows || len(y) != s.Outer.Columns || len(delta) != s.Count/preproc.Pack*d || len(z) != len(delta) {
			t.Fatalf("%d rows, %d columns, %d differences", len(x), len(y), len(delta))
		}
		for i := range delta {
			z[i] = z[i].Add(delta[i]).Reduce(s.K)
		}
		for at, product := range c.unpack(t, z) {
			i, j := s.Outer.First+at/s.Outer.Columns, at%s.Outer.Columns
			if want := x[i].Mul(y[j]).Reduce(s.K); product != want {
				t.Fatalf("R_%d: x_%d·y_%d is %x, not %x", s.K, i, j, product, want)
			}
		}
	}
}

// concurrently is a Workers that does everything at once.
func concurrently(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

func TestPackedMaterialIsWhatItShouldBe(t *testing.T) {
	for _, tc := range []struct{ n, d, rows int }{{1, 4, 40}, {4, 4, 300}, {4, 5, 60}, {7, 4, 40}, {7, 5, 10}, {10, 4, 10}} {
		c := newCluster(t, tc.n).degree(t, tc.d)
		for _, absent := range []sharing.Parties{0, sharing.PartiesOf(tc.n)} {
			if tc.n == 1 && absent != 0 {
				continue
			}
			t.Run(fmt.Sprintf("n=%d d=%d without %v", tc.n, tc.d, absent), func(t *testing.T) {
				list, from := packed(tc.rows), sharing.AllParties(tc.n).Without(absent)
				machines, got := c.start(t, from, list)
				got[from.List()[0]].Workers = concurrently
				network := mpctest.Network{InOrder: true}
				if err := mpctest.FirstError(network.Run(machines, tc.n)); err != nil {
					t.Fatal(err)
				}
				if tc.n > 1 && network.Rounds != preproc.Rounds {
					t.Errorf("%d rounds", network.Rounds)
				}
				first := got[from.List()[0]]
				for _, i := range from.List() {
					if !got[i].Done() || got[i].Wrong() != 0 || got[i].Echo() != first.Echo() || !bytes.Equal(got[i].Opened(), first.Opened()) {
						t.Fatalf("party %d: done=%v wrong=%v", i, got[i].Done(), got[i].Wrong())
					}
				}
				c.check(t, from, list, got)
			})
		}
	}
}

func TestPackedOpeningsAreAQuarter(t *testing.T) {
	const d, count = 4, 512
	for _, s := range []struct {
		section     preproc.Section
		runs, bytes int
	}{
		{preproc.Section{Kind: "x", K: 64, Count: count, Packed: true}, 1, 8 * count},
		{preproc.Section{Kind: "x", K: 72, Count: count, Packed: true}, 1, 9 * count},
		// Bits 0 … 8 are over R_64, 9 … 16 over R_56, and so on.
		{preproc.Section{Kind: "x", K: 64, Count: count, Noise: 19}, 19, (9*8 + 8*7 + 2*6) * count},
		{preproc.Section{Kind: "x", K: 64, Count: count, Noise: 48}, 48, (9*8 + 8*(7+6+5+4) + 7*3) * count},
		{preproc.Section{Kind: "x", K: 23, Count: count, Outer: preproc.Outer{Rows: 9, Columns: 256}}, 1, 23 * count / 8},
	} {
		c := newCluster(t, 4)
		machines, got := c.start(t, sharing.AllParties(4), []preproc.Section{s.section})
		network := mpctest.Network{InOrder: true}
		if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
			t.Fatal(err)
		}
		const echo = 4*(32+64) + 64
		if s.section.VectorBytes(d) != s.bytes || preproc.Runs(got[1]) != s.runs || network.Bytes[1] != 3*(64+s.bytes+echo) {
			t.Errorf("%+v: %d bytes in %d runs, %d sent", s.section, s.section.VectorBytes(d), preproc.Runs(got[1]), network.Bytes[1])
		}
	}
}

func TestWhatASectionOfKeyGenerationCosts(t *testing.T) {
	for name, tc := range map[string]struct {
		section        preproc.Section
		vector, memory int // in units of 2^20 bytes, for 4 parties
	}{
		"32,768 samples of 19 bits":  {preproc.Section{Kind: "n", K: 64, Count: 1 << 15, Noise: 19}, 5, 40},
		"16,384 samples of 48 bits":  {preproc.Section{Kind: "n", K: 64, Count: 1 << 14, Noise: 48}, 5, 45},
		"918 rows of 2,048 products": {preproc.Section{Kind: "o", K: 23, Count: 918 * 2048, Outer: preproc.Outer{Rows: 918, Columns: 2048}}, 6, 40},
		"128 rows of 4,096 products": {preproc.Section{Kind: "o", K: 72, Count: 128 * 4096, Outer: preproc.Outer{Rows: 918, Columns: 4096}}, 5, 30},
		"2,048 wide secret bits":     {preproc.Section{Kind: "s", K: 128, Count: 2048, Packed: true}, 1, 2},
	} {
		if vector, memory := tc.section.VectorBytes(4), tc.section.MemoryBytes(4, 4); vector > tc.vector<<20 || memory > tc.memory<<20 || memory < vector*4 {
			t.Errorf("%s: a vector of %d bytes, %d of memory", name, vector, memory)
		}
	}
}

// TestNoiseIsTUniform compares the samples of small bounds with their distribution.
func TestNoiseIsTUniform(t *testing.T) {
	c := newCluster(t, 4)
	all, count := sharing.AllParties(4), 1<<14
	for _, bound := range []uint{0, 1, 2, 5} {
		machines, got := c.start(t, all, []preproc.Section{{Kind: "noise", K: 64, Count: count, Noise: bound + 2}})
		var network mpctest.Network
		if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
			t.Fatal(err)
		}
		samples := c.unpack(t, c.elements(t, all, 64, func(i int) []wide.Word { return widen(got[i].Material()[0].Noise) }))
		frequency := map[int64]int{}
		for _, e := range samples {
			frequency[int64(e.Lo)]++
		}
		if len(samples) != count || len(frequency) != 2<<bound+1 {
			t.Errorf("bound %d: %d samples of %d values", bound, len(samples), len(frequency))
		}
		for e, seen := range frequency {
			p := math.Exp2(-float64(bound + 1))
			if e == -1<<bound || e == 1<<bound {
				p /= 2
			} else if e < -1<<bound || e > 1<<bound {
				p = 0
			}
			if off := float64(seen) - p*float64(count); off*off > 36*float64(count)*p*(1-p) {
				t.Errorf("bound %d: %d came %d times of %d", bound, e, seen, count)
			}
		}
	}
	// The greatest bound that there is: the sum goes round mod 2^64 and ends within it.
	machines, got := c.start(t, all, []preproc.Section{{Kind: "noise", K: 64, Count: 2000, Noise: 64}})
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	positive := 0
	for _, e := range c.unpack(t, c.elements(t, all, 64, func(i int) []wide.Word { return widen(got[i].Material()[0].Noise) })) {
		if x := int64(e.Lo); x < -1<<62 || x > 1<<62 {
			t.Fatalf("noise %d", x)
		} else if x > 0 {
			positive++
		}
	}
	if positive < 850 || positive > 1150 {
		t.Errorf("%d of 2000 samples are positive", positive)
	}
}

func TestPackedSectionsOutsideTheirBoundsAreRefused(t *testing.T) {
	good := preproc.Section{Kind: "x", K: 64, Count: 8}
	with := func(change func(s *preproc.Section)) preproc.Section { s := good; change(&s); return s }
	outer := func(o preproc.Outer) func(s *preproc.Section) {
		return func(s *preproc.Section) { s.Outer = o }
	}
	c := newCluster(t, 4)
	for name, s := range map[string]preproc.Section{
		"no kind":           with(func(s *preproc.Section) { s.Packed, s.Kind = true, "" }),
		"R_1":               with(func(s *preproc.Section) { s.Packed, s.K = true, 1 }),
		"R_129":             with(func(s *preproc.Section) { s.Packed, s.K = true, 129 }),
		"a start within":    with(func(s *preproc.Section) { s.Packed, s.First = true, 2 }),
		"no items":          with(func(s *preproc.Section) { s.Packed, s.Count = true, 0 }),
		"too many":          with(func(s *preproc.Section) { s.Packed, s.Count = true, 4*preproc.MaxItems+1 }),
		"packed products":   with(func(s *preproc.Section) { s.Packed, s.Products = true, 1 }),
		"a packed factor":   with(func(s *preproc.Section) { s.Packed, s.Factor = true, true }),
		"packed noise":      with(func(s *preproc.Section) { s.Packed, s.Noise = true, 19 }),
		"noise of a bit":    with(func(s *preproc.Section) { s.Noise = 1 }),
		"noise of 65 bits":  with(func(s *preproc.Section) { s.Noise = 65 }),
		"noise over R_63":   with(func(s *preproc.Section) { s.Noise, s.K = 19, 63 }),
		"noise with a sub":  with(func(s *preproc.Section) { s.Noise, s.Sub = 19, 1 }),
		"wide bits":         with(func(s *preproc.Section) { s.K = 65 }),
		"columns":           with(func(s *preproc.Section) { s.Outer, s.Count = preproc.Outer{Rows: 4, Columns: 6}, 12 }),
		"no columns":        with(outer(preproc.Outer{Rows: 4})),
		"part of a row":     with(outer(preproc.Outer{Rows: 4, Columns: 16})),
		"rows beyond":       with(outer(preproc.Outer{Rows: 2, Columns: 4, First: 1})),
		"a row before":      with(outer(preproc.Outer{Rows: 4, Columns: 4, First: -1})),
		"a matrix at 4":     with(func(s *preproc.Section) { s.Outer, s.First = preproc.Outer{Rows: 2, Columns: 4}, 4 }),
		"a matrix's noise":  with(func(s *preproc.Section) { s.Outer, s.Noise = preproc.Outer{Rows: 2, Columns: 4}, 19 }),
		"a matrix over R_1": with(func(s *preproc.Section) { s.Outer, s.K = preproc.Outer{Rows: 2, Columns: 4}, 1 }),
	} {
		_, err := preproc.New(preproc.Config{Source: c.sources[1], Session: session, From: sharing.AllParties(4), Identity: c.identities[1], Sections: []preproc.Section{s}})
		if !errors.Is(err, preproc.ErrSection) {
			t.Errorf("%s: %v", name, err)
		}
	}
	narrow, broad := packed(1)[6], packed(1)[8]
	for name, f := range map[string]func() error{
		"factors of bits":    func() error { _, _, err := packed(1)[0].Factors(c.sources[1]); return err },
		"wide factors":       func() error { _, _, err := narrow.WideFactors(c.sources[1]); return err },
		"narrow factors":     func() error { _, _, err := broad.Factors(c.sources[1]); return err },
		"z beyond":           func() error { return narrow.Z(c.sources[1], narrow.Outer.Rows, make([]uint64, 24)) },
		"z of half a row":    func() error { return narrow.Z(c.sources[1], 0, make([]uint64, 12)) },
		"wide z":             func() error { return narrow.WideZ(c.sources[1], 0, make([]wide.Word, 24)) },
		"wide z beyond":      func() error { return broad.WideZ(c.sources[1], -1, make([]wide.Word, 24)) },
		"wide z of half one": func() error { return broad.WideZ(c.sources[1], 0, make([]wide.Word, 12)) },
	} {
		if err := f(); !errors.Is(err, preproc.ErrSection) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAbsentPartiesRebuildPackedBitsOnly(t *testing.T) {
	c := newCluster(t, 4)
	list, from := packed(40)[:5], sharing.PartiesOf(1, 2, 4)
	machines, got := c.start(t, from, list)
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	opened := got[1].Opened()
	rebuilt, err := preproc.Rebuild(c.sources[3], list, opened)
	if err != nil {
		t.Fatal(err)
	}
	for a, s := range list {
		c.checkPacked(t, sharing.AllParties(4), s, func(i int) preproc.Material {
			if i == 3 {
				return rebuilt[a]
			}
			return got[i].Material()[a]
		})
	}
	for _, at := range []int{0, len(opened) - 16} { // the first number of R_2, one of R_128
		bad := bytes.Clone(opened)
		bad[at] ^= 1
		if _, err := preproc.Rebuild(c.sources[3], list, bad); !errors.Is(err, preproc.ErrEncoding) {
			t.Errorf("an odd value: %v", err)
		}
	}
	if _, err := preproc.Rebuild(c.sources[3], list, opened[1:]); !errors.Is(err, preproc.ErrEncoding) {
		t.Error(err)
	}
	for _, s := range []preproc.Section{packed(1)[5], packed(1)[6], packed(1)[8]} {
		if _, err := preproc.Rebuild(c.sources[3], []preproc.Section{s}, nil); !errors.Is(err, preproc.ErrSection) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// benchmarkPacked makes a section among n parties in one process: all that they do but
// TLS. What it reports is the processor time of one party for one of the bits or products opened.
func benchmarkPacked(b *testing.B, s preproc.Section) {
	for _, n := range []int{4, 7, 10} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			s := s
			if n > 4 {
				s.Count /= 8
			}
			c := newCluster(b, n)
			cpu := preproc.CPUTime(b)
			for b.Loop() {
				machines, _ := c.start(b, sharing.AllParties(n), []preproc.Section{s})
				network := mpctest.Network{InOrder: true}
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(preproc.CPUTime(b)-cpu)/float64(b.N*s.Count*n*max(int(s.Noise), 1)), "cpu-ns/opened/party")
		})
	}
}

func BenchmarkPackedBitR64(b *testing.B) {
	benchmarkPacked(b, preproc.Section{Kind: "bit", K: 64, Count: 1 << 16, Packed: true})
}
func BenchmarkPackedBitR128(b *testing.B) {
	benchmarkPacked(b, preproc.Section{Kind: "bit", K: 128, Count: 1 << 15, Packed: true})
}
func BenchmarkNoise17(b *testing.B) {
	benchmarkPacked(b, preproc.Section{Kind: "noise", K: 64, Count: 1 << 13, Noise: 19})
}
func BenchmarkNoise46(b *testing.B) {
	benchmarkPacked(b, preproc.Section{Kind: "noise", K: 64, Count: 1 << 13, Noise: 48})
}
func BenchmarkOuterR23(b *testing.B) {
	benchmarkPacked(b, preproc.Section{Kind: "outer", K: 23, Count: 128 * 2048, Outer: preproc.Outer{Rows: 918, Columns: 2048}})
}
func BenchmarkOuterR72(b *testing.B) {
	benchmarkPacked(b, preproc.Section{Kind: "outer", K: 72, Count: 32 * 4096, Outer: preproc.Outer{Rows: 918, Columns: 4096}})
}
