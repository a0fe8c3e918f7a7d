package sharing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/ring"
)

type setting struct{ n, t, d int }

var settings = []setting{{1, 0, 4}, {4, 1, 4}, {4, 1, 5}, {7, 2, 4}, {10, 3, 4}, {13, 4, 4}, {16, 5, 5}, {31, 10, 5}}

func code(t testing.TB, s setting) *Code {
	t.Helper()
	c, err := New(s.n, s.t, s.d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func source(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func secrets(n int, g *rand.Rand) []uint64 {
	s := make([]uint64, n)
	for i := range s {
		s[i] = g.Uint64()
	}
	return s
}

func byParty(shares [][]uint64) [][]uint64 { return append([][]uint64{nil}, shares...) }

func TestParametersThatDoNotFitAreRefused(t *testing.T) {
	for _, s := range []setting{{0, 0, 4}, {3, 1, 4}, {6, 2, 4}, {16, 5, 4}, {4, -1, 4}, {32, 1, 5}} {
		if _, err := New(s.n, s.t, s.d); !errors.Is(err, ErrParameters) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestEveryQuorumOpensWhatWasDealt(t *testing.T) {
	for _, s := range settings {
		c := code(t, s)
		want := secrets(300, rand.New(rand.NewPCG(1, 1)))
		for _, degree := range []int{s.t, 2 * s.t} {
			shares, err := c.Deal(source(1), degree, want)
			if err != nil {
				t.Fatal(err)
			}
			values, got := make([]uint64, len(want)*s.d), make([]uint64, len(want))
			if i := c.OpenAll(values, degree, AllParties(s.n), byParty(shares), 64); i >= 0 {
				t.Fatalf("%+v: index %d is no codeword", s, i)
			}
			if c.Integers(got, values) >= 0 || !slices.Equal(got, want) {
				t.Fatalf("%+v: degree %d opens to something else", s, degree)
			}
		}
	}
}

func TestOpenAllFindsTheLowestIndexThatIsNoCodeword(t *testing.T) {
	for _, s := range settings[1:] {
		c := code(t, s)
		shares, _ := c.Deal(source(2), 2*s.t, make([]uint64, 600))
		values := make([]uint64, 600*s.d)
		shares[0][590*s.d] ^= 1
		shares[s.n-1][577*s.d+1] ^= 4
		if i := c.OpenAll(values, 2*s.t, AllParties(s.n), byParty(shares), 24); i != 577 {
			t.Errorf("%+v: index %d", s, i)
		}
		shares[s.n-1][577*s.d+1] ^= 4 | 1<<30 // beyond the 24 bits that count
		if i := c.OpenAll(values, 2*s.t, AllParties(s.n), byParty(shares), 24); i != 590 {
			t.Errorf("%+v: index %d", s, i)
		}
	}
}

func TestTSharesFitEverySecret(t *testing.T) {
	// The polynomial δ·∏(1 − X/α_c) over the corrupt parties c is 0 at their points and δ at 0.
	for _, s := range settings[1:] {
		c := code(t, s)
		shares, _ := c.Deal(source(3), s.t, []uint64{5})
		corrupt := take(AllParties(s.n), s.t)
		second := make([][]uint64, s.n+1)
		for i := 1; i <= s.n; i++ {
			f := ring.Integer(1)
			for _, j := range corrupt.List() {
				inverse, _ := c.ring.Inverse(c.ring.Point(j))
				f = c.ring.Mul(f, c.ring.Sub(ring.Integer(1), c.ring.Mul(c.ring.Point(i), inverse)))
			}
			second[i] = make([]uint64, s.d)
			c.ring.Set(second[i], 0, c.ring.Add(c.ring.At(shares[i-1], 0), c.ring.Scale(f, 37)))
		}
		for _, i := range corrupt.List() {
			if !slices.Equal(second[i], shares[i-1]) {
				t.Fatalf("%+v: party %d could tell", s, i)
			}
		}
		value := make([]uint64, s.d)
		if c.OpenAll(value, s.t, AllParties(s.n), second, 64) >= 0 || value[0] != 42 {
			t.Fatalf("%+v: opens to %d", s, value[0])
		}
	}
}

func TestDecodingCorrectsTErrorsAndNamesThem(t *testing.T) {
	g := rand.New(rand.NewPCG(4, 1))
	for _, s := range settings {
		c := code(t, s)
		for _, k := range []uint{1, 5, 17, 64} {
			if s.n > 16 && k > 17 {
				continue // the same code, slowly
			}
			for errs := 0; errs <= s.t; errs++ {
				shares, _ := c.Deal(source(byte(k)), s.t, []uint64{g.Uint64()})
				points := make([]ring.Elem, s.n+1)
				for i := range shares {
					points[i+1] = c.ring.At(shares[i], 0)
				}
				want, none, err := c.Decode(AllParties(s.n), points, k, c.Quorum())
				if err != nil || none != 0 {
					t.Fatalf("%+v: %v %v", s, err, none)
				}
				var bad Parties
				for _, i := range g.Perm(s.n)[:errs] {
					bad = bad.With(i + 1)
					// An error in any one bit, so that it shows only at that bit's turn.
					points[i+1][g.IntN(s.d)] ^= 1 << g.UintN(k)
				}
				got, wrong, err := c.Decode(AllParties(s.n), points, k, c.Quorum())
				if err != nil || got != want || wrong != bad {
					t.Fatalf("%+v k=%d: %v wrong %v, made wrong %v", s, k, err, wrong, bad)
				}
			}
		}
	}
}

func TestMoreThanTUncoordinatedErrorsAreNotDecoded(t *testing.T) {
	for _, s := range settings[1:] {
		c := code(t, s)
		shares, _ := c.Deal(source(9), s.t, []uint64{3})
		points := make([]ring.Elem, s.n+1)
		for i := range shares {
			points[i+1] = c.ring.At(shares[i], 0)
		}
		for i := 1; i <= s.t+1; i++ {
			points[i][0] ^= uint64(i) << 9
		}
		if _, _, err := c.Decode(AllParties(s.n), points, 64, c.Quorum()); !errors.Is(err, ErrUndecodable) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestOpenerIsDoneWithNMinusTAndNamesLateLiars(t *testing.T) {
	for _, s := range settings {
		c := code(t, s)
		want := secrets(20, rand.New(rand.NewPCG(5, 1)))
		shares, _ := c.Deal(source(5), s.t, want)
		o := c.NewOpener(64, len(want))
		for i := 1; i <= s.n; i++ {
			v := shares[i-1]
			if i > c.Quorum() {
				v = slices.Clone(v)
				v[len(v)-1]++
			}
			if done := o.Add(i, v); done != (i >= c.Quorum()) {
				t.Fatalf("%+v: done=%v after %d", s, done, i)
			}
		}
		if got, err := o.Values(); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%+v: wrong values", s)
		}
		if o.Wrong() != AllParties(s.n).Without(AllParties(c.Quorum())) {
			t.Fatalf("%+v: wrong parties %v", s, o.Wrong())
		}
	}
}

func TestOpenerCorrectsEarlyLiarsAtDifferentIndices(t *testing.T) {
	for _, s := range settings[1:] {
		c := code(t, s)
		want := secrets(20, rand.New(rand.NewPCG(6, 1)))
		shares, _ := c.Deal(source(6), s.t, want)
		for i := range s.t {
			shares[i][(3+i)*s.d] ^= 1 << (7 * i)
		}
		o := c.NewOpener(64, len(want))
		for i := 1; i <= s.n; i++ {
			if done := o.Add(i, shares[i-1]); done != (i == s.n) {
				t.Fatalf("%+v: done=%v after %d", s, done, i)
			}
		}
		if got, err := o.Values(); err != nil || !slices.Equal(got, want) || o.Wrong() != AllParties(s.t) {
			t.Fatalf("%+v: wrong parties %v", s, o.Wrong())
		}
	}
}

func TestOpenerGivesNoAnswerToTPlusOneFaults(t *testing.T) {
	for _, s := range settings[1:] {
		c := code(t, s)
		shares, _ := c.Deal(source(7), s.t, make([]uint64, 16))
		for i := range s.t + 1 {
			shares[i][i*s.d]++ // each at another index
		}
		o := c.NewOpener(64, 16)
		for i := 1; i <= s.n; i++ {
			if o.Add(i, shares[i-1]) {
				t.Fatalf("%+v: opened", s)
			}
		}
	}
}

func TestAnOpenerSaysWhereNoIntegerIsShared(t *testing.T) {
	for _, s := range settings {
		for _, k := range []uint{5, 17, 64} {
			c := code(t, s)
			shares, _ := c.Deal(source(8), s.t, make([]uint64, 200))
			for i := range shares { // Y is added to the secrets of two
				shares[i][177*s.d+1]++
				shares[i][190*s.d+2]++
			}
			o := c.NewOpener(k, 200)
			if values, err := o.Values(); values != nil || err != nil {
				t.Fatalf("%+v: open before any share", s)
			}
			for i := 1; i <= s.n; i++ {
				o.Add(i, shares[i-1])
			}
			if _, err := o.Values(); !o.Done() || o.Wrong() != 0 || !errors.Is(err, ErrNotInteger) || !strings.HasSuffix(err.Error(), "index 177") {
				t.Errorf("%+v k=%d: %v, wrong %v", s, k, err, o.Wrong())
			}
		}
	}
}

func TestAnOpenerOpensElements(t *testing.T) {
	for _, s := range settings {
		for _, k := range []uint{5, 17, 64} {
			c := code(t, s)
			want := secrets(30*s.d, rand.New(rand.NewPCG(5, uint64(k))))
			shares := make([][]uint64, s.n)
			for i := range shares {
				shares[i] = make([]uint64, len(want))
			}
			for j := range s.d { // Σ Y^j·[x_j]
				part := make([]uint64, 30)
				for e := range part {
					part[e] = want[e*s.d+j]
				}
				var power ring.Elem
				power[j] = 1
				m := c.Ring().Matrix(power)
				dealt, _ := c.Deal(source(byte(j)), s.t, part)
				for i := range shares {
					c.Ring().MulAdd(shares[i], dealt[i], &m)
				}
			}
			for i := range s.t {
				shares[i][(3+i)*s.d+1] ^= 1 << (i % 5)
			}
			ring.Reduce(want, k)
			o := c.NewElementOpener(k, 30)
			for i := 1; i <= s.n; i++ {
				if values, err := o.Values(); values != nil || err != nil {
					t.Fatalf("%+v: open before enough shares", s)
				}
				ring.Reduce(shares[i-1], k)
				o.Add(i, shares[i-1])
				if o.Done() != (i == s.n || s.t == 0) {
					t.Fatalf("%+v k=%d: done=%v after %d", s, k, o.Done(), i)
				}
			}
			if got, err := o.Values(); err != nil || !slices.Equal(got, want) || o.Wrong() != AllParties(s.t) {
				t.Errorf("%+v k=%d: %v, wrong %v", s, k, err, o.Wrong())
			}
		}
	}
}

func TestIntegersNoticesOtherElements(t *testing.T) {
	c := code(t, setting{4, 1, 4})
	if i := c.Integers(make([]uint64, 3), []uint64{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 1, 0}); i != 2 {
		t.Errorf("index %d", i)
	}
}

func BenchmarkOpener(b *testing.B) {
	for _, s := range []setting{{4, 1, 4}, {4, 1, 5}, {7, 2, 4}, {10, 3, 4}, {13, 4, 4}} {
		for _, k := range []uint{5, 17, 64} {
			b.Run(fmt.Sprintf("n=%d,d=%d,k=%d", s.n, s.d, k), func(b *testing.B) {
				c := code(b, s)
				shares, _ := c.Deal(source(8), s.t, make([]uint64, 1024))
				b.ReportAllocs()
				for b.Loop() {
					o := c.NewOpener(k, 1024)
					for i := 1; i <= c.Quorum(); i++ {
						o.Add(i, shares[i-1])
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/value")
			})
		}
	}
}
