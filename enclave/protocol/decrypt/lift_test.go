package decrypt_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// compressed is the shape of compressed lists: their format has 12 bits, and values
// of 2 bits with a padding bit.
var compressed = preproc.Shape{K: 12, W: 3}

// lifts hands out a party's items of another shape, each once.
type lifts struct {
	t     testing.TB
	all   *preproc.Batch
	first uint64
}

func (l *lifts) next(count int) []*preproc.Batch {
	b, err := l.all.Cut(l.first, count)
	if err != nil {
		l.t.Fatal(err)
	}
	l.first += uint64(count) // #nosec G115 -- positive
	return []*preproc.Batch{b}
}

// liftTo makes sessions keep their values over R_W of another shape; there are items
// for so many values.
func (w *world) liftTo(t testing.TB, shape preproc.Shape, items int) {
	t.Helper()
	w.keepFor(t, purpose)
	w.lifted = shape
	if w.n == 1 {
		return
	}
	w.lifts = make([]*lifts, w.n+1)
	for i, b := range w.stockOf(t, shape, items) {
		if b != nil {
			first, _ := b[0].Range()
			w.lifts[i] = &lifts{t, b[0], first}
		}
	}
}

func TestSharesAreLiftedToTheRingThatClientsRead(t *testing.T) {
	counts := []int{5, 1, 8, 3}
	for _, c := range []struct{ n, d int }{{1, 4}, {4, 4}, {4, 5}, {7, 4}, {10, 4}} {
		for _, from := range []preproc.Shape{compressed, {K: 12, W: 3, Chain: true}} {
			for _, to := range []preproc.Shape{production, chained} {
				w := newWorldOver(t, c.n, c.d, 16, from)
				w.liftTo(t, to, 17)
				want := w.messages(17)
				machines, got := w.startKeeping(t, want, w.stock(t, len(want)), counts...)
				network := mpctest.Network{Seed: 3}
				if err := mpctest.FirstError(network.Run(machines, c.n)); err != nil {
					t.Fatal(err)
				}
				if wrong := w.keepsRight(counts...)(got, sharing.AllParties(c.n), want); wrong != "" {
					t.Fatalf("%+v, %+v to %+v: %s", c, from, to, wrong)
				}
				if c.n > 1 && (network.Rounds != from.Rounds()+2 || got[1].Rounds() != from.Rounds()+1) { // the last is of roots
					t.Errorf("%+v: %d rounds", c, network.Rounds)
				}
			}
		}
	}
}

func TestOnlineCheatsDoNotChangeLiftedShares(t *testing.T) {
	for _, n := range []int{4, 7} {
		t.Run(fmt.Sprintf("n=%d", n), func(t *testing.T) {
			w := newWorld(t, n, 16, compressed)
			w.liftTo(t, production, 5*(1+2*20*(w.shape.Rounds()+2)))
			attack(t, w, w.keepsRight(5))
		})
	}
}

// What the lift opens is a uniform integer mod 2^W whatever the value is.
func TestWhatALiftOpensIsUniform(t *testing.T) {
	const count = 1 << 12
	w := newWorld(t, 4, 4, compressed)
	w.liftTo(t, production, count)
	values := make([]uint64, count)
	for i := range values {
		values[i] = 5
	}
	machines, got := w.startKeeping(t, values, w.stock(t, count), count)
	lifting := got[1].Rounds() - 2
	vectors := make([][]uint64, 5)
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if int(e.Round) == lifting && vectors[e.From] == nil {
			vectors[e.From] = make([]uint64, 4*count)
			if err := ring.Unpack(vectors[e.From], e.Payload, compressed.W); err != nil {
				t.Fatal(err)
			}
		}
		return only(e)
	}}
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	opened := make([]uint64, count)
	if w.code.OpenIntegers(opened, 1, sharing.AllParties(4), vectors, compressed.W) >= 0 {
		t.Fatal("no sharing of integers")
	}
	var buckets [8]int
	for _, e := range opened {
		buckets[e]++
	}
	for v, got := range buckets {
		if d := float64(got) - count/8; d*d > 25*count/8 {
			t.Errorf("%d comes %d times of %d", v, got, count)
		}
	}
}

func TestItemsThatDoNotLiftAreRefused(t *testing.T) {
	w := newWorld(t, 4, 4, compressed)
	w.keepFor(t, purpose)
	stock, lift := w.stock(t, 2), w.stockOf(t, production, 2)
	wide := preproc.Shape{K: 19, W: 5} // its lowest digit has 4 bits
	blocks := w.encrypt(w.messages(2), 0)
	good := w.config(t, 1, blocks, stock[1])
	good.Lift = lift[1]
	for name, change := range map[string]func(*decrypt.Config){
		"values that are opened": func(c *decrypt.Config) { c.Keep = nil },
		"too few":                func(c *decrypt.Config) { c.Lift = w.stockOf(t, production, 1)[1] },
		"too many":               func(c *decrypt.Config) { c.Lift = w.stockOf(t, production, 3)[1] },
		"another's":              func(c *decrypt.Config) { c.Lift = lift[2] },
		"another digit":          func(c *decrypt.Config) { c.Lift = w.stockOf(t, wide, 2)[1] },
		"no greater ring":        func(c *decrypt.Config) { c.Lift = w.stock(t, 2)[1] },
		"two shapes": func(c *decrypt.Config) {
			c.Lift = append(w.stockOf(t, production, 1)[1], w.stockOf(t, chained, 1)[1]...)
		},
		"one item twice": func(c *decrypt.Config) {
			first, _ := lift[1][0].Range()
			a, _ := lift[1][0].Cut(first, 1)
			b, _ := lift[1][0].Cut(first, 1)
			c.Lift = []*preproc.Batch{a, b}
		},
	} {
		c := good
		change(&c)
		if _, err := decrypt.New(c); !errors.Is(err, decrypt.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decrypt.New(good); err != nil {
		t.Error(err)
	}
	good.Stock = w.stock(t, 2)[1]
	if _, err := decrypt.New(good); !errors.Is(err, preproc.ErrSpent) {
		t.Error(err)
	}
	lift, good.Stock = w.stockOf(t, production, 2), w.stock(t, 2)[1]
	good.Lift = lift[1]
	m, err := decrypt.New(good)
	if err != nil {
		t.Fatal(err)
	}
	if m.Release(); slices.Max(lift[1][0].Bits(0)) != 0 {
		t.Error("items of a session that was released are not erased")
	}
}
