package prss_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
)

func TestKeysAndContributionsSurviveSealingAndHideThemselves(t *testing.T) {
	keys := mpctest.Keys(t, 4, 1)[2]
	plain, _ := keys.MarshalBinary()
	again, err := prss.UnmarshalKeys(plain)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := again.MarshalBinary(); !slices.Equal(plain, second) || again.Self() != 2 || again.Epoch() != mpctest.Epoch ||
		again.Transcript() != keys.Transcript() || keys.Transcript() == (mpc.Digest{}) {
		t.Fatal("keys changed")
	}
	contributions, _ := board(t, 4, mpctest.Epoch, 0)
	raw, _ := contributions[1].MarshalBinary()
	c, err := prss.UnmarshalContribution(raw)
	if err != nil || c.Root() != contributions[1].Root() {
		t.Fatal(err)
	}
	for _, v := range []any{keys, contributions[1], prss.NewComparison(keys)} {
		j, _ := json.Marshal(v)
		for _, s := range []string{fmt.Sprint(v), fmt.Sprintf("%#v", v), fmt.Sprintf("%+v", v)} {
			if !strings.Contains(s, "redacted") || len(s) > 80 {
				t.Errorf("shows %q", s)
			}
		}
		if len(j) > 20 {
			t.Errorf("shows %q", j)
		}
	}
	keys.Zero()
	contributions[1].Zero()
	plain, _ = keys.MarshalBinary()
	raw, _ = contributions[1].MarshalBinary()
	if slices.Max(plain[36+32:]) != 0 || slices.Max(raw[36:]) != 0 {
		t.Error("not erased")
	}
}

func FuzzUnmarshal(f *testing.F) {
	k, _ := mpctest.Keys(f, 4, 1)[1].MarshalBinary()
	contributions, roots := board(f, 4, mpctest.Epoch, 0)
	c, _ := contributions[1].MarshalBinary()
	f.Add(k)
	f.Add(c)
	f.Add(newSetups(f, contributions, roots)[1].Openings())
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := prss.UnmarshalKeys(b); err == nil {
			if again, _ := k.MarshalBinary(); !slices.Equal(again, b) {
				t.Fatal("keys have two encodings")
			}
		} else if !errors.Is(err, prss.ErrEncoding) {
			t.Fatal(err)
		}
		if c, err := prss.UnmarshalContribution(b); err == nil {
			if again, _ := c.MarshalBinary(); !slices.Equal(again, b) {
				t.Fatal("a contribution has two encodings")
			}
		} else if !errors.Is(err, prss.ErrEncoding) {
			t.Fatal(err)
		}
		s := newSetups(t, contributions, roots)[1]
		if err := s.Restore(b); err == nil {
			if !slices.Equal(s.Openings(), b) {
				t.Fatal("openings have two encodings")
			}
		} else if !errors.Is(err, prss.ErrEncoding) {
			t.Fatal(err)
		}
	})
}

func FuzzSetupReceive(f *testing.F) {
	contributions, roots := board(f, 4, mpctest.Epoch, 0)
	other, err := prss.NewSetup(contributions[2], roots)
	if err != nil {
		f.Fatal(err)
	}
	out, err := other.Start()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(2, uint16(0), out[0].Payload)
	f.Add(2, uint16(0), out[1].Payload)
	f.Add(2, uint16(1), out[0].Payload)
	f.Add(3, uint16(1), make([]byte, 96))
	f.Fuzz(func(t *testing.T, from int, round uint16, payload []byte) {
		s := newSetups(t, contributions, roots)[1]
		if _, err := s.Receive(from, round, payload); err != nil || s.Done() {
			t.Fatalf("done=%v, %v", s.Done(), err)
		}
		if round != 0 && len(s.Grievances()) < 3 {
			t.Fatalf("round %d is taken for the exchange", round)
		}
		// What is taken opens a commitment on the chain, so it is what party 2 sent.
		if len(s.Grievances()) < 3 && from != 2 {
			t.Fatalf("an opening of party %d is taken", from)
		}
	})
}
