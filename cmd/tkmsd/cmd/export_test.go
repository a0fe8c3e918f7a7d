package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/testutil/apptest"
)

func TestAnExportedGenesisBeginsWhereTheNodeStopped(t *testing.T) {
	home := filepath.Join(t.TempDir(), "node")
	code, _, stderr := run("init", "alice", "--home", home)
	require.Zero(t, code, stderr)
	db, err := dbm.NewDB("application", dbm.GoLevelDBBackend, filepath.Join(home, "data"))
	require.NoError(t, err)
	chain := apptest.New(t, apptest.Options{DB: db})
	chain.Blocks(4)
	require.NoError(t, chain.Genesis.SaveAs(filepath.Join(home, "config", "genesis.json")))
	wanted, err := chain.App.Export(false, nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	// The command leaves the database open until its process ends: each gets a copy.
	export := func(args ...string) (code int, stdout, stderr string) {
		copied := filepath.Join(t.TempDir(), "copy")
		require.NoError(t, os.CopyFS(copied, os.DirFS(home)))
		return run(append([]string{"export", "--home", copied}, args...)...)
	}

	code, stdout, stderr := export()
	require.Zero(t, code, stderr)
	exported, err := genutiltypes.AppGenesisFromReader(strings.NewReader(stdout))
	require.NoError(t, err)
	require.JSONEq(t, string(wanted.AppState), string(exported.AppState))
	require.Equal(t, chain.Height+1, exported.InitialHeight)
	require.True(t, chain.Now.Equal(exported.GenesisTime), exported.GenesisTime)
	require.Equal(t, chain.ChainID, exported.ChainID)
	require.Len(t, exported.Consensus.Validators, 4)

	document := filepath.Join(t.TempDir(), "genesis.json")
	code, stdout, stderr = export("--output-document", document)
	require.Zero(t, code, stderr)
	require.Empty(t, stdout)
	written, err := genutiltypes.AppGenesisFromFile(document)
	require.NoError(t, err)
	require.JSONEq(t, string(exported.AppState), string(written.AppState))
	require.Equal(t, exported.InitialHeight, written.InitialHeight)
	require.True(t, exported.GenesisTime.Equal(written.GenesisTime))
	requireBegins(t, written)

	// An earlier height is there as well.
	code, stdout, stderr = export("--height", "3")
	require.Zero(t, code, stderr)
	earlier, err := genutiltypes.AppGenesisFromReader(strings.NewReader(stdout))
	require.NoError(t, err)
	require.Equal(t, int64(4), earlier.InitialHeight)
	require.True(t, earlier.GenesisTime.Before(exported.GenesisTime))

	code, _, stderr = export("--for-zero-height")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "not supported")
}

// requireBegins starts an application as a node does that is given the genesis.
func requireBegins(t *testing.T, genesis *genutiltypes.AppGenesis) {
	t.Helper()
	request := &abci.RequestInitChain{
		Time: genesis.GenesisTime, ChainId: genesis.ChainID, AppStateBytes: genesis.AppState, InitialHeight: genesis.InitialHeight,
	}
	params := genesis.Consensus.Params.ToProto()
	request.ConsensusParams = &params
	for _, v := range genesis.Consensus.Validators {
		request.Validators = append(request.Validators, abci.Ed25519ValidatorUpdate(v.PubKey.Bytes(), v.Power))
	}
	a := app.New(log.NewNopLogger(), dbm.NewMemDB(), true, baseapp.SetChainID(genesis.ChainID))
	_, err := a.InitChain(request)
	require.NoError(t, err)
	_, err = a.FinalizeBlock(&abci.RequestFinalizeBlock{Height: genesis.InitialHeight, Time: genesis.GenesisTime})
	require.NoError(t, err)
}
