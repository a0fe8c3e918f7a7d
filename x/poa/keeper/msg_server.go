package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/poa/types"
)

type msgServer struct{ Keeper }

// NewMsgServer serves the module's messages.
func NewMsgServer(k Keeper) types.MsgServer { return msgServer{k} }

// SetValidator implements types.MsgServer.
func (s msgServer) SetValidator(ctx context.Context, msg *types.MsgSetValidator) (*types.MsgSetValidatorResponse, error) {
	if msg.Authority != s.authority {
		return nil, types.ErrUnauthorized.Wrapf("got %s, want %s", msg.Authority, s.authority)
	}
	operator, err := sdk.AccAddressFromBech32(msg.OperatorAddress)
	if err != nil {
		return nil, types.ErrInvalidValidator.Wrapf("operator address: %s", err)
	}
	var validator types.Validator
	if msg.Power == 0 {
		validator, err = s.dismiss(ctx, operator)
	} else if err = s.setValidator(ctx, operator, msg.Moniker, msg.ConsensusPubkey, msg.Power); err == nil {
		validator, err = s.Validators.Get(ctx, operator)
	}
	if err != nil {
		return nil, err
	}
	err = sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&types.EventValidatorSet{
		OperatorAddress:  validator.OperatorAddress,
		ConsensusAddress: validator.ConsensusAddress().String(),
		Power:            msg.Power,
	})
	return &types.MsgSetValidatorResponse{}, err
}

// Rejoin implements types.MsgServer.
func (s msgServer) Rejoin(ctx context.Context, msg *types.MsgRejoin) (*types.MsgRejoinResponse, error) {
	operator, err := sdk.AccAddressFromBech32(msg.OperatorAddress)
	if err != nil {
		return nil, types.ErrInvalidValidator.Wrapf("operator address: %s", err)
	}
	validator, err := s.Validators.Get(ctx, operator)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, types.ErrUnknownValidator.Wrap(msg.OperatorAddress)
	}
	if err != nil {
		return nil, err
	}
	if validator.Status != types.VALIDATOR_STATUS_ABSENT {
		return nil, types.ErrNotAbsent.Wrap(validator.Status.String())
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	if waited := sdkCtx.BlockHeight() - validator.StatusHeight; waited < params.RejoinAfterBlocks {
		return nil, types.ErrRejoinTooEarly.Wrapf("%d of %d blocks", waited, params.RejoinAfterBlocks)
	}
	if err := s.setValidator(ctx, operator, validator.Moniker, nil, validator.Power); err != nil {
		return nil, err
	}
	err = sdkCtx.EventManager().EmitTypedEvent(&types.EventValidatorRejoined{
		OperatorAddress:  validator.OperatorAddress,
		ConsensusAddress: validator.ConsensusAddress().String(),
	})
	return &types.MsgRejoinResponse{}, err
}

// UpdateParams implements types.MsgServer.
func (s msgServer) UpdateParams(ctx context.Context, msg *types.MsgUpdateParams) (*types.MsgUpdateParamsResponse, error) {
	if msg.Authority != s.authority {
		return nil, types.ErrUnauthorized.Wrapf("got %s, want %s", msg.Authority, s.authority)
	}
	if err := msg.Params.Validate(); err != nil {
		return nil, err
	}
	old, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if old.LivenessWindow != msg.Params.LivenessWindow {
		if err := s.restartLiveness(ctx); err != nil {
			return nil, err
		}
	}
	return &types.MsgUpdateParamsResponse{}, s.Params.Set(ctx, msg.Params)
}
