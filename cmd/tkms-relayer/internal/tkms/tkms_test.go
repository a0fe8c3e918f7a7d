package tkms_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"cosmossdk.io/math"

	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

// node answers CometBFT's JSON-RPC over HTTP, without websocket.
type node struct {
	mu      sync.Mutex
	height  int64
	time    time.Time
	asked   map[string]int
	answers map[string]proto.Message // by query path; none: not found
	txs     [][]byte
	refusal *client.TxError // of the next transactions, in the mempool
	cached  bool            // says that it has the transaction already
	results map[string]uint32
}

func newNode(t *testing.T) (*node, string) {
	t.Helper()
	n := &node{
		height: 5, time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), asked: map[string]int{}, results: map[string]uint32{},
		answers: map[string]proto.Message{
			"/tkms.poa.v1.Query/Params": &poatypes.QueryParamsResponse{Params: poatypes.Params{
				MinGasPrice: sdk.NewDecCoinFromDec("utkms", math.LegacyMustNewDecFromStr("0.01"))}},
			"/cosmos.auth.v1beta1.Query/AccountInfo": &authtypes.QueryAccountInfoResponse{Info: &authtypes.BaseAccount{AccountNumber: 9}},
			"/tkms.acl.v1.Query/HostChain":           &acltypes.QueryHostChainResponse{HostChain: acltypes.HostChain{Id: 31337}},
			"/tkms.kms.v1.Query/HostKey":             &kmstypes.QueryHostKeyResponse{Key: kmstypes.Key{Id: []byte{1}}},
			"/tkms.kms.v1.Query/Request":             &kmstypes.QueryRequestResponse{Request: kmstypes.Request{Attempt: 3}},
		},
	}
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	return n, server.URL
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params struct {
			Path string `json:"path"`
			Tx   []byte `json:"tx"`
			Hash []byte `json:"hash"`
		} `json:"params"`
	}
	if json.NewDecoder(r.Body).Decode(&call) != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	name := call.Method
	if name == "abci_query" {
		name = call.Params.Path
	}
	n.asked[name]++
	result, failure := n.answer(call.Method, call.Params.Path, call.Params.Tx, call.Params.Hash)
	if failure != "" {
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"Internal error","data":%q}}`, call.ID, failure)
		return
	}
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, call.ID, result)
}

func (n *node) answer(method, path string, tx, hash []byte) (result, failure string) {
	switch method {
	case "status":
		return fmt.Sprintf(`{"node_info":{"network":"tkms-test-1"},"sync_info":{"latest_block_height":"%d","latest_block_time":%q}}`, n.height, n.time.Format(time.RFC3339Nano)), ""
	case "abci_query":
		message := n.answers[path]
		if message == nil {
			return fmt.Sprintf(`{"response":{"code":%d,"codespace":"sdk","log":"not found"}}`, sdkerrors.ErrKeyNotFound.ABCICode()), ""
		}
		raw, err := proto.Marshal(message)
		if err != nil {
			return "", err.Error()
		}
		return fmt.Sprintf(`{"response":{"value":%q}}`, base64.StdEncoding.EncodeToString(raw)), ""
	case "broadcast_tx_sync":
		if n.cached {
			return "", "tx already exists in cache"
		}
		n.txs = append(n.txs, tx)
		answer := fmt.Sprintf(`{"hash":"%X"`, cmttypes.Tx(tx).Hash())
		if n.refusal != nil {
			answer += fmt.Sprintf(`,"codespace":%q,"code":%d`, n.refusal.Codespace, n.refusal.Code)
		}
		return answer + "}", ""
	case "tx":
		code, ok := n.results[string(hash)]
		if !ok {
			return "", fmt.Sprintf("tx (%X) not found", hash)
		}
		return fmt.Sprintf(`{"height":"3","tx_result":{"code":%d,"codespace":"acl"}}`, code), ""
	}
	return "", "unknown method " + method
}

func (n *node) count(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[method]
}

// open returns a chain over nodes, with a watch that runs.
func open(t *testing.T, urls ...string) (context.Context, *tkms.Chain) {
	t.Helper()
	nodes, err := tkms.NewNodes(urls)
	require.NoError(t, err)
	watch := tkms.NewWatch(nodes, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	done := make(chan struct{})
	go func() { defer close(done); watch.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return ctx, tkms.New(nodes, watch, secp256k1.GenPrivKeyFromSecret([]byte("alice")))
}

// decode reads a transaction that a node got.
func decode(t *testing.T, raw []byte) (body txtypes.TxBody, auth txtypes.AuthInfo) {
	t.Helper()
	var tx txtypes.TxRaw
	require.NoError(t, proto.Unmarshal(raw, &tx))
	require.NoError(t, proto.Unmarshal(tx.BodyBytes, &body))
	require.NoError(t, proto.Unmarshal(tx.AuthInfoBytes, &auth))
	return body, auth
}

func TestANodeThatDoesNotAnswerIsLeftForTheNext(t *testing.T) {
	n, url := newNode(t)
	ctx, chain := open(t, "http://127.0.0.1:1", url)
	request, err := chain.Request(ctx, make([]byte, 32))
	require.NoError(t, err)
	require.EqualValues(t, 3, request.Attempt)
	head, err := chain.Wait(ctx, 0)
	require.NoError(t, err)
	require.EqualValues(t, 5, head.Height)
	require.True(t, head.Time.Equal(n.time))
}

func TestNoNodeAtAllIsNamed(t *testing.T) {
	ctx, chain := open(t, "http://127.0.0.1:1", "http://127.0.0.1:2")
	_, err := chain.Request(ctx, make([]byte, 32))
	require.ErrorIs(t, err, tkms.ErrNoNode)
	_, err = tkms.NewNodes(nil)
	require.Error(t, err)
}

func TestARefusalIsAnAnswerAndNoOtherNodeIsAsked(t *testing.T) {
	first, firstURL := newNode(t)
	second, secondURL := newNode(t)
	first.answers = nil
	ctx, chain := open(t, firstURL, secondURL)
	_, err := chain.Request(ctx, make([]byte, 32))
	require.ErrorIs(t, err, client.ErrNotFound)
	require.ErrorIs(t, err, client.ErrQuery)
	require.Zero(t, second.count("/tkms.kms.v1.Query/Request"))
}

func TestTransactionsAreUnorderedAndNeverShareATimeout(t *testing.T) {
	n, url := newNode(t)
	ctx, chain := open(t, url)
	msg := &kmstypes.MsgRequestPublicDecryption{Requester: chain.Address().String()}
	_, err := chain.Send(ctx, 1000, msg)
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 49 {
		group.Go(func() {
			if _, err := chain.Send(ctx, 1000, msg); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	seen := map[int64]bool{}
	for _, raw := range n.txs {
		body, auth := decode(t, raw)
		require.True(t, body.Unordered)
		require.Equal(t, "10utkms", auth.Fee.Amount.String())
		require.False(t, seen[body.TimeoutTimestamp.UnixNano()])
		seen[body.TimeoutTimestamp.UnixNano()] = true
		require.LessOrEqual(t, body.TimeoutTimestamp.Sub(n.time), 2*time.Minute, "far below the ten minutes that the chain allows")
	}
	require.Len(t, seen, 50)
	require.Equal(t, 1, n.count("/cosmos.auth.v1beta1.Query/AccountInfo"))
}

func TestARefusalOfTheMempoolKeepsItsCode(t *testing.T) {
	n, url := newNode(t)
	n.refusal = &client.TxError{Codespace: "sdk", Code: 20}
	ctx, chain := open(t, url)
	_, err := chain.Send(ctx, 1, &kmstypes.MsgRequestPublicDecryption{})
	var refused *client.TxError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "sdk/20", refused.Name())
}

func TestATransactionThatTheMempoolHasIsAccepted(t *testing.T) {
	n, url := newNode(t)
	n.cached = true
	ctx, chain := open(t, url)
	sent, err := chain.Send(ctx, 1, &kmstypes.MsgRequestPublicDecryption{})
	require.NoError(t, err)
	require.Len(t, sent.Hash, 32)
}

func TestAnAccountThatTheChainDoesNotKnowIsNamed(t *testing.T) {
	n, url := newNode(t)
	delete(n.answers, "/cosmos.auth.v1beta1.Query/AccountInfo")
	ctx, chain := open(t, url)
	_, err := chain.Send(ctx, 1, &kmstypes.MsgRequestPublicDecryption{})
	require.ErrorIs(t, err, tkms.ErrNoAccount)
	require.ErrorContains(t, err, chain.Address().String())
}

func TestInclusionTellsMissingFailedAndGoodApart(t *testing.T) {
	n, url := newNode(t)
	n.results["good"], n.results["failed"] = 0, 17
	ctx, chain := open(t, url)
	included, err := chain.Included(ctx, []byte("missing"))
	require.NoError(t, err)
	require.False(t, included)
	included, err = chain.Included(ctx, []byte("good"))
	require.NoError(t, err)
	require.True(t, included)
	included, err = chain.Included(ctx, []byte("failed"))
	var refused *client.TxError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "acl/17", refused.Name())
	require.True(t, included)
}

func TestRecordsAreRememberedUntilTheyAreForgotten(t *testing.T) {
	n, url := newNode(t)
	ctx, chain := open(t, url)
	for range 3 {
		records, err := chain.Records(ctx, 31337)
		require.NoError(t, err)
		require.Equal(t, []byte{1}, records.Key.Id)
	}
	require.Equal(t, 1, n.count("/tkms.kms.v1.Query/HostKey"))
	chain.Forget()
	delete(n.answers, "/tkms.kms.v1.Query/HostKey")
	_, err := chain.Records(ctx, 31337)
	require.ErrorIs(t, err, client.ErrNotFound)
}

func TestTheHeadIsPolledWhileThereIsNoWebsocket(t *testing.T) {
	n, url := newNode(t)
	ctx, chain := open(t, url)
	for height := int64(5); height < 8; height++ {
		head, err := chain.Wait(ctx, height-1)
		require.NoError(t, err)
		require.Equal(t, height, head.Height)
		n.mu.Lock()
		n.height++
		n.mu.Unlock()
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err := chain.Wait(ended, 1000)
	require.ErrorIs(t, err, context.Canceled)
}
