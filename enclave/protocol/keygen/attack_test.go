package keygen_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// cheat is a way to misbehave in one run of an opening.
type cheat struct {
	name string
	// tap alters what a cheat sends to be opened, root its signed root.
	tap, root func(mpctest.Envelope) []mpctest.Envelope
	// signed says that it signs for each receiver what it sent to that one.
	signed bool
	late   bool
	// named says that every honest party names it, convicted that every one has
	// evidence against it. It is convicted only if so.
	named, convicted bool
}

func only(e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e} }

// place is where a party sends a message.
type place struct {
	from  int
	round uint16
}

func (w *world) cheats(step int, layout transcript.Layout, elsewhere map[place][]byte) []cheat {
	alter := func(f func(*mpctest.Envelope)) func(mpctest.Envelope) []mpctest.Envelope {
		return func(e mpctest.Envelope) []mpctest.Envelope { f(&e); return only(e) }
	}
	wrong := alter(func(e *mpctest.Envelope) { e.Payload[3] ^= 1 })
	toEven := alter(func(e *mpctest.Envelope) { e.Payload[0] ^= byte(1 - e.To%2) })
	silent := func(mpctest.Envelope) []mpctest.Envelope { return nil }
	twice := func(e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e, e} }
	replay := alter(func(e *mpctest.Envelope) { e.Payload = bytes.Clone(elsewhere[place{e.From, e.Round}]) })
	return []cheat{
		{name: "wrong share", tap: wrong, named: true},
		{name: "wrong share, signed", tap: wrong, signed: true, named: true, convicted: true},
		{name: "wrong share, signed, late", tap: wrong, signed: true, late: true, named: true, convicted: true},
		{name: "wrong last share, signed", tap: alter(func(e *mpctest.Envelope) { e.Payload[len(e.Payload)-1] ^= 0x08 }), signed: true, named: true, convicted: true},
		{name: "zeros, signed", tap: alter(func(e *mpctest.Envelope) { clear(e.Payload) }), signed: true, named: true, convicted: true},
		{name: "silent", tap: silent, root: silent},
		{name: "no root", root: silent},
		{name: "wrong share, no root", tap: wrong, root: silent, named: true},
		{name: "late", late: true},
		{name: "garbage", tap: alter(func(e *mpctest.Envelope) { e.Payload = []byte("garbage") }), named: true},
		{name: "empty", tap: alter(func(e *mpctest.Envelope) { e.Payload = nil }), named: true},
		{name: "too long", tap: alter(func(e *mpctest.Envelope) { e.Payload = append(e.Payload, 0) }), named: true},
		{name: "of another session", tap: replay, root: replay, named: true},
		{name: "of another session, signed", tap: replay, signed: true, named: true, convicted: true},
		{name: "wrong to even", tap: toEven},
		{name: "wrong to even, signed", tap: toEven, signed: true, named: true, convicted: true},
		{name: "wrong to even, signed, late", tap: toEven, signed: true, late: true, named: true, convicted: true},
		{name: "twice", tap: twice, root: twice},
		{name: "two roots", root: func(e mpctest.Envelope) []mpctest.Envelope {
			second := e
			second.Payload = w.signedRoot(step, layout, e.From, mpc.Hash("another root"))
			return []mpctest.Envelope{e, second}
		}, named: true, convicted: true},
		{name: "garbage for a root", root: alter(func(e *mpctest.Envelope) { e.Payload = e.Payload[1:] }), named: true},
		{name: "a root without a signature", root: alter(func(e *mpctest.Envelope) { e.Payload[len(e.Payload)-1] ^= 1 })},
		{name: "another's root, forged", root: func(e mpctest.Envelope) []mpctest.Envelope {
			forged := e
			forged.Payload = bytes.Clone(e.Payload)
			forged.Payload[0] = byte(w.n)
			return []mpctest.Envelope{forged, e}
		}},
	}
}

// signedRoot is a party's message about a root.
func (w *world) signedRoot(step int, layout transcript.Layout, i int, root mpc.Digest) []byte {
	st := transcript.Statement{Session: w.session(step), Phase: transcript.PhaseOpenings, Layout: layout.Digest(), Party: i, Root: root}
	return append(append([]byte{byte(i)}, root[:]...), w.identities[i].Sign(st.Digest())...)
}

// liars taps the network so that the parties of evil cheat in a round.
func (w *world) liars(step int, layout transcript.Layout, c cheat, evil sharing.Parties, round uint16) func(mpctest.Envelope) []mpctest.Envelope {
	sent := map[[2]int][][]byte{}
	return func(e mpctest.Envelope) []mpctest.Envelope {
		to := [2]int{e.From, e.To}
		switch last := uint16(len(layout.Runs)); {
		case !evil.Has(e.From) || e.Round == last && int(e.Payload[0]) != e.From: // what it tells of others
			return only(e)
		case e.Round == last:
			if c.signed {
				var leaves [][]byte
				for run, packed := range sent[to] {
					leaves = layout.AppendLeaves(leaves, run, packed)
				}
				e.Payload = w.signedRoot(step, layout, e.From, merkle.Root(leaves))
			}
			if c.root != nil {
				return c.root(e)
			}
			return only(e)
		}
		out := only(e)
		if c.tap != nil && e.Round == round {
			out = c.tap(e)
		}
		if c.signed {
			sent[to] = append(sent[to], bytes.Clone(out[0].Payload))
		}
		return out
	}
}

// judged returns whom a party's evidence convicts, before anybody.
func (w *world) judged(step int, o *keygen.Opening) (convicted sharing.Parties) {
	w.t.Helper()
	convict := func(culprit int, err error) {
		if err != nil {
			w.t.Fatal(err)
		}
		convicted = convicted.With(culprit)
	}
	openings, equivocations := o.Evidence()
	for _, e := range openings {
		raw, err := e.MarshalBinary()
		if err == nil {
			e, err = transcript.UnmarshalWrongOpening(raw)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		convict(e.Verify(w.session(step), w.code, w.identities[1].Verify))
	}
	for _, e := range equivocations {
		raw, err := e.MarshalBinary()
		if err == nil {
			e, err = transcript.UnmarshalEquivocation(raw)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		convict(e.Verify(w.session(step), w.code, w.identities[1].Verify))
	}
	return convicted
}

// try runs a step without finishing it.
func (w *world) try(step int, network *mpctest.Network) map[int]*keygen.Opening {
	w.t.Helper()
	machines, out := w.machines(step), map[int]*keygen.Opening{}
	if err := mpctest.FirstError(network.Run(machines, w.n)); err != nil {
		w.t.Fatal(err)
	}
	for i, m := range machines {
		out[i] = m.(*keygen.Opening)
	}
	return out
}

// attack runs the attack table on a step: one cheat, and t at once, the first parties,
// so that they are in every fast path. The other world has another session.
func (w *world) attack(step int, other *world) {
	t := w.t
	elsewhere := map[place][]byte{}
	other.try(step, &mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		elsewhere[place{e.From, e.Round}] = bytes.Clone(e.Payload)
		return only(e)
	}})
	honest := w.try(step, &mpctest.Network{})
	layout, right := honest[1].Layout(), honest[1].Opened()
	for i, o := range honest {
		if wrong, twice := o.Evidence(); len(wrong)+len(twice) != 0 || o.Culprits() != 0 || o.Missing() != 0 {
			t.Fatalf("honest parties: %d names %v", i, o.Culprits())
		}
	}
	evils := []sharing.Parties{sharing.PartiesOf(2)}
	if w.code.T() > 1 {
		evils = append(evils, sharing.AllParties(w.code.T()))
	}
	for _, evil := range evils {
		for _, c := range w.cheats(step, layout, elsewhere) {
			for round := range uint16(len(layout.Runs)) {
				what := fmt.Sprintf("%s by %v in round %d", c.name, evil, round)
				network := mpctest.Network{Seed: uint64(round), Tap: w.liars(step, layout, c, evil, round)}
				if c.late {
					network.Late = func(e mpctest.Envelope) bool { return evil.Has(e.From) }
				}
				got := w.try(step, &network)
				for _, i := range sharing.AllParties(w.n).Without(evil).List() {
					if !got[i].Done() || !slices.EqualFunc(got[i].Opened(), right, bytes.Equal) {
						t.Fatalf("%s: party %d has another result", what, i)
					}
					convicted := w.judged(step, got[i])
					named := got[i].Culprits()
					if c.named && named != evil || named.Without(evil) != 0 || c.late && !c.named && named != 0 {
						t.Errorf("%s: party %d names %v", what, i, named)
					}
					if c.convicted && convicted != evil || !c.convicted && convicted != 0 {
						t.Errorf("%s: party %d convicts %v", what, i, convicted)
					}
				}
			}
		}
	}
	// More than t are too many, if they do not lie alike.
	tooMany := w.try(step, &mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.From <= w.code.T()+1 && len(e.Payload) > e.From {
			e.Payload[e.From] ^= byte(e.From)
		}
		return only(e)
	}})
	if tooMany[w.n].Done() {
		t.Error("done despite too many liars")
	}
}

// upTo runs all steps before the first of a stage.
func (w *world) upTo(stage keygen.Stage) {
	w.t.Helper()
	w.start()
	for step, s := range w.first().Steps() {
		if s.Stage >= stage {
			return
		}
		if !s.Offline && !w.first().Agreed() {
			w.agree()
		}
		w.run(step, w.from)
	}
}

// oneOfEach returns the first step of each stage that is not offline, and of the rows
// one for each component's first rows.
func (w *world) oneOfEach() (out []int) {
	seen := map[string]bool{}
	for step, s := range w.first().Steps() {
		if s.Offline {
			continue
		}
		var what string
		if m, err := w.first().Machine(step); err == nil {
			runs := m.Layout().Runs
			what = fmt.Sprint(s.Stage, len(runs), runs[0].K, runs[len(runs)-1].K)
		}
		if !seen[what] {
			seen[what] = true
			out = append(out, step)
		}
	}
	return out
}

func TestWhoCheatsInAnOpeningIsNamedAndConvicted(t *testing.T) {
	for _, c := range []struct{ n, d int }{{4, 4}, {4, 5}, {7, 4}} {
		t.Run(fmt.Sprintf("n=%d d=%d", c.n, c.d), func(t *testing.T) {
			w, other := newWorld(t, c.n, c.d, tfhe.Test(), keygen.PRSS), newWorld(t, c.n, c.d, tfhe.Test(), keygen.PRSS)
			elsewhere := func(step int) mpc.Digest { return mpc.Hash("elsewhere", mpc.Uint64(uint64(step))) }
			other.anotherContext(elsewhere)
			for _, w := range []*world{w, other} {
				w.stepBytes = 40 << 10
				w.upTo(keygen.StageRows)
			}
			steps := w.oneOfEach()
			if len(steps) < 4 {
				t.Fatalf("%d kinds of steps", len(steps))
			}
			for _, step := range steps {
				w.attack(step, other)
			}
		})
	}
}
