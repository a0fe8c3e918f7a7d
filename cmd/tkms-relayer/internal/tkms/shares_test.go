package tkms_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func TestSharesAreReadWithTheirRequest(t *testing.T) {
	n, url := newNode(t)
	ctx, chain := open(t, url)
	_, err := chain.Shares(ctx, make([]byte, 32))
	require.ErrorIs(t, err, client.ErrNotFound)
	n.mu.Lock()
	n.answers["/tkms.kms.v1.Query/Shares"] = &kmstypes.QuerySharesResponse{
		Request: kmstypes.Request{Attempt: 2}, Shares: []kmstypes.Share{{Index: 3, Payload: []byte{1}}},
	}
	n.mu.Unlock()
	answer, err := chain.Shares(ctx, make([]byte, 32))
	require.NoError(t, err)
	require.EqualValues(t, 2, answer.Request.Attempt)
	require.EqualValues(t, 3, answer.Shares[0].Index)
}

func TestWhoIsRemovedExcludedOrConvictedIsNotPresent(t *testing.T) {
	n, url := newNode(t)
	n.answers["/tkms.parties.v1.Query/Epoch"] = &partiestypes.QueryEpochResponse{Epoch: partiestypes.Epoch{
		Members: []partiestypes.Member{{Index: 1}, {Index: 2, Removed: true}, {Index: 3}, {Index: 4}, {Index: 5}, {Index: 6}},
		Absences: []partiestypes.Absence{
			{Index: 3, Excluded: true}, {Index: 4, Convicted: true}, {Index: 5, Exclusions: 1},
		},
	}}
	ctx, chain := open(t, url)
	for range 3 {
		members, err := chain.Present(ctx, 7)
		require.NoError(t, err)
		require.Equal(t, []uint32{1, 5, 6}, members, "who came back takes part")
	}
	require.Equal(t, 1, n.count("/tkms.parties.v1.Query/Epoch"), "it is remembered for a moment")
	chain.Forget()
	_, err := chain.Present(ctx, 7)
	require.NoError(t, err)
	require.Equal(t, 2, n.count("/tkms.parties.v1.Query/Epoch"))
}
