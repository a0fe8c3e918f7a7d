package keeper

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/types"
)

// maxOpenWork bounds the ids that OpenWork lists, and what HostEpoch counts.
const maxOpenWork = 1000

type queryServer struct{ keeper Keeper }

// NewQueryServer serves the module's queries.
func NewQueryServer(k Keeper) types.QueryServer { return queryServer{k} }

// Params implements types.QueryServer.
func (s queryServer) Params(ctx context.Context, _ *types.QueryParamsRequest) (*types.QueryParamsResponse, error) {
	params, err := s.keeper.Params.Get(ctx)
	return &types.QueryParamsResponse{Params: params}, err
}

// Keys implements types.QueryServer.
func (s queryServer) Keys(ctx context.Context, req *types.QueryKeysRequest) (*types.QueryKeysResponse, error) {
	keys, page, err := query.CollectionPaginate(ctx, s.keeper.Keys, req.Pagination, func(_ []byte, key types.Key) (types.Key, error) { return key, nil })
	return &types.QueryKeysResponse{Keys: keys, Pagination: page}, err
}

// Key implements types.QueryServer.
func (s queryServer) Key(ctx context.Context, req *types.QueryKeyRequest) (*types.QueryKeyResponse, error) {
	id, err := parseID(req.Id)
	if err != nil {
		return nil, err
	}
	key, err := s.keeper.key(ctx, id)
	if err != nil {
		return nil, notFound(err, types.ErrUnknownKey)
	}
	evidence, err := s.keeper.parties.EvidenceOf(ctx, id)
	return &types.QueryKeyResponse{Key: key, Evidence: evidence}, err
}

// HostKey implements types.QueryServer.
func (s queryServer) HostKey(ctx context.Context, req *types.QueryHostKeyRequest) (*types.QueryHostKeyResponse, error) {
	id, err := s.keeper.HostKeys.Get(ctx, req.HostChainId)
	if err != nil {
		return nil, notFound(err, collections.ErrNotFound)
	}
	key, err := s.keeper.key(ctx, id)
	if err != nil {
		return nil, notFound(err, types.ErrUnknownKey)
	}
	return &types.QueryHostKeyResponse{Key: key}, nil
}

// HostEpoch implements types.QueryServer.
func (s queryServer) HostEpoch(ctx context.Context, req *types.QueryHostEpochRequest) (*types.QueryHostEpochResponse, error) {
	host, err := s.keeper.acl.HostChain(ctx, req.HostChainId)
	if err != nil {
		return nil, notFound(err, acltypes.ErrUnknownHostChain)
	}
	epoch, err := s.keeper.serving(ctx, host)
	if err != nil {
		return nil, notFound(err, types.ErrNoEpoch)
	}
	active, err := s.keeper.parties.ActiveEpoch(ctx)
	if err != nil {
		return nil, err
	}
	signers, err := s.keeper.signersOf(ctx, active)
	if err != nil {
		return nil, err
	}
	response := &types.QueryHostEpochResponse{EpochId: epoch.Id, Threshold: threshold(active), Vouchers: active.Vouchers}
	for _, signer := range signers {
		response.Signers = append(response.Signers, signer[:])
	}
	if active.Id != epoch.Id {
		response.NextEpochId = active.Id
	}
	response.Open, err = s.keeper.openOf(ctx, epoch.Id, host.Id)
	return response, err
}

// openOf counts the requests of a host chain that are open under an epoch, up to
// maxOpenWork.
func (k Keeper) openOf(ctx context.Context, epochID, hostChainID uint64) (count uint64, err error) {
	err = k.OpenRequests.Walk(ctx, collections.NewPrefixedTripleRange[uint64, uint64, []byte](epochID), func(key openKey) (bool, error) {
		r, err := k.request(ctx, key.K3())
		if err == nil && r.HostChainId == hostChainID {
			count++
		}
		return count == maxOpenWork, err
	})
	return count, err
}

// Requests implements types.QueryServer.
func (s queryServer) Requests(ctx context.Context, req *types.QueryRequestsRequest) (*types.QueryRequestsResponse, error) {
	requests, page, err := query.CollectionFilteredPaginate(ctx, s.keeper.Requests, req.Pagination,
		func(_ []byte, r types.Request) (bool, error) {
			return req.HostChainId == 0 || r.HostChainId == req.HostChainId, nil
		},
		func(_ []byte, r types.Request) (types.Request, error) { return r, nil })
	return &types.QueryRequestsResponse{Requests: requests, Pagination: page}, err
}

// Request implements types.QueryServer.
func (s queryServer) Request(ctx context.Context, req *types.QueryRequestRequest) (*types.QueryRequestResponse, error) {
	r, err := s.requestByHex(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	evidence, err := s.keeper.parties.EvidenceOf(ctx, r.Id)
	return &types.QueryRequestResponse{Request: r, Evidence: evidence}, err
}

// Shares implements types.QueryServer. A public decryption has none.
func (s queryServer) Shares(ctx context.Context, req *types.QuerySharesRequest) (*types.QuerySharesResponse, error) {
	r, err := s.requestByHex(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	shares, err := s.keeper.sharesOf(ctx, r.Id)
	return &types.QuerySharesResponse{Request: r, Shares: shares}, err
}

// Certificate implements types.QueryServer.
func (s queryServer) Certificate(ctx context.Context, req *types.QueryCertificateRequest) (*types.QueryCertificateResponse, error) {
	r, err := s.requestByHex(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	if r.Status != types.REQUEST_STATUS_FULFILLED {
		return nil, status.Error(codes.FailedPrecondition, types.ErrNotFulfilled.Wrap(r.Status.String()).Error())
	}
	epoch, err := s.keeper.parties.EpochByID(ctx, r.EpochId)
	if err != nil {
		return nil, err
	}
	parties, err := s.keeper.parties.EpochParties(ctx, epoch)
	if err != nil {
		return nil, err
	}
	certificate := types.Certificate{Request: r}
	for _, party := range parties {
		certificate.Signers = append(certificate.Signers, party.SigningAddress)
	}
	return &types.QueryCertificateResponse{Certificate: certificate}, nil
}

// Work implements types.QueryServer.
func (s queryServer) Work(ctx context.Context, req *types.QueryWorkRequest) (*types.QueryWorkResponse, error) {
	work, err := orZero(s.keeper.Work.Get(ctx, req.Height))
	return &types.QueryWorkResponse{Work: work}, err
}

// OpenWork implements types.QueryServer.
func (s queryServer) OpenWork(ctx context.Context, req *types.QueryOpenWorkRequest) (*types.QueryOpenWorkResponse, error) {
	response := &types.QueryOpenWorkResponse{}
	err := s.keeper.OpenKeys.Walk(ctx, collections.NewPrefixedPairRange[uint64, []byte](req.EpochId), func(key dueKey) (bool, error) {
		response.KeyIds = append(response.KeyIds, key.K2())
		return len(response.KeyIds) == maxOpenWork, nil
	})
	if err != nil {
		return nil, err
	}
	err = s.keeper.OpenRequests.Walk(ctx, collections.NewPrefixedTripleRange[uint64, uint64, []byte](req.EpochId), func(key openKey) (bool, error) {
		if len(response.RequestIds) == maxOpenWork {
			response.More = true
			return true, nil
		}
		response.RequestIds = append(response.RequestIds, key.K3())
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	response.NextItem, err = orZero(s.keeper.ItemCounters.Get(ctx, req.EpochId))
	return response, err
}

// Totals implements types.QueryServer.
func (s queryServer) Totals(ctx context.Context, _ *types.QueryTotalsRequest) (*types.QueryTotalsResponse, error) {
	totals, err := orZero(s.keeper.Totals.Get(ctx))
	return &types.QueryTotalsResponse{Totals: totals}, err
}

func (s queryServer) requestByHex(ctx context.Context, text string) (types.Request, error) {
	id, err := parseID(text)
	if err != nil {
		return types.Request{}, err
	}
	r, err := s.keeper.request(ctx, id)
	return r, notFound(err, types.ErrUnknownRequest)
}

// parseID reads a hex id, with or without 0x.
func parseID(text string) ([]byte, error) {
	id, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(id) != types.IDSize {
		return nil, status.Errorf(codes.InvalidArgument, "an id is %d bytes in hex", types.IDSize)
	}
	return id, nil
}

// notFound gives the stated error the status that clients know.
func notFound(err, unknown error) error {
	if errors.Is(err, unknown) {
		return status.Error(codes.NotFound, err.Error())
	}
	return err
}
