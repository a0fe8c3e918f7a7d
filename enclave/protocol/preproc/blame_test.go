package preproc_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// liar is a machine that signs, sends, echoes and claims as told.
type liar struct {
	*preproc.Machine
	alter func(vector []byte)
}

func (l liar) Start() ([]mpc.Message, error) {
	out, err := l.Machine.Start()
	if err != nil || l.alter == nil {
		return out, err
	}
	return preproc.Alter(l.Machine, out, l.alter), nil
}

// kinds are sections of every kind, bits that fail last among them.
func kinds(count int) []preproc.Section {
	out := sections(count)
	for _, shape := range []preproc.Shape{{K: 6, W: 2, Chain: true}, {K: 10, W: 3}} {
		at := len(out)
		for _, s := range shape.Sections(3, count) {
			if s.Bits > 0 {
				s.FirstBit += at
			}
			out = append(out, s)
		}
	}
	return append(out, packed(1)...)
}

// flip changes the first element of a run.
func flip(m *preproc.Machine, run int) func([]byte) {
	return func(vector []byte) {
		lo, _ := preproc.RunBytes(m, run)
		vector[lo] ^= 1
	}
}

// generation returns the cluster whose sources are of another generation.
func (c cluster) generation(t testing.TB, g uint32) cluster {
	t.Helper()
	c.sources = slices.Clone(c.sources)
	for i := 1; i <= c.n; i++ {
		var err error
		c.sources[i], err = prss.NewSource(c.keys[i], c.sources[i].Code(), preproc.Context(mpctest.Epoch, g))
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// convicts checks that evidence of all kinds survives its encoding and convicts
// nobody but evil, and only for this session.
func (c cluster) convicts(t *testing.T, evidence []preproc.Evidence, evil sharing.Parties) {
	t.Helper()
	code := c.sources[1].Code()
	var found sharing.Parties
	for _, e := range evidence {
		raw, err := e.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var again preproc.Evidence
		if _, ok := e.(*preproc.WrongVector); ok {
			again, err = preproc.UnmarshalWrongVector(raw)
		} else {
			again, err = transcript.UnmarshalEquivocation(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		culprit, err := again.Verify(session, code, c.identities[1].Verify)
		if err != nil || !evil.Has(culprit) || found.Has(culprit) {
			t.Errorf("evidence against %d: %v", culprit, err)
		}
		found = found.With(culprit)
		if _, err := again.Verify(mpc.Hash("other"), code, c.identities[1].Verify); err == nil {
			t.Error("evidence of another session convicts")
		}
	}
}

func TestBlameNamesWhoeverSentAWrongShareOfAnyOpening(t *testing.T) {
	for _, n := range []int{4, 7} {
		c := newCluster(t, n)
		all := sharing.AllParties(n)
		evil := sharing.PartiesOf(n)
		_, any := c.start(t, all, kinds(3))
		for run := range preproc.Runs(any[1]) {
			machines, got := c.start(t, all, kinds(3))
			machines[n] = liar{got[n], flip(got[n], run)}
			network := mpctest.Network{Seed: uint64(run)}
			errs := network.Run(machines, n)
			for i := 1; i <= n; i++ {
				if !errors.Is(errs[i], preproc.ErrBatchBad) || mpc.Culprits(errs[i]) != evil || got[i].Done() || got[i].Material() != nil || got[i].Opened() != nil {
					t.Fatalf("n=%d, run %d: party %d: done=%v, %v", n, run, i, got[i].Done(), errs[i])
				}
				if len(got[i].Evidence()) != 1 {
					t.Fatalf("n=%d, run %d: %d pieces of evidence", n, run, len(got[i].Evidence()))
				}
				c.convicts(t, got[i].Evidence(), evil)
			}
			if network.Rounds != preproc.RoundClaim+1 {
				t.Errorf("%d rounds", network.Rounds)
			}
		}
	}
}

func TestBlameWorksOverRingsOfDegree5(t *testing.T) {
	c := newCluster(t, 4).degree(t, 5)
	_, any := c.start(t, sharing.AllParties(4), kinds(3))
	for run := range preproc.Runs(any[1]) {
		machines, got := c.start(t, sharing.AllParties(4), kinds(3))
		machines[2] = liar{got[2], flip(got[2], run)}
		var network mpctest.Network
		errs := network.Run(machines, 4)
		for i := 1; i <= 4; i++ {
			if mpc.Culprits(errs[i]) != sharing.PartiesOf(2) || len(got[i].Evidence()) != 1 {
				t.Errorf("run %d: party %d: %v", run, i, errs[i])
			}
			c.convicts(t, got[i].Evidence(), sharing.PartiesOf(2))
		}
	}
}

// cheat is what corrupt parties do.
type cheat struct {
	// alter changes the vector, lie what is sent; late holds everything back.
	alter func(m *preproc.Machine, run int) func([]byte)
	lie   func(w *stage, e mpctest.Envelope) []mpctest.Envelope
	late  bool
	want  verdict
}

// stage is a cluster at work with its liars, who lie about elements of a run.
type stage struct {
	cluster
	list []preproc.Section
	got  []*preproc.Machine
	evil sharing.Parties
	run  int
}

// other returns a change of the run that a liar tells some.
func (w *stage) other(liar int) func([]byte) { return flip(w.got[liar], w.run) }

// verdict is what becomes of a batch.
type verdict int

const (
	used    verdict = iota // all honest parties use it
	burnt                  // all blame the liars, and have evidence
	waiting                // all wait for the liars
	dropped                // some have two signed vectors, nobody is wrong
)

// cheats is the attack table of the offline phase.
func cheats() map[string]cheat {
	claims := func(lie func(w *stage, e *mpctest.Envelope)) func(w *stage, e mpctest.Envelope) []mpctest.Envelope {
		return func(w *stage, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round == preproc.RoundClaim {
				lie(w, &e)
			}
			return []mpctest.Envelope{e}
		}
	}
	only := func(round uint16) func(w *stage, e mpctest.Envelope) []mpctest.Envelope {
		return func(_ *stage, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round == round {
				return nil
			}
			return []mpctest.Envelope{e}
		}
	}
	table := map[string]cheat{
		"wrong share":                   {alter: flip, want: burnt},
		"wrong share, late":             {alter: flip, late: true, want: burnt},
		"wrong share, no ECHO":          {alter: flip, lie: only(1), want: burnt},
		"wrong share, no claims":        {alter: flip, lie: only(preproc.RoundClaim), want: burnt},
		"wrong share, garbage for them": {alter: flip, lie: claims(func(_ *stage, e *mpctest.Envelope) { e.Payload = []byte("garbage") }), want: burnt},
		"wrong share, unsigned claims":  {alter: flip, lie: claims(func(_ *stage, e *mpctest.Envelope) { e.Payload[0] ^= 1 }), want: burnt},
		"wrong share, other claims to each": {alter: flip, lie: claims(func(w *stage, e *mpctest.Envelope) {
			e.Payload = preproc.Claims(w.got[e.From], func(words []byte) { words[0] ^= byte(e.To) })
		}), want: burnt},
		"no share at all": {lie: func(*stage, mpctest.Envelope) []mpctest.Envelope { return nil }, want: waiting},
		"late":            {late: true, want: used},
		"garbage": {lie: func(_ *stage, e mpctest.Envelope) []mpctest.Envelope {
			e.Payload = []byte("garbage")
			return []mpctest.Envelope{e}
		}, want: waiting},
		"unsigned change": {lie: func(_ *stage, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round > 0 {
				return nil // it would be asked for the right vector
			}
			e.Payload[len(e.Payload)-1] ^= 1
			return []mpctest.Envelope{e}
		}, want: waiting},
		"bits beyond the last element": {alter: func(m *preproc.Machine, _ int) func([]byte) {
			return func(vector []byte) { _, hi := preproc.RunBytes(m, 1); vector[hi-1] ^= 0x80 }
		}, want: waiting},
		"vector to some only": {lie: func(_ *stage, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round == 0 && e.To == 1 {
				return nil
			}
			return []mpctest.Envelope{e}
		}, want: used},
		"vector to one only, which then waits for the others": {lie: func(_ *stage, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round == 0 && e.To != 3 || e.Round == 1 && e.To != 3 {
				return nil
			}
			return []mpctest.Envelope{e}
		}, want: used},
		"replayed and doubled": {lie: func(_ *stage, e mpctest.Envelope) []mpctest.Envelope {
			return []mpctest.Envelope{e, {From: e.From, To: e.To, Round: e.Round, Payload: bytes.Clone(e.Payload)}}
		}, want: used},
		"another vector to party 1": {lie: func(w *stage, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round == 0 && e.To == 1 {
				e.Payload = w.resign(w.got[e.From], e.Payload, e.From, w.other(e.From))
			}
			return []mpctest.Envelope{e}
		}, want: dropped},
		"good to one half, bad to the other": {lie: func(w *stage, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round == 0 && e.To%2 == 0 {
				e.Payload = w.resign(w.got[e.From], e.Payload, e.From, w.other(e.From))
			}
			return []mpctest.Envelope{e}
		}, want: dropped},
		"of another session": {lie: func(w *stage, e mpctest.Envelope) []mpctest.Envelope {
			other, err := preproc.New(preproc.Config{Source: w.sources[e.From], Session: mpc.Hash("other"), Batch: 2, From: sharing.AllParties(w.n), Identity: w.identities[e.From], Sections: w.list})
			if err != nil || e.Round > 0 {
				return nil
			}
			out, _ := other.Start()
			e.Payload = bytes.Clone(out[0].Payload)
			return []mpctest.Envelope{e}
		}, want: waiting},
	}
	return table
}

func TestTheAttackTableOfTheOfflinePhase(t *testing.T) {
	for _, n := range []int{4, 7} {
		c := newCluster(t, n)
		for name, cheat := range cheats() {
			for liars := 1; liars <= sharing.Threshold(n); liars++ {
				t.Run(fmt.Sprintf("n=%d, %d %s", n, liars, name), func(t *testing.T) {
					for seed := range uint64(4) {
						c.attack(t, cheat, sections(5), liars, seed)
					}
				})
			}
		}
	}
}

func TestTheAttackTableOfPackedOpenings(t *testing.T) {
	list := []preproc.Section{
		{Kind: "secret", K: 64, Count: 6, Packed: true},
		{Kind: "secret", K: 17, Count: 10, Packed: true}, // with bits to spare in its last byte
		{Kind: "secret", K: 128, Count: 6, Packed: true},
		{Kind: "noise", K: 64, Count: 4, Noise: 4},
		{Kind: "matrix", K: 23, Count: 16, Outer: preproc.Outer{Rows: 3, Columns: 8, First: 1}},
		{Kind: "matrix", K: 72, Count: 16, Outer: preproc.Outer{Rows: 3, Columns: 8}},
	}
	// Claims of 10 parties are 7,000 signatures: all three liars at once will do.
	for _, tc := range []struct{ n, d, least, stride int }{{4, 4, 1, 1}, {4, 5, 1, 4}, {7, 4, 1, 4}, {10, 4, 3, 9}} {
		c := newCluster(t, tc.n).degree(t, tc.d)
		_, any := c.start(t, sharing.AllParties(tc.n), list)
		runs := preproc.Runs(any[1])
		for name, cheat := range cheats() {
			for liars := tc.least; liars <= sharing.Threshold(tc.n); liars++ {
				t.Run(fmt.Sprintf("n=%d d=%d, %d %s", tc.n, tc.d, liars, name), func(t *testing.T) {
					for run := liars % tc.stride; run < runs; run += tc.stride {
						c.attack(t, cheat, list, liars, uint64(run))
					}
				})
			}
		}
	}
}

// attack runs a batch with liars, checks what becomes of it, and makes it anew
// without those that are to blame. The seed also says which run they lie about.
func (c cluster) attack(t *testing.T, cheat cheat, list []preproc.Section, liars int, seed uint64) {
	t.Helper()
	all := sharing.AllParties(c.n)
	machines, got := c.start(t, all, list)
	w := &stage{c, list, got, all.Without(sharing.AllParties(c.n - liars)), preproc.Runs(got[1]) - 1 - int(seed)}
	for _, i := range w.evil.List() {
		if cheat.alter != nil {
			machines[i] = liar{got[i], cheat.alter(got[i], w.run)}
		}
	}
	network := mpctest.Network{Seed: seed}
	network.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if cheat.lie == nil || !w.evil.Has(e.From) {
			return []mpctest.Envelope{e}
		}
		return cheat.lie(w, e)
	}
	if cheat.late {
		network.Late = func(e mpctest.Envelope) bool { return w.evil.Has(e.From) }
	}
	errs := network.Run(machines, c.n)
	var noticed bool
	var right []byte
	if cheat.want == dropped {
		right = c.honest(t, list)
	}
	for _, i := range all.Without(w.evil).List() {
		m := got[i]
		c.convicts(t, m.Evidence(), w.evil)
		if (errs[i] != nil) != preproc.Erased(m) {
			t.Errorf("party %d: erased=%v, %v", i, preproc.Erased(m), errs[i])
		}
		noticed = noticed || len(m.Evidence()) > 0
		if m.Wrong().Without(w.evil) != 0 || m.Missing().Without(w.evil) != 0 && cheat.want != dropped || mpc.Culprits(errs[i]).Without(w.evil) != 0 {
			t.Errorf("party %d: honest ones are wrong %v, missing %v, culprits %v", i, m.Wrong(), m.Missing(), mpc.Culprits(errs[i]))
		}
		switch cheat.want {
		case used:
			if errs[i] != nil || !m.Done() || len(m.Evidence()) > 0 {
				t.Errorf("party %d does not use the batch: %v", i, errs[i])
			}
		case burnt:
			if !errors.Is(errs[i], preproc.ErrBatchBad) || mpc.Culprits(errs[i]) != w.evil || m.Done() || len(m.Evidence()) != liars {
				t.Errorf("party %d: done=%v, %v", i, m.Done(), errs[i])
			}
		case waiting:
			if errs[i] != nil || m.Done() || m.Missing() != w.evil {
				t.Errorf("party %d: done=%v, missing %v, %v", i, m.Done(), m.Missing(), errs[i])
			}
		case dropped:
			if m.Done() && !bytes.Equal(m.Opened(), right) || errs[i] != nil && (!errors.Is(errs[i], preproc.ErrEquivocation) || mpc.Culprits(errs[i]).Count() != 1) {
				t.Errorf("party %d: done=%v, %v", i, m.Done(), errs[i])
			}
		}
	}
	if cheat.want == dropped && !noticed {
		t.Error("nobody has evidence")
	}
	if cheat.want == used {
		return
	}
	again := c.generation(t, 1)
	machines, got = again.start(t, all.Without(w.evil), list)
	network = mpctest.Network{Seed: seed}
	if err := mpctest.FirstError(network.Run(machines, c.n)); err != nil || !got[1].Done() {
		t.Fatalf("without the liars: done=%v, %v", got[1].Done(), err)
	}
	again.check(t, all.Without(w.evil), list, got)
}

func TestABatchAndItsBlameTakeSoManyRoundsAndBytes(t *testing.T) {
	c := newCluster(t, 4)
	// A signature each; the vectors' 128 items of R_2, R_17, R_64 and of R_5 and R_64
	// products; four roots with signatures.
	const vectors = 64 + 128 + 1088 + 4096 + 320 + 2*320 + 2*4096
	const echo = 4*(32+64) + 64
	// Of the three sets 5 words of 17 bits and a signature.
	const claims = 3 * (11 + 64)
	for _, bad := range []bool{false, true} {
		machines, got := c.start(t, sharing.AllParties(4), sections(128))
		bytes, rounds := 3*(vectors+echo), preproc.Rounds
		if bad {
			machines[4] = liar{got[4], flip(got[4], 1)}
			bytes, rounds = bytes+3*claims, preproc.RoundClaim+1
		}
		network := mpctest.Network{InOrder: true}
		network.Run(machines, 4)
		if network.Bytes[1] != bytes || network.Rounds != rounds || (got[1].Opened() == nil) != bad {
			t.Errorf("bad=%v: %d bytes in %d rounds, not %d in %d", bad, network.Bytes[1], network.Rounds, bytes, rounds)
		}
	}
}
