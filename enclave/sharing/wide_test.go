package sharing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

func random(n int, g *rand.Rand) []wide.Word {
	s := make([]wide.Word, n)
	for i := range s {
		s[i] = wide.Word{Lo: g.Uint64(), Hi: g.Uint64()}
	}
	return s
}

// dealElements shares elements, d words each: Σ Y^j·[x_j].
func dealElements(t testing.TB, c *Code, seed byte, degree int, values []wide.Word) [][]wide.Word {
	t.Helper()
	d := c.Degree()
	shares := make([][]wide.Word, c.n+1)
	for i := 1; i <= c.n; i++ {
		shares[i] = make([]wide.Word, len(values))
	}
	for j := range d {
		part := make([]wide.Word, len(values)/d)
		for e := range part {
			part[e] = values[e*d+j]
		}
		dealt, err := c.DealWide(source(seed+byte(j)), degree, part)
		if err != nil {
			t.Fatal(err)
		}
		var power wide.Elem
		power[j].Lo = 1
		m := c.wide.Matrix(power)
		for i := range dealt {
			c.wide.MulAdd(shares[i+1], dealt[i], &m)
		}
	}
	return shares
}

var wideBits = []uint{1, 23, 64, 65, 72, 128}

func TestEveryQuorumOpensWideElements(t *testing.T) {
	for _, s := range settings {
		c := code(t, s)
		const count = wideChunk + 3
		want := random(count*s.d, rand.New(rand.NewPCG(1, 7)))
		for _, degree := range []int{s.t, 2 * s.t} {
			shares := dealElements(t, c, 1, degree, want)
			for _, k := range wideBits {
				reduced := slices.Clone(want)
				wide.Reduce(reduced, k)
				for _, from := range []Parties{AllParties(s.n), AllParties(s.n).Without(AllParties(s.n - degree - 1)), take(AllParties(s.n), degree+1)} {
					got := make([]wide.Word, len(want))
					if i := c.OpenAllWide(got, degree, from, shares, k); i >= 0 || !slices.Equal(got, reduced) {
						t.Fatalf("%+v k=%d degree %d, %v: index %d or other values", s, k, degree, from, i)
					}
				}
			}
		}
	}
}

func TestAQuorumIsNeededToOpenWideElements(t *testing.T) {
	c := code(t, setting{7, 2, 4})
	shares := dealElements(t, c, 1, 2, make([]wide.Word, 4))
	defer func() {
		if recover() == nil {
			t.Error("two vectors open a sharing of degree 2")
		}
	}()
	c.OpenAllWide(make([]wide.Word, 4), 2, PartiesOf(1, 2), shares, 128)
}

func TestEveryWrongWideBitIsNoticedAtItsIndex(t *testing.T) {
	g := rand.New(rand.NewPCG(3, 7))
	for _, s := range settings[1:] {
		c := code(t, s)
		const count = wideChunk + 5
		shares := dealElements(t, c, 2, 2*s.t, make([]wide.Word, count*s.d))
		for _, k := range wideBits {
			for party := 1; party <= s.n; party++ {
				at, later := g.IntN(count*s.d-s.d), count*s.d-1
				flip := func(at int, bit uint) {
					x := wide.Word{Lo: 1}.Shl(bit)
					shares[party][at].Lo ^= x.Lo
					shares[party][at].Hi ^= x.Hi
				}
				bit, values := g.UintN(k), make([]wide.Word, count*s.d)
				values[later].Lo = 99
				flip(at, bit)
				flip(later, 0)
				if i := c.OpenAllWide(values, 2*s.t, AllParties(s.n), shares, k); i != at/s.d {
					t.Fatalf("%+v k=%d: bit %d of word %d of party %d: index %d", s, k, bit, at, party, i)
				}
				if values[later].Lo != 99 {
					t.Fatalf("%+v k=%d: values are written beyond what is no codeword", s, k)
				}
				flip(at, bit)
				flip(later, 0)
				if k == 128 {
					continue
				}
				flip(at, k) // what lies beyond does not count
				if i := c.OpenAllWide(values, 2*s.t, AllParties(s.n), shares, k); i >= 0 {
					t.Fatalf("%+v k=%d: a bit that does not count fails index %d", s, k, i)
				}
				flip(at, k)
			}
		}
	}
}

func TestWideDecodingCorrectsTErrorsAndNamesThem(t *testing.T) {
	g := rand.New(rand.NewPCG(4, 7))
	for _, s := range settings[:len(settings)-2] {
		c := code(t, s)
		for _, k := range []uint{1, 72, 128} {
			for errs := 0; errs <= s.t; errs++ {
				value := random(s.d, g)
				shares := dealElements(t, c, byte(k), s.t, value)
				points := make([]wide.Elem, s.n+1)
				for i := 1; i <= s.n; i++ {
					points[i] = c.wide.At(shares[i], 0)
				}
				var bad Parties
				for _, i := range g.Perm(s.n)[:errs] {
					bad = bad.With(i + 1)
					c, flip := g.IntN(s.d), wide.Word{Lo: 1}.Shl(g.UintN(k))
					points[i+1][c] = points[i+1][c].Add(flip)
				}
				got, wrong, err := c.DecodeWide(AllParties(s.n), points, k, c.Quorum())
				if want := c.wide.ReduceElem(c.wide.At(value, 0), k); err != nil || got != want || wrong != bad {
					t.Fatalf("%+v k=%d: %v wrong %v, made wrong %v", s, k, err, wrong, bad)
				}
			}
			if s.t == 0 {
				continue
			}
			points := make([]wide.Elem, s.n+1)
			for i := 1; i <= s.t+1; i++ {
				points[i][0].Lo = uint64(2*i + 1)
			}
			if _, _, err := c.DecodeWide(AllParties(s.n), points, k, c.Quorum()); k > 1 && !errors.Is(err, ErrUndecodable) {
				t.Errorf("%+v k=%d: %v", s, k, err)
			}
		}
	}
}

// TestWideOpenersTellWhoIsRight lets parties send wrong points before and after it is
// clear what is right: a party's place in the order of sending says which.
func TestWideOpenersTellWhoIsRight(t *testing.T) {
	const count = 40
	for _, s := range settings[:len(settings)-1] {
		c := code(t, s)
		for _, k := range []uint{72, 128} {
			want := random(count*s.d, rand.New(rand.NewPCG(5, uint64(k))))
			shares := dealElements(t, c, byte(k), s.t, want)
			wide.Reduce(want, k)
			for name, test := range map[string]struct {
				early, late int // wrong points among the first n−t and the last t
				opened      bool
			}{
				"all are right":                 {0, 0, true},
				"late liars":                    {0, s.t, true},
				"early liars":                   {s.t, 0, true},
				"one early liar, the rest late": {min(1, s.t), s.t - min(1, s.t), true},
				"too many liars":                {s.t + 1, 0, false},
			} {
				if s.t == 0 && !test.opened {
					continue
				}
				var bad Parties
				o := c.NewWideOpener(k, count)
				for i := 1; i <= s.n; i++ {
					points := slices.Clone(shares[i])
					wide.Reduce(points, k)
					if i <= test.early || i > s.n-test.late { // each at another index
						at := (7*i%count)*s.d + i%s.d
						points[at] = points[at].Add(wide.Word{Hi: uint64(i) & 31, Lo: uint64(i)})
						bad = bad.With(i)
					}
					if o.Values() != nil && !o.Done() {
						t.Fatalf("%+v %s: values before they are known", s, name)
					}
					done := o.Add(i, points)
					if quorum := i-min(i, test.early) >= c.Quorum(); done != (quorum && test.opened) {
						t.Fatalf("%+v k=%d, %s: done=%v after %d", s, k, name, done, i)
					}
					o.Add(i, make([]wide.Word, count*s.d)) // a second vector does not count
				}
				if o.Done() != test.opened || o.Have() != AllParties(s.n) {
					t.Fatalf("%+v k=%d, %s: done=%v", s, k, name, o.Done())
				}
				if test.opened && (!slices.Equal(o.Values(), want) || o.Wrong() != bad) {
					t.Fatalf("%+v k=%d, %s: wrong %v, made wrong %v", s, k, name, o.Wrong(), bad)
				}
			}
		}
	}
}

func TestPointsOfOtherLengthsPanic(t *testing.T) {
	c := code(t, setting{4, 1, 4})
	for _, f := range []func(){
		func() { c.NewWideOpener(72, 2).Add(1, make([]wide.Word, 7)) },
		func() { c.NewWideOpener(72, 2).Add(5, make([]wide.Word, 8)) },
		func() { c.NewWideOpener(72, 2).Add(0, make([]wide.Word, 8)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("points that nobody can have sent are taken")
				}
			}()
			f()
		}()
	}
}

func TestWideSharesModulo2To64AreNarrowOnes(t *testing.T) {
	c := code(t, setting{7, 2, 4})
	want := random(9, rand.New(rand.NewPCG(6, 7)))
	shares, err := c.DealWide(source(6), 2, want)
	if err != nil {
		t.Fatal(err)
	}
	narrow := make([][]uint64, 8)
	for i, v := range shares {
		for _, x := range v {
			narrow[i+1] = append(narrow[i+1], x.Lo)
		}
	}
	got := make([]uint64, len(want))
	if i := c.OpenIntegers(got, 2, AllParties(7), narrow, 64); i >= 0 {
		t.Fatalf("index %d", i)
	}
	for i, x := range want {
		if got[i] != x.Lo {
			t.Errorf("value %d is %x, not %x", i, got[i], x.Lo)
		}
	}
}

func BenchmarkWideOpener(b *testing.B) {
	const count = 1024
	for _, s := range []setting{{4, 1, 4}, {7, 2, 4}, {10, 3, 4}} {
		b.Run(fmt.Sprintf("n=%d", s.n), func(b *testing.B) {
			c := code(b, s)
			shares := dealElements(b, c, 8, s.t, make([]wide.Word, 4*count))
			b.ReportAllocs()
			for b.Loop() {
				o := c.NewWideOpener(128, count)
				for i := 1; i <= s.n; i++ {
					o.Add(i, shares[i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(4*count), "ns/coefficient")
		})
	}
}
