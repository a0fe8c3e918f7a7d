package app_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/testutil/apptest"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

func TestAnExportedStateContinuesOnAnotherChain(t *testing.T) {
	chain := lanesChain(t)
	chain.Absent["dave"] = true
	chain.Blocks(3)
	require.Zero(t, chain.Deliver(stranger, send(stranger)).Code)
	changed := poatypes.DefaultParams()
	changed.RejoinAfterBlocks = 7
	chain.Govern(&poatypes.MsgUpdateParams{Authority: chain.Authority(), Params: changed})

	exported, err := chain.App.Export(false, nil)
	require.NoError(t, err)
	require.Len(t, exported.Validators, 4)
	require.Equal(t, chain.Height+1, exported.Height)

	imported := apptest.Import(t, chain, exported)
	require.Equal(t, exported.Height, imported.Height)
	poaParams, err := imported.App.PoA.Params.Get(imported.Ctx())
	require.NoError(t, err)
	require.Equal(t, changed, poaParams)
	require.Equal(t,
		chain.App.Bank.GetAllBalances(chain.Ctx(), stranger.Address()),
		imported.App.Bank.GetAllBalances(imported.Ctx(), stranger.Address()))
	require.True(t, imported.App.Parties.IsPartyAccount(imported.Ctx(), party.Address()))

	// Both go on in the same way; a chain's first block has no votes to count.
	chain.Absent["dave"] = false
	chain.NextBlock()
	first, err := chain.App.Export(false, nil)
	require.NoError(t, err)
	second, err := imported.App.Export(false, nil)
	require.NoError(t, err)
	var a, b map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(first.AppState, &a))
	require.NoError(t, json.Unmarshal(second.AppState, &b))
	for module := range a {
		require.JSONEq(t, string(a[module]), string(b[module]), module)
	}
}

func TestPartialExportsAreRefused(t *testing.T) {
	chain := apptest.New(t, apptest.Options{})
	_, err := chain.App.Export(true, nil)
	require.ErrorIs(t, err, app.ErrPartialExport)
	_, err = chain.App.Export(false, []string{"bank"})
	require.ErrorIs(t, err, app.ErrPartialExport)
}
