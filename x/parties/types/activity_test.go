package types

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLatencyIsOfTheLatestResults(t *testing.T) {
	var activity Activity
	require.Equal(t, Latency{}, activity.Latency())
	activity.AddResult(math.MaxUint64)
	require.Equal(t, Latency{Results: 1, MeanMilliblocks: math.MaxUint32 * 1000, WorstBlocks: math.MaxUint32}, activity.Latency())
	for range maxResultBlocks - 1 {
		activity.AddResult(2)
	}
	require.EqualValues(t, math.MaxUint32, activity.Latency().WorstBlocks)
	activity.AddResult(3)
	require.Len(t, activity.ResultBlocks, maxResultBlocks)
	require.Equal(t, Latency{Results: maxResultBlocks, MeanMilliblocks: (63*2 + 3) * 1000 / 64, WorstBlocks: 3}, activity.Latency())
	require.EqualValues(t, maxResultBlocks+1, activity.Results)
	activity.Contributions = activity.Results
	require.NoError(t, activity.validate())
	activity.Results = maxResultBlocks - 1
	require.Error(t, activity.validate())
	activity.Results = activity.Contributions + 1
	require.Error(t, activity.validate())
	activity.Results = activity.Contributions
	activity.ResultBlocks = make([]uint32, maxResultBlocks+1)
	require.Error(t, activity.validate())
}
