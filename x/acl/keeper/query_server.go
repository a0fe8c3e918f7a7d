package keeper

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/tkms-network/tkms/x/acl/types"
)

type queryServer struct{ Keeper }

// NewQueryServer serves the module's queries.
func NewQueryServer(k Keeper) types.QueryServer { return queryServer{k} }

// Params implements types.QueryServer.
func (s queryServer) Params(ctx context.Context, _ *types.QueryParamsRequest) (*types.QueryParamsResponse, error) {
	params, err := s.Keeper.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	return &types.QueryParamsResponse{Params: params}, nil
}

// HostChains implements types.QueryServer.
func (s queryServer) HostChains(ctx context.Context, req *types.QueryHostChainsRequest) (*types.QueryHostChainsResponse, error) {
	chains, page, err := query.CollectionPaginate(ctx, s.Keeper.HostChains, req.Pagination,
		func(_ uint64, chain types.HostChain) (types.HostChain, error) { return chain, nil })
	if err != nil {
		return nil, err
	}
	return &types.QueryHostChainsResponse{HostChains: chains, Pagination: page}, nil
}

// HostChain implements types.QueryServer.
func (s queryServer) HostChain(ctx context.Context, req *types.QueryHostChainRequest) (*types.QueryHostChainResponse, error) {
	chain, err := s.Keeper.HostChain(ctx, req.Id)
	if errors.Is(err, types.ErrUnknownHostChain) {
		return nil, status.Errorf(codes.NotFound, "host chain %d is not registered", req.Id)
	}
	if err != nil {
		return nil, err
	}
	return &types.QueryHostChainResponse{HostChain: chain}, nil
}

// Headers implements types.QueryServer.
func (s queryServer) Headers(ctx context.Context, req *types.QueryHeadersRequest) (*types.QueryHeadersResponse, error) {
	response := &types.QueryHeadersResponse{}
	newestFirst := collections.NewPrefixedPairRange[uint64, uint64](req.HostChainId).Descending()
	err := s.Keeper.Headers.Walk(ctx, newestFirst, func(_ collections.Pair[uint64, uint64], header types.VerifiedHeader) (bool, error) {
		response.Headers = append(response.Headers, header)
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}
