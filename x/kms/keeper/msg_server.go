package keeper

import (
	"context"

	"github.com/tkms-network/tkms/x/kms/types"
)

type msgServer struct{ keeper Keeper }

// NewMsgServer serves the module's messages.
func NewMsgServer(k Keeper) types.MsgServer { return msgServer{k} }

// RequestKey implements types.MsgServer.
func (s msgServer) RequestKey(ctx context.Context, msg *types.MsgRequestKey) (*types.MsgRequestKeyResponse, error) {
	id, created, err := s.keeper.RequestKey(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &types.MsgRequestKeyResponse{KeyId: id, Created: created}, nil
}

// RequestPublicDecryption implements types.MsgServer.
func (s msgServer) RequestPublicDecryption(ctx context.Context, msg *types.MsgRequestPublicDecryption) (*types.MsgRequestPublicDecryptionResponse, error) {
	id, created, err := s.keeper.RequestPublicDecryption(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &types.MsgRequestPublicDecryptionResponse{RequestId: id, Created: created}, nil
}

// RequestUserDecryption implements types.MsgServer.
func (s msgServer) RequestUserDecryption(ctx context.Context, msg *types.MsgRequestUserDecryption) (*types.MsgRequestUserDecryptionResponse, error) {
	id, created, err := s.keeper.RequestUserDecryption(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &types.MsgRequestUserDecryptionResponse{RequestId: id, Created: created}, nil
}

// RetireKey implements types.MsgServer.
func (s msgServer) RetireKey(ctx context.Context, msg *types.MsgRetireKey) (*types.MsgRetireKeyResponse, error) {
	if err := s.keeper.RetireKey(ctx, msg); err != nil {
		return nil, err
	}
	return &types.MsgRetireKeyResponse{}, nil
}

// UpdateParams implements types.MsgServer.
func (s msgServer) UpdateParams(ctx context.Context, msg *types.MsgUpdateParams) (*types.MsgUpdateParamsResponse, error) {
	if err := s.keeper.authorize(msg.Authority); err != nil {
		return nil, err
	}
	params, err := s.keeper.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := params.ValidateChange(msg.Params); err != nil {
		return nil, err
	}
	return &types.MsgUpdateParamsResponse{}, s.keeper.Params.Set(ctx, msg.Params)
}

// CommitKeyEcho implements types.MsgServer.
func (s msgServer) CommitKeyEcho(ctx context.Context, msg *types.MsgCommitKeyEcho) (*types.MsgCommitKeyEchoResponse, error) {
	if err := s.keeper.CommitKeyEcho(ctx, msg); err != nil {
		return nil, err
	}
	return &types.MsgCommitKeyEchoResponse{}, nil
}

// PostKeyProgress implements types.MsgServer.
func (s msgServer) PostKeyProgress(ctx context.Context, msg *types.MsgPostKeyProgress) (*types.MsgPostKeyProgressResponse, error) {
	if err := s.keeper.PostKeyProgress(ctx, msg); err != nil {
		return nil, err
	}
	return &types.MsgPostKeyProgressResponse{}, nil
}

// PostKey implements types.MsgServer.
func (s msgServer) PostKey(ctx context.Context, msg *types.MsgPostKey) (*types.MsgPostKeyResponse, error) {
	if err := s.keeper.PostKey(ctx, msg); err != nil {
		return nil, err
	}
	return &types.MsgPostKeyResponse{}, nil
}

// PostResults implements types.MsgServer.
func (s msgServer) PostResults(ctx context.Context, msg *types.MsgPostResults) (*types.MsgPostResultsResponse, error) {
	codes, err := s.keeper.PostResults(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &types.MsgPostResultsResponse{Codes: codes}, nil
}

// ProveSigners implements types.MsgServer.
func (s msgServer) ProveSigners(ctx context.Context, msg *types.MsgProveSigners) (*types.MsgProveSignersResponse, error) {
	if err := s.keeper.ProveSigners(ctx, msg); err != nil {
		return nil, err
	}
	return &types.MsgProveSignersResponse{}, nil
}
