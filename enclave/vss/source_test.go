package vss_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/agree"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
)

// single is the source of one party that dealt with itself only.
func single(t testing.TB, config func(*vss.Config), demand ...prss.Demand) *vss.Source {
	t.Helper()
	c := newWorld(t, 1).config(1, demand)
	if config != nil {
		config(&c)
	}
	m, err := vss.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Start(); err != nil || !m.Done() {
		t.Fatal(m.Done(), err)
	}
	return m.Source()
}

func TestARunGivesTheSameAsADraw(t *testing.T) {
	for _, k := range []uint{5, 17, 64} {
		q := prss.Demand{Address: prss.Address{Kind: "run", K: k, First: 10}, Layout: prss.Layout{Integers: 2, Zeros: 1}, Count: 300}
		s := single(t, nil, q)
		whole := drawn(t, s, q)
		a := q.Address
		a.First += 7
		run, err := s.Begin(a, q.Layout, 200)
		if err != nil {
			t.Fatal(err)
		}
		d, at := s.Code().Degree(), 7
		for _, count := range []int{1, 64, 128, 7} {
			v := prss.Vectors{Integers: [][]uint64{make([]uint64, count*d), make([]uint64, count*d)}, Zeros: [][]uint64{make([]uint64, count*d)}}
			if k == 5 {
				for i, x := range run.NextWords(count, v.Integers) {
					e := run.Lanes().Pack(s.Code().Ring().ReduceElem(narrow(whole[2][(at+i)*d:][:d]), k))
					if x != e[0] {
						t.Fatalf("word %d is %x, not %x", i, x, e[0])
					}
				}
			} else {
				run.Next(v)
				equal(t, v.Zeros[0], whole[2][at*d:])
			}
			equal(t, v.Integers[1], whole[1][at*d:])
			at += count
		}
		run.Close()
	}
}

func narrow(v []wide.Word) (e ring.Elem) {
	for c, x := range v {
		e[c] = x.Lo
	}
	return e
}

func equal(t testing.TB, got []uint64, want []wide.Word) {
	t.Helper()
	for i, x := range got {
		if (wide.Word{Lo: x}) != want[i] {
			t.Fatalf("word %d is %x, not %v", i, x, want[i])
		}
	}
}

func TestOnlyWhatWasDealtIsDrawn(t *testing.T) {
	q := prss.Demand{Address: prss.Address{Kind: "dealt", K: 64, First: 10}, Layout: prss.Layout{Integers: 1}, Count: 5}
	s := single(t, nil, q)
	draw := func(change func(a *prss.Address), count int) error {
		a := q.Address
		change(&a)
		return s.Draw(a, prss.Vectors{Integers: [][]uint64{make([]uint64, 4*count)}})
	}
	if err := draw(func(*prss.Address) {}, 5); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"before": draw(func(a *prss.Address) { a.First-- }, 1),
		"behind": draw(func(a *prss.Address) { a.First += 5 }, 1),
		"beyond": draw(func(a *prss.Address) { a.First++ }, 5),
		"far":    draw(func(a *prss.Address) { a.First = 1<<64 - 1 }, 1),
		"kind":   draw(func(a *prss.Address) { a.Kind = "other" }, 1),
		"ring":   draw(func(a *prss.Address) { a.K = 63 }, 1),
		"try":    draw(func(a *prss.Address) { a.Try = 1 }, 1),
		"sub":    draw(func(a *prss.Address) { a.Sub = 1 }, 1),
		"layout": s.Draw(q.Address, prss.Vectors{Elements: [][]uint64{make([]uint64, 4)}}),
		"wide":   s.DrawWide(q.Address, prss.WideVectors{Integers: [][]wide.Word{make([]wide.Word, 4)}}),
		"erased": func() error {
			other := single(t, nil, q)
			other.Zero()
			_, err := other.Begin(q.Address, q.Layout, 1)
			return err
		}(),
		"shown": func() error {
			_, err := s.Reveal([]prss.Demand{{Address: q.Address, Layout: q.Layout, Count: 6}})
			return err
		}(),
		"another": func() error { _, _, err := s.Recompute([]prss.Demand{{Count: 1}}, nil); return err }(),
	} {
		if !errors.Is(err, vss.ErrNotDealt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !errors.Is(s.DrawNoise(q.Address, 10, nil), vss.ErrNoise) || !errors.Is(s.DrawWideNoise(q.Address, 10, nil), vss.ErrNoise) {
		t.Error("noise was dealt")
	}
}

func TestOnlyDealingsOfOneContextAreJoined(t *testing.T) {
	q := prss.Demand{Address: prss.Address{Kind: "dealt", K: 64}, Layout: prss.Layout{Integers: 1}, Count: 5}
	s := single(t, nil, q)
	if err := s.Join(s); !errors.Is(err, vss.ErrConfig) {
		t.Error(err)
	}
	if err := s.Join(single(t, func(c *vss.Config) { c.Context = mpc.Digest{} }, q)); !errors.Is(err, vss.ErrConfig) {
		t.Error(err)
	}
	later := q
	later.First = 5
	if err := s.Join(single(t, func(c *vss.Config) { c.Session = mpc.Hash("second") }, later)); err != nil {
		t.Error(err)
	}
	for first := range uint64(10) {
		if _, err := s.Begin(prss.Address{Kind: "dealt", K: 64, First: first}, q.Layout, 1); err != nil {
			t.Error(err)
		}
	}
}

func TestDealingsThatCannotBeAreRefused(t *testing.T) {
	w := newWorld(t, 4)
	good := demandOf(1)
	for name, change := range map[string]func(c *vss.Config){
		"nothing":          func(c *vss.Config) { c.Demand = nil },
		"no kind":          func(c *vss.Config) { c.Demand = []prss.Demand{{Address: prss.Address{K: 1}, Count: 1}} },
		"no ring":          func(c *vss.Config) { c.Demand = []prss.Demand{{Address: prss.Address{Kind: "a"}, Count: 1}} },
		"too large a ring": func(c *vss.Config) { c.Demand = []prss.Demand{{Address: prss.Address{Kind: "a", K: 129}, Count: 1}} },
		"no items":         func(c *vss.Config) { c.Demand = []prss.Demand{{Address: prss.Address{Kind: "a", K: 1}}} },
		"negative": func(c *vss.Config) {
			c.Demand = []prss.Demand{{Address: prss.Address{Kind: "a", K: 1}, Layout: prss.Layout{Zeros: -1}, Count: 1}}
		},
		"too much": func(c *vss.Config) {
			c.Demand = []prss.Demand{{Address: prss.Address{Kind: "a", K: 1}, Layout: prss.Layout{Integers: 2}, Count: 1 << 24}}
		},
	} {
		c := w.config(1, good)
		change(&c)
		if _, err := vss.New(c); !errors.Is(err, vss.ErrDemand) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(c *vss.Config){
		"too few":     func(c *vss.Config) { c.From = sharing.PartiesOf(1, 2) },
		"without it":  func(c *vss.Config) { c.From = sharing.PartiesOf(2, 3, 4) },
		"one unknown": func(c *vss.Config) { c.From = sharing.PartiesOf(1, 2, 3, 5) },
		"other keys":  func(c *vss.Config) { c.Identity = mpctest.Identities(t, 7)[1] },
	} {
		c := w.config(1, good)
		change(&c)
		if _, err := vss.New(c); !errors.Is(err, vss.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSharesDoNotShowThemselves(t *testing.T) {
	q := prss.Demand{Address: prss.Address{Kind: "dealt", K: 64}, Layout: prss.Layout{Integers: 1}, Count: 5}
	s := single(t, nil, q)
	m, err := vss.New(newWorld(t, 4).config(1, demandOf(1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{s, m} {
		for _, text := range []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v)} {
			if !strings.Contains(text, "redacted") || len(text) > 60 {
				t.Error(text)
			}
		}
	}
	if raw, err := json.Marshal(s); err != nil || string(raw) != "{}" { //nolint:staticcheck // that nothing shows is what is tested
		t.Errorf("%s, %v", raw, err)
	}
}

// memory is a journal.
type memory map[string][]byte

func (j memory) Load(session mpc.Digest, batch uint32) ([]byte, error) {
	return j[fmt.Sprint(session, batch)], nil
}

func (j memory) Save(session mpc.Digest, batch uint32, echo []byte) error {
	j[fmt.Sprint(session, batch)] = bytes.Clone(echo)
	return nil
}

func TestARestartedDealerSendsTheSame(t *testing.T) {
	const n = 4
	w := newWorld(t, n)
	demand, journal := demandOf(5), memory{}
	var lives [2][]string
	for life := range lives {
		machines, dealings := w.dealings(t, demand)
		c := w.config(1, demand)
		c.Journal = journal
		m, err := vss.New(c)
		if err != nil {
			t.Fatal(err)
		}
		machines[1], dealings[1] = m, m
		seen := map[string]bool{}
		network := mpctest.Network{InOrder: true, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			fetch := false
			for _, first := range []uint16{vss.RoundLists, vss.RoundChecks} {
				fetch = fetch || e.Round == first+agree.RoundFetch || e.Round == first+agree.RoundFetched
			}
			if e.From == 1 && !fetch { // the ECHO of the first life makes others ask
				seen[fmt.Sprintf("%d %d %x", e.To, e.Round, e.Payload)] = true
			}
			return only(e)
		}}
		if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
			t.Fatal(err)
		}
		sourcesOf(t, w, dealings)
		for line := range seen {
			lives[life] = append(lives[life], line)
		}
	}
	if len(journal) != 2 || len(lives[0]) != len(lives[1]) {
		t.Fatalf("%d entries, %d and %d messages", len(journal), len(lives[0]), len(lives[1]))
	}
	for _, line := range lives[1] {
		found := false
		for _, other := range lives[0] {
			found = found || line == other
		}
		if !found {
			t.Errorf("the second life sends %.80s…", line)
		}
	}
}

// Whatever peers send, a dealing neither panics nor ends with a source that nobody dealt.
func FuzzMessages(f *testing.F) {
	const n = 4
	w := newWorld(f, n)
	demand := demandOf(2)
	machines, _ := w.dealings(f, demand)
	network := mpctest.Network{InOrder: true, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.To == 1 {
			f.Add(uint8(e.From), uint8(e.Round), e.Payload)
		}
		return only(e)
	}}
	if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
		f.Fatal(err)
	}
	other, err := vss.New(w.config(2, demand))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(2), uint8(vss.RoundComplaint), vss.Complaint(other, 1))
	f.Add(uint8(2), uint8(vss.RoundSeeds), make([]byte, n*vss.SeedSize))
	f.Fuzz(func(t *testing.T, from, round uint8, payload []byte) {
		m, err := vss.New(w.config(1, demand))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Start(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := m.Receive(int(from), uint16(round), bytes.Clone(payload)); err != nil || m.Done() {
				t.Fatal(m.Done(), err)
			}
		}
	})
}
