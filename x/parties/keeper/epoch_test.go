package keeper_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

func TestACommitteeIsFormedSetUpAndServes(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	require.Equal(t, uint64(1), id)
	epoch, err := f.keeper.ActiveEpoch(f.ctx)
	require.NoError(t, err)
	require.Equal(t, id, epoch.Id)
	require.Equal(t, f.secret("", "transcript"), epoch.Transcript)
	require.True(t, epoch.Simulated)

	member, party, err := f.keeper.MemberByAccount(f.ctx, id, mustAddress(t, f, members[2].Account))
	require.NoError(t, err)
	require.Equal(t, uint32(3), member.Index)
	require.Equal(t, members[2].Id, party.Id)
	parties, err := f.keeper.EpochParties(f.ctx, epoch)
	require.NoError(t, err)
	require.Equal(t, members, parties)
}

func TestTheOrderOfACommitteeIsThatOfItsMessage(t *testing.T) {
	f := newFixture(t)
	f.register("alice", "bob", "carol", "dave")
	epoch := f.epoch(f.form(3, 1, 4, 2))
	for i, id := range []uint64{3, 1, 4, 2} {
		require.Equal(t, types.Member{Index: uint32(i + 1), PartyId: id}, epoch.Members[i])
	}
}

func TestOnlyPartiesInStandingAreSeated(t *testing.T) {
	f := newFixture(t)
	f.register("alice", "bob", "carol", "dave")
	authority := address(t, "authority")
	form := func(ids ...uint64) error {
		_, err := f.messages.FormCommittee(f.ctx, &types.MsgFormCommittee{Authority: authority, PartyIds: ids})
		return err
	}
	require.ErrorIs(t, form(1, 2, 3), types.ErrInvalidCommittee)
	require.ErrorIs(t, form(), types.ErrInvalidCommittee)
	require.ErrorIs(t, form(1, 2, 3, 3), types.ErrInvalidCommittee)
	require.ErrorIs(t, form(1, 2, 3, 5), types.ErrUnknownParty)
	_, err := f.messages.RemoveParty(f.ctx, &types.MsgRemoveParty{Authority: authority, PartyId: 4})
	require.NoError(t, err)
	require.ErrorIs(t, form(1, 2, 3, 4), types.ErrInvalidCommittee)
	require.NoError(t, form(1))
	f.ctx = f.ctx.WithBlockTime(f.ctx.BlockTime().Add(8 * 24 * time.Hour))
	require.ErrorIs(t, form(1), types.ErrInvalidCommittee)
}

func TestANewCommitteeTakesThePlaceOfASetUpButNotOfAServingEpoch(t *testing.T) {
	f := newFixture(t)
	f.register("alice", "bob", "carol", "dave")
	first := f.form(4, 3, 2, 1)
	second := f.form(1)
	require.Equal(t, types.EPOCH_STATUS_FAILED, f.epoch(first).Status)
	require.ErrorIs(t, f.commit(types.Party{Account: f.party(2).Account}, first, 1), types.ErrWrongStatus)

	require.NoError(t, f.commit(f.party(1), second, 1))
	f.blocks(1)
	require.NoError(t, f.confirm(f.party(1), second, 1))
	f.blocks(1)
	require.Equal(t, types.EPOCH_STATUS_ACTIVE, f.epoch(second).Status)
	_, err := f.messages.FormCommittee(f.ctx, &types.MsgFormCommittee{Authority: address(t, "authority"), PartyIds: []uint64{2}})
	require.ErrorIs(t, err, types.ErrEpochActive)
}

func (f *fixture) party(id uint64) types.Party {
	f.t.Helper()
	party, err := f.keeper.PartyByID(f.ctx, id)
	require.NoError(f.t, err)
	return party
}

func TestOnlyMembersInStandingHaveAWordInAnEpoch(t *testing.T) {
	f := newFixture(t)
	parties := f.register("alice", "bob", "carol", "dave", "erin")
	epoch := f.form(1, 2, 3, 4)
	require.ErrorIs(t, f.commit(parties[4], epoch, 1), types.ErrNotMember)
	require.ErrorIs(t, f.commit(types.Party{Account: parties[0].Operator}, epoch, 1), types.ErrUnknownParty)
	require.ErrorIs(t, f.commit(types.Party{Account: "tkms1nothing"}, epoch, 1), types.ErrInvalidMessage)
	require.ErrorIs(t, f.commit(parties[0], 7, 1), types.ErrUnknownEpoch)
	require.ErrorIs(t, f.commit(parties[0], epoch, 2), types.ErrWrongAttempt)
	f.ctx = f.ctx.WithBlockTime(f.ctx.BlockTime().Add(8 * 24 * time.Hour))
	require.ErrorIs(t, f.commit(parties[0], epoch, 1), types.ErrAttestationLapsed)
}

func TestASetUpThatLacksMembersIsTriedAgain(t *testing.T) {
	f := newFixture(t)
	parties := f.register("alice", "bob", "carol", "dave")
	epoch := f.form(1, 2, 3, 4)
	require.NoError(t, f.commit(parties[0], epoch, 1))
	f.blocks(6)
	require.Equal(t, uint32(2), f.epoch(epoch).Attempt)
	for _, party := range parties[:3] {
		require.NoError(t, f.commit(party, epoch, 2))
	}
	f.blocks(6)
	for _, party := range parties[:3] {
		require.NoError(t, f.confirm(party, epoch, 2))
	}
	f.blocks(1)
	require.Equal(t, types.EPOCH_STATUS_ACTIVE, f.epoch(epoch).Status)
	current := f.epoch(epoch)
	require.Equal(t, []uint32{4}, current.Excluded())
}

func TestAnAbsentMemberIsExcludedAndComesBackByItself(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	require.NoError(t, f.report(members[0], id, 4))
	require.NoError(t, f.report(members[1], id, 4))
	f.blocks(10)
	epoch := f.epoch(id)
	require.Empty(t, epoch.Excluded())
	f.blocks(1)
	epoch = f.epoch(id)
	require.Equal(t, []uint32{4}, epoch.Excluded())

	// An excluded member is still a member: what it signs counts.
	_, _, err := f.keeper.MemberByAccount(f.ctx, id, mustAddress(t, f, members[3].Account))
	require.NoError(t, err)

	require.NoError(t, f.ready(members[3], id))
	f.blocks(4)
	after := f.epoch(id)
	require.Empty(t, after.Excluded())
	require.Equal(t, epoch.Generation+1, after.Generation)
}

func TestWorkThatTheChainSawVoidsReportsOfAbsence(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	require.NoError(t, f.report(members[0], id, 4))
	require.NoError(t, f.report(members[1], id, 4))
	require.NoError(t, f.keeper.RecordContribution(f.ctx, members[3].Id))
	epoch := f.epoch(id)
	require.Empty(t, epoch.Absences[0].Reports)

	// So does a party message.
	require.NoError(t, f.report(members[0], id, 3))
	require.NoError(t, f.report(members[2], id))
	epoch = f.epoch(id)
	require.Empty(t, epoch.Absences[0].Reports)

	require.ErrorIs(t, f.keeper.RecordContribution(f.ctx, 99), types.ErrUnknownParty)
}

func TestRemovalCutsAPartyOffAtOnce(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	authority := address(t, "authority")
	remove := func(party uint64) error {
		cached, write := f.ctx.CacheContext()
		_, err := f.messages.RemoveParty(cached, &types.MsgRemoveParty{Authority: authority, PartyId: party})
		if err == nil {
			write()
		}
		return err
	}
	require.NoError(t, remove(2))
	epoch := f.epoch(id)
	require.Equal(t, []uint32{2}, epoch.Excluded())
	require.True(t, epoch.Members[1].Removed)
	account := mustAddress(t, f, members[1].Account)
	require.False(t, f.keeper.IsPartyAccount(f.ctx, account))
	require.ErrorIs(t, f.keeper.PartyTxAllowed(f.ctx, account), types.ErrPartyRemoved)
	_, _, err := f.keeper.MemberByAccount(f.ctx, id, account)
	require.ErrorIs(t, err, types.ErrPartyRemoved)
	require.ErrorIs(t, remove(2), types.ErrPartyRemoved)
	require.ErrorIs(t, remove(3), types.ErrTooManyExcluded, "the epoch's key would be out of reach")
	require.False(t, f.party(3).Removed)
	require.ErrorIs(t, remove(9), types.ErrUnknownParty)
}

func TestFreePartyTransactionsAreLimitedByWindowAndEndWithTheAttestation(t *testing.T) {
	f := newFixture(t)
	alice := mustAddress(t, f, f.register("alice")[0].Account)
	bob := mustAddress(t, f, f.register("bob")[0].Account)
	for f.ctx.BlockHeight()%5 != 0 {
		f.blocks(1)
	}
	for range 4 {
		require.NoError(t, f.keeper.PartyTxAllowed(f.ctx, alice))
	}
	require.ErrorIs(t, f.keeper.PartyTxAllowed(f.ctx, alice), types.ErrRateLimited)
	require.NoError(t, f.keeper.PartyTxAllowed(f.ctx, bob), "each party has its own count")
	f.blocks(4)
	require.ErrorIs(t, f.keeper.PartyTxAllowed(f.ctx, alice), types.ErrRateLimited)
	f.blocks(1)
	require.NoError(t, f.keeper.PartyTxAllowed(f.ctx, alice))

	response, err := f.queries.Party(f.ctx, &types.QueryPartyRequest{Id: 1})
	require.NoError(t, err)
	require.Equal(t, f.ctx.BlockHeight(), response.Activity.LastSeenHeight)
	require.Equal(t, uint32(1), response.Activity.WindowTxs)

	require.ErrorIs(t, f.keeper.PartyTxAllowed(f.ctx, sdk.AccAddress(make([]byte, 20))), types.ErrUnknownParty)
	f.ctx = f.ctx.WithBlockTime(f.ctx.BlockTime().Add(8 * 24 * time.Hour))
	require.ErrorIs(t, f.keeper.PartyTxAllowed(f.ctx, alice), types.ErrAttestationLapsed)
}

func TestGovernanceMessagesAreRefusedFromAnybodyElse(t *testing.T) {
	f := newFixture(t)
	f.register("alice")
	mallory := address(t, "mallory")
	before := f.export()
	_, err := f.messages.FormCommittee(f.ctx, &types.MsgFormCommittee{Authority: mallory, PartyIds: []uint64{1}})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	_, err = f.messages.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: mallory, Params: types.DefaultParams()})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	_, err = f.messages.SetMeasurement(f.ctx, &types.MsgSetMeasurement{Authority: mallory, Measurement: accepted(types.TEETypeNitro, f.image)})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	_, err = f.messages.RemoveParty(f.ctx, &types.MsgRemoveParty{Authority: mallory, PartyId: 1})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	require.Equal(t, before, f.export())
}

func TestGovernanceAcceptsAndWithdrawsImages(t *testing.T) {
	f := newFixture(t)
	authority := address(t, "authority")
	image := accepted(types.TEETypeDevNitro, f.image)
	set := func(remove bool) {
		_, err := f.messages.SetMeasurement(f.ctx, &types.MsgSetMeasurement{Authority: authority, Measurement: image, Remove: remove})
		require.NoError(t, err)
	}
	set(true)
	_, err := f.messages.RegisterParty(f.ctx, f.message("alice"))
	require.ErrorIs(t, err, types.ErrAttestation)
	set(false)
	f.register("alice")
	set(true)
	require.NoError(t, f.keeper.PartyTxAllowed(f.ctx, mustAddress(t, f, f.party(1).Account)), "it stays until its attestation lapses")

	params := types.DefaultParams()
	_, err = f.messages.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: authority, Params: params})
	require.NoError(t, err)
	params.DevNitroRoot = f.root.DER()
	_, err = f.messages.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: authority, Params: params})
	require.ErrorIs(t, err, types.ErrSimulated)
}

func TestOnlyTheLastBlocksAreRemembered(t *testing.T) {
	f := newFixture(t)
	f.blocks(50)
	iterator, err := f.keeper.RecentBlocks.Iterate(f.ctx, nil)
	require.NoError(t, err)
	heights, err := iterator.Keys()
	require.NoError(t, err)
	require.Len(t, heights, 20)
	require.Equal(t, f.ctx.BlockHeight(), heights[19])
	require.Equal(t, f.ctx.BlockHeight()-19, heights[0])
}
