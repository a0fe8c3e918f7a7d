package preproc_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// journal is a disk.
type journal struct {
	saved map[string][]byte
	fails error
}

func (j *journal) name(session mpc.Digest, batch uint32) string {
	return fmt.Sprintf("%x/%d", session, batch)
}

func (j *journal) Load(session mpc.Digest, batch uint32) ([]byte, error) {
	return bytes.Clone(j.saved[j.name(session, batch)]), j.fails
}

func (j *journal) Save(session mpc.Digest, batch uint32, echo []byte) error {
	if j.fails != nil {
		return j.fails
	}
	if j.saved[j.name(session, batch)] != nil {
		return errors.New("a second ECHO")
	}
	j.saved[j.name(session, batch)] = bytes.Clone(echo)
	return nil
}

func (c cluster) journaled(t testing.TB, i int, j *journal) *preproc.Machine {
	t.Helper()
	m, err := preproc.New(preproc.Config{
		Source: c.sources[i], Session: session, Batch: 2, From: sharing.AllParties(c.n), Identity: c.identities[i], Sections: sections(5), Journal: j,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// restarting is a party that loses all but its journal from time to time, and is
// then sent again what it was sent before.
type restarting struct {
	*preproc.Machine
	fresh    func() *preproc.Machine
	random   *rand.Rand
	received []mpctest.Envelope
	restarts int
}

func (r *restarting) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	r.received = append(r.received, mpctest.Envelope{From: from, Round: round, Payload: bytes.Clone(payload)})
	if r.restarts == 0 || r.random.IntN(3) > 0 {
		return r.Machine.Receive(from, round, payload)
	}
	r.restarts--
	r.Machine = r.fresh()
	out, err := r.Machine.Start()
	for _, k := range r.random.Perm(len(r.received)) {
		if err != nil {
			break
		}
		var more []mpc.Message
		e := r.received[k]
		more, err = r.Machine.Receive(e.From, e.Round, bytes.Clone(e.Payload))
		out = append(out, more...)
	}
	return out, err
}

// signings collects what a party signs: never two vectors, never two ECHOs.
type signings map[[2]int][]byte

func (s signings) add(t *testing.T, e mpctest.Envelope) {
	t.Helper()
	if e.Round > 1 {
		return
	}
	key := [2]int{e.From, int(e.Round)}
	if s[key] == nil {
		s[key] = bytes.Clone(e.Payload)
	}
	if !bytes.Equal(s[key], e.Payload) {
		t.Errorf("party %d signs twice in round %d", e.From, e.Round)
	}
}

// TestNoScheduleGetsABadBatchUsedOrAGoodOneRevealed lets one party of four send
// what it likes to whom it likes when it likes, with another one slow and a third
// one restarting.
func TestNoScheduleGetsABadBatchUsedOrAGoodOneRevealed(t *testing.T) {
	c := newCluster(t, 4)
	all, evil := sharing.AllParties(4), 4
	outcomes, right := map[string]int{}, c.honest(t, sections(5))
	for seed := range uint64(600) {
		random := rand.New(rand.NewPCG(seed, 1))
		machines, got := map[int]mpc.Machine{}, make([]*preproc.Machine, 5)
		restarted := map[int]*restarting{}
		for i := 1; i <= 4; i++ {
			j := &journal{saved: map[string][]byte{}}
			got[i] = c.journaled(t, i, j)
			machines[i] = got[i]
			if i != evil {
				fresh := func() *preproc.Machine { return c.journaled(t, i, j) }
				restarted[i] = &restarting{Machine: got[i], fresh: fresh, random: random, restarts: random.IntN(3)}
				machines[i] = restarted[i]
			}
		}
		run := random.IntN(preproc.Runs(got[evil]))
		if random.IntN(2) == 0 {
			machines[evil] = liar{got[evil], flip(got[evil], run)}
		}
		slow := sharing.Parties(random.Uint32()) & all
		signed, revealed := signings{}, sharing.Parties(0)
		network := mpctest.Network{Seed: seed,
			Late: func(e mpctest.Envelope) bool { return slow.Has(e.From) },
			Tap: func(e mpctest.Envelope) []mpctest.Envelope {
				if e.From != evil {
					signed.add(t, e)
					if e.Round == preproc.RoundClaim {
						revealed = revealed.With(e.From)
					}
					out := []mpctest.Envelope{e}
					if e.Round == 1 && random.IntN(4) == 0 { // the cheat supports whatever is said
						for to := 1; to < evil; to++ {
							out = append(out, mpctest.Envelope{From: evil, To: to, Round: 1, Payload: preproc.EchoOf(got[evil], c.identities[evil], e.Payload)})
						}
					}
					return out
				}
				return tamper(c, random, got[evil], run, e)
			}}
		errs := network.Run(machines, 4)
		var users sharing.Parties
		for i := 1; i < evil; i++ {
			m := restarted[i].Machine
			if m.Done() {
				users = users.With(i)
				if !bytes.Equal(m.Opened(), right) {
					t.Fatalf("seed %d: party %d uses a bad batch", seed, i)
				}
			}
			if (mpc.Culprits(errs[i]) | m.Wrong()).Without(sharing.PartiesOf(evil)) != 0 {
				t.Fatalf("seed %d: party %d accuses %v", seed, i, mpc.Culprits(errs[i]))
			}
			if errors.Is(errs[i], preproc.ErrBatchBad) && mpc.Culprits(errs[i]) != sharing.PartiesOf(evil) {
				t.Fatalf("seed %d: party %d finds %v", seed, i, mpc.Culprits(errs[i]))
			}
			c.convicts(t, m.Evidence(), sharing.PartiesOf(evil))
			outcomes[fmt.Sprintf("done=%v bad=%v two=%v", m.Done(), errors.Is(errs[i], preproc.ErrBatchBad), errors.Is(errs[i], preproc.ErrEquivocation))]++
		}
		if users != 0 && revealed != 0 {
			t.Fatalf("seed %d: %v use a batch of which %v reveal an index", seed, users, revealed)
		}
	}
	if len(outcomes) != 4 {
		t.Errorf("the schedules do not come to all ends: %v", outcomes)
	}
}

// tamper does something to a message of the cheat.
func tamper(c cluster, random *rand.Rand, m *preproc.Machine, run int, e mpctest.Envelope) []mpctest.Envelope {
	switch random.IntN(8) {
	case 0:
		return nil
	case 1:
		if e.Round == 0 {
			e.Payload = c.resign(m, e.Payload, e.From, flip(m, run))
		}
	case 2:
		if e.Round == preproc.RoundClaim {
			e.Payload = preproc.Claims(m, func(words []byte) { words[random.IntN(len(words))] ^= 1 })
		}
	case 3:
		e.Payload = bytes.Clone(e.Payload)
		e.Payload[random.IntN(len(e.Payload))] ^= 1
	case 4:
		return []mpctest.Envelope{e, e}
	}
	return []mpctest.Envelope{e}
}

func TestARestartedPartySendsTheECHOOfItsFirstLife(t *testing.T) {
	c := newCluster(t, 4)
	_, others := c.start(t, sharing.AllParties(4), sections(5))
	vectors := make([][]byte, 5)
	for i := 2; i <= 4; i++ {
		out, err := others[i].Start()
		if err != nil {
			t.Fatal(err)
		}
		vectors[i] = out[0].Payload
	}
	disk := &journal{saved: map[string][]byte{}}
	first := c.journaled(t, 1, disk)
	before, err := first.Start()
	if err != nil {
		t.Fatal(err)
	}
	for i := 2; i <= 4; i++ {
		out, err := first.Receive(i, 0, bytes.Clone(vectors[i]))
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, out...)
	}
	second := c.journaled(t, 1, disk)
	after, err := second.Start()
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != 2 || len(after) != 2 || !bytes.Equal(before[0].Payload, after[0].Payload) || !bytes.Equal(before[1].Payload, after[1].Payload) {
		t.Fatalf("%d messages before, %d after, or others", len(before), len(after))
	}
	// Now party 4 sends another vector: the ECHO that left stays the only one.
	other := c.resign(others[4], vectors[4], 4, flip(others[4], preproc.Runs(others[4])-1))
	out, err := second.Receive(4, 0, other)
	if !errors.Is(err, preproc.ErrEquivocation) || mpc.Culprits(err) != sharing.PartiesOf(4) || len(out) != 0 {
		t.Errorf("%d messages, %v", len(out), err)
	}
	c.convicts(t, second.Evidence(), sharing.PartiesOf(4))

	saved := disk.saved[disk.name(session, 2)]
	for name, spoil := range map[string]func(j *journal){
		"unreadable":          func(j *journal) { j.fails = errors.New("no disk") },
		"cut":                 func(j *journal) { j.saved[j.name(session, 2)] = saved[:len(saved)-1] },
		"of another vector":   func(j *journal) { j.saved[j.name(session, 2)][0] ^= 1 },
		"of others' vectors":  func(j *journal) { j.saved[j.name(session, 2)][2*96] ^= 1 },
		"with roots unsigned": func(j *journal) { j.saved[j.name(session, 2)][2*96+40] ^= 1 },
		"of another life": func(j *journal) {
			// As if what is drawn had changed in between.
			clear(j.saved)
			elsewhere := c.generation(t, 1).journaled(t, 1, j)
			if _, err := elsewhere.Start(); err != nil {
				t.Fatal(err)
			}
			for i := 2; i <= 4; i++ {
				if _, err := elsewhere.Receive(i, 0, bytes.Clone(vectors[i])); err != nil {
					t.Fatal(err)
				}
			}
		},
		"with a bad signature": func(j *journal) { j.saved[j.name(session, 2)][len(saved)-1] ^= 1 },
	} {
		j := &journal{saved: map[string][]byte{disk.name(session, 2): bytes.Clone(saved)}}
		spoil(j)
		out, err := c.journaled(t, 1, j).Start()
		if err == nil || len(out) != 0 || j.fails == nil && !errors.Is(err, preproc.ErrJournal) {
			t.Errorf("%s: %d messages, %v", name, len(out), err)
		}
	}
}

func TestAnECHOThatCannotBeSavedDoesNotLeave(t *testing.T) {
	c := newCluster(t, 4)
	machines, got := c.start(t, sharing.AllParties(4), sections(5))
	disk := &journal{saved: map[string][]byte{}}
	got[1] = c.journaled(t, 1, disk)
	machines[1] = got[1]
	var network mpctest.Network
	network.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if e.From == 1 {
			disk.fails = errors.New("disk full") // once its vector is out
			if e.Round == 1 {
				t.Error("the ECHO left")
			}
		}
		return []mpctest.Envelope{e}
	}
	if errs := network.Run(machines, 4); !errors.Is(errs[1], disk.fails) || got[1].Done() {
		t.Errorf("done=%v, %v", got[1].Done(), errs[1])
	}
}

func TestASecondRunOfASessionComesToNothingElseThanTheFirst(t *testing.T) {
	for _, n := range []int{4, 7} {
		for _, firstBad := range []bool{false, true} {
			c := newCluster(t, n)
			disks := make([]*journal, n+1)
			for i := range disks {
				disks[i] = &journal{saved: map[string][]byte{}}
			}
			// run lets all parties but the last restart with their journals.
			run := func(bad bool) ([]*preproc.Machine, map[int]error, bool) {
				machines, got := map[int]mpc.Machine{}, make([]*preproc.Machine, n+1)
				for i := 1; i < n; i++ {
					got[i] = c.journaled(t, i, disks[i])
					machines[i] = got[i]
				}
				got[n] = c.journaled(t, n, &journal{saved: map[string][]byte{}})
				machines[n] = got[n]
				if bad {
					machines[n] = liar{got[n], flip(got[n], preproc.Runs(got[n])-1)}
				}
				revealed := false
				network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
					revealed = revealed || e.Round == preproc.RoundClaim
					return []mpctest.Envelope{e}
				}}
				errs := network.Run(machines, n)
				return got, errs, revealed
			}
			got, errs, revealed := run(firstBad)
			for i := 1; i < n; i++ {
				if got[i].Done() == firstBad || revealed != firstBad || errors.Is(errs[i], preproc.ErrBatchBad) != firstBad {
					t.Fatalf("n=%d: party %d: done=%v, %v", n, i, got[i].Done(), errs[i])
				}
			}
			got, errs, revealed = run(!firstBad)
			for i := 1; i < n; i++ {
				// Who knows of the first run's quorum waits for its vectors, in vain.
				if got[i].Done() || revealed || errs[i] != nil && !errors.Is(errs[i], preproc.ErrEquivocation) || len(got[i].Evidence()) != 1 {
					t.Errorf("n=%d: party %d in the second run: done=%v revealed=%v, %v", n, i, got[i].Done(), revealed, errs[i])
				}
				c.convicts(t, got[i].Evidence(), sharing.PartiesOf(n))
			}
			got, errs, revealed = run(firstBad)
			for i := 1; i < n; i++ {
				if got[i].Done() == firstBad || revealed != firstBad || errors.Is(errs[i], preproc.ErrBatchBad) != firstBad {
					t.Errorf("n=%d: party %d in the third run: done=%v, %v", n, i, got[i].Done(), errs[i])
				}
			}
		}
	}
}
