package reshare_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

func TestASecretGoesThroughCommitteesOfEverySize(t *testing.T) {
	items := testItems(tfhe.NameTest)
	at := newCommittee(t, 4, 1)
	shares := deal(t, at, items, 1)
	secrets := open(t, at, items, shares)
	for hop, next := range []committee{
		newCommittee(t, 7, 3), newCommittee(t, 13, 1), newCommittee(t, 16, 1), newCommittee(t, 4, 15),
	} {
		w := newWorld(t, at, next, shares, items)
		w.session = mpc.Hash("hop", mpc.Uint64(uint64(hop)))
		w.run()
		shares, at = w.check(secrets), next
		for _, h := range w.handovers {
			require.True(t, h.Done())
			require.Zero(t, h.Culprits())
		}
		for _, c := range w.conclusions {
			require.Zero(t, c.Culprits())
			require.Zero(t, c.Missing())
		}
	}
}

func TestCommitteesMayOverlapOrNot(t *testing.T) {
	items := testItems(tfhe.NameTest)
	for name, c := range map[string]struct{ old, new committee }{
		"a refresh":            {newCommittee(t, 4, 1), newCommittee(t, 4, 1)},
		"one replaced":         {newCommittee(t, 4, 1), newCommittee(t, 4, 2)},
		"all replaced":         {newCommittee(t, 4, 1), newCommittee(t, 4, 5)},
		"one becomes four":     {newCommittee(t, 1, 1), newCommittee(t, 4, 1)},
		"four become another":  {newCommittee(t, 4, 1), newCommittee(t, 1, 5)},
		"one stays":            {newCommittee(t, 1, 1), newCommittee(t, 1, 1)},
		"seven shrink":         {newCommittee(t, 7, 1), newCommittee(t, 4, 6)},
		"a lower threshold":    {newCommittee(t, 7, 1), newCommittee(t, 7, 1, 1)},
		"a higher threshold":   {newCommittee(t, 7, 1, 1), newCommittee(t, 7, 4)},
		"ten of low threshold": {newCommittee(t, 4, 1), newCommittee(t, 10, 1, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			shares := deal(t, c.old, items, 2)
			secrets := open(t, c.old, items, shares)
			w := newWorld(t, c.old, c.new, shares, items)
			w.run()
			got := w.check(secrets)
			if c.new.code.T() > 0 && c.new.code.N() == c.old.code.N() {
				for i := 1; i <= c.new.code.N(); i++ {
					require.NotEqual(t, marshal(t, shares[i]), marshal(t, got[i]))
				}
			}
		})
	}
}

func TestRingsMayDiffer(t *testing.T) {
	items := testItems(tfhe.NameTest)
	degree := func(n, first, d int) committee {
		c := newCommittee(t, n, first)
		var err error
		c.code, err = sharing.New(n, sharing.Threshold(n), d)
		require.NoError(t, err)
		return c
	}
	for _, d := range [][2]int{{4, 5}, {5, 4}, {5, 5}} {
		old, next := degree(4, 1, d[0]), degree(7, 3, d[1])
		shares := deal(t, old, items, 3)
		secrets := open(t, old, items, shares)
		w := newWorld(t, old, next, shares, items)
		w.shares[2] = w.altered(2, 0, tfhe.SecretSquashing, 5)
		w.run()
		w.check(secrets, 2)
	}
}

func TestMasksComeFromPseudoRandomSecretSharing(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old, next := newCommittee(t, 4, 1), newCommittee(t, 7, 1)
	shares := deal(t, old, items, 4)
	secrets := open(t, old, items, shares)
	w := newWorld(t, old, next, shares, items)
	sources := mpctest.Sources(t, 7, 4, 9, w.session)
	w.masks = func(self int) reshare.Masks { return sources[self] }
	w.run()
	w.check(secrets)
}

func TestAMemberThatLostItsShareTakesOverAllTheSame(t *testing.T) {
	items := testItems(tfhe.NameTest)
	both := newCommittee(t, 4, 1)
	shares := deal(t, both, items, 5)
	secrets := open(t, both, items, shares)
	w := newWorld(t, both, both, shares, items)
	w.shares[2] = nil
	w.run()
	require.NotContains(t, w.vectors, 2)
	w.check(secrets)
	require.NotNil(t, w.conclusions[2].Shares())
}

func TestSeveralKeysAreResharedAtOnce(t *testing.T) {
	items := testItems(tfhe.NameTest, tfhe.NameTest, tfhe.NameTest)
	old, next := newCommittee(t, 4, 1), newCommittee(t, 4, 2)
	shares := deal(t, old, items, 5)
	secrets := open(t, old, items, shares)
	w := newWorld(t, old, next, shares, items)
	w.shares[1] = w.altered(1, 1, tfhe.SecretSmall, 3)
	w.run()
	w.check(secrets, 1)
}

func TestRoundsMessagesAndBytesAreThoseExpected(t *testing.T) {
	items := testItems(tfhe.NameTest)
	p := items[0].Parameters
	segments := len(p.Secrets())
	bytes := 0 // of one coordinate of all coefficients
	for _, s := range p.Secrets() {
		bytes += p.Dimension(s) * int(p.SecretWidth(s)) / 8
	}
	old, next := newCommittee(t, 4, 1), newCommittee(t, 7, 5)
	w := newWorld(t, old, next, deal(t, old, items, 6), items)
	w.run()
	require.Equal(t, 2*segments, w.network.Rounds)
	require.Equal(t, segments*(7*4+4*7), w.network.Messages)
	require.Equal(t, segments, w.second.Rounds)
	require.Equal(t, segments*7*6, w.second.Messages)
	c := w.config("party 1")
	require.Equal(t, 4*bytes, c.VectorBytes())
	require.Equal(t, 4*4*bytes, w.network.Bytes[1], "of a new member, an element a coefficient to each of four")
	require.Equal(t, 7*4*bytes, w.network.Bytes[8], "of an old member, its vector to each of seven")
	require.Equal(t, 6*2*4*bytes, w.second.Bytes[1], "two elements a coefficient to each of six: 4 − 1 − 1 = 2 are compared")
}

func TestNothingPrintsAShareAndZeroErasesThem(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old := newCommittee(t, 4, 1)
	w := newWorld(t, old, old, deal(t, old, items, 7), items)
	w.run()
	for _, h := range w.handovers {
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", h, h, h), "[]")
	}
	for _, c := range w.conclusions {
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", c, c, c), "[]")
		share := c.Shares()[0]
		c.Zero()
		require.Equal(t, make([]uint64, len(share.Part(tfhe.SecretPKE))), share.Part(tfhe.SecretPKE))
	}
}

func TestAHandoverThatIsErasedTakesNoMore(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old, next := newCommittee(t, 1, 1), newCommittee(t, 1, 2)
	w := newWorld(t, old, next, deal(t, old, items, 16), items)
	giver, err := reshare.NewHandover(w.config("party 2"))
	require.NoError(t, err)
	masks, err := giver.Start()
	require.NoError(t, err)
	for _, erased := range []bool{true, false} {
		h, err := reshare.NewHandover(w.config("party 1"))
		require.NoError(t, err)
		if erased {
			h.Zero()
		}
		for _, m := range masks {
			_, err := h.Receive(1, m.Round, slices.Clone(m.Payload))
			require.NoError(t, err)
		}
		_, ok := h.Vector()
		require.Equal(t, !erased, ok)
		require.Equal(t, ok, h.Done())
	}
}

func TestWhatAHandoverHeldIsErased(t *testing.T) {
	items := testItems(tfhe.NameTest)
	c := newCommittee(t, 4, 1)
	w := newWorld(t, c, c, deal(t, c, items, 17), items)
	w.handover()
	for _, h := range w.handovers {
		require.False(t, h.Erased())
		h.Zero()
		require.True(t, h.Erased())
	}
}
