package decrypt_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
)

// world is a dealt key and parties that hold its shares.
type world struct {
	n          int
	shape      preproc.Shape
	code       *sharing.Code
	sources    []*prss.Source // nil if randomness is dealt
	identities []*mpc.Identity
	secret     []uint64
	keys       []*decrypt.Key
	keep       []*prss.Source    // by party, nil if values are opened
	lifted     preproc.Shape     // that shares are lifted to, if it is one
	lifts      []*lifts          // by party, nil if shares are kept as they are
	flooded    bool              // whether decryption is by flooding
	next       uint64            // the next item
	layout     transcript.Layout // of the last machines
	random     *rand.Rand
}

func newWorld(t testing.TB, n, dim int, shape preproc.Shape) *world {
	t.Helper()
	return newWorldOver(t, n, 4, dim, shape)
}

// newWorldOver works over the ring of extension degree d.
func newWorldOver(t testing.TB, n, d, dim int, shape preproc.Shape) *world {
	t.Helper()
	w := &world{n: n, shape: shape, identities: mpctest.Identities(t, n), random: rand.New(rand.NewPCG(uint64(n), uint64(dim)))}
	if n > 13 { // too many sets
		var err error
		if w.code, err = sharing.New(n, sharing.Threshold(n), d); err != nil {
			t.Fatal(err)
		}
	} else {
		w.sources = mpctest.Sources(t, n, d, 3, mpctest.Epoch)
		w.code = w.sources[1].Code()
	}
	w.secret = make([]uint64, dim)
	for i := range w.secret {
		w.secret[i] = w.random.Uint64() & 1
	}
	shares, err := dealer.Deal(rand.NewChaCha8([32]byte{1}), n, w.code.T(), d, w.secret)
	if err != nil {
		t.Fatal(err)
	}
	w.keys = make([]*decrypt.Key, n+1)
	for i, s := range shares {
		if w.keys[i+1], err = decrypt.NewKey(w.code, shape, s); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// rounds is the number of online rounds.
func (w *world) rounds() int {
	switch {
	case w.flooded:
		return 1
	case w.lifts != nil:
		return w.shape.Rounds() + 1
	}
	return w.shape.Rounds()
}

// keptBits is the W of the ring that shares are kept over.
func (w *world) keptBits() uint {
	if w.lifted.W > 0 {
		return w.lifted.W
	}
	return w.shape.W
}

// encrypt returns LWEs of the messages, of which the top W bits of the phase are
// the value, with noise up to the given bound.
func (w *world) encrypt(messages []uint64, noise uint64) *decrypt.LWEs {
	dim := len(w.secret)
	data := make([]uint64, 0, len(messages)*(dim+1))
	for _, m := range messages {
		body := m<<(64-w.shape.W) + w.random.Uint64N(2*noise+1) - noise
		for _, s := range w.secret {
			a := w.random.Uint64()
			data = append(data, a)
			body += a * s
		}
		data = append(data, body)
	}
	l, err := decrypt.NewLWEs(dim, data)
	if err != nil {
		panic(err)
	}
	return l
}

func (w *world) messages(count int) []uint64 {
	out := make([]uint64, count)
	for i := range out {
		out[i] = w.random.Uint64N(1 << w.shape.W)
	}
	return out
}

// stock makes the next count items at every party.
func (w *world) stock(t testing.TB, count int) [][]*preproc.Batch {
	t.Helper()
	return w.stockOf(t, w.shape, count)
}

// stockOf is stock of any shape.
func (w *world) stockOf(t testing.TB, shape preproc.Shape, count int) [][]*preproc.Batch {
	t.Helper()
	machines, list := map[int]mpc.Machine{}, make([]*preproc.Machine, w.n+1)
	source := w.randomness(t, shape, count)
	for i := 1; i <= w.n; i++ {
		m, err := preproc.NewBatch(preproc.Config{Source: source(i), Session: session, From: sharing.AllParties(w.n), Identity: w.identities[i]}, shape, w.next, count)
		if err != nil {
			t.Fatal(err)
		}
		machines[i], list[i] = m, m
	}
	w.next += uint64(count)
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(machines, w.n)); err != nil {
		t.Fatal(err)
	}
	out := make([][]*preproc.Batch, w.n+1)
	for i := 1; i <= w.n; i++ {
		b, err := preproc.FromMachine(list[i], shape)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = []*preproc.Batch{b}
	}
	return out
}

// randomness returns what the parties draw the next count items from.
func (w *world) randomness(t testing.TB, shape preproc.Shape, count int) func(i int) prss.Randomness {
	t.Helper()
	if w.sources != nil {
		return func(i int) prss.Randomness { return w.sources[i] }
	}
	demand, err := preproc.Demand(shape.Sections(w.next, count))
	if err != nil {
		t.Fatal(err)
	}
	dealt := mpctest.Dealt(t, w.n, sharing.AllParties(w.n), mpc.Hash("batch", mpc.Uint64(w.next)), demand)
	return func(i int) prss.Randomness { return dealt[i] }
}

// phases are a party's.
func (w *world) phases(t testing.TB, i int, blocks decrypt.Blocks) []*decrypt.Phases {
	t.Helper()
	p, err := w.keys[i].Phases(blocks)
	if err != nil {
		t.Fatal(err)
	}
	return []*decrypt.Phases{p}
}

func (w *world) config(t testing.TB, i int, blocks decrypt.Blocks, stock []*preproc.Batch) decrypt.Config {
	t.Helper()
	return w.configOf(i, w.phases(t, i, blocks), stock)
}

func (w *world) configOf(i int, phases []*decrypt.Phases, stock []*preproc.Batch) decrypt.Config {
	c := decrypt.Config{Code: w.code, Self: i, Session: session, Identity: w.identities[i], Phases: phases, Stock: stock}
	if w.keep != nil {
		c.Keep = w.keep[i]
	}
	if w.lifts != nil {
		count := 0
		for _, p := range phases {
			count += p.Len()
		}
		c.Lift = w.lifts[i].next(count)
	}
	return c
}

func (w *world) start(t testing.TB, blocks decrypt.Blocks, stock [][]*preproc.Batch) (map[int]mpc.Machine, []*decrypt.Machine) {
	t.Helper()
	machines, out := map[int]mpc.Machine{}, make([]*decrypt.Machine, w.n+1)
	for i := 1; i <= w.n; i++ {
		m, err := decrypt.New(w.config(t, i, blocks, stock[i]))
		if err != nil {
			t.Fatal(err)
		}
		machines[i], out[i] = m, m
		if w.n > 1 {
			w.layout = m.Layout()
		}
	}
	return machines, out
}
