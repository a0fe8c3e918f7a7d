package preproc

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

func TestScratchIsErasedHoweverASectionEnds(t *testing.T) {
	kept := works.New
	defer func() { works = sync.Pool{New: kept} }()
	sources := mpctest.Sources(t, 4, 4, 7, mpctest.Epoch)
	code, all := sources[1].Code(), sharing.AllParties(4)
	s := Section{Kind: "product", K: 5, Count: 2*step + 1, Products: 2}
	vectors := make([][]byte, 5)
	used := func(what string, f func()) {
		t.Helper()
		words := make([]uint64, 5*4*step)
		words[0] = 1
		works = sync.Pool{New: func() any { return &work{words: words} }}
		f()
		if slices.Max(words) != 0 {
			t.Errorf("%s: scratch is left", what)
		}
	}
	for i := 1; i <= 4; i++ {
		used("generate", func() {
			_, both, err := s.generate(sources[i], nil, make([]uint64, s.words(4)), nil)
			if err != nil {
				t.Fatal(err)
			}
			vectors[i] = both[:len(both)/2]
		})
	}
	last := len(vectors[4]) - 1
	for what, tc := range map[string]struct {
		at   int
		flip byte
		bad  int
		err  error
	}{
		"open":                {0, 0, -1, nil},
		"open a wrong vector": {last, 8, 2 * step, nil},
		"open a bad padding":  {last, 16, -1, ring.ErrPadding},
	} {
		vectors[4][tc.at] ^= tc.flip
		used(what, func() {
			if bad, err := s.open(make([]uint64, s.Count), code, all, vectors); bad != tc.bad || !errors.Is(err, tc.err) {
				t.Errorf("%s: index %d, %v", what, bad, err)
			}
		})
		vectors[4][tc.at] ^= tc.flip
	}
}

func TestWhatPackedBitsAreMadeOfIsErased(t *testing.T) {
	kept, scratch := drawnPool.New, works.New
	defer func() { drawnPool, works = sync.Pool{New: kept}, sync.Pool{New: scratch} }()
	sources := mpctest.Sources(t, 4, 4, 7, mpctest.Epoch)
	code, all := sources[1].Code(), sharing.AllParties(4)
	for _, s := range []Section{
		{Kind: "b", K: 64, Count: 4*step + 6, Packed: true}, {Kind: "b", K: 128, Count: 4*step + 6, Packed: true},
		{Kind: "n", K: 64, Count: 4*step + 6, Noise: 5}, {Kind: "m", K: 23, Count: 8 * step, Outer: Outer{Rows: 8, Columns: step}},
	} {
		drawn, words := make([]uint64, 100*step), make([]uint64, 50*step)
		drawnPool = sync.Pool{New: func() any { return &drawn }}
		works = sync.Pool{New: func() any { return &work{words: words} }}
		vectors := make([][]byte, 5)
		var m Material
		for i := 4; i >= 1; i-- {
			var err error
			drawnPool = sync.Pool{New: func() any { return &drawn }}
			if m, vectors[i], err = s.dealBulk(sources[i], nil, serial); err != nil {
				t.Fatal(err)
			}
			if i > 1 {
				m.Zero()
			}
		}
		made := m.wideDrawn
		if (s.Packed || s.Noise > 0) && slices.Max(drawn) == 0 && len(made) == 0 {
			t.Fatalf("%+v: nothing was drawn", s)
		}
		if _, bad, err := s.openBulk(&m, code, all, vectors, serial); err != nil || bad != nil {
			t.Fatalf("%+v: %v, %v", s, bad, err)
		}
		if slices.Max(drawn) != 0 || slices.Max(words) != 0 || slices.ContainsFunc(made, func(x wide.Word) bool { return x != wide.Word{} }) {
			t.Errorf("%+v: something is left", s)
		}
	}
}

func TestBitRootsAreRootsInEveryRing(t *testing.T) {
	for k := uint(1); k <= 64; k++ {
		for i := range uint64(600) {
			a := i * 0x9e3779b97f4a7c15
			v := a*a + a
			r, q := bitRoot(v, k)
			if mask := ring.Mask(k); (r*r+r-v)&mask != 0 || r&1 != 0 || (a-r)*q&mask > 1 {
				t.Fatalf("k=%d: root %x of %x", k, r, v)
			}
		}
	}
}

func TestTheFirstOddElementBeforeTheFirstThatIsNoCodewordIsFound(t *testing.T) {
	for _, d := range []int{4, 5} {
		for at := range 3 {
			for c := range d {
				narrow, broad := make([]uint64, 3*d), make([]wide.Word, 3*d)
				narrow[at*d+c], broad[at*d+c].Lo = 1, 1
				if c == Pack {
					narrow[at*d+c], broad[at*d+c] = 2, wide.Word{Hi: 1}
				}
				for bad := -1; bad < 3; bad++ {
					want := bad
					if bad < 0 || at < bad {
						want = at
					}
					if got, too := firstOdd(narrow, d, bad), firstOddWide(broad, d, bad); got != want || too != want {
						t.Errorf("d=%d, coordinate %d of element %d, none from %d: %d and %d", d, c, at, bad, got, too)
					}
				}
			}
		}
	}
}

func TestWideBitRootsAreRoots(t *testing.T) {
	for i := range uint64(600) {
		a := wide.Word{Lo: i * 0x9e3779b97f4a7c15, Hi: i * 0xbf58476d1ce4e5b9}
		v := a.Mul(a).Add(a)
		r, q := wideRoot(v)
		bit := a.Sub(r).Mul(q)
		if r.Mul(r).Add(r) != v || r.Lo&1 != 0 || bit.Hi != 0 || bit.Lo > 1 {
			t.Fatalf("root %x of %x", r, v)
		}
	}
}

// cpuTime is the processor time in nanoseconds that the process has used, which
// other load on the machine changes less than the wall time.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkSection is one party's arithmetic: what it draws and sends, and what it
// opens of the vectors of all; without hashes, signatures and the network.
func BenchmarkSection(b *testing.B) {
	const count = 1024
	for _, s := range []Section{
		{Kind: "bit", K: 17, Count: count},
		{Kind: "bit", K: 64, Count: count},
		{Kind: "product", K: 5, Count: count, Products: 1},
	} {
		for _, n := range []int{4, 7, 10, 13} {
			sources := mpctest.Sources(b, n, 4, 7, mpctest.Epoch)
			code, all := sources[1].Code(), sharing.AllParties(n)
			vectors := make([][]byte, n+1)
			for i := 1; i <= n; i++ {
				var err error
				if _, vectors[i], err = s.generate(sources[i], nil, make([]uint64, s.words(4)), nil); err != nil {
					b.Fatal(err)
				}
			}
			memory := make([]uint64, s.words(4))
			report := func(b *testing.B, cpu int64) {
				b.ReportAllocs()
				b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N*count), "cpu-ns/item")
			}
			name := fmt.Sprintf("%s%d/n=%d", s.Kind, s.K, n)
			b.Run(name+"/send", func(b *testing.B) {
				cpu, vector := cpuTime(b), make([]byte, 0, len(vectors[1]))
				for b.Loop() {
					if _, _, err := s.generate(sources[1], nil, memory, vector); err != nil {
						b.Fatal(err)
					}
				}
				report(b, cpu)
			})
			b.Run(name+"/open", func(b *testing.B) {
				m, _, err := s.generate(sources[1], nil, memory, nil)
				if err != nil {
					b.Fatal(err)
				}
				cpu, opened, values := cpuTime(b), make([]byte, 0, ring.PackedLen(count, s.K)), make([]uint64, count)
				for b.Loop() {
					bad, err := s.open(values, code, all, vectors)
					if err != nil || bad >= 0 {
						b.Fatal(bad, err)
					}
					opened = ring.AppendPacked(opened[:0], values, s.K)
					if bad := s.finish(&m, 4, [][]uint64{values}); bad >= 0 {
						b.Fatal(bad)
					}
				}
				report(b, cpu)
			})
		}
	}
}
