package types

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// resharing is a rotation of 4 members to 7, of which 4 are the same, in RESHARING at
// height 202.
func resharing(t *testing.T, members ...uint32) *rotation {
	t.Helper()
	r := propose(t, 4, partiesFrom(11, 7), Terms{})
	for _, index := range []uint32{5, 6, 7} {
		require.NoError(t, r.to.Accept(index))
	}
	r.setUp(EPOCH_STATUS_RESHARING, members...)
	require.Equal(t, r.keys, r.to.Resharing.KeyIds)
	return r
}

func (r *rotation) commit(height int64, members ...uint32) {
	r.t.Helper()
	for _, index := range members {
		require.NoError(r.t, r.to.CommitVectors(r.from, index, r.to.Resharing.Attempt, digest(byte(index)), height))
	}
}

func (r *rotation) receive(height int64, received []uint32, members ...uint32) {
	r.t.Helper()
	for _, index := range members {
		require.NoError(r.t, r.to.Receive(index, r.to.Resharing.Attempt, received, height))
	}
}

func (r *rotation) confirm(height int64, word byte, wrong []uint32, members ...uint32) {
	r.t.Helper()
	for _, index := range members {
		require.NoError(r.t, r.to.ConfirmShares(index, r.to.Resharing.Attempt, digest(word), wrong, height))
	}
}

// proving takes the rotation to PROVING at height 204, all there.
func (r *rotation) proving() *rotation {
	r.t.Helper()
	r.commit(203, 1, 2, 3, 4)
	r.advance(203, EPOCH_STATUS_RECEIVING)
	r.receive(204, []uint32{1, 2, 3, 4}, indices(r.to)...)
	r.advance(204, EPOCH_STATUS_PROVING)
	return r
}

func TestAResharingGoesOnAtOnceWhenAllHaveSpoken(t *testing.T) {
	r := resharing(t).proving()
	require.Equal(t, []uint32{1, 2, 3, 4}, r.to.Resharing.Used)
	r.confirm(205, 50, nil, 1, 2, 3, 4, 5, 6)
	require.Empty(t, r.advance(205, EPOCH_STATUS_PROVING))
	r.confirm(206, 50, nil, 7)
	require.Equal(t, []Change{{}}, r.advance(206, EPOCH_STATUS_ACTIVE))
	require.Equal(t, int64(206), r.to.ActiveHeight)
	require.Empty(t, r.to.Excluded())
	require.Equal(t, uint32(1), r.to.Generation)
	require.Equal(t, EPOCH_STATUS_ACTIVE, r.from.Status, "the keeper drains it")
}

func TestAResharingNeverServesBeforeItIsProven(t *testing.T) {
	r := resharing(t)
	for _, status := range []EpochStatus{EPOCH_STATUS_RESHARING, EPOCH_STATUS_RECEIVING, EPOCH_STATUS_PROVING} {
		r.to.Status = status
		require.False(t, r.to.Serving())
		require.True(t, r.to.Live())
		sum := ReadyDigest(r.to.Transcript, r.to.Generation)
		require.ErrorIs(t, r.to.Ready(1, sum[:], 203, r.params), ErrWrongStatus)
	}
}

func TestTheHandoverWaitsForAllUntilTheDeadlineAndThenNMinusTAreEnough(t *testing.T) {
	r := resharing(t)
	r.commit(203, 4, 1, 2)
	require.Empty(t, r.advance(241, EPOCH_STATUS_RESHARING))
	require.Equal(t, []Change{{}}, r.advance(242, EPOCH_STATUS_RECEIVING))
	require.Equal(t, int64(282), r.to.Deadline)

	short := resharing(t)
	short.commit(203, 1, 2)
	short.advance(241, EPOCH_STATUS_RESHARING)
	short.advance(242, EPOCH_STATUS_RESHARING)
	require.Equal(t, uint32(2), short.to.Resharing.Attempt)
	require.Empty(t, short.to.Resharing.Digests)
	require.Empty(t, short.to.Resharing.Without, "nobody of the new committee failed")
	require.ErrorIs(t, short.to.CommitVectors(short.from, 1, 1, digest(1), 243), ErrWrongAttempt)
}

func TestTheHandoverDoesNotWaitForTheConvictedAndRemoved(t *testing.T) {
	r := resharing(t)
	r.from.Convict(3, 203)
	require.ErrorIs(t, r.to.CommitVectors(r.from, 3, 1, digest(3), 203), ErrConvicted)
	r.commit(203, 1, 2, 4)
	r.advance(203, EPOCH_STATUS_RECEIVING)

	removed := resharing(t)
	_, err := removed.from.Remove(2, 203)
	require.NoError(t, err)
	removed.commit(203, 1, 3, 4)
	removed.advance(203, EPOCH_STATUS_RECEIVING)
}

func TestVectorsCountThatTPlusOneHold(t *testing.T) {
	r := resharing(t)
	r.commit(203, 1, 2, 3, 4)
	r.advance(203, EPOCH_STATUS_RECEIVING)
	r.receive(204, []uint32{1, 2, 3}, 1, 2, 3, 4)
	r.receive(204, []uint32{1, 4}, 5, 6) // t = 2 hold the vector of 4
	require.Empty(t, r.advance(242, EPOCH_STATUS_RECEIVING))
	require.Equal(t, []Change{{}}, r.advance(243, EPOCH_STATUS_PROVING))
	require.Equal(t, []uint32{1, 2, 3}, r.to.Resharing.Used)
	require.ErrorIs(t, r.to.ConfirmShares(1, 1, digest(1), []uint32{4}, 244), ErrInvalidResharing, "its vector is not used")
}

func TestAnAttemptOfWhichTooFewVectorsArrivedIsRepeatedWithoutTheSilent(t *testing.T) {
	r := resharing(t)
	r.commit(203, 1, 2, 3, 4)
	r.advance(203, EPOCH_STATUS_RECEIVING)
	r.receive(204, []uint32{1, 2}, 1, 2, 3, 4, 5, 6)
	changes := r.advance(243, EPOCH_STATUS_RESHARING)
	require.Equal(t, []Change{{}, {Index: 7, Excluded: true}}, changes)
	require.Equal(t, uint32(2), r.to.Resharing.Attempt)
	require.Equal(t, []uint32{7}, r.to.Resharing.Without)
	require.Equal(t, uint32(2), r.to.Generation)
	require.Nil(t, r.to.Resharing.Receipts)

	r.commit(244, 1, 2, 3, 4)
	r.advance(244, EPOCH_STATUS_RECEIVING)
	require.ErrorIs(t, r.to.Receive(7, 2, nil, 245), ErrExcluded)
	r.receive(245, []uint32{1, 2, 3, 4}, 1, 2, 3, 4, 5, 6)
	r.advance(245, EPOCH_STATUS_PROVING)
	require.ErrorIs(t, r.to.ConfirmShares(7, 2, digest(50), nil, 246), ErrExcluded)
	r.confirm(246, 50, nil, 1, 2, 3, 4, 5, 6)
	r.advance(246, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []uint32{7}, r.to.Excluded())
	sum := ReadyDigest(r.to.Transcript, r.to.Generation)
	require.NoError(t, r.to.Ready(7, sum[:], 247, r.params), "it comes back once it has its shares")
}

func TestReceiptsBelowNMinusTAreNone(t *testing.T) {
	r := resharing(t)
	r.commit(203, 1, 2, 3, 4)
	r.advance(203, EPOCH_STATUS_RECEIVING)
	r.receive(204, []uint32{1, 2, 3, 4}, 1, 2, 3, 4) // n - t - 1
	changes := r.advance(243, EPOCH_STATUS_RESHARING)
	require.Equal(t, []Change{{}}, changes, "the others cannot do without all three that were silent: none is left out")
	require.Empty(t, r.to.Resharing.Without)
	require.Equal(t, uint32(2), r.to.Resharing.Attempt)
}

func TestAnEpochIsProvenByNMinusTEqualWords(t *testing.T) {
	r := resharing(t).proving()
	r.confirm(205, 50, []uint32{2}, 1, 2, 3, 4, 5)
	r.confirm(205, 50, nil, 6)
	r.confirm(205, 51, []uint32{2}, 7)
	changes := r.advance(205, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []Change{{}, {Index: 6, Excluded: true}, {Index: 7, Excluded: true}}, changes)
	verdict, agreeing := r.to.Verdict()
	require.Equal(t, 5, agreeing)
	require.Equal(t, []uint32{2}, verdict.Wrong)

	short := resharing(t).proving()
	short.confirm(205, 50, nil, 1, 2, 3, 4)
	short.confirm(205, 51, nil, 5, 6, 7)
	short.advance(205, EPOCH_STATUS_RESHARING)
	require.Equal(t, uint32(2), short.to.Resharing.Attempt)
	require.Empty(t, short.to.Resharing.Without, "all were heard of")
}

func TestAtTheDeadlineOfTheProofNMinusTWordsAreEnough(t *testing.T) {
	r := resharing(t).proving()
	r.confirm(205, 50, nil, 1, 2, 3, 4, 5)
	require.Empty(t, r.advance(243, EPOCH_STATUS_PROVING))
	r.advance(244, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []uint32{6, 7}, r.to.Excluded())

	short := resharing(t).proving()
	short.confirm(205, 50, nil, 1, 2, 3, 4)
	short.advance(244, EPOCH_STATUS_RESHARING)
}

func TestAResharingFailsAfterItsLastAttempt(t *testing.T) {
	r := resharing(t)
	r.advance(242, EPOCH_STATUS_RESHARING)
	r.advance(282, EPOCH_STATUS_RESHARING)
	require.Equal(t, uint32(3), r.to.Resharing.Attempt)
	require.Equal(t, []Change{{}}, r.advance(322, EPOCH_STATUS_FAILED))
	require.Equal(t, EPOCH_FAILURE_RESHARING, r.to.Failure)
	require.Equal(t, int64(322), r.to.ClosedHeight)
}

func TestAMemberHasOneWordInEachPhaseOfAnAttempt(t *testing.T) {
	r := resharing(t)
	r.commit(203, 1)
	r.commit(204, 1)
	require.Equal(t, int64(203), r.to.Resharing.Digests[0].Height)
	require.ErrorIs(t, r.to.CommitVectors(r.from, 1, 1, digest(9), 204), ErrConflictingEntry)
	require.ErrorIs(t, r.to.CommitVectors(r.from, 2, 2, digest(9), 204), ErrWrongAttempt)
	require.ErrorIs(t, r.to.CommitVectors(r.from, 2, 1, digest(9)[1:], 204), ErrInvalidMessage)
	require.ErrorIs(t, r.to.Receive(1, 1, nil, 204), ErrWrongStatus)
	r.commit(204, 2, 3, 4)
	r.advance(204, EPOCH_STATUS_RECEIVING)
	require.ErrorIs(t, r.to.CommitVectors(r.from, 1, 1, digest(1), 205), ErrWrongStatus)

	r.receive(205, []uint32{1, 2}, 1)
	r.receive(206, []uint32{1, 2}, 1)
	require.Equal(t, int64(205), r.to.Resharing.Receipts[0].Height)
	require.ErrorIs(t, r.to.Receive(1, 1, []uint32{1}, 206), ErrConflictingEntry)
	require.ErrorIs(t, r.to.Receive(2, 2, []uint32{1}, 206), ErrWrongAttempt)
	for _, received := range [][]uint32{{2, 1}, {1, 1}, {5}, {0}} {
		require.ErrorIs(t, r.to.Receive(2, 1, received, 206), ErrInvalidResharing)
	}
	r.receive(206, nil, 7)
	r.receive(206, []uint32{1, 2, 3, 4}, 2, 3, 4, 5, 6)
	require.ErrorIs(t, r.to.ConfirmShares(1, 1, digest(50), nil, 206), ErrWrongStatus)
	r.advance(206, EPOCH_STATUS_PROVING)

	r.confirm(207, 50, []uint32{2}, 1)
	r.confirm(208, 50, []uint32{2}, 1)
	require.Equal(t, int64(207), r.to.Resharing.Words[0].Height)
	require.ErrorIs(t, r.to.ConfirmShares(1, 1, digest(50), nil, 208), ErrConflictingEntry)
	require.ErrorIs(t, r.to.ConfirmShares(1, 1, digest(51), []uint32{2}, 208), ErrConflictingEntry)
	require.ErrorIs(t, r.to.ConfirmShares(2, 2, digest(50), nil, 208), ErrWrongAttempt)
	require.ErrorIs(t, r.to.ConfirmShares(2, 1, digest(50)[1:], nil, 208), ErrInvalidMessage)
	require.ErrorIs(t, r.to.ConfirmShares(2, 1, digest(50), []uint32{2, 2}, 208), ErrInvalidResharing)
	require.ErrorIs(t, r.to.Receive(2, 1, []uint32{1}, 208), ErrWrongStatus)
}

func TestAMemberThatMissedTheSetUpTakesNoPartInTheResharing(t *testing.T) {
	r := resharing(t, 1, 2, 3, 4, 5, 6)
	require.Equal(t, []uint32{7}, r.to.Resharing.Without)
	require.Equal(t, digest(9), r.to.Transcript)
	r.commit(212, 1, 2, 3, 4)
	r.advance(212, EPOCH_STATUS_RECEIVING)
	require.ErrorIs(t, r.to.Receive(7, 1, nil, 213), ErrExcluded)
	r.receive(213, []uint32{1, 2, 3, 4}, 1, 2, 3, 4, 5, 6)
	r.advance(213, EPOCH_STATUS_PROVING)
	require.ErrorIs(t, r.to.ConfirmShares(7, 1, digest(50), nil, 214), ErrExcluded)
}

func TestARemovedMemberStopsNothing(t *testing.T) {
	r := resharing(t)
	changes, err := r.to.Remove(6, 203)
	require.NoError(t, err)
	require.Equal(t, []Change{{Index: 6, Excluded: true}}, changes)
	r.commit(203, 1, 2, 3, 4)
	r.advance(203, EPOCH_STATUS_RESHARING)
	require.Equal(t, uint32(2), r.to.Resharing.Attempt, "masks that a removed member knows of are of no use")
	require.Equal(t, []uint32{6}, r.to.Resharing.Without)
	r.commit(204, 1, 2, 3, 4)
	r.advance(204, EPOCH_STATUS_RECEIVING)
	_, err = r.to.Remove(7, 205)
	require.NoError(t, err)
	r.receive(205, []uint32{1, 2, 3, 4}, 1, 2, 3, 4, 5)
	r.advance(205, EPOCH_STATUS_PROVING)
	require.Equal(t, []uint32{6, 7}, r.to.Resharing.Without)
	r.confirm(206, 50, nil, 1, 2, 3, 4, 5)
	r.advance(206, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []uint32{6, 7}, r.to.Excluded())

	third := resharing(t)
	for _, index := range []uint32{5, 6, 7} {
		_, err := third.to.Remove(index, 203)
		require.NoError(t, err)
	}
	third.advance(203, EPOCH_STATUS_FAILED)
	require.Equal(t, EPOCH_FAILURE_NO_QUORUM, third.to.Failure)
}

func TestAMemberThatIsRemovedAfterItSpokeDoesNotCount(t *testing.T) {
	r := resharing(t).proving()
	r.confirm(205, 50, nil, 1, 2, 3, 6, 7)
	for _, index := range []uint32{6, 7} {
		_, err := r.to.Remove(index, 205)
		require.NoError(t, err)
	}
	require.Empty(t, r.advance(205, EPOCH_STATUS_PROVING))
	r.advance(244, EPOCH_STATUS_RESHARING)
}

func TestASilentMemberThatStopsOfflineWorkIsExcludedByReports(t *testing.T) {
	r := resharing(t)
	for _, reporter := range []uint32{1, 2, 3} {
		require.NoError(t, r.to.Report(reporter, 1, []uint32{7}, 204))
	}
	require.Empty(t, r.advance(223, EPOCH_STATUS_RESHARING))
	require.Equal(t, []Change{{Index: 7, Excluded: true}, {}}, r.advance(224, EPOCH_STATUS_RESHARING))
	require.Equal(t, uint32(2), r.to.Resharing.Attempt)

	r.commit(225, 1, 2, 3, 4)
	r.advance(225, EPOCH_STATUS_RECEIVING)
	r.receive(226, []uint32{1, 2, 3, 4}, 1, 2, 3, 4, 5, 6)
	r.advance(226, EPOCH_STATUS_PROVING)
	for _, reporter := range []uint32{1, 2, 3} {
		require.NoError(t, r.to.Report(reporter, 2, []uint32{6}, 227))
	}
	require.Equal(t, []Change{{Index: 6, Excluded: true}}, r.advance(247, EPOCH_STATUS_PROVING))
	require.Equal(t, uint32(2), r.to.Resharing.Attempt, "the vectors are there: what is left is opened without it")
	require.Equal(t, []uint32{6, 7}, r.to.Resharing.Without)
	r.confirm(248, 50, nil, 1, 2, 3, 4, 5)
	r.advance(248, EPOCH_STATUS_ACTIVE)
}

func TestAKeyThatBecomesActiveMeanwhileIsHandedOverToo(t *testing.T) {
	r := resharing(t).proving()
	r.confirm(205, 50, nil, indices(r.to)...)
	r.keys = [][]byte{digest(70), digest(71), digest(72)}
	r.advance(205, EPOCH_STATUS_RESHARING)
	require.Equal(t, uint32(2), r.to.Resharing.Attempt)
	require.Equal(t, r.keys, r.to.Resharing.KeyIds)
	r.keys = r.keys[1:] // one is gone: nothing is lacking
	require.Empty(t, r.advance(206, EPOCH_STATUS_RESHARING))
	require.Equal(t, uint32(2), r.to.Resharing.Attempt)
}

func TestASilentMemberOfTheWordsIsLeftOutOfTheNextAttempt(t *testing.T) {
	r := resharing(t).proving()
	r.confirm(205, 50, nil, 1, 2, 3, 4)
	r.confirm(205, 51, nil, 5, 6)
	changes := r.advance(244, EPOCH_STATUS_RESHARING)
	require.Equal(t, []Change{{}, {Index: 7, Excluded: true}}, changes)
}

// A walk through random messages, most of them wrong, and times: whatever is said in
// whatever order, an epoch becomes active on the equal words of n-t members only.
func TestRandomMessagesNeverActivateWithoutNMinusTEqualWords(t *testing.T) {
	active := 0
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 6))
		r := resharing(t)
		before := *r.from
		height := int64(202)
		for r.to.InTheMaking() {
			require.Less(t, height, int64(2000), "it ends")
			for range random.IntN(20) {
				r.randomMessage(random, height)
			}
			height += int64(random.IntN(12))
			r.to.Advance(height, r.params, Origin{Epoch: r.from, Keys: r.keys})
			require.LessOrEqual(t, len(r.to.Excluded()), int(r.to.T))
			require.Equal(t, before, *r.from)
			genesis := GenesisState{Epochs: []Epoch{*r.from, *r.to}}
			if r.to.Status != EPOCH_STATUS_ACTIVE { // the keeper drains the epoch before
				require.NoError(t, genesis.validateSuccession())
				require.NoError(t, r.to.validate(make([]Party, 20)))
			}
		}
		if r.to.Status != EPOCH_STATUS_ACTIVE {
			require.Equal(t, EPOCH_STATUS_FAILED, r.to.Status)
			require.NotZero(t, r.to.Failure)
			continue
		}
		active++
		said := make(map[string]int)
		for _, word := range r.to.Resharing.Words {
			if !r.to.IsExcluded(word.Index) {
				said[fmt.Sprint(word.Transcript, word.Wrong)]++
			}
		}
		require.Len(t, said, 1, "who said something else is excluded")
		_, agreeing := r.to.Verdict()
		require.Equal(t, []int{agreeing}, slices.Collect(maps.Values(said)))
		require.GreaterOrEqual(t, agreeing, r.to.Quorum())
		require.GreaterOrEqual(t, len(r.to.Resharing.Used), r.from.Quorum())
		require.Len(t, r.to.Excluded(), r.to.N()-agreeing)
	}
	require.Greater(t, active, 40, "some went through")
}

func (r *rotation) randomMessage(random *rand.Rand, height int64) {
	index := uint32(1 + random.IntN(7))
	attempt := r.to.Resharing.Attempt
	if random.IntN(8) == 0 {
		attempt = uint32(random.IntN(4))
	}
	some := func(most int) (picked []uint32) {
		for i := 1; i <= most; i++ {
			if random.IntN(6) > 0 {
				picked = append(picked, uint32(i))
			}
		}
		return picked
	}
	switch random.IntN(9) {
	case 0, 1:
		_ = r.to.CommitVectors(r.from, min(index, 4), attempt, digest(byte(random.IntN(2))), height)
	case 2, 3, 4:
		received := some(4)
		if random.IntN(3) > 0 {
			received = indicesOf(r.to.Resharing.Digests)
		}
		_ = r.to.Receive(index, attempt, received, height)
	case 5, 6, 7:
		var wrong []uint32
		if random.IntN(8) == 0 {
			wrong = some(1)
		}
		_ = r.to.ConfirmShares(index, attempt, digest(byte(50+random.IntN(8)/7)), wrong, height)
	case 8:
		_ = r.to.Report(index, r.to.Generation, []uint32{uint32(1 + random.IntN(7))}, height)
	}
}
