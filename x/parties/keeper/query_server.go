package keeper

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/tkms-network/tkms/x/parties/types"
)

type queryServer struct {
	keeper *Keeper
	*types.UnimplementedQueryServer
}

// NewQueryServer serves the module's queries. Each answer says whether a
// simulated enclave device is in it.
func NewQueryServer(k *Keeper) types.QueryServer { return queryServer{keeper: k} }

func (s queryServer) Params(ctx context.Context, _ *types.QueryParamsRequest) (*types.QueryParamsResponse, error) {
	params, err := s.keeper.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	return &types.QueryParamsResponse{Params: params, Simulated: params.Simulated()}, nil
}

func (s queryServer) Parties(ctx context.Context, req *types.QueryPartiesRequest) (*types.QueryPartiesResponse, error) {
	simulated := false
	parties, page, err := query.CollectionPaginate(ctx, s.keeper.Parties, req.GetPagination(),
		func(_ uint64, party types.Party) (types.Party, error) {
			simulated = simulated || party.Simulated
			return party, nil
		})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &types.QueryPartiesResponse{Parties: parties, Pagination: page, Simulated: simulated}, nil
}

func (s queryServer) Party(ctx context.Context, req *types.QueryPartyRequest) (*types.QueryPartyResponse, error) {
	party, err := s.keeper.PartyByID(ctx, req.GetId())
	if err != nil {
		return nil, queryError(err)
	}
	activity, err := s.keeper.activity(ctx, party.Id)
	if err != nil {
		return nil, err
	}
	return &types.QueryPartyResponse{Party: party, Activity: activity, Simulated: party.Simulated, Latency: activity.Latency()}, nil
}

func (s queryServer) Epochs(ctx context.Context, req *types.QueryEpochsRequest) (*types.QueryEpochsResponse, error) {
	simulated := false
	epochs, page, err := query.CollectionPaginate(ctx, s.keeper.Epochs, req.GetPagination(),
		func(_ uint64, epoch types.Epoch) (types.Epoch, error) {
			simulated = simulated || epoch.Simulated
			return epoch, nil
		})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &types.QueryEpochsResponse{Epochs: epochs, Pagination: page, Simulated: simulated}, nil
}

func (s queryServer) Epoch(ctx context.Context, req *types.QueryEpochRequest) (*types.QueryEpochResponse, error) {
	var epoch types.Epoch
	var err error
	if req.GetId() == 0 {
		epoch, err = s.keeper.ActiveEpoch(ctx)
	} else {
		epoch, err = s.keeper.EpochByID(ctx, req.GetId())
	}
	if err != nil {
		return nil, queryError(err)
	}
	parties, err := s.keeper.EpochParties(ctx, epoch)
	if err != nil {
		return nil, err
	}
	return &types.QueryEpochResponse{Epoch: epoch, Parties: parties, Simulated: epoch.Simulated}, nil
}

func (s queryServer) Evidence(ctx context.Context, req *types.QueryEvidenceRequest) (*types.QueryEvidenceResponse, error) {
	var found []types.Evidence
	var page *query.PageResponse
	var err error
	if subject := req.GetSubject(); len(subject) > 0 {
		found, page, err = query.CollectionPaginate(ctx, s.keeper.EvidenceSubjects, req.GetPagination(),
			func(key subjectKey, _ collections.NoValue) (types.Evidence, error) {
				return s.keeper.Evidence.Get(ctx, key.K2())
			},
			query.WithCollectionPaginationPairPrefix[[]byte, uint64](subject))
	} else {
		found, page, err = query.CollectionPaginate(ctx, s.keeper.Evidence, req.GetPagination(),
			func(_ uint64, e types.Evidence) (types.Evidence, error) { return e, nil })
	}
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &types.QueryEvidenceResponse{Evidence: found, Pagination: page}, nil
}

func queryError(err error) error {
	if errors.Is(err, types.ErrUnknownParty) || errors.Is(err, types.ErrUnknownEpoch) {
		return status.Error(codes.NotFound, err.Error())
	}
	return err
}
