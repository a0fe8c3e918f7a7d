package decrypt_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// purpose is a context in which values are kept.
var purpose = mpc.Hash("kept in a test")

// keepFor makes sessions keep their values in a context.
func (w *world) keepFor(t testing.TB, context mpc.Digest) {
	t.Helper()
	w.keep = mpctest.Sources(t, w.n, w.code.Degree(), 3, context)
}

// packed is what is shared of the values of ciphertexts of those numbers of blocks.
func (w *world) packed(values []uint64, counts ...int) []uint64 {
	var out []uint64
	d := w.code.Degree()
	for _, count := range counts {
		out = append(out, values[:count]...)
		out = append(out, make([]uint64, (d-count%d)%d)...)
		values = values[count:]
	}
	return out
}

// shares returns what honest parties ended with, by party.
func (w *world) shares(got []*decrypt.Machine, honest sharing.Parties) ([][]uint64, string) {
	out := make([][]uint64, w.n+1)
	for _, i := range honest.List() {
		if !got[i].Done() || got[i].Values() != nil {
			return nil, fmt.Sprintf("party %d is done: %v, and knows the values %v", i, got[i].Done(), got[i].Values())
		}
		out[i] = got[i].Shares()
	}
	return out, ""
}

// keepsRight says what is wrong with the shares of honest parties.
func (w *world) keepsRight(counts ...int) func(got []*decrypt.Machine, honest sharing.Parties, want []uint64) string {
	return func(got []*decrypt.Machine, honest sharing.Parties, want []uint64) string {
		shares, wrong := w.shares(got, honest)
		if wrong != "" {
			return wrong
		}
		want = w.packed(want, counts...)
		values := make([]uint64, len(want))
		if off := w.code.OpenAll(values, w.code.T(), honest, shares, w.keptBits()); off >= 0 || !slices.Equal(values, want) {
			return fmt.Sprintf("the shares %v of %v are of %v, not of %v; off at %d", shares, honest, values, want, off)
		}
		return ""
	}
}

// startKeeping is start for ciphertexts of those numbers of blocks.
func (w *world) startKeeping(t testing.TB, values []uint64, stock [][]*preproc.Batch, counts ...int) (map[int]mpc.Machine, []*decrypt.Machine) {
	t.Helper()
	var blocks []*decrypt.LWEs
	for _, count := range counts {
		blocks = append(blocks, w.encrypt(values[:count], 1<<40))
		values = values[count:]
	}
	machines, out := map[int]mpc.Machine{}, make([]*decrypt.Machine, w.n+1)
	for i := 1; i <= w.n; i++ {
		var phases []*decrypt.Phases
		for _, b := range blocks {
			phases = append(phases, w.phases(t, i, b)...)
		}
		m, err := decrypt.New(w.configOf(i, phases, stock[i]))
		if err != nil {
			t.Fatal(err)
		}
		machines[i], out[i] = m, m
	}
	return machines, out
}

func TestKeptValuesAreSharedOnPolynomialsOfDegreeT(t *testing.T) {
	counts := []int{5, 1, 8, 4, 3}
	for _, c := range []struct{ n, d int }{{1, 4}, {1, 5}, {4, 4}, {4, 5}, {7, 4}, {7, 5}, {10, 4}, {13, 4}} {
		for _, shape := range []preproc.Shape{production, chained, {K: 24, W: 5}} {
			w := newWorldOver(t, c.n, c.d, 64, shape)
			w.keepFor(t, purpose)
			want := w.messages(21)
			machines, got := w.startKeeping(t, want, w.stock(t, len(want)), counts...)
			network := mpctest.Network{Seed: 7}
			if err := mpctest.FirstError(network.Run(machines, c.n)); err != nil {
				t.Fatal(err)
			}
			if wrong := w.keepsRight(counts...)(got, sharing.AllParties(c.n), want); wrong != "" {
				t.Fatalf("%+v, %+v: %s", c, shape, wrong)
			}
			if c.n > 1 && network.Rounds != shape.Rounds()+1 {
				t.Errorf("%+v: %d rounds", c, network.Rounds)
			}
		}
	}
}

func TestOnlineCheatsDoNotChangeSharesThatAreKept(t *testing.T) {
	for _, n := range []int{4, 7} {
		for _, shape := range []preproc.Shape{production, chained} {
			t.Run(fmt.Sprintf("n=%d,chain=%v", n, shape.Chain), func(t *testing.T) {
				w := newWorld(t, n, 64, shape)
				w.keepFor(t, purpose)
				attack(t, w, w.keepsRight(5))
			})
		}
	}
}

// Parties may finish different ones of several sessions that decrypt the same for the
// same with different offline items: their shares still belong together.
func TestSharesDoNotDependOnTheItemsOfASession(t *testing.T) {
	w := newWorld(t, 7, 64, production)
	w.keepFor(t, purpose)
	want := w.messages(6)
	ends := make([][]*decrypt.Machine, 2)
	for i := range ends {
		var machines map[int]mpc.Machine
		machines, ends[i] = w.startKeeping(t, want, w.stock(t, len(want)), 6)
		network := mpctest.Network{Seed: uint64(i)}
		if err := mpctest.FirstError(network.Run(machines, w.n)); err != nil {
			t.Fatal(err)
		}
	}
	mixed := slices.Clone(ends[0])
	mixed[2], mixed[5], mixed[6] = ends[1][2], ends[1][5], ends[1][6]
	if wrong := w.keepsRight(6)(mixed, sharing.AllParties(w.n), want); wrong != "" {
		t.Error(wrong)
	}
}

func TestEachContextHasASharingOfItsOwn(t *testing.T) {
	w := newWorld(t, 4, 64, production)
	want := w.messages(8)
	var earlier [][]uint64
	for _, context := range []mpc.Digest{purpose, mpc.Hash("another request"), mpc.Hash("another attempt")} {
		w.keepFor(t, context)
		machines, got := w.startKeeping(t, want, w.stock(t, len(want)), 8)
		var network mpctest.Network
		if err := mpctest.FirstError(network.Run(machines, w.n)); err != nil {
			t.Fatal(err)
		}
		shares, wrong := w.shares(got, sharing.AllParties(4))
		if wrong != "" {
			t.Fatal(wrong)
		}
		for _, known := range earlier {
			if slices.Equal(known, shares[3]) {
				t.Error("the same shares in two contexts")
			}
		}
		earlier = append(earlier, shares[3])
	}
}

// Whoever collects all shares, with what t parties know, learns the values only: the
// values and any t shares determine the others.
func TestTheValueAndTSharesDetermineTheOthers(t *testing.T) {
	for _, n := range []int{4, 7} {
		w := newWorld(t, n, 64, production)
		w.keepFor(t, purpose)
		want := w.messages(7)
		machines, got := w.startKeeping(t, want, w.stock(t, len(want)), 7)
		var network mpctest.Network
		if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
			t.Fatal(err)
		}
		shares, wrong := w.shares(got, sharing.AllParties(n))
		if wrong != "" {
			t.Fatal(wrong)
		}
		value := w.packed(want, 7)
		for corrupt := sharing.Parties(0); corrupt <= sharing.AllParties(n); corrupt++ {
			if corrupt.Count() != w.code.T() || !corrupt.Within(n) {
				continue
			}
			for i := 1; i <= n; i++ {
				if !corrupt.Has(i) && !slices.Equal(w.simulate(value, shares, corrupt, i), shares[i]) {
					t.Fatalf("the share of %d does not follow from the value and those of %v", i, corrupt)
				}
			}
		}
	}
}

// simulate returns the share of party i on the polynomials of degree t through the
// value and the shares of t parties.
func (w *world) simulate(value []uint64, shares [][]uint64, corrupt sharing.Parties, i int) []uint64 {
	r, d := w.code.Ring(), w.code.Degree()
	// f − value is X·g, where g of degree t−1 goes through the t points (share − value)/α.
	out := slices.Clone(value)
	for _, j := range corrupt.List() {
		factor := r.Point(i)
		inverse, _ := r.Inverse(r.Point(j))
		factor = r.Mul(factor, inverse)
		for _, k := range corrupt.List() {
			if k != j {
				inverse, _ := r.Inverse(r.Sub(r.Point(j), r.Point(k)))
				factor = r.Mul(factor, r.Mul(r.Sub(r.Point(i), r.Point(k)), inverse))
			}
		}
		for e := range len(value) / d {
			r.Set(out, e, r.Add(r.At(out, e), r.Mul(factor, r.Sub(r.At(shares[j], e), r.At(value, e)))))
		}
	}
	ring.Reduce(out, w.shape.W)
	return out
}

// What is opened of values that are kept, and the shares of any t parties, are uniform,
// here for one value many times. So they say nothing of it.
func TestWhatIsSeenOfKeptValuesIsUniform(t *testing.T) {
	const count = 1 << 13
	w := newWorld(t, 4, 4, production)
	w.keepFor(t, purpose)
	machines, got := w.start(t, repeated{w.encrypt([]uint64{9}, 0), count}, w.stock(t, count))
	last := uint16(production.Rounds() - 1)
	vectors := make([][]uint64, 5)
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.Round == last && vectors[e.From] == nil {
			vectors[e.From] = make([]uint64, count)
			if err := ring.Unpack(vectors[e.From], e.Payload, production.W); err != nil {
				t.Fatal(err)
			}
		}
		return only(e)
	}}
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	opened := make([]uint64, count)
	if w.code.OpenAll(opened, 1, sharing.AllParties(4), vectors, production.W) >= 0 {
		t.Fatal("what is opened is no sharing")
	}
	for name, words := range map[string][]uint64{"opened": opened, "share of party 1": got[1].Shares(), "share of party 4": got[4].Shares()} {
		for coordinate := range 4 {
			var buckets [32]int
			for e := range count / 4 {
				buckets[words[4*e+coordinate]]++
			}
			for v, n := range buckets {
				if off := float64(n) - count/4/32; off*off > 25*count/4/32 {
					t.Errorf("%s, coordinate %d: %d comes %d times of %d", name, coordinate, v, n, count/4)
				}
			}
		}
	}
}

func TestTheSourceOfAnotherPartyKeepsNothing(t *testing.T) {
	w, other := newWorld(t, 4, 64, production), newWorld(t, 7, 64, production)
	wide := newWorldOver(t, 4, 5, 64, production)
	blocks, stock := w.encrypt(w.messages(2), 0), w.stock(t, 2)
	w.keepFor(t, purpose)
	good := w.config(t, 1, blocks, stock[1])
	for name, keep := range map[string]*world{"other parties": other, "another ring": wide} {
		keep.keepFor(t, purpose)
		c := good
		c.Keep = keep.keep[1]
		if _, err := decrypt.New(c); !errors.Is(err, decrypt.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := good
	c.Keep = w.keep[2]
	if _, err := decrypt.New(c); !errors.Is(err, decrypt.ErrConfig) {
		t.Errorf("another party's: %v", err)
	}
	m, err := decrypt.New(good)
	if err != nil {
		t.Fatal(err)
	}
	if m.Shares() != nil || m.Values() != nil {
		t.Error("shares before the session is done")
	}
}

func TestBytesOfKeepingValues(t *testing.T) {
	const count = 64
	w := newWorld(t, 4, 64, production)
	w.keepFor(t, purpose)
	machines, _ := w.start(t, w.encrypt(w.messages(count), 1), w.stock(t, count))
	network := mpctest.Network{InOrder: true}
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	const root = 1 + 32 + 64
	want := 3 * (ring.PackedLen(4*count, 17) + ring.PackedLen(4*count*7, 5) + ring.PackedLen(count, 5) + root)
	if got := network.Bytes[1]; got < want || got > want+3*w.shape.Rounds() {
		t.Errorf("%d bytes, not %d", got, want)
	}
}
