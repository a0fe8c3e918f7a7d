package dealer_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
)

func TestDealtBitsOpenAgainAndOtherWordsAreRefused(t *testing.T) {
	for _, s := range [][3]int{{1, 0, 4}, {4, 1, 4}, {7, 2, 4}, {16, 5, 5}} {
		code, err := sharing.New(s[0], s[1], s[2])
		if err != nil {
			t.Fatal(err)
		}
		want := []uint64{1, 0, 1, 1}
		shares, err := dealer.Deal(rand.NewChaCha8([32]byte{1}), s[0], s[1], s[2], want)
		if err != nil {
			t.Fatal(err)
		}
		values, got := make([]uint64, len(want)*s[2]), make([]uint64, len(want))
		if code.OpenAll(values, s[1], sharing.AllParties(s[0]), append([][]uint64{nil}, shares...), 64) >= 0 || code.Integers(got, values) >= 0 || !slices.Equal(got, want) {
			t.Errorf("%v: opens to %v", s, got)
		}
	}
	if _, err := dealer.Deal(rand.NewChaCha8([32]byte{1}), 4, 1, 4, []uint64{0, 2}); err == nil {
		t.Error("2 was dealt as a bit")
	}
}

func TestDealtPRSSKeysBelongTogether(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		keys, err := dealer.PRSS(rand.NewChaCha8([32]byte{2}), mpc.Hash("epoch"), n, sharing.Threshold(n))
		if err != nil {
			t.Fatal(err)
		}
		code, err := sharing.New(n, sharing.Threshold(n), 4)
		if err != nil {
			t.Fatal(err)
		}
		vectors := make([][]uint64, n+1)
		for i, k := range keys {
			source, err := prss.NewSource(k, code, mpc.Hash("epoch"))
			if err != nil {
				t.Fatal(err)
			}
			vectors[i+1] = make([]uint64, 40)
			if err := source.Draw(prss.Address{Kind: "test", K: 64}, prss.Vectors{Integers: vectors[i+1 : i+2]}); err != nil {
				t.Fatal(err)
			}
		}
		if i := code.OpenAll(make([]uint64, 40), code.T(), sharing.AllParties(n), vectors, 64); i >= 0 {
			t.Errorf("n=%d: draw %d is no sharing", n, i)
		}
	}
}
