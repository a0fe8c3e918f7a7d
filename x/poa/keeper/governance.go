package keeper

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	govkeeper "github.com/cosmos/cosmos-sdk/x/gov/keeper"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/tkms-network/tkms/x/poa/types"
)

// NewTally counts a proposal's votes by the power of the active validators at the end of the voting
// period; a validator votes with its operator's account. It deletes all votes it walked over, as x/gov
// demands of a tally.
func NewTally(k Keeper) govkeeper.CalculateVoteResultsAndVotingPowerFn {
	return func(ctx context.Context, gov govkeeper.Keeper, proposal govv1.Proposal) (math.LegacyDec, math.Int, map[govv1.VoteOption]math.LegacyDec, error) {
		zero := math.LegacyZeroDec()
		results := map[govv1.VoteOption]math.LegacyDec{
			govv1.OptionYes: zero, govv1.OptionAbstain: zero, govv1.OptionNo: zero, govv1.OptionNoWithVeto: zero,
		}
		total, err := k.activePower(ctx)
		if err != nil {
			return zero, math.ZeroInt(), nil, err
		}
		voted := zero
		var counted []collections.Pair[uint64, sdk.AccAddress]
		rng := collections.NewPrefixedPairRange[uint64, sdk.AccAddress](proposal.Id)
		err = gov.Votes.Walk(ctx, rng, func(key collections.Pair[uint64, sdk.AccAddress], vote govv1.Vote) (bool, error) {
			counted = append(counted, key)
			validator, err := k.ActiveValidator(ctx, key.K2())
			if errors.Is(err, types.ErrUnknownValidator) {
				return false, nil
			}
			if err != nil {
				return true, err
			}
			power := math.LegacyNewDec(validator.Power)
			for _, option := range vote.Options {
				weight, err := math.LegacyNewDecFromStr(option.Weight)
				if err != nil {
					return true, fmt.Errorf("weight of a vote: %w", err)
				}
				results[option.Option] = results[option.Option].Add(power.Mul(weight))
			}
			voted = voted.Add(power)
			return false, nil
		})
		if err != nil {
			return zero, math.ZeroInt(), nil, err
		}
		for _, key := range counted {
			if err := gov.Votes.Remove(ctx, key); err != nil {
				return zero, math.ZeroInt(), nil, err
			}
		}
		return voted, math.NewInt(total), results, nil
	}
}

func (k Keeper) activePower(ctx context.Context) (int64, error) {
	var total int64
	err := k.Validators.Walk(ctx, nil, func(_ sdk.AccAddress, validator types.Validator) (bool, error) {
		if validator.IsActive() {
			total += validator.Power
		}
		return false, nil
	})
	return total, err
}

// GovHooks refuses votes of accounts that have no vote, so that a tally walks over at most
// MaxValidators votes and those of validators dismissed meanwhile.
type GovHooks struct{ k Keeper }

var _ govtypes.GovHooks = GovHooks{}

// NewGovHooks returns the hooks that x/gov must be given.
func NewGovHooks(k Keeper) GovHooks { return GovHooks{k} }

// AfterProposalVote refuses the vote, with the transaction, unless the voter operates an active validator.
func (h GovHooks) AfterProposalVote(ctx context.Context, _ uint64, voter sdk.AccAddress) error {
	_, err := h.k.ActiveValidator(ctx, voter)
	if errors.Is(err, types.ErrUnknownValidator) {
		return types.ErrNotAVoter.Wrap(voter.String())
	}
	return err
}

// AfterProposalSubmission does nothing.
func (GovHooks) AfterProposalSubmission(context.Context, uint64, sdk.AccAddress) error { return nil }

// AfterProposalDeposit does nothing.
func (GovHooks) AfterProposalDeposit(context.Context, uint64, sdk.AccAddress) error { return nil }

// AfterProposalFailedMinDeposit does nothing.
func (GovHooks) AfterProposalFailedMinDeposit(context.Context, uint64) error { return nil }

// AfterProposalVotingPeriodEnded does nothing.
func (GovHooks) AfterProposalVotingPeriodEnded(context.Context, uint64) error { return nil }
