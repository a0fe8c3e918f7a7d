package types

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func testParams() Params {
	p := DefaultParams()
	p.SetupCommitBlocks, p.SetupConfirmBlocks = 10, 10
	p.AbsenceBlocks, p.ReportWindowBlocks, p.ReadyBlocks = 20, 50, 5
	p.SetupAnswerBlocks, p.SetupRevealBlocks = 10, 10
	p.MaxSetupAttempts = 3
	return p
}

func digest(b byte) []byte { return bytes.Repeat([]byte{b}, DigestSize) }

func newEpoch(t *testing.T, n int) *Epoch {
	t.Helper()
	parties := make([]Party, n)
	for i := range parties {
		parties[i].Id = uint64(i + 11)
	}
	epoch, err := NewEpoch(1, parties, 100, testParams())
	require.NoError(t, err)
	return &epoch
}

// setUp takes an epoch of n members to ACTIVE at height 102.
func setUp(t *testing.T, n int) *Epoch {
	t.Helper()
	epoch := newEpoch(t, n)
	for i := range n {
		require.NoError(t, epoch.CommitRoot(uint32(i+1), 1, digest(byte(i)), 101))
	}
	advance(t, epoch, 101, EPOCH_STATUS_CONFIRMING)
	for i := range n {
		require.NoError(t, epoch.Confirm(uint32(i+1), 1, digest(9), 0, 102))
	}
	advance(t, epoch, 102, EPOCH_STATUS_ACTIVE)
	return epoch
}

func advance(t *testing.T, epoch *Epoch, height int64, want EpochStatus) []Change {
	t.Helper()
	changes, _ := epoch.Advance(height, testParams(), Origin{})
	require.Equal(t, want, epoch.Status)
	return changes
}

func TestCommitteesHave3tPlus1DifferentMembers(t *testing.T) {
	for n := range 20 {
		parties := make([]Party, n)
		for i := range parties {
			parties[i].Id = uint64(i + 1)
		}
		epoch, err := NewEpoch(1, parties, 1, testParams())
		if slices.Contains([]int{1, 4, 7, 10, 13, 16}, n) {
			require.NoError(t, err)
			require.Equal(t, uint32((n-1)/3), epoch.T)
			require.Equal(t, n-int(epoch.T), epoch.Quorum())
		} else {
			require.ErrorIs(t, err, ErrInvalidCommittee, n)
		}
	}
	_, err := NewEpoch(1, []Party{{Id: 1}, {Id: 2}, {Id: 3}, {Id: 2}}, 1, testParams())
	require.ErrorIs(t, err, ErrInvalidCommittee)
}

func TestAnEpochIsSimulatedIfOneMemberIs(t *testing.T) {
	epoch, err := NewEpoch(1, []Party{{Id: 1}, {Id: 2}, {Id: 3, Simulated: true}, {Id: 4}}, 1, testParams())
	require.NoError(t, err)
	require.True(t, epoch.Simulated)
}

func TestTheSetUpGoesOnAtOnceWhenAllMembersHaveSpoken(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		epoch := setUp(t, n)
		require.Equal(t, digest(9), epoch.Transcript)
		require.Equal(t, uint32(1), epoch.Generation)
		require.Empty(t, epoch.Excluded())
		require.Equal(t, int64(102), epoch.ActiveHeight)
	}
}

func TestRootsAreWaitedForUntilTheDeadlineAndThenNMinusTAreEnough(t *testing.T) {
	epoch := newEpoch(t, 4)
	for _, index := range []uint32{3, 1, 2} {
		require.NoError(t, epoch.CommitRoot(index, 1, digest(1), 101))
	}
	require.Empty(t, advance(t, epoch, 109, EPOCH_STATUS_COMMITTING))
	require.Len(t, advance(t, epoch, 110, EPOCH_STATUS_CONFIRMING), 1)
	require.True(t, slices.IsSortedFunc(epoch.Roots, func(a, b SetupEntry) int { return int(a.Index) - int(b.Index) }))
	require.Equal(t, int64(120), epoch.Deadline)
}

func TestFewerThanNMinusTRootsMakeANewAttemptAndFinallyFail(t *testing.T) {
	epoch := newEpoch(t, 4)
	require.NoError(t, epoch.CommitRoot(1, 1, digest(1), 101))
	require.NoError(t, epoch.CommitRoot(2, 1, digest(1), 101))
	advance(t, epoch, 110, EPOCH_STATUS_COMMITTING)
	require.Equal(t, uint32(2), epoch.Attempt)
	require.Empty(t, epoch.Roots)
	require.Equal(t, int64(120), epoch.Deadline)
	require.ErrorIs(t, epoch.CommitRoot(1, 1, digest(1), 111), ErrWrongAttempt)
	advance(t, epoch, 120, EPOCH_STATUS_COMMITTING)
	advance(t, epoch, 130, EPOCH_STATUS_FAILED)
	require.False(t, epoch.Live())
}

func TestAMemberHasOneWordInAnAttempt(t *testing.T) {
	epoch := newEpoch(t, 4)
	require.NoError(t, epoch.CommitRoot(1, 1, digest(1), 101))
	require.NoError(t, epoch.CommitRoot(1, 1, digest(1), 102), "repeating it is no fault")
	require.Equal(t, int64(101), epoch.Roots[0].Height)
	require.ErrorIs(t, epoch.CommitRoot(1, 1, digest(2), 102), ErrConflictingEntry)
	require.Equal(t, digest(1), epoch.Roots[0].Digest)
	require.ErrorIs(t, epoch.CommitRoot(2, 1, digest(1)[1:], 102), ErrInvalidMessage)
	require.ErrorIs(t, epoch.Confirm(2, 1, digest(1), 0, 102), ErrWrongStatus)
}

func TestAMemberThatDoesNotConfirmBeginsExcluded(t *testing.T) {
	epoch := newEpoch(t, 4)
	for index := uint32(1); index <= 4; index++ {
		require.NoError(t, epoch.CommitRoot(index, 1, digest(1), 101))
	}
	advance(t, epoch, 101, EPOCH_STATUS_CONFIRMING)
	for _, index := range []uint32{1, 2, 4} {
		require.NoError(t, epoch.Confirm(index, 1, digest(9), 0, 102))
	}
	require.ErrorIs(t, epoch.CommitRoot(3, 1, digest(1), 102), ErrWrongStatus)
	require.Empty(t, advance(t, epoch, 110, EPOCH_STATUS_CONFIRMING), "all that posted a root are waited for")
	changes := advance(t, epoch, 111, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []Change{{}, {Index: 3, Excluded: true}}, changes)
	require.Equal(t, []uint32{3}, epoch.Excluded())
}

func TestAMemberWithoutARootIsNotWaitedForButMayConfirm(t *testing.T) {
	epoch := newEpoch(t, 4)
	for _, index := range []uint32{1, 2, 3} {
		require.NoError(t, epoch.CommitRoot(index, 1, digest(1), 101))
	}
	advance(t, epoch, 110, EPOCH_STATUS_CONFIRMING)
	for _, index := range []uint32{1, 2, 4} {
		require.NoError(t, epoch.Confirm(index, 1, digest(9), 0, 111))
	}
	advance(t, epoch, 111, EPOCH_STATUS_CONFIRMING)
	require.NoError(t, epoch.Confirm(3, 1, digest(9), 0, 112))
	advance(t, epoch, 112, EPOCH_STATUS_ACTIVE)
	require.Empty(t, epoch.Excluded())
}

func TestAnotherTranscriptNeitherCountsNorStopsTheQuorum(t *testing.T) {
	epoch := newEpoch(t, 4)
	for index := uint32(1); index <= 4; index++ {
		require.NoError(t, epoch.CommitRoot(index, 1, digest(1), 101))
	}
	advance(t, epoch, 101, EPOCH_STATUS_CONFIRMING)
	require.NoError(t, epoch.Confirm(1, 1, digest(7), 0, 102))
	for _, index := range []uint32{2, 3, 4} {
		require.NoError(t, epoch.Confirm(index, 1, digest(9), 0, 102))
	}
	advance(t, epoch, 102, EPOCH_STATUS_ACTIVE)
	require.Equal(t, digest(9), epoch.Transcript)
	require.Equal(t, []uint32{1}, epoch.Excluded())
}

func TestWithoutAQuorumOnOneTranscriptNothingBecomesActive(t *testing.T) {
	epoch := newEpoch(t, 4)
	for index := uint32(1); index <= 4; index++ {
		require.NoError(t, epoch.CommitRoot(index, 1, digest(1), 101))
	}
	advance(t, epoch, 101, EPOCH_STATUS_CONFIRMING)
	for index := uint32(1); index <= 4; index++ {
		require.NoError(t, epoch.Confirm(index, 1, digest(byte(index%2)), 0, 102))
	}
	advance(t, epoch, 102, EPOCH_STATUS_COMMITTING)
	require.Equal(t, uint32(2), epoch.Attempt)
	require.Empty(t, epoch.Confirmations)
}

func TestARemovedMemberIsNotWaitedForAndItsWordDoesNotCount(t *testing.T) {
	epoch := newEpoch(t, 4)
	_, err := epoch.Remove(4, 100)
	require.NoError(t, err)
	for index := uint32(1); index <= 3; index++ {
		require.NoError(t, epoch.CommitRoot(index, 1, digest(1), 101))
	}
	advance(t, epoch, 101, EPOCH_STATUS_CONFIRMING)
	for index := uint32(1); index <= 3; index++ {
		require.NoError(t, epoch.Confirm(index, 1, digest(9), 0, 102))
	}
	advance(t, epoch, 102, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []uint32{4}, epoch.Excluded())

	// With a second one gone there can be no quorum.
	epoch = newEpoch(t, 4)
	for _, index := range []uint32{2, 4} {
		_, err = epoch.Remove(index, 100)
		require.NoError(t, err)
	}
	advance(t, epoch, 100, EPOCH_STATUS_FAILED)

	// Removed after it confirmed: three words are left, one of a removed member.
	epoch = newEpoch(t, 4)
	for index := uint32(1); index <= 4; index++ {
		require.NoError(t, epoch.CommitRoot(index, 1, digest(1), 101))
	}
	advance(t, epoch, 101, EPOCH_STATUS_CONFIRMING)
	for index := uint32(1); index <= 3; index++ {
		require.NoError(t, epoch.Confirm(index, 1, digest(9), 0, 102))
	}
	_, err = epoch.Remove(3, 102)
	require.NoError(t, err)
	advance(t, epoch, 111, EPOCH_STATUS_COMMITTING)
}

// Whatever members and liars do in whatever order, the bounds of the package
// comment hold and the record is one that genesis takes.
func TestInvariantsHoldUnderRandomMessages(t *testing.T) {
	params := testParams()
	served, excluded, concluded, convicted := 0, 0, 0, 0
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		n := []int{1, 4, 7}[random.IntN(3)]
		epoch := newEpoch(t, n)
		parties := make([]Party, 20)
		generation := epoch.Generation
		for height := int64(101); height < 500; height++ {
			for range random.IntN(4) {
				act(random, epoch, parties, height, params)
			}
			epoch.Advance(height, params, Origin{})
			require.LessOrEqual(t, len(epoch.Excluded()), int(epoch.T), "seed %d", seed)
			require.GreaterOrEqual(t, epoch.Generation, generation)
			generation = epoch.Generation
			require.NoError(t, epoch.validate(parties), "seed %d height %d", seed, height)
			excluded += len(epoch.Excluded())
			if epoch.Status == EPOCH_STATUS_CONCLUDING {
				concluded++
			}
			for index := uint32(1); int(index) <= n; index++ {
				if epoch.IsConvicted(index) {
					convicted++
					// Out, unless all places are taken.
					require.True(t, !epoch.Serving() || epoch.IsExcluded(index) || len(epoch.Excluded()) == int(epoch.T), "seed %d height %d", seed, height)
				}
			}
		}
		if epoch.Serving() {
			served++
		}
	}
	require.Greater(t, served, 50, "the test reaches what it is about")
	require.Greater(t, excluded, 100)
	require.Greater(t, concluded, 10)
	require.Greater(t, convicted, 100)
}

// act lets a random member do something, mostly sensible. Its errors are part of the game.
func act(random *rand.Rand, epoch *Epoch, parties []Party, height int64, params Params) {
	index := uint32(random.IntN(epoch.N()) + 1)
	if epoch.Members[index-1].Removed {
		return // the keeper lets nothing of a removed party through
	}
	switch random.IntN(16) {
	case 12:
		if epoch.Serving() && random.IntN(40) == 0 {
			epoch.Convict(index, height)
		}
	case 13:
		accused := uint32(random.IntN(epoch.N()) + 1)
		key := bytes.Repeat([]byte{byte(random.IntN(3))}, 32) // of zeros it is none
		if random.IntN(3) == 0 {
			_ = epoch.Complain(index, epoch.Attempt, []Grievance{{Accused: accused, Sets: []uint32{random.Uint32N(4)}, RecipientKey: key}})
		}
	case 14, 15:
		for i := range epoch.Complaints {
			// As if an answer were right, or wrong: what is in it is another test's.
			c := &epoch.Complaints[i]
			if epoch.Status == EPOCH_STATUS_ANSWERING && random.IntN(2) == 0 {
				c.Answered = true
			}
			if epoch.Status == EPOCH_STATUS_REVEALING && c.Answered && random.IntN(4) == 0 {
				c.Revealed = true
				epoch.absence([]uint32{c.Accuser, c.Accused}[random.IntN(2)]).Convicted = true
			}
		}
	case 0, 1, 2:
		_ = epoch.CommitRoot(index, epoch.Attempt, digest(1), height)
	case 3, 4, 5:
		_ = epoch.Confirm(index, epoch.Attempt, digest(byte(random.IntN(8)/7)), random.Uint32(), height)
	case 6, 7, 8:
		var absent []uint32
		for other := uint32(1); int(other) <= epoch.N(); other++ {
			if other != index && random.IntN(3) == 0 {
				absent = append(absent, other)
			}
		}
		_ = epoch.Report(index, epoch.Generation, absent, height)
	case 9:
		sum := ReadyDigest(epoch.Transcript, epoch.Generation)
		_ = epoch.Ready(index, sum[:], height, params)
	case 10:
		epoch.Seen(index, height, params)
	case 11:
		if random.IntN(40) != 0 {
			return
		}
		if _, err := epoch.Remove(index, height); err == nil {
			parties[epoch.Members[index-1].PartyId-1].Removed = true
		}
	}
}
