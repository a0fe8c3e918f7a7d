package types

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAConvictedMemberIsExcludedAndDoesNotComeBack(t *testing.T) {
	epoch := setUp(t, 4)
	require.NoError(t, epoch.Report(3, 1, []uint32{1}, 110))
	require.Equal(t, []Change{{Index: 3, Excluded: true}}, epoch.Convict(3, 120))
	require.EqualValues(t, 2, epoch.Generation)
	require.True(t, epoch.IsExcluded(3))
	require.Empty(t, epoch.absence(1).Reports, "its word about others no longer counts")
	sum := ReadyDigest(epoch.Transcript, epoch.Generation)
	require.ErrorIs(t, epoch.Ready(3, sum[:], 121, testParams()), ErrConvicted)
	require.ErrorIs(t, epoch.Report(3, 2, nil, 121), ErrConvicted)
	advance(t, epoch, 1000, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []uint32{3}, epoch.Excluded())
	require.Empty(t, epoch.Convict(3, 1000), "once more changes nothing")
	require.EqualValues(t, 2, epoch.Generation)
}

func TestAnAbsentMemberThatIsConvictedStaysExcluded(t *testing.T) {
	epoch := setUp(t, 4)
	for _, reporter := range []uint32{1, 2} {
		require.NoError(t, epoch.Report(reporter, 1, []uint32{4}, 110))
	}
	advance(t, epoch, 130, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []uint32{4}, epoch.Excluded())
	sum := ReadyDigest(epoch.Transcript, epoch.Generation)
	require.NoError(t, epoch.Ready(4, sum[:], 131, testParams()))
	require.Empty(t, epoch.Convict(4, 132))
	advance(t, epoch, 200, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []uint32{4}, epoch.Excluded(), "the pending READY is void")
	require.EqualValues(t, 2, epoch.Generation)
}

func TestAConvictedMemberTakesTheFirstPlaceThatAnAbsentOneLeaves(t *testing.T) {
	epoch := setUp(t, 4)
	for _, reporter := range []uint32{1, 2} {
		require.NoError(t, epoch.Report(reporter, 1, []uint32{4}, 110))
	}
	advance(t, epoch, 130, EPOCH_STATUS_ACTIVE)
	require.Empty(t, epoch.Convict(3, 131), "the others cannot do without it as long as member 4 is away")
	require.True(t, epoch.IsConvicted(3))
	require.False(t, epoch.IsExcluded(3))
	require.Empty(t, advance(t, epoch, 132, EPOCH_STATUS_ACTIVE))
	sum := ReadyDigest(epoch.Transcript, epoch.Generation)
	require.ErrorIs(t, epoch.Ready(3, sum[:], 133, testParams()), ErrConvicted)
	require.ErrorIs(t, epoch.Report(3, 2, nil, 133), ErrConvicted)

	require.NoError(t, epoch.Ready(4, sum[:], 133, testParams()))
	changes := advance(t, epoch, 138, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []Change{{Index: 4}, {Index: 3, Excluded: true}}, changes)
	require.Equal(t, []uint32{3}, epoch.Excluded())
	require.EqualValues(t, 4, epoch.Generation)
	require.NoError(t, epoch.validate(make([]Party, 20)))
}
