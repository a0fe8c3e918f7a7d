package types

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// partiesFrom returns n parties with ids from first on.
func partiesFrom(first uint64, n int) []Party {
	parties := make([]Party, n)
	for i := range parties {
		parties[i].Id = first + uint64(i)
	}
	return parties
}

// rotation is an epoch in the making and the one before it, of parties 11 to 10+n.
type rotation struct {
	t      *testing.T
	from   *Epoch
	to     *Epoch
	keys   [][]byte
	params Params
}

func rotationParams() Params {
	p := testParams()
	p.AcceptBlocks, p.ReshareBlocks, p.ReceiveBlocks, p.ProveBlocks, p.DrainBlocks = 30, 40, 40, 40, 50
	p.MaxReshareAttempts = 3
	return p
}

// propose has n1 members serve and, at height 200, parties proposed that follow them.
func propose(t *testing.T, n1 int, parties []Party, terms Terms) *rotation {
	t.Helper()
	r := &rotation{t: t, from: setUp(t, n1), keys: [][]byte{digest(70), digest(71)}, params: rotationParams()}
	to, err := NewRotation(2, r.from, parties, terms, 200, r.params)
	require.NoError(t, err)
	r.to = &to
	return r
}

// advance ends the block at height. It must leave the epoch before alone.
func (r *rotation) advance(height int64, want EpochStatus) []Change {
	r.t.Helper()
	before := *r.from
	changes, dirty := r.to.Advance(height, r.params, Origin{Epoch: r.from, Keys: r.keys})
	require.Equal(r.t, want, r.to.Status)
	require.Equal(r.t, before, *r.from)
	require.True(r.t, dirty || len(changes) == 0)
	return changes
}

// setUp goes from PROPOSED, nobody new, to the end of a set-up that the given members, or
// all, complete, at height 202.
func (r *rotation) setUp(want EpochStatus, members ...uint32) {
	r.t.Helper()
	r.advance(200, EPOCH_STATUS_COMMITTING)
	if len(members) == 0 {
		members = indices(r.to)
	}
	for _, index := range members {
		require.NoError(r.t, r.to.CommitRoot(index, 1, digest(byte(index)), 201))
	}
	height := int64(201)
	if len(members) < r.to.N() {
		height = 210
	}
	r.advance(height, EPOCH_STATUS_CONFIRMING)
	for _, index := range members {
		require.NoError(r.t, r.to.Confirm(index, 1, digest(9), 0, height+1))
	}
	r.advance(height+1, want)
}

func indices(e *Epoch) (all []uint32) {
	for _, member := range e.Members {
		all = append(all, member.Index)
	}
	return all
}

func TestOnlyPartiesNewToTheCommitteeAccept(t *testing.T) {
	r := propose(t, 4, partiesFrom(13, 4), Terms{}) // 13 and 14 sit in epoch 1
	require.Equal(t, []uint32{1, 2}, r.to.Accepted)
	require.Empty(t, r.advance(200, EPOCH_STATUS_PROPOSED))
	require.NoError(t, r.to.Accept(4))
	require.NoError(t, r.to.Accept(4), "repeating it is no fault")
	require.Empty(t, r.advance(229, EPOCH_STATUS_PROPOSED))
	require.NoError(t, r.to.Accept(3))
	require.Equal(t, []uint32{1, 2, 3, 4}, r.to.Accepted)
	require.Equal(t, []Change{{}}, r.advance(230, EPOCH_STATUS_COMMITTING))
	require.Equal(t, uint32(1), r.to.Attempt)
	require.ErrorIs(t, r.to.Accept(3), ErrWrongStatus)
}

func TestASeatThatIsNotAcceptedInTimeEndsTheRotation(t *testing.T) {
	r := propose(t, 4, partiesFrom(12, 4), Terms{})
	require.Empty(t, r.advance(229, EPOCH_STATUS_PROPOSED))
	require.Equal(t, []Change{{}}, r.advance(230, EPOCH_STATUS_FAILED))
	require.Equal(t, EPOCH_FAILURE_NOT_ACCEPTED, r.to.Failure)
	require.Equal(t, int64(230), r.to.ClosedHeight)
	require.Equal(t, int64(230), r.to.RefreshMark())
	require.False(t, r.to.Live())
}

func TestARemovedPartyIsNotWaitedForToAccept(t *testing.T) {
	r := propose(t, 4, partiesFrom(12, 4), Terms{})
	_, err := r.to.Remove(4, 201)
	require.NoError(t, err)
	r.advance(201, EPOCH_STATUS_COMMITTING)

	two := propose(t, 4, partiesFrom(12, 4), Terms{})
	for _, index := range []uint32{3, 4} {
		_, err := two.to.Remove(index, 201)
		require.NoError(t, err)
	}
	two.advance(201, EPOCH_STATUS_FAILED)
	require.Equal(t, EPOCH_FAILURE_NO_QUORUM, two.to.Failure)
}

func TestARefreshGoesOnAtOnceAndWithoutKeysEndsWithItsSetUp(t *testing.T) {
	r := propose(t, 4, partiesFrom(11, 4), Terms{})
	r.keys = nil
	r.setUp(EPOCH_STATUS_ACTIVE)
	require.Nil(t, r.to.Resharing)
	require.Equal(t, int64(202), r.to.ActiveHeight)
	require.Equal(t, r.to.ActiveHeight, r.to.RefreshMark())
}

func TestARehearsalStopsShortOfTheActivation(t *testing.T) {
	r := propose(t, 4, partiesFrom(11, 4), Terms{Rehearsal: true})
	r.keys = nil
	r.setUp(EPOCH_STATUS_REHEARSED)
	require.Equal(t, int64(202), r.to.ClosedHeight)
	require.Zero(t, r.to.ActiveHeight)
	require.Zero(t, r.to.RefreshMark())
	require.False(t, r.to.Serving())
}

func TestLargeCommitteesHaveNoSetUp(t *testing.T) {
	r := propose(t, 4, partiesFrom(11, 16), Terms{})
	require.True(t, r.to.Dealt)
	for _, index := range indices(r.to)[4:] {
		require.NoError(t, r.to.Accept(index))
	}
	require.Equal(t, []Change{{}}, r.advance(201, EPOCH_STATUS_RESHARING))
	require.Equal(t, DealtTranscript(2), r.to.Transcript)
	require.Equal(t, uint32(1), r.to.Generation)
	require.Equal(t, uint32(5), r.to.T)

	params := testParams()
	params.PrssMaxMembers = 4
	first, err := NewEpoch(1, partiesFrom(1, 7), 100, params)
	require.NoError(t, err)
	require.True(t, first.Dealt)
	_, err = first.Remove(7, 100)
	require.NoError(t, err)
	changes, _ := first.Advance(100, params, Origin{})
	require.Equal(t, []Change{{}, {Index: 7, Excluded: true}}, changes)
	require.Equal(t, EPOCH_STATUS_ACTIVE, first.Status, "nobody accepts a seat in a first committee")
}

func TestTwoCommitteesHaveNoMorePartiesThanOneIndexCanName(t *testing.T) {
	from, params := setUp(t, 13), rotationParams()
	from.Members = append(from.Members, Member{Index: 14, PartyId: 24}, Member{Index: 15, PartyId: 25}, Member{Index: 16, PartyId: 26})
	_, err := NewRotation(2, from, partiesFrom(41, 16), Terms{}, 200, params)
	require.ErrorIs(t, err, ErrInvalidCommittee, "32 parties")
	_, err = NewRotation(2, from, append(partiesFrom(41, 15), Party{Id: 11}), Terms{}, 200, params)
	require.NoError(t, err)
}

func TestTheThresholdIsAtMostAThirdAndAtLeastOne(t *testing.T) {
	for _, c := range []struct {
		n         int
		asked, is uint32
	}{{1, 0, 0}, {4, 0, 1}, {4, 1, 1}, {7, 0, 2}, {7, 1, 1}, {13, 3, 3}, {16, 0, 5}, {16, 4, 4}} {
		got, err := Threshold(c.n, c.asked)
		require.NoError(t, err)
		require.Equal(t, c.is, got)
	}
	for n, asked := range map[int]uint32{1: 1, 4: 2, 7: 3, 16: 6} {
		_, err := Threshold(n, asked)
		require.ErrorIs(t, err, ErrInvalidCommittee)
		_, err = NewRotation(2, setUp(t, 4), partiesFrom(1, n), Terms{T: asked}, 200, testParams())
		require.ErrorIs(t, err, ErrInvalidCommittee)
	}
	low := propose(t, 4, partiesFrom(11, 7), Terms{T: 1})
	require.Equal(t, 6, low.to.Quorum())
}

func TestARefreshIsOfTheSamePartiesAndThreshold(t *testing.T) {
	epoch := setUp(t, 7)
	same := epoch.PartyIDs()
	require.True(t, epoch.SameCommittee(nil, 0))
	require.True(t, epoch.SameCommittee(same, 2))
	same[0], same[6] = same[6], same[0]
	require.True(t, epoch.SameCommittee(same, 0), "in another order")
	require.False(t, epoch.SameCommittee(nil, 1), "fewer corrupt members would be too many")
	require.False(t, epoch.SameCommittee(same[:4], 0))
	same[3] = 99
	require.False(t, epoch.SameCommittee(same, 0))
	same[3] = same[2]
	require.False(t, epoch.SameCommittee(same, 0))
}

func TestAVoucherIsKeptOnceAMember(t *testing.T) {
	r := propose(t, 4, partiesFrom(11, 4), Terms{})
	require.ErrorIs(t, r.to.Vouch(1, []byte{1}), ErrWrongStatus)
	require.ErrorIs(t, r.from.Vouch(1, []byte{1}), ErrWrongStatus, "a first committee has nobody before it")
	r.keys = nil
	r.setUp(EPOCH_STATUS_ACTIVE)
	for _, index := range []uint32{3, 1, 3} {
		require.NoError(t, r.to.Vouch(index, []byte{byte(index)}))
	}
	require.Equal(t, []Voucher{{Index: 1, Signature: []byte{1}}, {Index: 3, Signature: []byte{3}}}, r.to.Vouchers)
}

func TestAnEpochThatDrainsGivesUpARemovedMemberWhateverItStillOwes(t *testing.T) {
	epoch := setUp(t, 4)
	_, err := epoch.Remove(4, 110)
	require.NoError(t, err)
	_, err = epoch.Remove(3, 111)
	require.ErrorIs(t, err, ErrTooManyExcluded)
	require.False(t, epoch.Members[2].Removed)
	epoch.Drain(120, rotationParams())
	require.Equal(t, int64(170), epoch.DrainDeadline)
	changes, err := epoch.Remove(3, 121)
	require.NoError(t, err)
	require.Empty(t, changes, "t are excluded already")
	require.True(t, epoch.Members[2].Removed)
	epoch.Retire(130)
	require.Equal(t, int64(130), epoch.ClosedHeight)
	require.False(t, epoch.Serving())
}

func TestARotationProposalThatCanNeverPassIsRefusedAtSubmission(t *testing.T) {
	short := measurement(1)
	short.Pcr0 = short.Pcr0[1:]
	for name, c := range map[string]struct {
		message MsgRotate
		want    error
	}{
		"five members":        {MsgRotate{PartyIds: []uint64{1, 2, 3, 4, 5}}, ErrInvalidCommittee},
		"t of four":           {MsgRotate{PartyIds: []uint64{1, 2, 3, 4}, T: 2}, ErrInvalidCommittee},
		"a short measurement": {MsgRotate{Accepts: []Measurement{short}}, ErrInvalidParams},
		"twice":               {MsgRotate{Rejects: []Measurement{measurement(1), measurement(1)}}, ErrInvalidMessage},
		"yes and no":          {MsgRotate{Accepts: []Measurement{measurement(1)}, Rejects: []Measurement{measurement(1)}}, ErrInvalidMessage},
		"too many":            {MsgRotate{Rejects: make([]Measurement, maxMeasurements+1)}, ErrInvalidMessage},
		"rehearsed images":    {MsgRotate{Rehearsal: true, Accepts: []Measurement{measurement(1)}}, ErrInvalidMessage},
	} {
		require.ErrorIs(t, c.message.ValidateBasic(), c.want, name)
	}
	fine := MsgRotate{PartyIds: partyIDs(16), T: 5, Accepts: []Measurement{measurement(1)}, Rejects: []Measurement{measurement(2)}}
	require.NoError(t, fine.ValidateBasic())
	require.NoError(t, (&MsgRotate{}).ValidateBasic())
}

func partyIDs(n int) []uint64 {
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = uint64(i + 1)
	}
	return ids
}
