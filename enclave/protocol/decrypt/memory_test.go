package decrypt_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring"
)

// session1 records what reaches party 1 of a session and returns how to run it again
// with the same stock.
func (w *world) session1(t *testing.T, count int) func(check func(*decrypt.Machine)) {
	t.Helper()
	blocks, stock := w.encrypt(w.messages(count), 1<<56), w.stock(t, count)
	raw, err := stock[1][0].MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var heard []mpctest.Envelope
	network := mpctest.Network{InOrder: true, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.To == 1 {
			heard = append(heard, mpctest.Envelope{From: e.From, To: e.To, Round: e.Round, Payload: bytes.Clone(e.Payload)})
		}
		return only(e)
	}}
	machines, _ := w.start(t, blocks, stock)
	if err := mpctest.FirstError(network.Run(machines, w.n)); err != nil {
		t.Fatal(err)
	}
	phases := w.phases(t, 1, blocks)
	return func(check func(*decrypt.Machine)) {
		b, err := preproc.UnmarshalBatch(raw)
		if err != nil {
			t.Fatal(err)
		}
		m, err := decrypt.New(w.configOf(1, phases, []*preproc.Batch{b}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Start(); err != nil {
			t.Fatal(err)
		}
		for _, e := range heard {
			if _, err := m.Receive(e.From, e.Round, e.Payload); err != nil {
				t.Fatal(err)
			}
		}
		if !m.Done() {
			t.Fatal("not done")
		}
		if check != nil {
			check(m)
		}
		m.Release()
	}
}

func TestASessionTakesFewAllocations(t *testing.T) {
	for _, shape := range []preproc.Shape{production, chained} {
		for _, count := range []int{1, 32, 1024} {
			w := newWorld(t, 4, 64, shape)
			run := w.session1(t, count)
			if got := testing.AllocsPerRun(10, func() { run(nil) }); got > 100 {
				t.Errorf("%d blocks, chain=%v: %v allocations", count, shape.Chain, got)
			} else {
				t.Logf("%d blocks, chain=%v: %v allocations", count, shape.Chain, got)
			}
		}
	}
}

func TestMemoryIsErasedBeforeItIsUsedAgain(t *testing.T) {
	for _, keep := range []bool{false, true} {
		w := newWorld(t, 4, 64, chained)
		if keep {
			w.keepFor(t, purpose)
		}
		run := w.session1(t, 33)
		var words []uint64
		run(func(m *decrypt.Machine) {
			words = decrypt.ArenaWords(m)
			if slices.Max(words) == 0 {
				t.Fatal("the session did not work there")
			}
		})
		if slices.Max(words) != 0 {
			t.Error("shares are left in memory that others will use")
		}
	}
}

func TestAReleasedMachineKeepsItsResultAndHearsNothing(t *testing.T) {
	w := newWorld(t, 4, 64, production)
	w.session1(t, 3)(func(m *decrypt.Machine) {
		values := slices.Clone(m.Values())
		m.Release()
		out, err := m.Receive(2, 0, []byte("garbage"))
		if err != nil || out != nil || m.Culprits() != 0 || !m.Done() || !slices.Equal(m.Values(), values) {
			t.Error("a released machine changed")
		}
	})
}

func TestRepeatedAndMalformedMessagesTakeNoMemory(t *testing.T) {
	w := newWorld(t, 4, 64, production)
	stock := w.stock(t, 2)
	machines, got := w.start(t, w.encrypt(w.messages(2), 0), stock)
	good := make([]byte, ring.PackedLen(2*4, production.K))
	if _, err := machines[1].Receive(2, 0, good); err != nil {
		t.Fatal(err)
	}
	if _, err := machines[1].Receive(3, 0, nil); err != nil {
		t.Fatal(err)
	}
	before := decrypt.ArenaUsed(got[1])
	for range 10 {
		for from, payload := range map[int][]byte{2: good, 3: good[1:]} {
			if _, err := machines[1].Receive(from, 0, payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	if after := decrypt.ArenaUsed(got[1]); after != before || got[1].Culprits().List()[0] != 3 {
		t.Errorf("%d words more are taken; culprits %v", after-before, got[1].Culprits())
	}
}

func TestBytesOfTheOnlinePhase(t *testing.T) {
	const count = 64
	for _, c := range []struct {
		shape  preproc.Shape
		values int // over R_W
	}{{production, 7 + 1}, {chained, 6 + 1}} {
		w := newWorld(t, 4, 64, c.shape)
		machines, _ := w.start(t, w.encrypt(w.messages(count), 1), w.stock(t, count))
		network := mpctest.Network{InOrder: true}
		if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
			t.Fatal(err)
		}
		const root = 1 + 32 + 64
		want := 3 * (ring.PackedLen(4*count, c.shape.K) + ring.PackedLen(4*count*c.values, c.shape.W) + root)
		if got := network.Bytes[1]; got < want || got > want+3*c.shape.Rounds() {
			t.Errorf("%s: %d bytes, not %d", fmt.Sprint(c.shape), got, want)
		}
	}
}
