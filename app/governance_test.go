package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
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
