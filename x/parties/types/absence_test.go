package types

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func report(t *testing.T, epoch *Epoch, height int64, reporter uint32, absent ...uint32) {
	t.Helper()
	require.NoError(t, epoch.Report(reporter, epoch.Generation, absent, height))
}

func readyDigest(transcript byte, generation uint32) []byte {
	sum := ReadyDigest(digest(transcript), generation)
	return sum[:]
}

func TestTPlusOneStandingReportsExcludeAfterAbsenceBlocks(t *testing.T) {
	epoch := setUp(t, 4)
	report(t, epoch, 200, 1, 3)
	report(t, epoch, 205, 2, 3)
	require.Empty(t, advance(t, epoch, 224, EPOCH_STATUS_ACTIVE), "the clock starts with report t+1")
	require.Equal(t, []Change{{Index: 3, Excluded: true}}, advance(t, epoch, 225, EPOCH_STATUS_ACTIVE))
	require.Equal(t, []uint32{3}, epoch.Excluded())
	require.Equal(t, uint32(2), epoch.Generation)
	require.ErrorIs(t, epoch.Report(1, 1, nil, 226), ErrOldGeneration)
}

func TestTReportersExcludeNobodyHoweverOftenTheySaySo(t *testing.T) {
	for _, n := range []int{4, 7} {
		epoch := setUp(t, n)
		for height := int64(200); height < 600; height++ {
			for liar := uint32(1); liar <= epoch.T; liar++ {
				report(t, epoch, height, liar, uint32(n))
			}
			require.Empty(t, advance(t, epoch, height, EPOCH_STATUS_ACTIVE))
		}
	}
}

func TestLiarsThatReportEverybodyDoNotShortenTheClock(t *testing.T) {
	epoch := setUp(t, 4)
	report(t, epoch, 200, 4, 1, 2, 3)
	report(t, epoch, 230, 1, 3)
	require.Empty(t, advance(t, epoch, 230, EPOCH_STATUS_ACTIVE))
	report(t, epoch, 231, 1)
	for height := int64(231); height <= 260; height++ {
		require.Empty(t, advance(t, epoch, height, EPOCH_STATUS_ACTIVE), "the honest report was withdrawn")
	}
}

func TestAReporterCannotCountTwiceNorRenewItsHeight(t *testing.T) {
	epoch := setUp(t, 4)
	report(t, epoch, 200, 1, 3)
	report(t, epoch, 210, 1, 3)
	require.Equal(t, []Report{{Index: 1, Height: 200}}, epoch.Absences[0].Reports)
}

func TestReportsExpireAfterTheWindow(t *testing.T) {
	epoch := setUp(t, 4)
	report(t, epoch, 200, 1, 3)
	_, dirty := epoch.Advance(250, testParams(), Origin{})
	require.False(t, dirty)
	_, dirty = epoch.Advance(251, testParams(), Origin{})
	require.True(t, dirty)
	require.Empty(t, epoch.Absences[0].Reports)
}

func TestAtMostTMembersAreExcludedAtOnce(t *testing.T) {
	epoch := setUp(t, 4)
	report(t, epoch, 200, 1, 3, 4)
	report(t, epoch, 200, 2, 3, 4)
	require.Len(t, advance(t, epoch, 220, EPOCH_STATUS_ACTIVE), 1)
	require.Equal(t, []uint32{3}, epoch.Excluded())
	require.Empty(t, advance(t, epoch, 221, EPOCH_STATUS_ACTIVE))

	epoch = setUp(t, 7)
	for reporter := uint32(1); reporter <= 3; reporter++ {
		report(t, epoch, 200, reporter, 5, 6, 7)
	}
	require.Len(t, advance(t, epoch, 220, EPOCH_STATUS_ACTIVE), 2)
	require.Equal(t, []uint32{5, 6}, epoch.Excluded())
	require.Equal(t, uint32(3), epoch.Generation)
}

func TestBadReportsAreRefused(t *testing.T) {
	epoch := setUp(t, 4)
	for name, indices := range map[string][]uint32{
		"itself": {1}, "zero": {0}, "no member": {5}, "twice": {2, 2}, "descending": {3, 2},
	} {
		require.ErrorIs(t, epoch.Report(1, 1, indices, 200), ErrInvalidMessage, name)
	}
	require.Empty(t, epoch.Absences)
	report(t, epoch, 200, 1, 3)
	report(t, epoch, 200, 2, 3)
	advance(t, epoch, 220, EPOCH_STATUS_ACTIVE)
	require.ErrorIs(t, epoch.Report(3, 2, []uint32{1}, 221), ErrExcluded, "an excluded member reports nobody")
	require.ErrorIs(t, epoch.Report(1, 2, []uint32{3}, 221), ErrExcluded, "an excluded member is not reported")
	require.ErrorIs(t, newEpoch(t, 4).Report(1, 0, []uint32{3}, 221), ErrWrongStatus)
}

func TestReportsOfAMemberThatIsExcludedLaterDoNotCount(t *testing.T) {
	epoch := setUp(t, 7)
	report(t, epoch, 200, 7, 6)
	report(t, epoch, 200, 1, 6)
	for reporter := uint32(1); reporter <= 3; reporter++ {
		report(t, epoch, 201, reporter, 7)
	}
	require.Len(t, advance(t, epoch, 221, EPOCH_STATUS_ACTIVE), 1)
	report(t, epoch, 221, 2, 6)
	require.Empty(t, advance(t, epoch, 245, EPOCH_STATUS_ACTIVE), "two reports are left of three")
}

func TestAMessageOfTheReportedVoidsReportsOnceInAWindow(t *testing.T) {
	params := testParams()
	epoch := setUp(t, 4)
	require.False(t, epoch.Seen(3, 199, params), "nothing to void")
	report(t, epoch, 200, 1, 3)
	report(t, epoch, 200, 2, 3)
	require.True(t, epoch.Seen(3, 210, params))
	require.Empty(t, advance(t, epoch, 220, EPOCH_STATUS_ACTIVE))
	report(t, epoch, 221, 1, 3)
	report(t, epoch, 221, 2, 3)
	require.False(t, epoch.Seen(3, 222, params), "it talks to the chain but not to its peers")
	require.Len(t, advance(t, epoch, 241, EPOCH_STATUS_ACTIVE), 1)
}

func TestReadyCountsSomeBlocksLaterAndChangesTheGeneration(t *testing.T) {
	params := testParams()
	epoch := setUp(t, 4)
	report(t, epoch, 200, 1, 3)
	report(t, epoch, 200, 2, 3)
	advance(t, epoch, 220, EPOCH_STATUS_ACTIVE)
	require.ErrorIs(t, epoch.Ready(3, readyDigest(9, 1), 230, params), ErrReadyDigest, "an old generation")
	require.ErrorIs(t, epoch.Ready(3, readyDigest(8, 2), 230, params), ErrReadyDigest, "another set-up")
	require.ErrorIs(t, epoch.Ready(3, digest(9), 230, params), ErrReadyDigest, "the transcript that everybody can read")
	require.NoError(t, epoch.Ready(3, readyDigest(9, 2), 230, params))
	require.NoError(t, epoch.Ready(3, readyDigest(9, 2), 233, params), "repeating it does not start the wait anew")
	require.Empty(t, advance(t, epoch, 234, EPOCH_STATUS_ACTIVE))
	require.Equal(t, []Change{{Index: 3}}, advance(t, epoch, 235, EPOCH_STATUS_ACTIVE))
	require.Empty(t, epoch.Excluded())
	require.Equal(t, uint32(3), epoch.Generation)
}

func TestAMemberThatComesAndGoesWaitsLonger(t *testing.T) {
	params := testParams()
	epoch := setUp(t, 4)
	height := int64(1000)
	for _, wait := range []int64{5, 10, 20, 40, 80, 160, 320, 320} {
		report(t, epoch, height, 1, 3)
		report(t, epoch, height, 2, 3)
		height += 20
		require.Len(t, advance(t, epoch, height, EPOCH_STATUS_ACTIVE), 1)
		require.NoError(t, epoch.Ready(3, readyDigest(9, epoch.Generation), height, params))
		require.Empty(t, advance(t, epoch, height+wait-1, EPOCH_STATUS_ACTIVE))
		height += wait
		require.Len(t, advance(t, epoch, height, EPOCH_STATUS_ACTIVE), 1)
	}
}

func TestReadyOfAMemberThatCountsVoidsReports(t *testing.T) {
	epoch := setUp(t, 4)
	report(t, epoch, 200, 1, 3)
	report(t, epoch, 200, 2, 3)
	require.NoError(t, epoch.Ready(3, readyDigest(9, 1), 210, testParams()))
	require.Empty(t, advance(t, epoch, 220, EPOCH_STATUS_ACTIVE))
	require.Equal(t, uint32(1), epoch.Generation)
	require.ErrorIs(t, newEpoch(t, 4).Ready(3, readyDigest(9, 0), 210, testParams()), ErrWrongStatus)
}

func TestRemovalFromAServingEpochExcludesUpToTMembers(t *testing.T) {
	epoch := setUp(t, 4)
	changes, err := epoch.Remove(2, 300)
	require.NoError(t, err)
	require.Equal(t, []Change{{Index: 2, Excluded: true}}, changes)
	require.Equal(t, uint32(2), epoch.Generation)
	_, err = epoch.Remove(3, 300)
	require.ErrorIs(t, err, ErrTooManyExcluded)
	require.False(t, epoch.Members[2].Removed)

	// One that is excluded already, and about to come back, stays out.
	epoch = setUp(t, 4)
	report(t, epoch, 300, 1, 3)
	report(t, epoch, 300, 2, 3)
	advance(t, epoch, 320, EPOCH_STATUS_ACTIVE)
	require.NoError(t, epoch.Ready(3, readyDigest(9, 2), 321, testParams()))
	_, err = epoch.Remove(3, 322)
	require.NoError(t, err)
	require.Empty(t, advance(t, epoch, 400, EPOCH_STATUS_ACTIVE))
	require.Equal(t, []uint32{3}, epoch.Excluded())

	_, err = setUp(t, 1).Remove(1, 300)
	require.ErrorIs(t, err, ErrTooManyExcluded, "a centralized epoch cannot lose its party")
}
