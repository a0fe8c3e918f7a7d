package preproc_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
)

// demandOf is Demand, and the factors of matrices of which the list has later rows only.
func demandOf(t testing.TB, list []preproc.Section) []prss.Demand {
	t.Helper()
	first := map[uint]bool{}
	for _, s := range list {
		first[s.K] = first[s.K] || isOuter(s) && s.Outer.First == 0
	}
	for _, s := range list {
		if isOuter(s) && !first[s.K] {
			first[s.K], s.Outer.First, s.Count = true, 0, s.Outer.Columns
			list = append(list[:len(list):len(list)], s)
		}
	}
	out, err := preproc.Demand(list)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func isOuter(s preproc.Section) bool { return s.Outer != preproc.Outer{} }

// newDealt returns a cluster whose members have dealt each other what the demands say, in
// one dealing each.
func newDealt(t testing.TB, n int, from sharing.Parties, demands ...[]prss.Demand) cluster {
	t.Helper()
	c := cluster{n: n, identities: mpctest.Identities(t, n), dealt: make([]prss.Randomness, n+1)}
	for i, s := range mpctest.Dealt(t, n, from, session, demands...) {
		c.dealt[i] = s
	}
	return c
}

func TestMaterialOfDealtRandomnessIsWhatItShouldBe(t *testing.T) {
	for _, n := range []int{4, 7, 13, 16} {
		for _, absent := range []sharing.Parties{0, sharing.PartiesOf(2)} {
			t.Run(fmt.Sprintf("n=%d without %v", n, absent), func(t *testing.T) {
				list, from := append(sections(100), packed(1)...), sharing.AllParties(n).Without(absent)
				c := newDealt(t, n, from, demandOf(t, list))
				machines, got := c.start(t, from, list)
				network := mpctest.Network{InOrder: true}
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					t.Fatal(err)
				}
				for _, i := range from.List() {
					if !got[i].Done() || got[i].Wrong() != 0 {
						t.Fatalf("party %d: done=%v wrong=%v", i, got[i].Done(), got[i].Wrong())
					}
				}
				c.check(t, from, list, got)
			})
		}
	}
}

func TestWhoSendsAWrongShareOfDealtRandomnessIsFound(t *testing.T) {
	for _, n := range []int{7, 13, 16} {
		list, all := kinds(1), sharing.AllParties(n)
		if n > 7 { // every honest party computes what all have dealt
			list = append(sections(2), packed(1)[4:7]...)
		}
		demand := demandOf(t, list)
		c := newDealt(t, n, all, demand[:len(demand)/2], demand[len(demand)/2:])
		_, any := c.start(t, all, list)
		runs := preproc.Runs(any[1])
		for run := n % 5; run < runs; run += 1 + n/2 {
			for liars := sharing.Threshold(n); liars > 0; liars -= 4 {
				evil := all.Without(sharing.AllParties(n - liars))
				t.Run(fmt.Sprintf("n=%d, run %d, %v", n, run, evil), func(t *testing.T) {
					machines, got := c.start(t, all, list)
					for _, i := range evil.List() {
						machines[i] = liar{got[i], flip(got[i], run)}
					}
					network := mpctest.Network{Seed: uint64(run)}
					errs := network.Run(machines, n)
					for _, i := range all.Without(evil).List() {
						if !errors.Is(errs[i], preproc.ErrBatchBad) || mpc.Culprits(errs[i]) != evil || !preproc.Erased(got[i]) || got[i].Wrong().Without(evil) != 0 {
							t.Errorf("party %d: %v, wrong %v", i, errs[i], got[i].Wrong())
						}
					}
				})
			}
		}
	}
}

func TestASeedShownToOnePartyIsShownToAll(t *testing.T) {
	const n, evil = 7, 7
	list, all := sections(3), sharing.AllParties(n)
	c := newDealt(t, n, all, demandOf(t, list))
	for _, tc := range []struct {
		name  string
		claim func(e mpctest.Envelope) []mpctest.Envelope
		found bool
	}{
		{"shown to party 1 only", func(e mpctest.Envelope) []mpctest.Envelope {
			if e.To != 1 {
				return nil
			}
			return []mpctest.Envelope{e}
		}, true},
		{"shown to nobody", func(mpctest.Envelope) []mpctest.Envelope { return nil }, false},
		{"another one", func(e mpctest.Envelope) []mpctest.Envelope {
			for i := range e.Payload {
				e.Payload[i] ^= 1
			}
			return []mpctest.Envelope{e}
		}, false},
		{"too short", func(e mpctest.Envelope) []mpctest.Envelope {
			e.Payload = e.Payload[1:]
			return []mpctest.Envelope{e}
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			machines, got := c.start(t, all, list)
			machines[evil] = liar{got[evil], flip(got[evil], 0)}
			network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
				if e.From == evil && e.Round == preproc.RoundClaim {
					return tc.claim(e)
				}
				return []mpctest.Envelope{e}
			}}
			errs := network.Run(machines, n)
			for i := 1; i < n; i++ {
				if found := mpc.Culprits(errs[i]) == sharing.PartiesOf(evil); found != tc.found || got[i].Done() {
					t.Errorf("party %d: done=%v, %v", i, got[i].Done(), errs[i])
				}
				if !tc.found && got[i].Missing() != sharing.PartiesOf(evil) {
					t.Errorf("party %d waits for %v", i, got[i].Missing())
				}
			}
		})
	}
}

func TestNothingIsDrawnThatWasNotDealt(t *testing.T) {
	const n = 7
	list, all := sections(8), sharing.AllParties(n)
	c := newDealt(t, n, all, demandOf(t, sections(7)))
	config := preproc.Config{Source: c.dealt[1], Session: session, From: all, Identity: c.identities[1], Sections: list}
	m, err := preproc.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Start(); !errors.Is(err, vss.ErrNotDealt) {
		t.Errorf("items beyond those dealt: %v", err)
	}
	config.From = all.Without(sharing.PartiesOf(2))
	if _, err := preproc.New(config); !errors.Is(err, preproc.ErrConfig) {
		t.Errorf("other parties than dealt: %v", err)
	}
	if _, err := preproc.Demand([]preproc.Section{{}}); !errors.Is(err, preproc.ErrSection) {
		t.Errorf("no section: %v", err)
	}
}
