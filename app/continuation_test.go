package app_test

import (
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// busyWorld is in the middle of everything: one request fulfilled and unpaid, one half answered, one expired,
// a key that is generated, a member excluded and about to return.
func busyWorld(t *testing.T) (w *world, open, unpaid []byte) {
	w = newWorld(t)
	w.Blocks(10)
	w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint8)...))
	w.report([]uint32{4}, w.parties[0], w.parties[1])
	w.Blocks(51)
	require.Equal(t, []uint32{4}, w.excluded())
	open = w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint64, handles.Uint256)...)).RequestId
	w.answer(open, w.plaintext(open, 11, 12), w.parties[1:3]...)
	unpaid = w.ask(bob, w.request(bob, w.disclosed(w.host, handles.Bool)...)).RequestId
	w.answer(unpaid, w.plaintext(unpaid, 1), w.parties[:3]...)
	require.Zero(t, w.DeliverParty(w.parties[3].Account, w.readyOf(w.parties[3], 2)).Code)
	return w, open, unpaid
}

func TestAnExportedStateGoesOnInTheMiddleOfEverything(t *testing.T) {
	w, open, unpaid := busyWorld(t)
	free := w.SignParty(w.parties[2].Account, w.readyOf(w.parties[2], 2))
	require.Zero(t, w.NextBlock(free)[0].Code)
	paid := w.Sign(alice, 0, []sdk.Msg{send(alice)}, apptest.Unordered(w.Now.Add(5*time.Minute)))
	require.Zero(t, w.NextBlock(paid)[0].Code)
	record := w.record(open)
	require.Equal(t, kmstypes.REQUEST_STATUS_ACCEPTED, record.Status)

	exported, err := w.App.Export(false, nil)
	require.NoError(t, err)
	continued := *w
	continued.Chain = apptest.Import(t, w.Chain, exported)
	w = &continued

	// What ran before does not run again.
	requireRefused(t, sdkerrors.ErrInvalidRequest, w.NextBlock(free)[0])
	requireRefused(t, sdkerrors.ErrInvalidRequest, w.NextBlock(paid)[0])

	require.Equal(t, record, w.record(open))
	require.Equal(t, kmstypes.REQUEST_STATUS_FULFILLED, w.record(unpaid).Status)
	w.answer(open, w.plaintext(open, 11, 12), w.parties[0])
	require.Equal(t, kmstypes.REQUEST_STATUS_FULFILLED, w.record(open).Status)
	counted, err := w.certificate(open).Verify()
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 2, 3}, counted)
	w.Blocks(10)
	require.NotZero(t, w.record(unpaid).PaidHeight)
	require.NotZero(t, w.record(open).PaidHeight)
	require.Zero(t, w.totals().Escrow)
	require.Empty(t, w.excluded(), "READY was counted across the export")
	first, count := record.Items()
	later, _ := w.record(unpaid).Items()
	require.Equal(t, first+count, later)

	// The whole life goes on: the key serves, items continue, headers are taken, proofs verify.
	id := w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint64)...)).RequestId
	next, _ := w.record(id).Items()
	require.Greater(t, next, later)
	w.requireProven(kmstypes.StoreKey, kmstypes.StoreKeyOfRequest(id))
	w.answer(id, w.plaintext(id, 99), w.parties...)
	require.Equal(t, kmstypes.REQUEST_STATUS_FULFILLED, w.record(id).Status)
}

func TestTimeDoesNotGoBackInAnImportedState(t *testing.T) {
	chain := apptest.New(t, apptest.Options{})
	chain.Blocks(3)
	exported, err := chain.App.Export(false, nil)
	require.NoError(t, err)
	at, err := app.ContinuesAt(exported.AppState)
	require.NoError(t, err)
	require.Equal(t, chain.Now, at)
	at, err = app.ContinuesAt(chain.Genesis.AppState)
	require.NoError(t, err)
	require.Zero(t, at)

	initialize := func(at time.Time) error {
		a := app.New(log.NewNopLogger(), dbm.NewMemDB(), true, baseapp.SetChainID(chain.ChainID))
		_, err := a.InitChain(&abci.RequestInitChain{
			Time: at, ChainId: chain.ChainID, ConsensusParams: &exported.ConsensusParams, AppStateBytes: exported.AppState, InitialHeight: exported.Height,
		})
		return err
	}
	require.ErrorIs(t, initialize(chain.Now.Add(-time.Nanosecond)), app.ErrTimeGoesBack)
	require.NoError(t, initialize(chain.Now))
}

func TestEveryNodeComesToTheSameState(t *testing.T) {
	w, open, _ := busyWorld(t)
	w.refusedFor(kmstypes.ErrFeeTooLow, alice, &kmstypes.MsgRequestPublicDecryption{
		Requester: alice.Address().String(), HostChainId: hostID, KeyId: w.key, Handles: [][]byte{w.disclosed(w.host, handles.Uint16)[0].Bytes()},
	})
	w.answer(open, w.plaintext(open, 11, 12), w.parties[0], w.parties[3])
	w.Blocks(60)

	apptest.Replay(t, w.Chain, nil)
	// One that restarts now and then, checks transactions for its mempool and answers queries.
	apptest.Replay(t, w.Chain, func(a *app.App, db dbm.DB, block *abci.RequestFinalizeBlock) *app.App {
		if a.LastBlockHeight() == 0 {
			return a
		}
		for _, tx := range block.Txs {
			_, err := a.CheckTx(&abci.RequestCheckTx{Tx: tx, Type: abci.CheckTxType_New})
			require.NoError(t, err)
		}
		_, err := a.Query(t.Context(), &abci.RequestQuery{Path: "/tkms.kms.v1.Query/Totals"})
		require.NoError(t, err)
		if block.Height%10 == 0 {
			return app.New(log.NewNopLogger(), db, true, baseapp.SetChainID(w.ChainID))
		}
		return a
	})
}
