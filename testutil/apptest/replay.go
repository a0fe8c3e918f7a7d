package apptest

import (
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"

	"github.com/tkms-network/tkms/app"
)

// Replay runs all blocks of a chain on an application of its own and requires the same answers, among them
// the application's hash, for each. between, if not nil, may disturb the application before a block, and
// returns the one to go on with.
func Replay(t testing.TB, c *Chain, between func(a *app.App, db dbm.DB, block *abci.RequestFinalizeBlock) *app.App) {
	t.Helper()
	db := dbm.NewMemDB()
	a := app.New(log.NewNopLogger(), db, true, baseapp.SetChainID(c.ChainID))
	_, err := a.InitChain(c.began)
	require.NoError(t, err)
	for _, block := range c.blocks {
		if between != nil {
			a = between(a, db, block.request)
		}
		response, err := a.FinalizeBlock(block.request)
		require.NoError(t, err)
		require.Equal(t, block.response.AppHash, response.AppHash, "application hash at height %d", block.request.Height)
		require.Equal(t, block.response, response, "answer at height %d", block.request.Height)
		_, err = a.Commit()
		require.NoError(t, err)
	}
}
