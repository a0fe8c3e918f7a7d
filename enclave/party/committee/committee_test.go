package committee_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/sharing"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func epoch() (partiestypes.Epoch, []partiestypes.Party) {
	e := partiestypes.Epoch{Id: 3, T: 1, Generation: 2}
	var records []partiestypes.Party
	for i := range 4 {
		id := uint64(10 + i)
		e.Members = append(e.Members, partiestypes.Member{Index: uint32(i + 1), PartyId: id})
		records = append(records, partiestypes.Party{Id: id, SessionKey: make([]byte, ed25519.PublicKeySize), TlsKeyHash: make([]byte, 32), PeerAddress: "127.0.0.1:1"})
	}
	return e, records
}

func TestAMemberFindsItsSeatAndPeers(t *testing.T) {
	e, records := epoch()
	c, err := committee.New(e, records, 12)
	require.NoError(t, err)
	require.Equal(t, 3, c.Self)
	require.Equal(t, 4, c.N)
	require.Equal(t, 1, c.T)
	require.Len(t, c.Peers, 3)
	require.Equal(t, sharing.AllParties(4), c.Active)
	c, err = committee.New(e, records, 99)
	require.NoError(t, err, "another party may look at it too")
	require.Zero(t, c.Self)
	require.Len(t, c.Peers, 4)
}

func TestExcludedAndRemovedMembersAreNotWaitedFor(t *testing.T) {
	e, records := epoch()
	e.Absences = []partiestypes.Absence{{Index: 2, Excluded: true, ReadyHeight: 9}, {Index: 4}}
	c, err := committee.New(e, records, 11)
	require.NoError(t, err)
	require.Equal(t, sharing.PartiesOf(1, 3, 4), c.Active)
	require.True(t, c.Excluded)
	require.True(t, c.Ready())
	e.Members[3].Removed = true
	c, err = committee.New(e, records, 10)
	require.NoError(t, err)
	require.Equal(t, sharing.PartiesOf(1, 3), c.Active)
	require.Len(t, c.Peers, 2, "a removed member is cut off")
	require.False(t, c.Excluded)
}

func TestAMemberKnowsWhatItReportedAndThatItWasRemoved(t *testing.T) {
	e, records := epoch()
	e.Absences = []partiestypes.Absence{
		{Index: 1, Reports: []partiestypes.Report{{Index: 4}}},
		{Index: 2, Reports: []partiestypes.Report{{Index: 3}, {Index: 4}}},
	}
	for own, want := range map[uint64]sharing.Parties{13: sharing.PartiesOf(1, 2), 12: sharing.PartiesOf(2), 10: 0} {
		c, err := committee.New(e, records, own)
		require.NoError(t, err)
		require.Equal(t, want, c.Reported)
		require.False(t, c.Removed)
	}
	records[2].Removed = true
	c, err := committee.New(e, records, 12)
	require.NoError(t, err)
	require.True(t, c.Removed)
}

func TestContradictoryRecordsAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*partiestypes.Epoch, []partiestypes.Party){
		"records of other parties":          func(_ *partiestypes.Epoch, r []partiestypes.Party) { r[0].Id++ },
		"indices out of order":              func(e *partiestypes.Epoch, _ []partiestypes.Party) { e.Members[1].Index = 3 },
		"a threshold that is not ⌊(n−1)/3⌋": func(e *partiestypes.Epoch, _ []partiestypes.Party) { e.T = 2 },
		"a short session key":               func(_ *partiestypes.Epoch, r []partiestypes.Party) { r[2].SessionKey = nil },
		"an absence of nobody":              func(e *partiestypes.Epoch, _ []partiestypes.Party) { e.Absences = []partiestypes.Absence{{Index: 0}} },
		"an absence beyond the members": func(e *partiestypes.Epoch, _ []partiestypes.Party) {
			e.Absences = []partiestypes.Absence{{Index: 5, Excluded: true}}
		},
		"no members": func(e *partiestypes.Epoch, _ []partiestypes.Party) { e.Members = nil },
	} {
		t.Run(name, func(t *testing.T) {
			e, records := epoch()
			spoil(&e, records)
			_, err := committee.New(e, records, 12)
			require.ErrorIs(t, err, committee.ErrRecord)
		})
	}
}

func TestAMemberKnowsItsPlaceInASetUpWithComplaints(t *testing.T) {
	e, records := epoch()
	e.Complaints = []partiestypes.Complaint{{Accuser: 2, Accused: 4}, {Accuser: 3, Accused: 4}}
	e.Dropped = []partiestypes.Dropped{{Index: 1, Sets: []uint32{2}}, {Index: 4, Sets: []uint32{0, 3}}}
	e.Absences = []partiestypes.Absence{{Index: 1}, {Index: 4, Excluded: true, Convicted: true}}
	for own, want := range map[uint64]struct{ complained, convicted bool }{10: {}, 11: {complained: true}, 12: {complained: true}, 13: {convicted: true}} {
		c, err := committee.New(e, records, own)
		require.NoError(t, err)
		require.Equal(t, want.complained, c.Complained())
		require.Equal(t, want.convicted, c.Convicted)
		require.Equal(t, map[int][]int{1: {2}, 4: {0, 3}}, c.Dropped())
	}
}
