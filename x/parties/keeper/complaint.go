package keeper

import (
	"context"

	"github.com/tkms-network/tkms/x/parties/types"
)

func (s msgServer) ComplainSetup(context.Context, *types.MsgComplainSetup) (*types.MsgComplainSetupResponse, error) {
	return nil, types.ErrWrongStatus.Wrap("complaints are not taken")
}

func (s msgServer) AnswerComplaint(context.Context, *types.MsgAnswerComplaint) (*types.MsgAnswerComplaintResponse, error) {
	return nil, types.ErrWrongStatus.Wrap("answers are not taken")
}

func (s msgServer) RevealComplaint(context.Context, *types.MsgRevealComplaint) (*types.MsgRevealComplaintResponse, error) {
	return nil, types.ErrWrongStatus.Wrap("keys of complaints are not taken")
}
