package network_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"

	"github.com/tkms-network/tkms/enclave/lightclient"
)

// lie is what a carrier changes in a real node's answers. Functions that change an answer report whether
// they did; nil ones leave it alone.
type lie struct {
	commit     func(*coretypes.ResultCommit) bool
	validators func(*coretypes.ResultValidators) bool
	query      func(*abci.ResponseQuery) bool
	// stall says that a request is never answered. The height is 0 for the latest.
	stall func(method string, height int64) bool
	// fail answers a request with an error of this text, if it is not empty.
	fail func(method string, height int64) string
	// pace delays every answer about headers, changing nothing.
	pace time.Duration
}

// carrier is an HTTP reverse proxy before the RPC interface of a real node. It passes on, byte by byte, all
// that its lie does not change, event subscriptions too.
type carrier struct {
	lie    lie
	told   atomic.Int64
	target *url.URL
	plain  *httputil.ReverseProxy
	server *httptest.Server
	closed chan struct{}
}

func carry(t *testing.T, rpc string, l lie) *carrier {
	t.Helper()
	target, err := url.Parse("http://" + rpc)
	require.NoError(t, err)
	c := &carrier{lie: l, target: target, plain: httputil.NewSingleHostReverseProxy(target), closed: make(chan struct{})}
	c.plain.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	c.server = httptest.NewServer(c)
	t.Cleanup(func() {
		close(c.closed)
		c.server.CloseClientConnections()
		c.server.Close()
	})
	return c
}

// node is how a light client reaches the carrier.
func (c *carrier) node(t *testing.T) lightclient.Node {
	t.Helper()
	node, err := lightclient.HTTP(c.server.URL)
	require.NoError(t, err)
	return node
}

func (c *carrier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		c.plain.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var request rpctypes.RPCRequest
	if err := json.Unmarshal(body, &request); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	height := heightOf(request.Params)
	if c.lie.stall != nil && c.lie.stall(request.Method, height) {
		c.told.Add(1)
		select {
		case <-r.Context().Done():
		case <-c.closed:
		}
		return
	}
	if c.lie.fail != nil {
		if text := c.lie.fail(request.Method, height); text != "" {
			c.told.Add(1)
			answer(w, rpctypes.RPCInternalError(request.ID, errorText(text)))
			return
		}
	}
	if request.Method == "commit" {
		time.Sleep(c.lie.pace)
	}
	forward := r.Clone(r.Context())
	forward.Body = io.NopCloser(bytes.NewReader(body))
	if !c.lies(request.Method) {
		c.plain.ServeHTTP(w, forward)
		return
	}
	recorded := httptest.NewRecorder()
	c.plain.ServeHTTP(recorded, forward)
	raw := recorded.Body.Bytes()
	if changed, ok := c.change(request.Method, raw); ok {
		c.told.Add(1)
		answer(w, changed)
		return
	}
	w.WriteHeader(recorded.Code)
	_, _ = w.Write(raw)
}

type errorText string

func (e errorText) Error() string { return string(e) }

func answer(w http.ResponseWriter, response rpctypes.RPCResponse) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(response)
}

// heightOf is the height that a request names, 0 if it names none.
func heightOf(params json.RawMessage) int64 {
	var named struct {
		Height string `json:"height"`
	}
	if json.Unmarshal(params, &named) != nil {
		return 0
	}
	height, _ := strconv.ParseInt(named.Height, 10, 64)
	return height
}

func (c *carrier) lies(method string) bool {
	switch method {
	case "commit":
		return c.lie.commit != nil
	case "validators":
		return c.lie.validators != nil
	case "abci_query":
		return c.lie.query != nil
	}
	return false
}

// change returns the answer that the lie makes of a node's; false if it leaves that as it is.
func (c *carrier) change(method string, raw []byte) (rpctypes.RPCResponse, bool) {
	var response rpctypes.RPCResponse
	if json.Unmarshal(raw, &response) != nil || response.Error != nil {
		return response, false
	}
	switch method {
	case "commit":
		return changed(response, c.lie.commit)
	case "validators":
		return changed(response, c.lie.validators)
	default:
		return changed(response, func(result *coretypes.ResultABCIQuery) bool { return c.lie.query(&result.Response) })
	}
}

func changed[T any](response rpctypes.RPCResponse, change func(*T) bool) (rpctypes.RPCResponse, bool) {
	result := new(T)
	if cmtjson.Unmarshal(response.Result, result) != nil || !change(result) {
		return response, false
	}
	return rpctypes.NewRPCSuccessResponse(response.ID, result), true
}
