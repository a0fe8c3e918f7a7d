package keeper_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/parties/types"
)

// work stands in for x/kms.
type work struct {
	keys map[uint64][][]byte
	busy map[uint64]bool
	took [][2]uint64
	over []uint64
}

func (w *work) HeldKeys(_ context.Context, epoch uint64) ([][]byte, error) { return w.keys[epoch], nil }

func (w *work) HasWork(_ context.Context, epoch uint64) (bool, error) { return w.busy[epoch], nil }

func (w *work) TakeOver(_ context.Context, from, to uint64) error {
	w.took = append(w.took, [2]uint64{from, to})
	w.keys[to] = w.keys[from]
	delete(w.keys, from)
	return nil
}

func (w *work) Ended(_ context.Context, epoch uint64) error {
	w.over = append(w.over, epoch)
	return nil
}

// rotation is a chain with alice to dave in epoch 1, which holds a key and is busy, and
// erin, frank and grace registered.
type rotation struct {
	*fixture
	work    *work
	parties []types.Party
}

func newRotation(t *testing.T) *rotation {
	t.Helper()
	f := newFixture(t)
	f.params(func(p *types.Params) {
		p.AcceptBlocks, p.ReshareBlocks, p.ReceiveBlocks, p.ProveBlocks = 10, 6, 6, 6
		p.DrainBlocks, p.MaxReshareAttempts, p.RehearsalBlocks = 15, 2, 20
	})
	members, _ := f.activeCommittee()
	w := &work{keys: map[uint64][][]byte{1: {f.secret("", "key")}}, busy: map[uint64]bool{1: true}}
	f.keeper.SetWork(w)
	return &rotation{fixture: f, work: w, parties: append(members, f.register("erin", "frank", "grace")...)}
}

func (f *fixture) params(change func(*types.Params)) {
	f.t.Helper()
	params, err := f.keeper.Params.Get(f.ctx)
	require.NoError(f.t, err)
	change(&params)
	require.NoError(f.t, params.Validate())
	require.NoError(f.t, f.keeper.Params.Set(f.ctx, params))
}

func (f *fixture) tryRotate(message types.MsgRotate) (uint64, error) {
	if message.Authority == "" {
		message.Authority = address(f.t, "authority")
	}
	response, err := f.messages.Rotate(f.ctx, &message)
	if err != nil {
		return 0, err
	}
	return response.EpochId, nil
}

func (f *fixture) rotate(message types.MsgRotate) uint64 {
	f.t.Helper()
	id, err := f.tryRotate(message)
	require.NoError(f.t, err)
	return id
}

func (f *fixture) accept(party types.Party, epoch uint64) error {
	_, err := f.messages.AcceptSeat(f.ctx, &types.MsgAcceptSeat{Operator: party.Operator, EpochId: epoch, PartyId: party.Id})
	return err
}

func (f *fixture) commitVectors(party types.Party, epoch uint64) error {
	_, err := f.messages.CommitResharing(f.ctx, &types.MsgCommitResharing{
		Account: party.Account, EpochId: epoch, Attempt: f.epoch(epoch).Resharing.Attempt, Digest: f.secret(party.Moniker, "vectors"),
	})
	return err
}

func (f *fixture) receive(party types.Party, epoch uint64) error {
	var received []uint32
	for _, entry := range f.epoch(epoch).Resharing.Digests {
		received = append(received, entry.Index)
	}
	_, err := f.messages.ReceiveResharing(f.ctx, &types.MsgReceiveResharing{
		Account: party.Account, EpochId: epoch, Attempt: f.epoch(epoch).Resharing.Attempt, Received: received,
	})
	return err
}

func (f *fixture) confirmShares(party types.Party, epoch uint64, wrong ...uint32) error {
	_, err := f.messages.ConfirmResharing(f.ctx, &types.MsgConfirmResharing{
		Account: party.Account, EpochId: epoch, Attempt: f.epoch(epoch).Resharing.Attempt,
		Transcript: f.secret("", "resharing"), Wrong: wrong,
	})
	return err
}

func (f *fixture) requireStatus(epoch uint64, want types.EpochStatus) {
	f.t.Helper()
	require.Equal(f.t, want, f.epoch(epoch).Status)
}

// each has all members of the epoch do something and ends the block.
func (r *rotation) each(epoch uint64, do func(types.Party) error) {
	r.t.Helper()
	for _, member := range r.epoch(epoch).Members {
		require.NoError(r.t, do(r.party(member.PartyId)))
	}
	r.blocks(1)
}

// setUp takes a proposed epoch through its set-up, and those who are new to it accept.
func (r *rotation) setUp(epoch uint64) {
	r.t.Helper()
	for _, member := range r.epoch(epoch).Members {
		if party := r.party(member.PartyId); !slices.Contains(r.epoch(epoch).Accepted, member.Index) {
			require.NoError(r.t, r.accept(party, epoch))
		}
	}
	r.blocks(1)
	r.each(epoch, func(p types.Party) error { return r.commit(p, epoch, 1) })
	r.each(epoch, func(p types.Party) error { return r.confirm(p, epoch, 1) })
}

// reshare takes an epoch from RESHARING to its end.
func (r *rotation) reshare(epoch uint64, wrong ...uint32) {
	r.t.Helper()
	r.requireStatus(epoch, types.EPOCH_STATUS_RESHARING)
	r.each(r.epoch(epoch).From, func(p types.Party) error { return r.commitVectors(p, epoch) })
	r.requireStatus(epoch, types.EPOCH_STATUS_RECEIVING)
	r.each(epoch, func(p types.Party) error { return r.receive(p, epoch) })
	r.requireStatus(epoch, types.EPOCH_STATUS_PROVING)
	r.each(epoch, func(p types.Party) error { return r.confirmShares(p, epoch, wrong...) })
}

func TestARotationTakesOverOnlyOnceItIsProven(t *testing.T) {
	r := newRotation(t)
	id := r.rotate(types.MsgRotate{PartyIds: []uint64{7, 6, 5, 4, 3, 2, 1}})
	require.Equal(t, uint64(2), id)
	requireEvent(t, r.fixture, &types.EventRotationProposed{EpochId: 2, From: 1})
	requireEvent(t, r.fixture, &types.EventEpochStatus{EpochId: 2, Status: types.EPOCH_STATUS_PROPOSED})
	before := r.epoch(1)
	r.setUp(id)
	require.Equal(t, [][]byte{r.secret("", "key")}, r.epoch(id).Resharing.KeyIds)
	active, err := r.keeper.ActiveEpoch(r.ctx)
	require.NoError(t, err)
	require.Equal(t, before, active, "until it is proven nothing of the epoch before changes")

	r.reshare(id)
	r.requireStatus(1, types.EPOCH_STATUS_DRAINING)
	r.requireStatus(id, types.EPOCH_STATUS_ACTIVE)
	require.Equal(t, [][2]uint64{{1, 2}}, r.work.took)
	active, err = r.keeper.ActiveEpoch(r.ctx)
	require.NoError(t, err)
	require.Equal(t, id, active.Id)
	require.Equal(t, active.ActiveHeight+15, r.epoch(1).DrainDeadline)

	// Both serve: each has its own absences.
	require.NoError(t, r.report(r.parties[0], 1, 2))
	require.NoError(t, r.report(r.parties[0], 2, 2))
	require.Len(t, r.epoch(1).Absences, 1)
	require.NoError(t, r.report(r.parties[1], 2)) // bob is heard of, in both
	require.Empty(t, r.epoch(1).Absences[0].Reports)
	require.ErrorIs(t, r.report(r.parties[6], 1), types.ErrNotMember)

	r.blocks(2)
	r.requireStatus(1, types.EPOCH_STATUS_DRAINING)
	r.work.busy[1] = false
	r.blocks(1)
	r.requireStatus(1, types.EPOCH_STATUS_RETIRED)
	require.NotZero(t, r.epoch(1).ClosedHeight)
	require.Equal(t, []uint64{1}, r.work.over)
	require.ErrorIs(t, r.report(r.parties[0], 1), types.ErrWrongStatus)
}

func TestAnEpochDrainsNoLongerThanItsDeadline(t *testing.T) {
	r := newRotation(t)
	id := r.rotate(types.MsgRotate{})
	r.setUp(id)
	r.reshare(id)
	r.blocks(14) // one has passed since
	r.requireStatus(1, types.EPOCH_STATUS_DRAINING)
	r.blocks(1)
	r.requireStatus(1, types.EPOCH_STATUS_RETIRED)
}

func TestAnEpochThatOwesNothingDrainsForOneBlock(t *testing.T) {
	r := newRotation(t)
	r.work.busy[1] = false
	id := r.rotate(types.MsgRotate{})
	r.setUp(id)
	r.reshare(id)
	r.requireStatus(1, types.EPOCH_STATUS_DRAINING)
	r.blocks(1)
	r.requireStatus(1, types.EPOCH_STATUS_RETIRED)
}

func TestGovernanceEndsTheDrainingOfAnEpoch(t *testing.T) {
	r := newRotation(t)
	retire := func(from string, epoch uint64) error {
		_, err := r.messages.RetireEpoch(r.ctx, &types.MsgRetireEpoch{Authority: address(t, from), EpochId: epoch})
		return err
	}
	require.ErrorIs(t, retire("authority", 1), types.ErrWrongStatus, "it is active")
	require.ErrorIs(t, retire("authority", 9), types.ErrUnknownEpoch)
	id := r.rotate(types.MsgRotate{})
	r.setUp(id)
	r.reshare(id)
	require.ErrorIs(t, retire("alice", 1), types.ErrUnauthorized)
	_, err := r.tryRotate(types.MsgRotate{})
	require.ErrorIs(t, err, types.ErrRotating, "epoch 1 still drains")
	require.NoError(t, retire("authority", 1))
	r.requireStatus(1, types.EPOCH_STATUS_RETIRED)
	require.Equal(t, []uint64{1}, r.work.over)
	require.ErrorIs(t, retire("authority", 1), types.ErrWrongStatus)
	r.rotate(types.MsgRotate{})
}

func TestOnlyTheOperatorAcceptsASeat(t *testing.T) {
	r := newRotation(t)
	id := r.rotate(types.MsgRotate{PartyIds: []uint64{1, 2, 3, 5}})
	erin := r.parties[4]
	_, err := r.messages.AcceptSeat(r.ctx, &types.MsgAcceptSeat{Operator: address(t, "mallory"), EpochId: id, PartyId: erin.Id})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	require.ErrorIs(t, r.accept(r.parties[5], id), types.ErrNotMember)
	require.ErrorIs(t, r.accept(erin, 9), types.ErrUnknownEpoch)
	require.ErrorIs(t, r.accept(r.parties[0], 1), types.ErrWrongStatus)
	require.NoError(t, r.accept(erin, id))
	requireEvent(t, r.fixture, &types.EventSeatAccepted{EpochId: id, Index: 4})
	r.blocks(1)
	r.requireStatus(id, types.EPOCH_STATUS_COMMITTING)

	lapsed := newRotation(t)
	id = lapsed.rotate(types.MsgRotate{PartyIds: []uint64{1, 2, 3, 5}})
	lapsed.ctx = lapsed.ctx.WithBlockTime(lapsed.parties[4].AttestedUntil)
	require.ErrorIs(t, lapsed.accept(lapsed.parties[4], id), types.ErrAttestationLapsed)
	lapsed.blocks(11)
	lapsed.requireStatus(id, types.EPOCH_STATUS_FAILED)
	lapsed.requireStatus(1, types.EPOCH_STATUS_ACTIVE)
}

func TestOneRotationAtATimeAndARealOneComesBeforeARehearsal(t *testing.T) {
	f := newFixture(t)
	_, err := f.tryRotate(types.MsgRotate{})
	require.ErrorIs(t, err, types.ErrUnknownEpoch, "there is nothing to rotate")

	r := newRotation(t)
	rehearsal := r.rotate(types.MsgRotate{Rehearsal: true})
	_, err = r.tryRotate(types.MsgRotate{Rehearsal: true})
	require.ErrorIs(t, err, types.ErrRotating)
	r.setUp(rehearsal)
	id := r.rotate(types.MsgRotate{PartyIds: []uint64{1, 2, 3, 5}})
	r.requireStatus(rehearsal, types.EPOCH_STATUS_FAILED)
	require.Equal(t, types.EPOCH_FAILURE_SUPERSEDED, r.epoch(rehearsal).Failure)
	for _, again := range []bool{false, true} {
		_, err = r.tryRotate(types.MsgRotate{Rehearsal: again})
		require.ErrorIs(t, err, types.ErrRotating)
	}
	_, err = r.messages.FormCommittee(r.ctx, &types.MsgFormCommittee{Authority: address(t, "authority"), PartyIds: []uint64{1}})
	require.ErrorIs(t, err, types.ErrEpochActive)

	cancel := func(from string, epoch uint64) error {
		_, err := r.messages.CancelRotation(r.ctx, &types.MsgCancelRotation{Authority: address(t, from), EpochId: epoch})
		return err
	}
	require.ErrorIs(t, cancel("alice", id), types.ErrUnauthorized)
	require.ErrorIs(t, cancel("authority", 1), types.ErrWrongStatus)
	require.ErrorIs(t, cancel("authority", 9), types.ErrUnknownEpoch)
	require.NoError(t, cancel("authority", id))
	require.Equal(t, types.EPOCH_FAILURE_CANCELLED, r.epoch(id).Failure)
	require.ErrorIs(t, cancel("authority", id), types.ErrWrongStatus)
	r.requireStatus(1, types.EPOCH_STATUS_ACTIVE)
}

func TestOnlyPartiesInStandingAreRotatedIn(t *testing.T) {
	r := newRotation(t)
	_, err := r.tryRotate(types.MsgRotate{PartyIds: []uint64{1, 2, 3, 99}})
	require.ErrorIs(t, err, types.ErrUnknownParty)
	_, err = r.tryRotate(types.MsgRotate{PartyIds: []uint64{1, 2, 3, 3}})
	require.ErrorIs(t, err, types.ErrInvalidCommittee)
	_, err = r.messages.RemoveParty(r.ctx, &types.MsgRemoveParty{Authority: address(t, "authority"), PartyId: 5})
	require.NoError(t, err)
	_, err = r.tryRotate(types.MsgRotate{PartyIds: []uint64{1, 2, 3, 5}})
	require.ErrorIs(t, err, types.ErrInvalidCommittee)
	r.params(func(p *types.Params) { p.MinBond = 1 })
	_, err = r.tryRotate(types.MsgRotate{})
	require.ErrorIs(t, err, types.ErrBondTooLow)
	_, err = r.tryRotate(types.MsgRotate{Authority: address(t, "alice")})
	require.ErrorIs(t, err, types.ErrUnauthorized)
}

func TestAnOperatorRehearsesARefreshNowAndThen(t *testing.T) {
	r := newRotation(t)
	alice := r.parties[0].Operator
	_, err := r.tryRotate(types.MsgRotate{Authority: r.parties[4].Operator, Rehearsal: true})
	require.ErrorIs(t, err, types.ErrUnauthorized, "erin has no seat")
	_, err = r.tryRotate(types.MsgRotate{Authority: alice, Rehearsal: true, PartyIds: []uint64{1, 2, 3, 5}})
	require.ErrorIs(t, err, types.ErrUnauthorized, "it is governance that gives erin shares")
	_, err = r.tryRotate(types.MsgRotate{Authority: alice, Rehearsal: true, PartyIds: []uint64{1}})
	require.ErrorIs(t, err, types.ErrUnauthorized, "alone she would hold the key")

	id := r.rotate(types.MsgRotate{Authority: alice, Rehearsal: true, PartyIds: []uint64{4, 3, 2, 1}})
	r.setUp(id)
	before := r.epoch(1)
	r.reshare(id, 2)
	r.requireStatus(id, types.EPOCH_STATUS_REHEARSED)
	require.Equal(t, before, r.epoch(1), "nobody is convicted in a rehearsal")
	require.Empty(t, r.work.took)

	require.Less(t, r.ctx.BlockHeight()-r.epoch(id).CreatedHeight, int64(20))
	_, err = r.tryRotate(types.MsgRotate{Authority: alice, Rehearsal: true})
	require.ErrorIs(t, err, types.ErrTooSoon)
	r.blocks(int(r.epoch(id).CreatedHeight + 20 - r.ctx.BlockHeight()))
	again := r.rotate(types.MsgRotate{Authority: alice, Rehearsal: true})
	require.NoError(t, r.keeper.EndBlock(r.ctx))
	r.requireStatus(again, types.EPOCH_STATUS_COMMITTING)
	r.rotate(types.MsgRotate{})
	r.requireStatus(again, types.EPOCH_STATUS_FAILED)
}

func TestMeasurementsChangeWithTheCommittee(t *testing.T) {
	r := newRotation(t)
	image := accepted(types.TEETypeDevNitro, r.image)
	next := image
	next.Pcr0 = slices.Repeat([]byte{9}, 48)
	list := func() []types.Measurement {
		params, err := r.keeper.Params.Get(r.ctx)
		require.NoError(t, err)
		return params.Measurements
	}
	unknown := next
	unknown.Pcr0 = slices.Repeat([]byte{8}, 48)
	_, err := r.tryRotate(types.MsgRotate{Rejects: []types.Measurement{unknown}})
	require.ErrorIs(t, err, types.ErrUnknownMeasurement)

	id := r.rotate(types.MsgRotate{Accepts: []types.Measurement{next}, Rejects: []types.Measurement{image}})
	require.Equal(t, []types.Measurement{image, next}, list())
	r.setUp(id)
	r.reshare(id)
	r.blocks(1)
	require.Len(t, list(), 2, "epoch 1 drains: its parties may still renew")
	r.work.busy[1] = false
	r.blocks(1)
	require.Equal(t, []types.Measurement{next}, list())
}

func TestSharesAreRefreshedByThemselves(t *testing.T) {
	r := newRotation(t)
	r.params(func(p *types.Params) { p.RefreshBlocks = 30 })
	start := r.epoch(1).ActiveHeight
	r.blocks(int(start + 30 - r.ctx.BlockHeight()))
	_, err := r.keeper.EpochByID(r.ctx, 2)
	require.ErrorIs(t, err, types.ErrUnknownEpoch)
	r.blocks(2) // proposed, and on its way
	r.requireStatus(2, types.EPOCH_STATUS_COMMITTING)
	require.Equal(t, r.epoch(1).Members, r.epoch(2).Members)

	_, err = r.messages.CancelRotation(r.ctx, &types.MsgCancelRotation{Authority: address(t, "authority"), EpochId: 2})
	require.NoError(t, err)
	closed := r.epoch(2).ClosedHeight
	r.blocks(int(closed + 30 - r.ctx.BlockHeight()))
	_, err = r.keeper.EpochByID(r.ctx, 3)
	require.ErrorIs(t, err, types.ErrUnknownEpoch, "after a failure it waits as long")
	r.blocks(2)
	for _, member := range r.epoch(3).Members {
		require.NoError(t, r.commit(r.party(member.PartyId), 3, 1))
	}
	r.blocks(1)
	r.each(3, func(p types.Party) error { return r.confirm(p, 3, 1) })
	r.reshare(3)
	r.requireStatus(3, types.EPOCH_STATUS_ACTIVE)

	_, err = r.messages.RemoveParty(r.ctx, &types.MsgRemoveParty{Authority: address(t, "authority"), PartyId: 4})
	require.NoError(t, err)
	r.blocks(40)
	_, err = r.keeper.EpochByID(r.ctx, 4)
	require.ErrorIs(t, err, types.ErrUnknownEpoch, "a committee with a removed member is governance's to change")
}

func TestNoRefreshBeginsWithoutAQuorumInStanding(t *testing.T) {
	r := newRotation(t)
	r.params(func(p *types.Params) { p.RefreshBlocks = 5 })
	for _, party := range r.parties[:2] {
		record := r.party(party.Id)
		record.AttestedUntil = r.ctx.BlockTime().Add(time.Second)
		require.NoError(t, r.keeper.Parties.Set(r.ctx, record.Id, record))
	}
	r.blocks(10)
	_, err := r.keeper.EpochByID(r.ctx, 2)
	require.ErrorIs(t, err, types.ErrUnknownEpoch)
}
