package prss_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

func comparisons(t testing.TB, keys []*prss.Keys) []*prss.Comparison {
	t.Helper()
	out := make([]*prss.Comparison, len(keys))
	for i := 1; i < len(keys); i++ {
		out[i] = prss.NewComparison(keys[i])
	}
	return out
}

func TestLiarsInTheComparisonAreNamedAndStopNobody(t *testing.T) {
	for _, n := range []int{4, 7} {
		threshold := sharing.Threshold(n)
		honest := sharing.AllParties(n - threshold)
		keys := mpctest.Keys(t, n, 1)
		for name, alter := range map[string]func([]byte) []byte{
			"first byte": func(b []byte) []byte { b[0] ^= 1; return b },
			"last byte":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
			"one short":  func(b []byte) []byte { return b[1:] },
			"one long":   func(b []byte) []byte { return append(b, 0) },
			"empty":      func([]byte) []byte { return nil },
		} {
			parties := comparisons(t, keys)
			network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
				if honest.Has(e.From) {
					return []mpctest.Envelope{e}
				}
				e.Payload = alter(e.Payload)
				return []mpctest.Envelope{e, e} // a lie twice is one lie
			}}
			if err := mpctest.FirstError(exchange(t, &network, parties, 0)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, i := range honest.List() {
				if !parties[i].Done() || parties[i].Culprits() != sharing.AllParties(n).Without(honest) {
					t.Errorf("n=%d, %s: party %d: done=%v, culprits %v", n, name, i, parties[i].Done(), parties[i].Culprits())
				}
			}
		}
		parties := comparisons(t, keys)
		if err := mpctest.FirstError(exchange(t, &mpctest.Network{}, parties, sharing.AllParties(n).Without(honest))); err != nil {
			t.Fatal(err)
		}
		for _, i := range honest.List() {
			if !parties[i].Done() || parties[i].Culprits() != 0 {
				t.Errorf("n=%d: silent parties stop party %d", n, i)
			}
		}
	}
}

func TestAPartyWhoseKeysAreWrongFindsOutAndNobodyElseIsNamed(t *testing.T) {
	for _, n := range []int{4, 7} {
		keys := mpctest.Keys(t, n, 1)
		raw, _ := keys[1].MarshalBinary()
		raw[len(raw)-1] ^= 1 // the key of the set of all
		var err error
		if keys[1], err = prss.UnmarshalKeys(raw); err != nil {
			t.Fatal(err)
		}
		parties := comparisons(t, keys)
		errs := exchange(t, &mpctest.Network{}, parties, 0)
		if !errors.Is(errs[1], prss.ErrCheck) || parties[1].Done() {
			t.Errorf("n=%d: %v", n, errs[1])
		}
		for i := 2; i <= n; i++ {
			if errs[i] != nil || !parties[i].Done() || parties[i].Culprits() != sharing.PartiesOf(1) {
				t.Errorf("n=%d: party %d: %v, culprits %v", n, i, errs[i], parties[i].Culprits())
			}
		}
	}
}

func TestTFalseChecksThatAgreeAreNotBelieved(t *testing.T) {
	keys, other := mpctest.Keys(t, 7, 1), mpctest.Keys(t, 7, 2)
	parties := comparisons(t, append(keys[:6:6], other[6:]...))
	errs := exchange(t, &mpctest.Network{}, parties, 0)
	for i := 1; i <= 5; i++ {
		if errs[i] != nil || !parties[i].Done() || parties[i].Culprits() != sharing.PartiesOf(6, 7) {
			t.Errorf("party %d: %v, culprits %v", i, errs[i], parties[i].Culprits())
		}
	}
	for i := 6; i <= 7; i++ {
		if !errors.Is(errs[i], prss.ErrCheck) {
			t.Errorf("party %d: %v", i, errs[i])
		}
	}
}

func TestAComparisonNeedsTPlusOneOfEachSet(t *testing.T) {
	keys := mpctest.Keys(t, 7, 1)
	parties := comparisons(t, keys)
	// Party 1 hears of 2 and 3 only: 3 of the set {1,2,3,4,5}, 2 of {1,2,4,5,6}.
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.To == 1 && e.From > 3 {
			return nil
		}
		return []mpctest.Envelope{e}
	}}
	if err := mpctest.FirstError(exchange(t, &network, parties, 0)); err != nil {
		t.Fatal(err)
	}
	if parties[1].Done() || !parties[2].Done() {
		t.Errorf("done: %v, %v", parties[1].Done(), parties[2].Done())
	}
}

func FuzzComparisonReceive(f *testing.F) {
	keys := mpctest.Keys(f, 4, 1)
	out, err := prss.NewComparison(keys[2]).Start()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(2, uint16(0), out[0].Payload)
	f.Add(2, uint16(0), out[1].Payload)
	f.Add(3, uint16(1), make([]byte, 96))
	f.Fuzz(func(t *testing.T, from int, round uint16, payload []byte) {
		c := prss.NewComparison(keys[1])
		if _, err := c.Receive(from, round, payload); err != nil || c.Done() {
			t.Fatalf("one party's word: done=%v, %v", c.Done(), err)
		}
		if c.Culprits() != 0 && (c.Culprits() != sharing.PartiesOf(from) || from == 2 && bytes.Equal(payload, out[0].Payload)) {
			t.Fatalf("culprits %v", c.Culprits())
		}
	})
}
