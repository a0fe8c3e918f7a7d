package keeper

import (
	"context"

	"github.com/tkms-network/tkms/x/parties/types"
)

func (s msgServer) SubmitEvidence(context.Context, *types.MsgSubmitEvidence) (*types.MsgSubmitEvidenceResponse, error) {
	return nil, types.ErrWrongStatus.Wrap("evidence is not taken")
}

func (s queryServer) Evidence(context.Context, *types.QueryEvidenceRequest) (*types.QueryEvidenceResponse, error) {
	return nil, types.ErrWrongStatus.Wrap("evidence is not kept")
}
