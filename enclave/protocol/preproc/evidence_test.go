package preproc_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// convict returns the evidence of party 1 against party n, whose share in a run is
// wrong.
func (c cluster) convict(t testing.TB, list []preproc.Section, run int) *preproc.WrongVector {
	t.Helper()
	machines, got := c.start(t, sharing.AllParties(c.n), list)
	machines[c.n] = liar{got[c.n], flip(got[c.n], run)}
	var network mpctest.Network
	network.Run(machines, c.n)
	if len(got[1].Evidence()) != 1 {
		t.Fatalf("%d pieces of evidence", len(got[1].Evidence()))
	}
	e, ok := got[1].Evidence()[0].(*preproc.WrongVector)
	if !ok {
		t.Fatalf("%T", got[1].Evidence()[0])
	}
	return e
}

func TestEvidenceOfAWrongVectorHoldsOnlyAsItIs(t *testing.T) {
	for _, n := range []int{4, 7} {
		c := newCluster(t, n)
		code := c.sources[1].Code()
		_, any := c.start(t, sharing.AllParties(n), kinds(3))
		last := preproc.Runs(any[1]) - 1
		// A bit, products, a digit; packed bits, bits of a sample, products of matrices.
		for _, run := range []int{0, 3, 5, 12, last - 24, last - 10, last - 4, last - 2} {
			raw, err := c.convict(t, kinds(3), run).MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			step := 1
			if len(raw) > 3000 {
				step = len(raw)/100 | 1
			}
			for at := 0; at < len(raw); at += step {
				for _, flip := range []byte{1, 0x80} {
					bad := bytes.Clone(raw)
					bad[at] ^= flip
					e, err := preproc.UnmarshalWrongVector(bad)
					if err != nil {
						if !errors.Is(err, preproc.ErrEncoding) {
							t.Fatal(err)
						}
						continue
					}
					if culprit, err := e.Verify(session, code, c.identities[1].Verify); err == nil || !errors.Is(err, preproc.ErrEvidence) {
						t.Errorf("n=%d run %d: byte %d altered still convicts %d: %v", n, run, at, culprit, err)
					}
				}
			}
			for cut := range len(raw) / step {
				if _, err := preproc.UnmarshalWrongVector(raw[:cut*step]); !errors.Is(err, preproc.ErrEncoding) {
					t.Fatalf("%d bytes: %v", cut*step, err)
				}
			}
			if _, err := preproc.UnmarshalWrongVector(append(bytes.Clone(raw), 0)); !errors.Is(err, preproc.ErrEncoding) {
				t.Fatal(err)
			}
		}
	}
}

func TestTEqualClaimsConvictNobody(t *testing.T) {
	for _, n := range []int{4, 7} {
		c := newCluster(t, n)
		code := c.sources[1].Code()
		for name, spoil := range map[string]func(e *preproc.WrongVector){
			"t signers": func(e *preproc.WrongVector) { e.Claims[0].Signers = e.Claims[0].Signers[:code.T()] },
			"one twice": func(e *preproc.WrongVector) { e.Claims[0].Signers[1] = e.Claims[0].Signers[0] },
			"a stranger to the set": func(e *preproc.WrongVector) {
				// {1, …, n−t} comes first, and has not party n−t+1; the culprit is n.
				sets, err := prss.SharingSets(code, n)
				if err != nil {
					t.Fatal(err)
				}
				last := &e.Claims[0].Signers[code.T()]
				stranger := sharing.AllParties(n).Without(sets[0]).List()
				*last = preproc.SignClaim(e, c.identities[stranger[len(stranger)-1]], session, sets[0], e.Claims[0].Words)
				slices.SortFunc(e.Claims[0].Signers, func(a, b preproc.Signer) int { return a.Party - b.Party })
			},
			"one set more": func(e *preproc.WrongVector) { e.Claims = append(e.Claims, e.Claims[0]) },
			"one set less": func(e *preproc.WrongVector) { e.Claims = e.Claims[1:] },
			"sets swapped": func(e *preproc.WrongVector) { e.Claims[0], e.Claims[1] = e.Claims[1], e.Claims[0] },
			"another item": func(e *preproc.WrongVector) { e.Element++ },
			"another run":  func(e *preproc.WrongVector) { e.Run++ },
			"another ECHO": func(e *preproc.WrongVector) { e.Echo[0]++ },
			"other words":  func(e *preproc.WrongVector) { e.Claims[0].Words = bytes.Clone(e.Claims[1].Words) },
			"no such run":  func(e *preproc.WrongVector) { e.Run = 1 << 11 },
			"no opening":   func(e *preproc.WrongVector) { e.Opening = 7 },
			"no run":       func(e *preproc.WrongVector) { e.Run = -1 },
		} {
			e := c.convict(t, sections(3), 1)
			if culprit, err := e.Verify(session, code, c.identities[1].Verify); err != nil || culprit != n {
				t.Fatalf("convicts %d: %v", culprit, err)
			}
			spoil(e)
			if culprit, err := e.Verify(session, code, c.identities[1].Verify); !errors.Is(err, preproc.ErrEvidence) {
				t.Errorf("n=%d, %s: convicts %d: %v", n, name, culprit, err)
			}
		}
	}
}

func TestClaimsAboutOtherRandomnessConvictNobody(t *testing.T) {
	// Party 4 is to blame in run 0; the claims that say so are shown with a share of
	// its that is right: of another run alike, of another session, of another item.
	c := newCluster(t, 4)
	code := c.sources[1].Code()
	list := []preproc.Section{{Kind: "bit", K: 17, Count: 3}, {Kind: "bit", K: 17, Sub: 1, Count: 3}}
	machines, got := c.start(t, sharing.AllParties(4), list)
	machines[4] = liar{got[4], flip(got[4], 0)}
	var network mpctest.Network
	network.Run(machines, 4)
	guilty := got[1]
	other := mpc.Hash("another session")
	machines = map[int]mpc.Machine{}
	for i := 1; i <= 4; i++ {
		m, err := preproc.New(preproc.Config{Source: c.generation(t, 1).sources[i], Session: other, Batch: 2, From: sharing.AllParties(4), Identity: c.identities[i], Sections: list})
		if err != nil {
			t.Fatal(err)
		}
		machines[i], got[i] = m, m
	}
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		from         *preproc.Machine
		session      mpc.Digest
		run, element int
		convicts     bool
	}{
		"as it is":        {guilty, session, 0, 0, true},
		"another run":     {guilty, session, 1, 0, false},
		"another item":    {guilty, session, 0, 1, false},
		"another session": {got[1], other, 0, 0, false},
	} {
		e := *guilty.Evidence()[0].(*preproc.WrongVector)
		var err error
		if e.Wrong, err = preproc.ShareOf(tc.from, 4, tc.run, tc.element); err != nil {
			t.Fatal(err)
		}
		e.Run, e.Element = tc.run, tc.element
		if culprit, err := e.Verify(tc.session, code, c.identities[1].Verify); (err == nil) != tc.convicts {
			t.Errorf("%s: convicts %d: %v", name, culprit, err)
		}
	}
}

func TestAnHonestShareIsNoEvidence(t *testing.T) {
	// Corrupt parties claim what they like: with t+1 of them missing, even all t of
	// them together convict nobody whose share is right.
	c := newCluster(t, 4)
	e := c.convict(t, sections(3), 1)
	machines, got := c.start(t, sharing.AllParties(4), sections(3))
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	var err error
	if e.Wrong, err = preproc.ShareOf(got[1], 4, 1, 0); err != nil {
		t.Fatal(err)
	}
	if culprit, err := e.Verify(session, c.sources[1].Code(), c.identities[1].Verify); !errors.Is(err, preproc.ErrEvidence) {
		t.Errorf("the right share convicts %d: %v", culprit, err)
	}
}

func TestEvidenceIsMadeUpToTenParties(t *testing.T) {
	for n, pieces := range map[int]int{10: 1, 13: 0} {
		c := newCluster(t, n)
		list := []preproc.Section{{Kind: "bit", K: 5, Count: 2}}
		machines, got := c.start(t, sharing.AllParties(n), list)
		machines[n] = liar{got[n], flip(got[n], 0)}
		network := mpctest.Network{InOrder: true}
		errs := network.Run(machines, n)
		if mpc.Culprits(errs[1]) != sharing.PartiesOf(n) || len(got[1].Evidence()) != pieces {
			t.Errorf("n=%d: %d pieces of evidence, %v", n, len(got[1].Evidence()), errs[1])
		}
		for _, e := range got[1].Evidence() {
			raw, err := e.MarshalBinary()
			if err != nil || len(raw) > 48<<10 {
				t.Errorf("n=%d: %d bytes, %v", n, len(raw), err)
			}
		}
	}
}

func FuzzUnmarshalWrongVector(f *testing.F) {
	c := newCluster(f, 4)
	_, any := c.start(f, sharing.AllParties(4), kinds(1))
	last := preproc.Runs(any[1]) - 1
	for _, run := range []int{0, 3, 12, last - 24, last - 10, last - 4, last - 2} {
		raw, err := c.convict(f, kinds(1), run).MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	code := c.sources[1].Code()
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := preproc.UnmarshalWrongVector(raw)
		if err != nil {
			if !errors.Is(err, preproc.ErrEncoding) {
				t.Fatal(err)
			}
			return
		}
		again, err := e.MarshalBinary()
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("two encodings: %v", err)
		}
		if _, err := e.Verify(session, code, c.identities[1].Verify); err != nil && !errors.Is(err, preproc.ErrEvidence) {
			t.Fatal(err)
		}
	})
}
