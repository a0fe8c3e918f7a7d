package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

func (s msgServer) Rotate(ctx context.Context, msg *types.MsgRotate) (*types.MsgRotateResponse, error) {
	if err := msg.ValidateBasic(); err != nil {
		return nil, err
	}
	active, err := s.ActiveEpoch(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.mayRotate(ctx, msg, &active); err != nil {
		return nil, err
	}
	ids := msg.PartyIds
	if len(ids) == 0 {
		ids = active.PartyIDs()
	}
	parties, err := s.seatable(ctx, ids)
	if err != nil {
		return nil, err
	}
	if err := s.changeMeasurements(ctx, msg); err != nil {
		return nil, err
	}
	id, err := s.propose(ctx, &active, parties, types.Terms{T: msg.T, Rehearsal: msg.Rehearsal, Rejects: msg.Rejects})
	return &types.MsgRotateResponse{EpochId: id}, err
}

// mayRotate returns ErrUnauthorized unless governance asks, or an operator of the active
// epoch rehearses with the committee that holds the shares already: any other committee
// would get shares of the keys from nobody's decision. It returns ErrTooSoon if there was
// a rehearsal a moment ago.
func (k *Keeper) mayRotate(ctx context.Context, msg *types.MsgRotate, active *types.Epoch) error {
	if !msg.Rehearsal || msg.Authority == k.authority {
		return k.authorize(msg.Authority)
	}
	parties, err := k.EpochParties(ctx, *active)
	if err != nil {
		return err
	}
	operates := false
	for _, party := range parties {
		operates = operates || party.Operator == msg.Authority && !party.Removed
	}
	if !operates {
		return types.ErrUnauthorized.Wrap("a rehearsal is asked for by governance, or an operator of the active epoch")
	}
	if !active.SameCommittee(msg.PartyIds, msg.T) {
		return types.ErrUnauthorized.Wrap("an operator rehearses a refresh; another committee is governance's to rehearse")
	}
	return k.rehearsedLongAgo(ctx)
}

// rehearsedLongAgo looks through the epochs of the last rehearsal_blocks.
func (k *Keeper) rehearsedLongAgo(ctx context.Context) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	since := sdk.UnwrapSDKContext(ctx).BlockHeight() - int64(params.RehearsalBlocks)
	return k.Epochs.Walk(ctx, new(collections.Range[uint64]).Descending(), func(_ uint64, epoch types.Epoch) (bool, error) {
		if epoch.CreatedHeight <= since {
			return true, nil
		}
		if epoch.Rehearsal {
			return true, types.ErrTooSoon.Wrapf("at height %d; one in %d blocks", epoch.CreatedHeight, params.RehearsalBlocks)
		}
		return false, nil
	})
}

// seatable returns the parties, or why one of them is seated in no new committee.
func (k *Keeper) seatable(ctx context.Context, ids []uint64) ([]types.Party, error) {
	if err := types.CheckCommitteeSize(len(ids)); err != nil {
		return nil, err
	}
	parties := make([]types.Party, len(ids))
	for i, id := range ids {
		party, err := k.PartyByID(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := party.InStanding(sdk.UnwrapSDKContext(ctx).BlockTime()); err != nil {
			return nil, types.ErrInvalidCommittee.Wrapf("party %d: %s", id, err)
		}
		if err := k.checkBond(ctx, id); err != nil {
			return nil, err
		}
		parties[i] = party
	}
	return parties, nil
}

// changeMeasurements accepts what a rotation accepts, and checks that what it rejects
// is accepted now.
func (k *Keeper) changeMeasurements(ctx context.Context, msg *types.MsgRotate) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	for _, measurement := range msg.Accepts {
		if params, err = params.WithMeasurement(measurement, false); err != nil {
			return err
		}
	}
	rest := params
	for _, measurement := range msg.Rejects {
		if rest, err = rest.WithMeasurement(measurement, true); err != nil {
			return err
		}
	}
	return k.Params.Set(ctx, params)
}

// propose stores the next epoch after the active one. It takes the place of a rehearsal.
func (k *Keeper) propose(ctx context.Context, active *types.Epoch, parties []types.Party, terms types.Terms) (uint64, error) {
	if err := k.makeWay(ctx, terms.Rehearsal); err != nil {
		return 0, err
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return 0, err
	}
	id, err := next(ctx, k.LastEpoch)
	if err != nil {
		return 0, err
	}
	epoch, err := types.NewRotation(id, active, parties, terms, sdk.UnwrapSDKContext(ctx).BlockHeight(), params)
	if err != nil {
		return 0, err
	}
	if err := k.setEpoch(ctx, epoch); err != nil {
		return 0, err
	}
	if err := emit(ctx, &types.EventRotationProposed{EpochId: id, From: epoch.From, Rehearsal: epoch.Rehearsal}); err != nil {
		return 0, err
	}
	return id, emitChanges(ctx, &epoch, []types.Change{{}})
}

// makeWay ends a rehearsal under way for a rotation, and returns ErrRotating if there is
// a rotation under way, or the one before is not over.
func (k *Keeper) makeWay(ctx context.Context, forRehearsal bool) error {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return k.eachLiveEpoch(ctx, func(epoch *types.Epoch) (bool, error) {
		switch {
		case epoch.Status == types.EPOCH_STATUS_DRAINING && !forRehearsal:
			return false, types.ErrRotating.Wrapf("epoch %d still drains", epoch.Id)
		case !epoch.InTheMaking():
			return false, nil
		case forRehearsal || !epoch.Rehearsal:
			return false, types.ErrRotating.Wrapf("epoch %d is in the making", epoch.Id)
		}
		epoch.Fail(types.EPOCH_FAILURE_SUPERSEDED, height)
		return true, emitChanges(ctx, epoch, []types.Change{{}})
	})
}

func (s msgServer) CancelRotation(ctx context.Context, msg *types.MsgCancelRotation) (*types.MsgCancelRotationResponse, error) {
	return &types.MsgCancelRotationResponse{}, s.govern(ctx, msg.Authority, msg.EpochId, func(epoch *types.Epoch, height int64) error {
		if !epoch.InTheMaking() {
			return types.ErrWrongStatus.Wrap(epoch.Status.String())
		}
		epoch.Fail(types.EPOCH_FAILURE_CANCELLED, height)
		return nil
	})
}

func (s msgServer) RetireEpoch(ctx context.Context, msg *types.MsgRetireEpoch) (*types.MsgRetireEpochResponse, error) {
	err := s.govern(ctx, msg.Authority, msg.EpochId, func(epoch *types.Epoch, height int64) error {
		if epoch.Status != types.EPOCH_STATUS_DRAINING {
			return types.ErrWrongStatus.Wrap(epoch.Status.String())
		}
		epoch.Retire(height)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &types.MsgRetireEpochResponse{}, s.ended(ctx, msg.EpochId)
}

// govern has governance change the status of a live epoch.
func (k *Keeper) govern(ctx context.Context, authority string, id uint64, change func(epoch *types.Epoch, height int64) error) error {
	if err := k.authorize(authority); err != nil {
		return err
	}
	if _, err := k.EpochByID(ctx, id); err != nil {
		return err
	}
	live := false
	err := k.eachLiveEpoch(ctx, func(epoch *types.Epoch) (bool, error) {
		if epoch.Id != id {
			return false, nil
		}
		live = true
		if err := change(epoch, sdk.UnwrapSDKContext(ctx).BlockHeight()); err != nil {
			return false, err
		}
		return true, emitChanges(ctx, epoch, []types.Change{{}})
	})
	if err == nil && !live {
		return types.ErrWrongStatus.Wrap("the epoch is over")
	}
	return err
}

func (s msgServer) AcceptSeat(ctx context.Context, msg *types.MsgAcceptSeat) (*types.MsgAcceptSeatResponse, error) {
	party, _, err := s.partyOfOperator(ctx, msg.PartyId, msg.Operator)
	if err != nil {
		return nil, err
	}
	if err := party.InStanding(sdk.UnwrapSDKContext(ctx).BlockTime()); err != nil {
		return nil, err
	}
	epoch, err := s.EpochByID(ctx, msg.EpochId)
	if err != nil {
		return nil, err
	}
	member, ok := epoch.MemberOf(party.Id)
	if !ok {
		return nil, types.ErrNotMember
	}
	if err := epoch.Accept(member.Index); err != nil {
		return nil, err
	}
	if err := s.setEpoch(ctx, epoch); err != nil {
		return nil, err
	}
	return &types.MsgAcceptSeatResponse{}, emit(ctx, &types.EventSeatAccepted{EpochId: epoch.Id, Index: member.Index})
}
