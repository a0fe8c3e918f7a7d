package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	sdk "github.com/cosmos/cosmos-sdk/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/tkms-network/tkms/testutil/apptest"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

func TestAProposalOfTheValidatorsAppointsAValidator(t *testing.T) {
	erin := apptest.NewAccount("erin")
	chain := apptest.New(t, apptest.Options{Accounts: []apptest.Account{erin}})
	key := ed25519.GenPrivKeyFromSecret([]byte("erin")).PubKey().Bytes()

	proposal := chain.Govern(&poatypes.MsgSetValidator{
		Authority: chain.Authority(), OperatorAddress: erin.Address().String(), Moniker: "erin", ConsensusPubkey: key, Power: 7,
	})
	require.Equal(t, govv1.StatusPassed, proposal.Status, proposal.FailedReason)
	require.Equal(t, "40", proposal.FinalTallyResult.YesCount[:2])

	validator, err := chain.App.PoA.ActiveValidator(chain.Ctx(), erin.Address())
	require.NoError(t, err)
	require.Equal(t, int64(7), validator.Power)
	applied, err := chain.App.PoA.Applied.Get(chain.Ctx(), key)
	require.NoError(t, err)
	require.Equal(t, int64(7), applied)
}

func TestWhoVotesAndWhatCounts(t *testing.T) {
	message := func(chain *apptest.Chain) *poatypes.MsgUpdateParams {
		p := poatypes.DefaultParams()
		p.RejoinAfterBlocks = 42
		return &poatypes.MsgUpdateParams{Authority: chain.Authority(), Params: p}
	}
	rejoinAfter := func(chain *apptest.Chain) int64 {
		p, err := chain.App.PoA.Params.Get(chain.Ctx())
		require.NoError(t, err)
		return p.RejoinAfterBlocks
	}
	t.Run("a majority of the power that votes passes", func(t *testing.T) {
		chain := apptest.New(t, apptest.Options{Powers: []int64{30, 10, 10, 10}})
		id := chain.Propose(message(chain))
		vote(t, chain, chain.Validators[1], id, govv1.OptionNo)
		require.Equal(t, govv1.StatusPassed, chain.Vote(id, govv1.OptionYes, chain.Validators[0]).Status)
		require.EqualValues(t, 42, rejoinAfter(chain))
	})
	t.Run("below the quorum nothing passes", func(t *testing.T) {
		chain := apptest.New(t, apptest.Options{})
		require.Equal(t, govv1.StatusRejected, chain.Vote(chain.Propose(message(chain)), govv1.OptionYes, chain.Validators[0]).Status)
	})
	t.Run("a third of the power can veto", func(t *testing.T) {
		chain := apptest.New(t, apptest.Options{Powers: []int64{20, 20, 21}})
		id := chain.Propose(message(chain))
		vote(t, chain, chain.Validators[2], id, govv1.OptionNoWithVeto)
		require.Equal(t, govv1.StatusRejected, chain.Vote(id, govv1.OptionYes, chain.Validators[:2]...).Status)
	})
	t.Run("votes are deleted when they are counted", func(t *testing.T) {
		chain := apptest.New(t, apptest.Options{})
		chain.Govern(message(chain))
		require.NoError(t, chain.App.Gov.Votes.Walk(chain.Ctx(), nil, func(collections.Pair[uint64, sdk.AccAddress], govv1.Vote) (bool, error) {
			t.Error("a vote is left")
			return true, nil
		}))
	})
	t.Run("others do not vote", func(t *testing.T) {
		chain := apptest.New(t, apptest.Options{Accounts: []apptest.Account{stranger}})
		id := chain.Propose(message(chain))
		requireRefused(t, poatypes.ErrNotAVoter, chain.Deliver(stranger, govv1.NewMsgVote(stranger.Address(), id, govv1.OptionYes, "")))
	})
	t.Run("a validator dismissed meanwhile does not count", func(t *testing.T) {
		chain := apptest.New(t, apptest.Options{Powers: []int64{10, 10, 10, 100}})
		first := chain.Propose(&poatypes.MsgSetValidator{Authority: chain.Authority(), OperatorAddress: chain.Validators[3].Address().String()})
		vote(t, chain, chain.Validators[3], first, govv1.OptionYes)
		chain.Wait(2 * time.Second)
		second := chain.Propose(message(chain))
		vote(t, chain, chain.Validators[3], second, govv1.OptionYes)
		chain.Wait(3 * time.Second) // the first ends
		chain.NextBlock()
		require.Equal(t, govv1.StatusRejected, chain.Vote(second, govv1.OptionNo, chain.Validators[:3]...).Status)
		require.EqualValues(t, poatypes.DefaultParams().RejoinAfterBlocks, rejoinAfter(chain))
	})
	t.Run("governance never leaves the chain without a validator", func(t *testing.T) {
		chain := apptest.New(t, apptest.Options{Powers: []int64{10}})
		ended := chain.Govern(&poatypes.MsgSetValidator{Authority: chain.Authority(), OperatorAddress: chain.Validators[0].Address().String()})
		require.Equal(t, govv1.StatusFailed, ended.Status)
	})
}

func vote(t *testing.T, chain *apptest.Chain, voter apptest.Validator, proposal uint64, option govv1.VoteOption) {
	t.Helper()
	chain.MustDeliver(voter.Account, govv1.NewMsgVote(voter.Address(), proposal, option, ""))
}
