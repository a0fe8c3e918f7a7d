package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
)

func TestABlockHandlesABoundedNumberOfDueItemsOldestFirst(t *testing.T) {
	f := newFixture(t, 4)
	f.setParams(func(p *types.Params) { p.MaxEndBlockItems = 2 })
	var ids [][]byte
	for i := range 5 {
		ids = append(ids, f.accepted(handle(byte(i+1), handles.Bool)))
	}
	for _, want := range []uint64{3, 1, 0} {
		f.endBlocks(max(f.ctx.BlockHeight(), 120))
		require.Equal(t, want, f.totals().Open)
	}
	for _, id := range ids {
		require.Equal(t, types.REQUEST_STATUS_EXPIRED, f.request(id).Status)
	}
}

func TestAPaymentThatFailsIsTriedAgainAndStopsNothingElse(t *testing.T) {
	f := newFixture(t, 4)
	stuck, fine := f.accepted(handle(1, handles.Bool)), f.accepted(handle(2, handles.Bool))
	f.answer(stuck, f.plaintext(stuck, 1), 1, 2, 3)
	f.answer(fine, f.plaintext(fine, 1), 2, 3, 4)
	f.bank.refuse[string(account("b"))] = true // operator of party 1
	f.endBlocks(105)
	require.Zero(t, f.request(stuck).PaidHeight)
	require.NotZero(t, f.request(fine).PaidHeight)
	require.EqualValues(t, 17, f.totals().Escrow)
	f.bank.refuse = map[string]bool{}
	f.endBlocks(205)
	require.EqualValues(t, 205, f.request(stuck).PaidHeight)
	require.Zero(t, f.totals().Escrow)
}

func TestAPutOffExpiryDoesNotTouchALaterAttempt(t *testing.T) {
	f := newFixture(t, 4)
	host := f.acl.hosts[hostChain]
	host.Limits.DeadlineBlocks = 150
	id := f.accepted(handle(1, handles.Bool)) // due at 120
	f.bank.refuse[string(f.alice)] = true
	f.endBlocks(120) // put off to 220
	require.Equal(t, types.REQUEST_STATUS_ACCEPTED, f.request(id).Status)
	f.bank.refuse = map[string]bool{}
	f.acl.hosts[hostChain] = host
	require.Equal(t, id, f.accepted(handle(1, handles.Bool))) // at 121, due at 271
	f.endBlocks(270)
	require.EqualValues(t, 2, f.request(id).Attempt)
	require.Equal(t, types.REQUEST_STATUS_ACCEPTED, f.request(id).Status)
	f.endBlocks(271)
	require.Equal(t, types.REQUEST_STATUS_EXPIRED, f.request(id).Status)
}

func TestARecordIsDroppedAfterItsRetentionAndItsAttemptRemembered(t *testing.T) {
	f := newFixture(t, 4)
	f.setParams(func(p *types.Params) { p.RetentionBlocks = 10 })
	paid, again := f.accepted(handle(1, handles.Bool)), f.accepted(handle(2, handles.Bool))
	f.answer(paid, f.plaintext(paid, 1), 1, 2, 3)
	f.endBlocks(114)
	require.NotZero(t, f.request(paid).PaidHeight)
	f.endBlocks(115)
	_, err := f.keeper.Requests.Get(f.ctx, paid)
	require.ErrorIs(t, err, collections.ErrNotFound)

	f.endBlocks(125)
	require.Equal(t, types.REQUEST_STATUS_EXPIRED, f.request(again).Status)
	f.accepted(handle(2, handles.Bool)) // attempt 2 is open when attempt 1's retention ends
	f.endBlocks(135)
	require.EqualValues(t, 2, f.request(again).Attempt)

	require.Equal(t, paid, f.accepted(handle(1, handles.Bool)))
	require.EqualValues(t, 2, f.request(paid).Attempt, "no attempt's number is used twice")
}

func TestTheListOfWorkIsKeptForItsWindow(t *testing.T) {
	f := newFixture(t, 4)
	f.setParams(func(p *types.Params) { p.WorkWindowBlocks = 20 })
	f.accepted(handle(1, handles.Bool))
	f.endBlocks(119)
	has, err := f.keeper.Work.Has(f.ctx, 100)
	require.NoError(t, err)
	require.True(t, has)
	f.endBlocks(120)
	has, err = f.keeper.Work.Has(f.ctx, 100)
	require.NoError(t, err)
	require.False(t, has)
}
