package keeper

import (
	"context"

	"github.com/tkms-network/tkms/x/parties/types"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

type msgServer struct {
	*Keeper
	*types.UnimplementedMsgServer
}

// NewMsgServer serves the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{Keeper: k} }

func (s msgServer) FormCommittee(ctx context.Context, msg *types.MsgFormCommittee) (*types.MsgFormCommitteeResponse, error) {
	if err := s.authorize(msg.Authority); err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	parties, err := s.seatable(ctx, msg.PartyIds)
	if err != nil {
		return nil, err
	}
	if err := s.supersedeSetups(ctx); err != nil {
		return nil, err
	}
	id, err := next(ctx, s.LastEpoch)
	if err != nil {
		return nil, err
	}
	epoch, err := types.NewEpoch(id, parties, sdk.UnwrapSDKContext(ctx).BlockHeight(), params)
	if err != nil {
		return nil, err
	}
	if err := s.setEpoch(ctx, epoch); err != nil {
		return nil, err
	}
	return &types.MsgFormCommitteeResponse{EpochId: id}, emitChanges(ctx, &epoch, []types.Change{{}})
}

// supersedeSetups fails the set-ups that a new committee takes the place of.
func (k *Keeper) supersedeSetups(ctx context.Context) error {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return k.eachLiveEpoch(ctx, func(epoch *types.Epoch) (bool, error) {
		if epoch.Serving() {
			return false, types.ErrEpochActive.Wrapf("epoch %d holds shares; a committee beside it would hold none", epoch.Id)
		}
		epoch.Fail(types.EPOCH_FAILURE_SUPERSEDED, height)
		return true, emitChanges(ctx, epoch, []types.Change{{}})
	})
}

func (s msgServer) UpdateParams(ctx context.Context, msg *types.MsgUpdateParams) (*types.MsgUpdateParamsResponse, error) {
	if err := s.authorize(msg.Authority); err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := params.Replaceable(msg.Params); err != nil {
		return nil, err
	}
	return &types.MsgUpdateParamsResponse{}, s.Params.Set(ctx, msg.Params)
}

func (s msgServer) SetMeasurement(ctx context.Context, msg *types.MsgSetMeasurement) (*types.MsgSetMeasurementResponse, error) {
	if err := s.authorize(msg.Authority); err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if params, err = params.WithMeasurement(msg.Measurement, msg.Remove); err != nil {
		return nil, err
	}
	return &types.MsgSetMeasurementResponse{}, s.Params.Set(ctx, params)
}

func (s msgServer) RemoveParty(ctx context.Context, msg *types.MsgRemoveParty) (*types.MsgRemovePartyResponse, error) {
	if err := s.authorize(msg.Authority); err != nil {
		return nil, err
	}
	party, err := s.PartyByID(ctx, msg.PartyId)
	if err != nil {
		return nil, err
	}
	if party.Removed {
		return nil, types.ErrPartyRemoved
	}
	party.Removed = true
	if err := s.Parties.Set(ctx, party.Id, party); err != nil {
		return nil, err
	}
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	err = s.eachLiveEpoch(ctx, func(epoch *types.Epoch) (bool, error) {
		member, ok := epoch.MemberOf(party.Id)
		if !ok {
			return false, nil
		}
		changes, err := epoch.Remove(member.Index, height)
		if err != nil {
			return false, err
		}
		return true, emitChanges(ctx, epoch, changes)
	})
	if err != nil {
		return nil, err
	}
	return &types.MsgRemovePartyResponse{}, emit(ctx, &types.EventPartyRemoved{PartyId: party.Id})
}

func (s msgServer) CommitSetup(ctx context.Context, msg *types.MsgCommitSetup) (*types.MsgCommitSetupResponse, error) {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return &types.MsgCommitSetupResponse{}, s.withMember(ctx, msg.Account, msg.EpochId,
		func(epoch *types.Epoch, member types.Member) error {
			return epoch.CommitRoot(member.Index, msg.Attempt, msg.Root, height)
		})
}

func (s msgServer) ConfirmSetup(ctx context.Context, msg *types.MsgConfirmSetup) (*types.MsgConfirmSetupResponse, error) {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return &types.MsgConfirmSetupResponse{}, s.withMember(ctx, msg.Account, msg.EpochId,
		func(epoch *types.Epoch, member types.Member) error {
			return epoch.Confirm(member.Index, msg.Attempt, msg.Transcript, msg.RoundTripMicros, height)
		})
}

func (s msgServer) ReportAbsent(ctx context.Context, msg *types.MsgReportAbsent) (*types.MsgReportAbsentResponse, error) {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return &types.MsgReportAbsentResponse{}, s.withMember(ctx, msg.Account, msg.EpochId,
		func(epoch *types.Epoch, member types.Member) error {
			if err := epoch.Report(member.Index, msg.Generation, msg.Indices, height); err != nil {
				return err
			}
			return emit(ctx, &types.EventAbsenceReported{EpochId: epoch.Id, Reporter: member.Index, Indices: msg.Indices})
		})
}

func (s msgServer) Ready(ctx context.Context, msg *types.MsgReady) (*types.MsgReadyResponse, error) {
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return &types.MsgReadyResponse{}, s.withMember(ctx, msg.Account, msg.EpochId,
		func(epoch *types.Epoch, member types.Member) error {
			if err := epoch.Ready(member.Index, msg.Digest, height, params); err != nil {
				return err
			}
			return emit(ctx, &types.EventMemberReady{EpochId: epoch.Id, Index: member.Index})
		})
}
