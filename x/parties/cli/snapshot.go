package cli

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/client"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	kmscli "github.com/tkms-network/tkms/x/kms/cli"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	"github.com/tkms-network/tkms/x/parties/types"
)

// recentEpochs is how far back epochs are looked for that are not over: at most three
// live at a time, but failed ones may lie between.
const recentEpochs = 50

// take asks a node for the snapshot.
func take(ctx context.Context, parties types.QueryClient, kms kmstypes.QueryClient, now time.Time) (*Snapshot, error) {
	s := &Snapshot{Authority: authtypes.NewModuleAddress(govtypes.ModuleName).String(), Now: now, Bonds: map[uint64]uint64{}}
	params, err := parties.Params(ctx, &types.QueryParamsRequest{})
	if err != nil {
		return nil, err
	}
	s.Params = params.Params
	active, err := parties.Epoch(ctx, &types.QueryEpochRequest{})
	if status.Code(err) == codes.NotFound {
		return nil, kmscli.WithHint(fmt.Errorf("no committee holds shares: %w", err), "form the first one: 'tkmsd tx parties form-committee'")
	}
	if err != nil {
		return nil, err
	}
	s.Active = active.Epoch
	latest, err := parties.Epochs(ctx, &types.QueryEpochsRequest{Pagination: &query.PageRequest{Reverse: true, Limit: recentEpochs}})
	if err != nil {
		return nil, err
	}
	for _, epoch := range latest.Epochs {
		if epoch.Live() && epoch.Id != s.Active.Id {
			s.Others = append([]types.Epoch{epoch}, s.Others...)
		}
	}
	err = everyPage(func(page *query.PageRequest) (*query.PageResponse, error) {
		response, err := parties.Parties(ctx, &types.QueryPartiesRequest{Pagination: page})
		if err != nil {
			return nil, err
		}
		s.Parties = append(s.Parties, response.Parties...)
		return response.Pagination, nil
	})
	if err != nil {
		return nil, err
	}
	for _, party := range s.Parties {
		response, err := parties.Bond(ctx, &types.QueryBondRequest{PartyId: party.Id})
		if err != nil {
			return nil, err
		}
		s.Bonds[party.Id] = response.Bond.Amount
	}
	err = everyPage(func(page *query.PageRequest) (*query.PageResponse, error) {
		response, err := kms.Keys(ctx, &kmstypes.QueryKeysRequest{Pagination: page})
		if err != nil {
			return nil, err
		}
		for _, key := range response.Keys {
			if key.Status == kmstypes.KEY_STATUS_ACTIVE && key.EpochId == s.Active.Id {
				s.Keys = append(s.Keys, key)
			}
		}
		return response.Pagination, nil
	})
	return s, err
}

func everyPage(next func(*query.PageRequest) (*query.PageResponse, error)) error {
	page := &query.PageRequest{}
	for {
		response, err := next(page)
		if err != nil || len(response.GetNextKey()) == 0 {
			return err
		}
		page = &query.PageRequest{Key: response.NextKey}
	}
}

func takeWith(ctx context.Context, clientCtx client.Context) (*Snapshot, error) {
	return take(ctx, types.NewQueryClient(clientCtx), kmstypes.NewQueryClient(clientCtx), time.Now())
}

// proposalMessages returns the messages of a proposal to governance.
func proposalMessages(ctx context.Context, clientCtx client.Context, id uint64) ([]sdk.Msg, error) {
	response, err := govv1.NewQueryClient(clientCtx).Proposal(ctx, &govv1.QueryProposalRequest{ProposalId: id})
	if err != nil {
		return nil, err
	}
	if err := response.Proposal.UnpackInterfaces(clientCtx.InterfaceRegistry); err != nil {
		return nil, err
	}
	return response.Proposal.GetMsgs()
}
