package lightclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/crypto/tmhash"
	cmtbytes "github.com/cometbft/cometbft/libs/bytes"
	"github.com/cometbft/cometbft/libs/log"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmtversion "github.com/cometbft/cometbft/proto/tendermint/version"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	rpcserver "github.com/cometbft/cometbft/rpc/jsonrpc/server"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	"github.com/cometbft/cometbft/types"
	"github.com/cometbft/cometbft/version"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	sdklog "cosmossdk.io/log/v2"
	"github.com/cosmos/cosmos-sdk/store/v2/rootmulti"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
)

const testChain = "tkms-test"

var genesisTime = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// chain is a synthetic chain: real headers, signatures and merkle stores, no
// consensus.
type chain struct {
	t       testing.TB
	mu      sync.Mutex
	keys    map[string]ed25519.PrivKey
	sets    map[int64]*types.ValidatorSet
	headers map[int64]*types.SignedHeader
	height  int64
	store   *rootmulti.Store
	kms     storetypes.StoreKey
	acl     storetypes.StoreKey
	grown   chan struct{}
	txs     [][]byte
}

func (c *chain) newValidator(seed byte) *types.Validator {
	key := ed25519.GenPrivKeyFromSecret([]byte{seed})
	c.keys[key.PubKey().Address().String()] = key
	return types.NewValidator(key.PubKey(), 10)
}

func newChain(t testing.TB) *chain {
	c := &chain{
		t: t, keys: map[string]ed25519.PrivKey{}, sets: map[int64]*types.ValidatorSet{}, headers: map[int64]*types.SignedHeader{},
		store: rootmulti.NewStore(dbm.NewMemDB(), sdklog.NewNopLogger()),
		kms:   storetypes.NewKVStoreKey("kms"), acl: storetypes.NewKVStoreKey("acl"), grown: make(chan struct{}),
	}
	c.store.MountStoreWithDB(c.kms, storetypes.StoreTypeIAVL, nil)
	c.store.MountStoreWithDB(c.acl, storetypes.StoreTypeIAVL, nil)
	require.NoError(t, c.store.LoadLatestVersion())
	var validators []*types.Validator
	for i := range byte(4) {
		validators = append(validators, c.newValidator(i))
	}
	set := types.NewValidatorSet(validators)
	c.sets[1], c.sets[2] = set, set
	c.set("acl", "always", "there")
	c.produce(3)
	return c
}

func (c *chain) set(store, key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := c.kms
	if store == "acl" {
		name = c.acl
	}
	c.store.GetKVStore(name).Set([]byte(key), []byte(value))
}

func timeOf(height int64) time.Time { return genesisTime.Add(time.Duration(height) * time.Second) }

// header is the next header; the caller may change it before it is signed.
func (c *chain) header(height int64) *types.Header {
	h := &types.Header{
		Version: cmtversion.Consensus{Block: version.BlockProtocol}, ChainID: testChain, Height: height, Time: timeOf(height),
		ValidatorsHash: c.sets[height].Hash(), NextValidatorsHash: c.sets[height+1].Hash(), AppHash: c.store.LastCommitID().Hash,
		ConsensusHash: tmhash.Sum([]byte("consensus")), LastResultsHash: tmhash.Sum(nil), DataHash: tmhash.Sum(nil), LastCommitHash: tmhash.Sum(nil),
		EvidenceHash: tmhash.Sum(nil), ProposerAddress: c.sets[height].Validators[0].Address,
	}
	if last := c.headers[height-1]; last != nil {
		h.LastBlockID = last.Commit.BlockID
	}
	return h
}

// sign makes a commit by the first signers of the set.
func (c *chain) sign(h *types.Header, set *types.ValidatorSet, signers int) *types.SignedHeader {
	id := types.BlockID{Hash: h.Hash(), PartSetHeader: types.PartSetHeader{Total: 1, Hash: tmhash.Sum(h.Hash())}}
	commit := &types.Commit{Height: h.Height, BlockID: id}
	for i, v := range set.Validators {
		if i >= signers {
			commit.Signatures = append(commit.Signatures, types.NewCommitSigAbsent())
			continue
		}
		vote := &types.Vote{
			Type: cmtproto.PrecommitType, Height: h.Height, BlockID: id, Timestamp: h.Time,
			ValidatorAddress: v.Address, ValidatorIndex: int32(i),
		}
		signature, err := c.keys[v.Address.String()].Sign(types.VoteSignBytes(h.ChainID, vote.ToProto()))
		require.NoError(c.t, err)
		vote.Signature = signature
		commit.Signatures = append(commit.Signatures, vote.CommitSig())
	}
	return &types.SignedHeader{Header: h, Commit: commit}
}

// produce adds blocks, each changing one key.
func (c *chain) produce(blocks int) {
	for range blocks {
		c.mu.Lock()
		c.height++
		if c.sets[c.height+1] == nil {
			c.sets[c.height+1] = c.sets[c.height]
		}
		c.headers[c.height] = c.sign(c.header(c.height), c.sets[c.height], 3)
		c.store.GetKVStore(c.kms).Set([]byte("height"), fmt.Appendf(nil, "state after %d", c.height))
		c.store.GetKVStore(c.kms).Set(fmt.Appendf(nil, "key %d", c.height), []byte("x"))
		c.store.Commit()
		close(c.grown)
		c.grown = make(chan struct{})
		c.mu.Unlock()
	}
}

// rotate replaces one validator from the height after next on.
func (c *chain) rotate(seed byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.sets[c.height+1]
	validators := append([]*types.Validator{c.newValidator(seed)}, old.Copy().Validators[1:]...)
	c.sets[c.height+2] = types.NewValidatorSet(validators)
}

func (c *chain) latest() (int64, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.height, c.grown
}

// rpcNode serves a chain over JSON-RPC and lies where its hooks say so.
type rpcNode struct {
	chain      *chain
	server     *httptest.Server
	commit     func(*types.SignedHeader) *types.SignedHeader
	validators func(height int64, set []*types.Validator) []*types.Validator
	query      func(*abci.ResponseQuery)
	paused     atomic.Bool
	resume     chan struct{}
	commits    atomic.Int64
}

func serve(t testing.TB, c *chain, events bool, lie func(*rpcNode)) *rpcNode {
	n := &rpcNode{chain: c, resume: make(chan struct{})}
	if lie != nil {
		lie(n)
	}
	functions := map[string]*rpcserver.RPCFunc{
		"commit":            rpcserver.NewRPCFunc(n.onCommit, "height"),
		"validators":        rpcserver.NewRPCFunc(n.onValidators, "height,page,per_page"),
		"abci_query":        rpcserver.NewRPCFunc(n.onQuery, "path,data,height,prove"),
		"broadcast_tx_sync": rpcserver.NewRPCFunc(n.onBroadcast, "tx"),
	}
	mux := http.NewServeMux()
	rpcserver.RegisterRPCFuncs(mux, functions, log.NewNopLogger())
	if events {
		manager := rpcserver.NewWebsocketManager(map[string]*rpcserver.RPCFunc{"subscribe": rpcserver.NewWSRPCFunc(n.onSubscribe, "query")})
		mux.HandleFunc("/websocket", manager.WebsocketHandler)
	}
	n.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.paused.Load() {
			select {
			case <-n.resume:
			case <-r.Context().Done():
			}
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(n.server.Close)
	t.Cleanup(n.server.CloseClientConnections)
	return n
}

func (n *rpcNode) node(t testing.TB) Node {
	t.Helper()
	node, err := HTTP(n.server.URL)
	require.NoError(t, err)
	return node
}

func (n *rpcNode) onCommit(_ *rpctypes.Context, height *int64) (*ctypes.ResultCommit, error) {
	n.commits.Add(1)
	n.chain.mu.Lock()
	at := n.chain.height
	if height != nil {
		at = *height
	}
	header := n.chain.headers[at]
	latest := n.chain.height
	n.chain.mu.Unlock()
	if n.commit != nil {
		if at > latest {
			header = nil
		}
		if header = n.commit(header); header == nil {
			return nil, errors.New("height must be less than or equal to the current blockchain height")
		}
		return ctypes.NewResultCommit(header.Header, header.Commit, true), nil
	}
	if header == nil {
		return nil, fmt.Errorf("height %d must be less than or equal to the current blockchain height %d", at, latest)
	}
	return ctypes.NewResultCommit(header.Header, header.Commit, true), nil
}

func (n *rpcNode) onValidators(_ *rpctypes.Context, height *int64, page, perPage *int) (*ctypes.ResultValidators, error) {
	n.chain.mu.Lock()
	defer n.chain.mu.Unlock()
	set := n.chain.sets[*height]
	if set == nil {
		return nil, errors.New("height must be less than or equal to the current blockchain height")
	}
	all := set.Copy().Validators
	if n.validators != nil {
		all = n.validators(*height, all)
	}
	from := (*page - 1) * *perPage
	part := all[min(from, len(all)):min(from+*perPage, len(all))]
	return &ctypes.ResultValidators{BlockHeight: *height, Validators: part, Count: len(part), Total: len(all)}, nil
}

func (n *rpcNode) onQuery(_ *rpctypes.Context, path string, data cmtbytes.HexBytes, height int64, prove bool) (*ctypes.ResultABCIQuery, error) {
	if path == "/hello" {
		return &ctypes.ResultABCIQuery{Response: abci.ResponseQuery{Value: append([]byte("hello "), data...)}}, nil
	}
	n.chain.mu.Lock()
	defer n.chain.mu.Unlock()
	result, err := n.chain.store.Query(&storetypes.RequestQuery{Path: path[len("/store"):], Data: data, Height: height, Prove: prove})
	if err != nil {
		return &ctypes.ResultABCIQuery{Response: abci.ResponseQuery{Code: 1, Log: err.Error()}}, nil
	}
	response := abci.ResponseQuery{Code: result.Code, Log: result.Log, Key: result.Key, Value: result.Value, ProofOps: result.ProofOps, Height: result.Height}
	if n.query != nil {
		n.query(&response)
	}
	return &ctypes.ResultABCIQuery{Response: response}, nil
}

func (n *rpcNode) onBroadcast(_ *rpctypes.Context, tx types.Tx) (*ctypes.ResultBroadcastTx, error) {
	n.chain.mu.Lock()
	defer n.chain.mu.Unlock()
	n.chain.txs = append(n.chain.txs, tx)
	return &ctypes.ResultBroadcastTx{Hash: tx.Hash(), Code: uint32(len(tx) % 2), Log: "odd"}, nil
}

func (n *rpcNode) onSubscribe(ctx *rpctypes.Context, query string) (*ctypes.ResultSubscribe, error) {
	connection, id := ctx.WSConn, ctx.JSONReq.ID
	go func() {
		_, grown := n.chain.latest()
		for {
			select {
			case <-grown:
			case <-connection.Context().Done():
				return
			}
			var height int64
			height, grown = n.chain.latest()
			n.chain.mu.Lock()
			header := *n.chain.headers[height].Header
			n.chain.mu.Unlock()
			event := &ctypes.ResultEvent{Query: query, Data: types.EventDataNewBlockHeader{Header: header}}
			wait, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = connection.WriteRPCResponse(wait, rpctypes.NewRPCSuccessResponse(id, event))
			cancel()
		}
	}()
	return &ctypes.ResultSubscribe{}, nil
}

func queryFor(store, key string, height int64) *storetypes.RequestQuery {
	return &storetypes.RequestQuery{Path: "/" + store + "/key", Data: []byte(key), Height: height, Prove: true}
}
