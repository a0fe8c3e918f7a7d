package devnet

import (
	"context"
	"fmt"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/app/genesis"
)

const govGas = 2_000_000

// Authority is the account of governance.
func Authority() string { return authtypes.NewModuleAddress(govtypes.ModuleName).String() }

// Govern submits one proposal with the messages, has every validator vote yes,
// and waits until it is executed.
func (d *Devnet) Govern(ctx context.Context, title string, msgs ...sdk.Msg) error {
	proposer, err := d.Sender(ctx, d.Layout.Nodes[0].Moniker)
	if err != nil {
		return err
	}
	proposal, err := govv1.NewMsgSubmitProposal(msgs, genesis.DevnetGovernance().MinDeposit, proposer.Address().String(), "", title, title, false)
	if err != nil {
		return err
	}
	if _, err := proposer.Send(ctx, govGas, proposal); err != nil {
		return fmt.Errorf("submit the proposal %q: %w", title, err)
	}
	return d.pass(ctx, title)
}

// pass has every validator vote for the newest proposal, and waits until it is executed.
func (d *Devnet) pass(ctx context.Context, title string) error {
	id, err := d.newestProposal(ctx)
	if err != nil {
		return err
	}
	var voting errgroup.Group
	for _, node := range d.Layout.Nodes {
		voter, err := d.Sender(ctx, node.Moniker)
		if err != nil {
			return err
		}
		voting.Go(func() error {
			_, err := voter.Send(ctx, govGas, govv1.NewMsgVote(voter.Address(), id, govv1.OptionYes, ""))
			return err
		})
	}
	if err := voting.Wait(); err != nil {
		return fmt.Errorf("vote on %q: %w", title, err)
	}
	return d.awaitProposal(ctx, id, title)
}

func (d *Devnet) newestProposal(ctx context.Context) (uint64, error) {
	var response govv1.QueryProposalsResponse
	if err := d.TKMS.Query(ctx, "/cosmos.gov.v1.Query/Proposals", &govv1.QueryProposalsRequest{}, &response); err != nil {
		return 0, err
	}
	newest := uint64(0)
	for _, p := range response.Proposals {
		newest = max(newest, p.Id)
	}
	return newest, nil
}

func (d *Devnet) awaitProposal(ctx context.Context, id uint64, title string) error {
	for {
		var response govv1.QueryProposalResponse
		if err := d.TKMS.Query(ctx, "/cosmos.gov.v1.Query/Proposal", &govv1.QueryProposalRequest{ProposalId: id}, &response); err != nil {
			return err
		}
		switch response.Proposal.Status {
		case govv1.StatusPassed:
			return nil
		case govv1.StatusRejected, govv1.StatusFailed:
			return fmt.Errorf("the proposal %q ended as %s: %s", title, response.Proposal.Status, response.Proposal.FailedReason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the proposal %q: %w", title, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
