package keeper

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/tkms-network/tkms/x/poa/types"
)

type queryServer struct{ Keeper }

// NewQueryServer serves the module's queries.
func NewQueryServer(k Keeper) types.QueryServer { return queryServer{k} }

// Validators implements types.QueryServer.
func (s queryServer) Validators(ctx context.Context, req *types.QueryValidatorsRequest) (*types.QueryValidatorsResponse, error) {
	validators, page, err := query.CollectionPaginate(ctx, s.Keeper.Validators, req.Pagination,
		func(_ sdk.AccAddress, validator types.Validator) (types.Validator, error) { return validator, nil })
	if err != nil {
		return nil, err
	}
	return &types.QueryValidatorsResponse{Validators: validators, Pagination: page}, nil
}

// Validator implements types.QueryServer.
func (s queryServer) Validator(ctx context.Context, req *types.QueryValidatorRequest) (*types.QueryValidatorResponse, error) {
	validator, err := s.find(ctx, req.OperatorAddress)
	if err != nil {
		return nil, err
	}
	return &types.QueryValidatorResponse{Validator: validator}, nil
}

// SigningInfo implements types.QueryServer.
func (s queryServer) SigningInfo(ctx context.Context, req *types.QuerySigningInfoRequest) (*types.QuerySigningInfoResponse, error) {
	validator, err := s.find(ctx, req.OperatorAddress)
	if err != nil {
		return nil, err
	}
	info, err := s.SigningInfos.Get(ctx, validator.ConsensusAddress())
	if errors.Is(err, collections.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "the validator of %s is not active", req.OperatorAddress)
	}
	if err != nil {
		return nil, err
	}
	return &types.QuerySigningInfoResponse{SigningInfo: info}, nil
}

// Params implements types.QueryServer.
func (s queryServer) Params(ctx context.Context, _ *types.QueryParamsRequest) (*types.QueryParamsResponse, error) {
	params, err := s.Keeper.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	return &types.QueryParamsResponse{Params: params}, nil
}

func (s queryServer) find(ctx context.Context, address string) (types.Validator, error) {
	operator, err := sdk.AccAddressFromBech32(address)
	if err != nil {
		return types.Validator{}, status.Errorf(codes.InvalidArgument, "operator address: %s", err)
	}
	validator, err := s.Keeper.Validators.Get(ctx, operator)
	if errors.Is(err, collections.ErrNotFound) {
		return types.Validator{}, status.Errorf(codes.NotFound, "no validator of %s", address)
	}
	return validator, err
}
