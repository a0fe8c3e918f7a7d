package keygen_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/pkegen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// attempt is an attempt at a key: its randomness is that of its session.
type attempt struct {
	*world
	session mpc.Digest
	sources []*prss.Source
	from    sharing.Parties
}

func (w *world) attempt(t testing.TB, number uint32, from sharing.Parties) *attempt {
	t.Helper()
	a := &attempt{world: w, session: mpc.Hash("keygen attempt", mpc.Uint64(uint64(number))), sources: make([]*prss.Source, w.n+1), from: from}
	for i := 1; i <= w.n; i++ {
		var err error
		if a.sources[i], err = prss.NewSource(w.keys[i], w.code, a.session); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// run makes the machines of those who take part and delivers their messages.
func (a *attempt) run(t testing.TB, network *mpctest.Network, start func(i int) mpc.Machine) map[int]error {
	t.Helper()
	machines := map[int]mpc.Machine{}
	for _, i := range a.from.List() {
		machines[i] = start(i)
	}
	return network.Run(machines, a.n)
}

func (a *attempt) generation(t testing.TB, i int, session mpc.Digest) *preproc.Machine {
	t.Helper()
	source := a.sources[i]
	if session != a.session {
		var err error
		if source, err = prss.NewSource(a.keys[i], a.code, session); err != nil {
			t.Fatal(err)
		}
	}
	m, err := keygen.NewGeneration(preproc.Config{Source: source, Session: session, From: a.from, Identity: a.identities[i]}, tiny)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// key runs both stages among honest parties, checks the key, and returns who was
// named in the second one.
func (a *attempt) key(t *testing.T, network *mpctest.Network) {
	t.Helper()
	stageA := make([]*preproc.Machine, a.n+1)
	var quiet mpctest.Network
	errs := a.run(t, &quiet, func(i int) mpc.Machine { stageA[i] = a.generation(t, i, a.session); return stageA[i] })
	if err := mpctest.FirstError(errs); err != nil {
		t.Fatal(err)
	}
	first := a.from.List()[0]
	openings := make([]*keygen.Opening, a.n+1)
	errs = a.run(t, network, func(i int) mpc.Machine {
		o, err := keygen.NewOpening(keygen.OpeningConfig{
			Parameters: tiny, Session: mpc.Hash("opening", a.session[:]), Generation: stageA[i], Posted: stageA[first].Echo(), KeyID: keyID, Expand: expand,
		})
		if err != nil {
			t.Fatal(err)
		}
		openings[i] = o
		return o
	})
	if err := mpctest.FirstError(errs); err != nil {
		t.Fatal(err)
	}
	for _, i := range a.from.List() {
		if !openings[i].Done() || !slices.Equal(openings[i].Body(), openings[first].Body()) {
			t.Fatalf("party %d: done=%v", i, openings[i].Done())
		}
	}
	vectors := make([][]uint64, a.n+1)
	for _, i := range a.from.List() {
		vectors[i] = openings[i].Share().Part(keygen.PublicKey)
	}
	values := make([]uint64, len(vectors[first]))
	if i := a.code.OpenAll(values, a.code.T(), a.from, vectors, 64); i >= 0 {
		t.Fatalf("coefficient %d is not on a polynomial of degree t", i)
	}
	secret := make([]uint64, len(values)/a.code.Degree())
	if i := a.code.Integers(secret, values); i >= 0 {
		t.Fatalf("coefficient %d is no integer", i)
	}
	for _, e := range noiseOf(openings[first].Seed(), openings[first].Body(), secret) {
		if e < -1<<tiny.NoiseBound || e > 1<<tiny.NoiseBound {
			t.Fatalf("noise %d", e)
		}
	}
}

func TestTheAttackTableOfTheSharedBits(t *testing.T) {
	type cheat struct {
		// machine is what a liar runs, lie what becomes of its messages.
		machine func(t testing.TB, a *attempt, i int) mpc.Machine
		lie     func(a *attempt, e mpctest.Envelope) []mpctest.Envelope
		late    bool
		// failure is how honest parties end: burnt, waiting for the liars, or neither.
		failure error
		waiting bool
	}
	// Another context gives other shares, signed and echoed and claimed all the same.
	wrong := func(t testing.TB, a *attempt, i int) mpc.Machine {
		source, err := prss.NewSource(a.keys[i], a.code, mpc.Hash("wrong"))
		if err != nil {
			t.Fatal(err)
		}
		good := a.generation(t, i, a.session)
		m, err := preproc.New(preproc.Config{Source: source, Session: a.session, From: a.from, Identity: a.identities[i], Sections: good.Sections})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, c := range map[string]cheat{
		"wrong shares":       {machine: wrong, failure: preproc.ErrBatchBad},
		"wrong shares, late": {machine: wrong, late: true, failure: preproc.ErrBatchBad},
		"wrong shares, no claims": {machine: wrong, failure: preproc.ErrBatchBad, lie: func(_ *attempt, e mpctest.Envelope) []mpctest.Envelope {
			if e.Round > 3 {
				return nil
			}
			return []mpctest.Envelope{e}
		}},
		"late":   {late: true},
		"silent": {waiting: true, lie: func(*attempt, mpctest.Envelope) []mpctest.Envelope { return nil }},
		"garbage": {waiting: true, lie: func(_ *attempt, e mpctest.Envelope) []mpctest.Envelope {
			e.Payload = []byte("garbage")
			return []mpctest.Envelope{e}
		}},
		"replayed": {lie: func(_ *attempt, e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e, e, e} }},
		"another session": {waiting: true, machine: func(t testing.TB, a *attempt, i int) mpc.Machine {
			return a.generation(t, i, mpc.Hash("another attempt"))
		}},
		"wrong shares to some": {failure: preproc.ErrEquivocation, machine: func(t testing.TB, a *attempt, i int) mpc.Machine {
			return &equivocating{Machine: a.generation(t, i, a.session), second: wrong(t, a, i)}
		}},
	} {
		for _, n := range []int{4, 7} {
			for liars := 1; liars <= sharing.Threshold(n); liars++ {
				t.Run(fmt.Sprintf("n=%d, %d %s", n, liars, name), func(t *testing.T) {
					w := newWorld(t, n)
					evil := sharing.AllParties(n).Without(sharing.AllParties(n - liars))
					first := w.attempt(t, 0, sharing.AllParties(n))
					machines := make([]*preproc.Machine, n+1)
					network := mpctest.Network{Seed: uint64(liars)}
					if c.lie != nil {
						network.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
							if evil.Has(e.From) {
								return c.lie(first, e)
							}
							return []mpctest.Envelope{e}
						}
					}
					if c.late {
						network.Late = func(e mpctest.Envelope) bool { return evil.Has(e.From) }
					}
					errs := first.run(t, &network, func(i int) mpc.Machine {
						if evil.Has(i) && c.machine != nil {
							return c.machine(t, first, i)
						}
						machines[i] = first.generation(t, i, first.session)
						return machines[i]
					})
					var accused sharing.Parties
					for i := 1; i <= n-liars; i++ {
						m := machines[i]
						accused |= mpc.Culprits(errs[i])
						for _, e := range m.Evidence() {
							culprit, err := e.Verify(first.session, w.code, w.identities[1].Verify)
							if err != nil || !evil.Has(culprit) {
								t.Errorf("evidence against %d: %v", culprit, err)
							}
						}
						switch {
						case errors.Is(c.failure, preproc.ErrEquivocation):
							// Not all need see both vectors.
						case !errors.Is(errs[i], c.failure) || (c.failure == nil && !c.waiting) != m.Done() || c.waiting && m.Missing() != evil:
							t.Errorf("party %d: done=%v missing=%v, %v", i, m.Done(), m.Missing(), errs[i])
						case c.failure != nil && mpc.Culprits(errs[i]) != evil:
							t.Errorf("party %d: %v", i, errs[i])
						}
					}
					if accused.Without(evil) != 0 || (accused != 0) != (c.failure != nil) {
						t.Errorf("accused are %v", accused)
					}
					w.attempt(t, 1, sharing.AllParties(n).Without(evil)).key(t, &mpctest.Network{})
				})
			}
		}
	}
}

// equivocating sends what one machine says to some and what another says to the
// others.
type equivocating struct {
	mpc.Machine
	second mpc.Machine
}

func (e *equivocating) Start() ([]mpc.Message, error) {
	good, err := e.Machine.Start()
	if err != nil {
		return nil, err
	}
	bad, err := e.second.Start()
	out := []mpc.Message{{To: 1, Round: bad[0].Round, Payload: bad[0].Payload}}
	return append(out, good...), err
}
