package vss_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/agree"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
)

// outcome is what honest parties have in the end.
type outcome uint8

const (
	used    outcome = iota // sources that belong together
	burnt                  // the culprits, and nothing else
	dropped                // the culprits at some parties, nothing at those that wait for these
	waiting                // nothing; they wait for the culprits
)

// cheat is what corrupt parties do; evil is the first of them.
type cheat struct {
	// deal is an error that a dealer adds to what it deals of a kind.
	deal func(w world, dealer, member int) wide.Elem
	kind int
	// tap alters what they send, got has all machines.
	tap func(w world, got []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope
	// spoils says that they spoil their own shares before the check.
	spoils bool
	want   outcome
	err    error
}

// liar deals as its cheat says.
type liar struct {
	*vss.Dealing
	cheat cheat
	world world
}

func (l liar) Start() ([]mpc.Message, error) {
	if l.cheat.deal == nil {
		out, err := l.Dealing.Start()
		if l.cheat.spoils {
			vss.Cover(l.Dealing, l.Identity.Self(), vss.Integers, wide.Integer(wide.Word{Lo: 1}))
		}
		return out, err
	}
	return vss.StartWith(l.Dealing, l.cheat.kind, func(member int) wide.Elem { return l.cheat.deal(l.world, l.Identity.Self(), member) })
}

func only(e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e} }

// in alters what is sent in a round.
func in(round int, alter func(w world, got []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope) func(world, []*vss.Dealing, mpctest.Envelope) []mpctest.Envelope {
	return func(w world, got []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
		if int(e.Round) != round {
			return only(e)
		}
		return alter(w, got, e)
	}
}

func nothing(world, []*vss.Dealing, mpctest.Envelope) []mpctest.Envelope { return nil }

// flip alters a message to parties that it is for.
func flip(to func(i int) bool) func(world, []*vss.Dealing, mpctest.Envelope) []mpctest.Envelope {
	return func(_ world, _ []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
		if to(e.To) {
			e.Payload[len(e.Payload)/2] ^= 1
		}
		return only(e)
	}
}

func one(i int) bool  { return i == 1 }
func even(i int) bool { return i%2 == 0 }

// resign alters a signed vector and signs it again.
func resign(check bool, to func(i int) bool) func(world, []*vss.Dealing, mpctest.Envelope) []mpctest.Envelope {
	return func(w world, got []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
		if to(e.To) {
			vector := bytes.Clone(e.Payload[vss.SignatureSize:])
			vector[len(vector)/2] ^= 1
			e.Payload = vss.SignVector(got[e.From], w.identities[e.From], vector, check)
		}
		return only(e)
	}
}

// power is α_i^j.
func power(w world, i, j int) wide.Elem {
	r, x := w.code.WideRing(), wide.Integer(wide.Word{Lo: 1})
	for range j {
		x = r.Mul(x, r.Point(i))
	}
	return x
}

func cheats() map[string]cheat {
	unit := wide.Integer(wide.Word{Lo: 1})
	return map[string]cheat{
		"honest":            {want: used},
		"a degree too high": {deal: func(w world, _, i int) wide.Elem { return power(w, i, w.code.T()+1) }, want: burnt, err: vss.ErrBad},
		"elements of a degree too high": {deal: func(w world, _, i int) wide.Elem { return power(w, i, w.code.T()+1) }, kind: vss.Elements,
			want: burnt, err: vss.ErrBad},
		"a wrong share to one": {deal: func(_ world, _, i int) wide.Elem {
			if i == 1 {
				return unit
			}
			return wide.Elem{}
		}, want: burnt, err: vss.ErrBad},
		"inconsistent to half": {deal: func(_ world, _, i int) wide.Elem {
			if even(i) {
				return unit
			}
			return wide.Elem{}
		}, kind: vss.Elements, want: burnt, err: vss.ErrBad},
		"no integer":         {deal: func(world, int, int) wide.Elem { return wide.Elem{{}, {Lo: 1}} }, want: burnt, err: vss.ErrBad},
		"a zero that is one": {deal: func(world, int, int) wide.Elem { return unit }, kind: vss.Zeros, want: burnt, err: vss.ErrBad},
		"only the highest bit wrong": {deal: func(world, int, int) wide.Elem { return wide.Integer(wide.Word{Lo: 1 << 63}) }, kind: vss.Zeros,
			want: burnt, err: vss.ErrBad},
		"two lists":   {tap: in(vss.RoundLists, resign(false, even)), want: dropped, err: agree.ErrEquivocation},
		"a wrong sum": {spoils: true, want: burnt, err: vss.ErrBad},
		"two sums":    {tap: in(vss.RoundChecks, resign(true, even)), want: dropped, err: agree.ErrEquivocation},
		"silent":      {tap: nothing, want: waiting},
		"no coin":     {tap: in(vss.RoundCoins, nothing), want: waiting},
		"another coin": {tap: in(vss.RoundCoins, func(_ world, _ []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			for i := range e.Payload {
				e.Payload[i] ^= 1
			}
			return only(e)
		}), want: waiting},
		"no sum": {tap: func(_ world, _ []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round >= vss.RoundChecks {
				return nil
			}
			return only(e)
		}, want: waiting},
		"garbage": {tap: func(_ world, _ []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			e.Payload = []byte("garbage")
			return only(e)
		}, want: waiting},
		"a coin to one": {tap: in(vss.RoundCoins, func(_ world, _ []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			if !one(e.To) {
				return nil
			}
			return only(e)
		}), want: used},
		"another session": {tap: func(w world, got []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			c := got[e.From].Config
			c.Session = mpc.Hash("another")
			other, err := vss.New(c)
			if err != nil {
				return nil
			}
			out, _ := other.Start()
			for _, m := range out {
				if m.Round == e.Round && (m.To == e.To || m.To == mpc.Everyone) {
					e.Payload = bytes.Clone(m.Payload)
					return only(e)
				}
			}
			return nil
		}, want: waiting},
		"no share to one": {tap: in(vss.RoundShare, func(_ world, _ []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			if one(e.To) {
				return nil
			}
			return only(e)
		}), want: used},
		"another share to one": {tap: in(vss.RoundShare, flip(one)), want: used},
		"no share to one, no answer": {tap: func(_ world, _ []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round == vss.RoundAnswer || e.Round == vss.RoundShare && one(e.To) {
				return nil
			}
			return only(e)
		}, want: waiting},
		"no share to one, the answer to another": {tap: func(_ world, _ []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round == vss.RoundAnswer && e.To != 2 || e.Round == vss.RoundShare && one(e.To) {
				return nil
			}
			return only(e)
		}, want: used},
		"no share to one, a wrong answer": {tap: func(_ world, got []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			switch {
			case e.Round == vss.RoundShare && one(e.To):
				return nil
			case e.Round == vss.RoundAnswer:
				e.Payload = vss.WrongAnswer(got[e.From], e.Payload)
			}
			return only(e)
		}, want: burnt, err: vss.ErrDispute},
		"a share to one only": {tap: in(vss.RoundShare, func(_ world, _ []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			if !one(e.To) {
				return nil
			}
			return only(e)
		}), want: used},
		"a complaint without need": {tap: in(vss.RoundCoins, func(_ world, got []*vss.Dealing, e mpctest.Envelope) []mpctest.Envelope {
			return []mpctest.Envelope{e, {From: e.From, To: e.To, Round: vss.RoundComplaint, Payload: vss.Complaint(got[e.From], 1)}}
		}), want: used},
	}
}

// attack runs a dealing in which the last parties cheat.
func attack(t *testing.T, n, liars int, c cheat, seed uint64) {
	t.Helper()
	w := newWorld(t, n)
	demand := []prss.Demand{
		{Address: prss.Address{Kind: "test", K: 64}, Layout: prss.Layout{Integers: 1, Elements: 1, Zeros: 1}, Count: 20},
		{Address: prss.Address{Kind: "test", K: 128}, Layout: prss.Layout{Integers: 1, Zeros: 1}, Count: 3},
	}
	evil := w.from.Without(sharing.AllParties(n - liars))
	machines, got := w.dealings(t, demand)
	for _, i := range evil.List() {
		machines[i] = liar{got[i], c, w}
	}
	network := mpctest.Network{Seed: seed, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if c.tap == nil || !evil.Has(e.From) {
			return only(e)
		}
		return c.tap(w, got, e)
	}}
	errs := network.Run(machines, n)
	honest, failed := w.from.Without(evil), 0
	sources := make([]*vss.Source, n+1)
	for _, i := range honest.List() {
		m, named := got[i], mpc.Culprits(errs[i])
		if m.Wrong()&honest != 0 || named&honest != 0 || c.want != dropped && m.Missing()&honest != 0 {
			t.Fatalf("party %d: honest ones are wrong %v, culprits %v, missing %v (done=%v)", i, m.Wrong(), named, m.Missing(), m.Done())
		}
		switch c.want {
		case used:
			if errs[i] != nil || !m.Done() {
				t.Fatalf("party %d: done=%v, waits for %v, %v", i, m.Done(), m.Missing(), errs[i])
			}
			sources[i] = m.Source()
		case burnt:
			if !errors.Is(errs[i], c.err) || named == 0 || m.Source() != nil || errors.Is(c.err, vss.ErrBad) && named != evil {
				t.Fatalf("party %d: culprits %v, %v", i, named, errs[i])
			}
		case dropped:
			if named != 0 {
				failed++
			}
			if named != 0 && !errors.Is(errs[i], c.err) {
				t.Fatalf("party %d: %v", i, errs[i])
			}
		case waiting:
			if errs[i] != nil || m.Done() || m.Missing() == 0 {
				t.Fatalf("party %d: done=%v, waits for %v, %v", i, m.Done(), m.Missing(), errs[i])
			}
		}
	}
	if c.want == dropped && failed == 0 {
		t.Fatal("nobody noticed")
	}
	if c.want == used {
		w.from = honest
		for _, q := range demand {
			w.checkSharings(t, sources, q)
		}
	}
}

func TestTheAttackTable(t *testing.T) {
	for _, n := range []int{7, 13} {
		for name, c := range cheats() {
			for liars := sharing.Threshold(n); liars > 0; liars -= n / 4 {
				t.Run(fmt.Sprintf("n=%d, %d, %s", n, liars, name), func(t *testing.T) {
					for seed := range uint64(14 / n * 2) {
						attack(t, n, liars, c, seed)
					}
				})
			}
		}
	}
}

// friend answers the check as if a dealer had dealt it what it should.
type friend struct {
	*vss.Dealing
	dealer int
	err    wide.Elem
	done   *bool
}

func (f friend) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if !*f.done && vss.Cover(f.Dealing, f.dealer, vss.Integers, f.err) {
		*f.done = true
	}
	return f.Dealing.Receive(from, round, payload)
}

// A dealer may deal a friend what does not belong to the rest, and all others what does not
// come from its seed. Nobody is harmed, nor is it seen before the seeds are shown.
func TestAShareThatAFriendCoversIsFoundWhenSeedsAreShown(t *testing.T) {
	const n, dealer, covers = 7, 7, 6
	w := newWorld(t, n)
	demand := demandOf(9)
	machines, got := w.dealings(t, demand)
	unit, minus := wide.Integer(wide.Word{Lo: 1}), wide.Integer(wide.Word{Lo: 1}.Neg())
	machines[dealer] = liar{got[dealer], cheat{deal: func(_ world, _, i int) wide.Elem {
		if i == covers {
			return unit
		}
		return wide.Elem{}
	}}, w}
	covered := false
	machines[covers] = friend{got[covers], dealer, minus, &covered}
	network := mpctest.Network{InOrder: true, Late: func(e mpctest.Envelope) bool { return e.Round >= vss.RoundCoins && e.To == covers }}
	if err := mpctest.FirstError(network.Run(machines, n)); err != nil || !covered {
		t.Fatal(covered, err)
	}
	sources := sourcesOf(t, w, got)
	w.from = w.from.Without(sharing.PartiesOf(covers))
	for _, q := range demand {
		w.checkSharings(t, sources, q)
	}
	items := []prss.Demand{item(demand[2], 4)}
	revealed := make([][]byte, n+1)
	for i := 1; i <= n; i++ {
		revealed[i], _ = sources[i].Reveal(items)
	}
	if _, culprits, err := sources[1].Recompute(items, revealed); err != nil || culprits != sharing.PartiesOf(dealer) {
		t.Errorf("culprits %v, %v", culprits, err)
	}
}

// item is one item of a demand.
func item(q prss.Demand, at int) prss.Demand {
	q.First += uint64(at)
	q.Count = 1
	return q
}

func TestRecomputedSharesAreThoseThatAreDrawn(t *testing.T) {
	for _, n := range []int{7, 16} {
		w := newWorld(t, n, 3)
		demand := demandOf(50)
		machines, dealings := w.dealings(t, demand)
		var network mpctest.Network
		if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
			t.Fatal(err)
		}
		sources := sourcesOf(t, w, dealings)
		var items []prss.Demand
		for a, q := range demand {
			items = append(items, item(q, 7*a))
		}
		revealed := make([][]byte, n+1)
		for _, i := range w.from.List() {
			var err error
			if revealed[i], err = sources[i].Reveal(items); err != nil || !sources[1].Check(i, items, revealed[i]) {
				t.Fatal(i, err)
			}
		}
		if sources[1].Check(2, items, revealed[1]) || sources[1].Check(3, items, revealed[1]) || sources[1].Check(2, items, nil) {
			t.Error("another party's seed is taken for its own")
		}
		shares, culprits, err := sources[1].Recompute(items, revealed)
		if err != nil || culprits != 0 {
			t.Fatal(culprits, err)
		}
		d := w.code.Degree()
		for _, i := range w.from.List() {
			for a, q := range items {
				s := shares[i][a]
				all := append(append(append([]wide.Elem{}, s.Integers...), s.Elements...), s.Zeros...)
				for v, own := range drawn(t, sources[i], q) {
					for c := range d {
						if own[c] != all[v][c] {
							t.Fatalf("n=%d party %d K=%d vector %d: %v, not %v", n, i, q.K, v, own, all[v])
						}
					}
				}
			}
		}
	}
}

func TestAFalseAccusationIsFoundOut(t *testing.T) {
	const n, evil = 7, 7
	w := newWorld(t, n)
	machines, got := w.dealings(t, demandOf(3))
	told := map[int]bool{}
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		switch {
		case e.From == evil && e.Round == vss.RoundCoins:
			return []mpctest.Envelope{e, {From: evil, To: e.To, Round: vss.RoundComplaint, Payload: vss.Complaint(got[evil], 1)}}
		case e.From == evil && e.Round >= vss.RoundChecks && e.Round < vss.RoundComplaint:
			return nil
		case e.From == 1 && e.To == evil && e.Round == vss.RoundAnswer:
			var out []mpctest.Envelope
			for i := 1; i < n; i++ {
				out = append(out, mpctest.Envelope{From: evil, To: i, Round: vss.RoundExposure, Payload: vss.Expose(e.Payload)})
				told[i] = true
			}
			return out
		}
		return only(e)
	}}
	errs := network.Run(machines, n)
	for i := 1; i < n; i++ {
		if !told[i] || !errors.Is(errs[i], vss.ErrDispute) || mpc.Culprits(errs[i]) != sharing.PartiesOf(evil) || got[i].Done() {
			t.Errorf("party %d: told=%v, %v", i, told[i], errs[i])
		}
	}
}

func TestFewerPartiesThanTAndOneKnowNothing(t *testing.T) {
	for n, want := range map[int]int{4: 3, 7: 4, 10: 5, 13: 5, 16: 7} {
		for absent := range sharing.Threshold(n) + 1 {
			outputs, distance := vss.Extraction(n-absent, sharing.Threshold(n))
			if distance <= sharing.Threshold(n) || outputs < 1 || absent == 0 && outputs != want {
				t.Errorf("n=%d without %d: %d outputs, the least sum has %d dealers", n, absent, outputs, distance)
			}
		}
	}
}
