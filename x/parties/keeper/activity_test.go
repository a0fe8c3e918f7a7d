package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/parties/types"
)

func TestWhatAPartyTookAndMissedIsShownAndHasNoConsequence(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	require.NoError(t, f.keeper.RecordResult(f.ctx, members[0].Id, 3))
	require.NoError(t, f.keeper.RecordResult(f.ctx, members[0].Id, 6))
	require.NoError(t, f.keeper.RecordContribution(f.ctx, members[0].Id))
	before := f.epoch(id)
	require.NoError(t, f.keeper.RecordMissed(f.ctx, members[0].Id))
	require.Equal(t, before, f.epoch(id))
	require.ErrorIs(t, f.keeper.RecordResult(f.ctx, 99, 1), types.ErrUnknownParty)

	response, err := f.queries.Party(f.ctx, &types.QueryPartyRequest{Id: members[0].Id})
	require.NoError(t, err)
	require.Equal(t, types.Latency{Results: 2, MeanMilliblocks: 4500, WorstBlocks: 6}, response.Latency)
	require.Equal(t, []uint64{3, 2, 1}, []uint64{response.Activity.Contributions, response.Activity.Results, response.Activity.Missed})
	require.Equal(t, exportedAndBack(t, f), f.export())
}
