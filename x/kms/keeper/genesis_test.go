package keeper_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/runtime"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/testutil"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"

	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/keeper"
	"github.com/tkms-network/tkms/x/kms/types"
)

// lived is a state with a record in every condition.
func lived(t *testing.T) *fixture {
	t.Helper()
	f := newStore(t, 4)
	f.setParams(func(p *types.Params) { p.KeyFee, p.KeyDeadlineBlocks = 100, 300 })
	f.keyID = f.activeKey(hostChain)
	f.accepted(handle(1, handles.Uint8)) // expires at 120, and so does the next
	f.answerUser(f.acceptedUser(u64(1)), 1, 2)
	f.endBlocks(120)
	paid := f.accepted(handle(2, handles.Uint8))
	f.answer(paid, f.plaintext(paid, 4), 1, 2, 3)
	f.endBlocks(130)
	unpaid := f.accepted(handle(3, handles.Uint8))
	f.answer(unpaid, f.plaintext(unpaid, 4), 1, 3, 4)
	read := f.acceptedUser(u64(6), u64(7))
	f.answerUser(read, 4, 2, 1, 3)
	f.answerUser(f.acceptedUser(u64(8)), 3)
	half := f.accepted(handle(4, handles.Uint8), handle(5, handles.Bool))
	f.answer(half, f.plaintext(half, 4, 1), 1)
	id, _, err := f.requestKey(otherChain)
	require.NoError(t, err)
	require.NoError(t, f.echo(id, 2, 9))
	require.NoError(t, f.progress(id, 4, nil))
	return f
}

// imported is a second keeper that starts from the first one's genesis.
func imported(f *fixture, g types.GenesisState) (*fixture, error) {
	storeKey := storetypes.NewKVStoreKey(types.StoreKey)
	next := *f
	next.ctx = testutil.DefaultContextWithDB(f, storeKey, storetypes.NewTransientStoreKey("transient")).Ctx.
		WithChainID(chainID).WithBlockHeight(f.ctx.BlockHeight() + 1)
	cdc := codec.NewProtoCodec(codectypes.NewInterfaceRegistry())
	next.keeper = keeper.NewKeeper(cdc, runtime.NewKVStoreService(storeKey), f.keeper.Authority(), f.bank, f.acl, f.parties, noiseModel)
	next.msgs, next.queries = keeper.NewMsgServer(next.keeper), keeper.NewQueryServer(next.keeper)
	return &next, next.keeper.InitGenesis(next.ctx, g)
}

func TestGenesisMakesARoundTripAndLifeGoesOn(t *testing.T) {
	f := lived(t)
	g, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(t, err)
	next, err := imported(f, *g)
	require.NoError(t, err)
	again, err := next.keeper.ExportGenesis(next.ctx)
	require.NoError(t, err)
	require.Equal(t, g, again)
	require.Equal(t, f.totals(), next.totals())
	next.checkInvariants()

	work := func(f *fixture) *types.QueryOpenWorkResponse {
		open, err := f.queries.OpenWork(f.ctx, &types.QueryOpenWorkRequest{EpochId: epochID})
		require.NoError(t, err)
		return open
	}
	require.Equal(t, work(f), work(next))

	// The queues were rebuilt: everything due is handled.
	next.endBlocks(450)
	require.Zero(t, next.totals().Open)
	for _, r := range mustExport(next).Requests {
		require.NotZero(t, r.ClosedHeight())
	}
	require.EqualValues(t, 100, next.totals().Escrow, "a further attempt of the second key")
}

func mustExport(f *fixture) *types.GenesisState {
	g, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(f, err)
	return g
}

func TestAGenesisThatDoesNotAddUpIsRefused(t *testing.T) {
	f := lived(t)
	for name, change := range map[string]func(*types.GenesisState){
		"params":        func(g *types.GenesisState) { g.Params.MaxKeyAttempts = 0 },
		"key twice":     func(g *types.GenesisState) { g.Keys = append(g.Keys, g.Keys[0]) },
		"key id":        func(g *types.GenesisState) { g.Keys[0].Id = g.Keys[0].Id[1:] },
		"key status":    func(g *types.GenesisState) { g.Keys[0].Status = 9 },
		"material":      func(g *types.GenesisState) { keyOf(g, types.KEY_STATUS_ACTIVE).Material = nil },
		"seed":          func(g *types.GenesisState) { keyOf(g, types.KEY_STATUS_ACTIVE).Material.Seed = nil },
		"contributions": func(g *types.GenesisState) { c := keyOf(g, types.KEY_STATUS_ACTIVE).Contributions; c[1] = c[0] },
		"echo":          func(g *types.GenesisState) { keyOf(g, types.KEY_STATUS_GENERATING).Echoes[0].Digest = nil },
		"parameter set": func(g *types.GenesisState) { g.Keys[0].Params = "toy" },
		"noise":         func(g *types.GenesisState) { g.Keys[0].Noise = "" },
		"failure":       func(g *types.GenesisState) { g.Keys[0].Failure = 99 },
		"stage":         func(g *types.GenesisState) { keyOf(g, types.KEY_STATUS_GENERATING).Progress[0].Stage = 0 },
		"progress twice": func(g *types.GenesisState) {
			key := keyOf(g, types.KEY_STATUS_GENERATING)
			key.Progress = append(key.Progress, key.Progress[0])
		},
		"sequence":           func(g *types.GenesisState) { g.KeySequence = 1 },
		"request twice":      func(g *types.GenesisState) { g.Requests = append(g.Requests, g.Requests[0]); g.TotalRequests = 99 },
		"request id":         func(g *types.GenesisState) { g.Requests[0].Id[0]++ },
		"request status":     func(g *types.GenesisState) { g.Requests[0].Status = 0 },
		"kind":               func(g *types.GenesisState) { batchIn(g).Kind = types.REQUEST_KIND_USER_DECRYPTION },
		"unknown kind":       func(g *types.GenesisState) { batchIn(g).Kind = 3 },
		"kind of a user":     func(g *types.GenesisState) { readIn(g).Kind = types.REQUEST_KIND_PUBLIC_DECRYPTION },
		"no user":            func(g *types.GenesisState) { readIn(g).AuthorizedBy = nil },
		"user's key":         func(g *types.GenesisState) { readIn(g).AuthorizedBy.PublicKey[868]++ },
		"contract":           func(g *types.GenesisState) { readIn(g).Ciphertexts[0].Contract = otherDapp },
		"value of a user's":  func(g *types.GenesisState) { readIn(g).Plaintext = make([]byte, 64) },
		"share that differs": func(g *types.GenesisState) { readIn(g).Contributions[0].Agrees = false },
		"share's value":      func(g *types.GenesisState) { readIn(g).Contributions[0].Plaintext = []byte{1} },
		"share's digest":     func(g *types.GenesisState) { readIn(g).Contributions[0].ShareDigest = nil },
		"digest of a value":  func(g *types.GenesisState) { fulfilledIn(g).Contributions[0].ShareDigest = make([]byte, 32) },
		"no shares":          func(g *types.GenesisState) { g.Shares = nil },
		"share missing":      func(g *types.GenesisState) { s := sharesIn(g); s.Shares = s.Shares[1:] },
		"share of another":   func(g *types.GenesisState) { s := sharesIn(g).Shares; s[0].Payload = s[1].Payload },
		"share's signature":  func(g *types.GenesisState) { sharesIn(g).Shares[0].Signature[0]++ },
		"share's height":     func(g *types.GenesisState) { sharesIn(g).Shares[0].Height++ },
		"share's index":      func(g *types.GenesisState) { s := sharesIn(g).Shares; s[0].Index, s[1].Index = 2, 1 },
		"shares twice":       func(g *types.GenesisState) { g.Shares = append(g.Shares, g.Shares[0]) },
		"shares of none": func(g *types.GenesisState) {
			g.Shares = append(g.Shares, types.RequestShares{RequestId: g.Keys[0].Id, Shares: g.Shares[0].Shares})
		},
		"no handles":         func(g *types.GenesisState) { g.Requests[0].Ciphertexts = nil },
		"items":              func(g *types.GenesisState) { g.Requests[0].Ciphertexts[0].FirstItem += 1000 },
		"gap":                func(g *types.GenesisState) { batchIn(g).Ciphertexts[1].FirstItem++ },
		"blocks":             func(g *types.GenesisState) { g.Requests[0].Ciphertexts[0].Blocks++ },
		"digest":             func(g *types.GenesisState) { g.Requests[0].Ciphertexts[0].Digest = nil },
		"attempt":            func(g *types.GenesisState) { g.Requests[0].Attempt = 0 },
		"domain":             func(g *types.GenesisState) { g.Requests[0].Domain.VerifyingContract = nil },
		"plaintext":          func(g *types.GenesisState) { fulfilledIn(g).Plaintext = nil },
		"order":              func(g *types.GenesisState) { c := fulfilledIn(g).Contributions; c[0], c[1] = c[1], c[0] },
		"key of the request": func(g *types.GenesisState) { g.Keys = nil },
		"counter":            func(g *types.GenesisState) { g.ItemCounters = nil },
		"two counters":       func(g *types.GenesisState) { g.ItemCounters = append(g.ItemCounters, g.ItemCounters[0]) },
		"host key":           func(g *types.GenesisState) { g.HostKeys[0].HostChainId = 1 },
		"window":             func(g *types.GenesisState) { g.Windows = append(g.Windows, g.Windows[0]) },
		"attempts":           func(g *types.GenesisState) { g.Attempts = []types.Attempts{{RequestId: g.Requests[0].Id, Attempt: 1}} },
		"work":               func(g *types.GenesisState) { g.Work = append(g.Work, g.Work[0]) },
		"total":              func(g *types.GenesisState) { g.TotalRequests = 1 },
		"escrow overflow":    func(g *types.GenesisState) { batchIn(g).Fee = 1<<64 - 1 },
		"escrow not there":   func(g *types.GenesisState) { batchIn(g).Fee++ },
	} {
		g := mustExport(f)
		change(g)
		_, err := imported(f, *g)
		require.Error(t, err, name)
	}
}

func keyOf(g *types.GenesisState, status types.KeyStatus) *types.Key {
	for i := range g.Keys {
		if g.Keys[i].Status == status {
			return &g.Keys[i]
		}
	}
	panic("no key of this status")
}

func batchIn(g *types.GenesisState) *types.Request {
	for i := range g.Requests {
		if r := g.Requests[i]; len(r.Ciphertexts) == 2 && r.Kind == types.REQUEST_KIND_PUBLIC_DECRYPTION {
			return &g.Requests[i]
		}
	}
	panic("no batch")
}

func fulfilledIn(g *types.GenesisState) *types.Request {
	for i := range g.Requests {
		if r := g.Requests[i]; r.Status == types.REQUEST_STATUS_FULFILLED && r.Kind == types.REQUEST_KIND_PUBLIC_DECRYPTION {
			return &g.Requests[i]
		}
	}
	panic("no fulfilled request")
}

// readIn is the user decryption of two handles, which is fulfilled.
func readIn(g *types.GenesisState) *types.Request {
	for i := range g.Requests {
		if r := g.Requests[i]; len(r.Ciphertexts) == 2 && r.Kind == types.REQUEST_KIND_USER_DECRYPTION {
			return &g.Requests[i]
		}
	}
	panic("no user decryption")
}

// sharesIn are the shares of readIn.
func sharesIn(g *types.GenesisState) *types.RequestShares {
	for i := range g.Shares {
		if bytes.Equal(g.Shares[i].RequestId, readIn(g).Id) {
			return &g.Shares[i]
		}
	}
	panic("no shares")
}

func TestQueriesPageAndFilter(t *testing.T) {
	f := lived(t)
	all, err := f.queries.Requests(f.ctx, &types.QueryRequestsRequest{})
	require.NoError(t, err)
	require.Len(t, all.Requests, 7)
	page, err := f.queries.Requests(f.ctx, &types.QueryRequestsRequest{HostChainId: hostChain, Pagination: &query.PageRequest{Limit: 6}})
	require.NoError(t, err)
	require.Len(t, page.Requests, 6)
	require.NotEmpty(t, page.Pagination.NextKey)
	none, err := f.queries.Requests(f.ctx, &types.QueryRequestsRequest{HostChainId: 1})
	require.NoError(t, err)
	require.Empty(t, none.Requests)
	keys, err := f.queries.Keys(f.ctx, &types.QueryKeysRequest{})
	require.NoError(t, err)
	require.Len(t, keys.Keys, 2)
	for _, id := range []string{"", "zz", "00", fmt.Sprintf("%064x", 1)} {
		_, err = f.queries.Request(f.ctx, &types.QueryRequestRequest{Id: id})
		require.Error(t, err)
		_, err = f.queries.Key(f.ctx, &types.QueryKeyRequest{Id: id})
		require.Error(t, err)
	}
	key, err := f.queries.Key(f.ctx, &types.QueryKeyRequest{Id: fmt.Sprintf("%x", f.keyID)})
	require.NoError(t, err)
	require.Equal(t, f.key(f.keyID), key.Key)
	_, err = f.queries.HostKey(f.ctx, &types.QueryHostKeyRequest{HostChainId: 1})
	require.Error(t, err)
}

func TestRecordsStandUnderTheirDocumentedRawKeys(t *testing.T) {
	f := lived(t)
	f.guarded(hostChain)
	f.rotate(4, 11)
	storeKey := storetypes.NewKVStoreKey(types.StoreKey)
	ctx := testutil.DefaultContextWithDB(t, storeKey, storetypes.NewTransientStoreKey("transient")).Ctx.WithBlockHeight(131)
	cdc := codec.NewProtoCodec(codectypes.NewInterfaceRegistry())
	k := keeper.NewKeeper(cdc, runtime.NewKVStoreService(storeKey), f.keeper.Authority(), f.bank, f.acl, f.parties, noiseModel)
	g := mustExport(f)
	require.NoError(t, k.InitGenesis(ctx, *g))
	store := ctx.KVStore(storeKey)
	for _, want := range g.Requests {
		var r types.Request
		require.NoError(t, r.Unmarshal(store.Get(types.StoreKeyOfRequest(want.Id))))
		require.Equal(t, want, r)
	}
	for _, want := range g.Keys {
		var key types.Key
		require.NoError(t, key.Unmarshal(store.Get(types.StoreKeyOfKey(want.Id))))
		require.Equal(t, want, key)
	}
	require.NotEmpty(t, g.Shares)
	for _, of := range g.Shares {
		for _, want := range of.Shares {
			var share types.Share
			key := binary.BigEndian.AppendUint32(append([]byte{18, 32}, of.RequestId...), want.Index)
			require.NoError(t, share.Unmarshal(store.Get(key)))
			require.Equal(t, want, share)
		}
	}
	require.Len(t, g.ItemCounters, 1)
	require.Equal(t, binary.BigEndian.AppendUint64(nil, g.ItemCounters[0].Next), store.Get(types.StoreKeyOfItemCounter(epochID)))
	require.NotEmpty(t, g.HostEpochs)
	for _, want := range g.HostEpochs {
		var epoch types.HostEpoch
		require.NoError(t, epoch.Unmarshal(store.Get(types.StoreKeyOfHostEpoch(want.HostChainId))))
		require.Equal(t, want, epoch)
	}
	require.NotEmpty(t, g.Work)
	for _, want := range g.Work {
		var work types.Work
		require.NoError(t, work.Unmarshal(store.Get(types.StoreKeyOfWork(want.Height))))
		require.Equal(t, want.Work, work)
	}
}
