// Package carrier puts a proxy before the RPC interface of a real TKMS node that lies,
// stalls or fails as it is told, for tests and for networks on one machine. What its lie
// does not touch it passes on byte by byte, event subscriptions too.
//
// It stands for the node that a party or a relayer must not have to believe. Production
// code must not import this package (a lint rule sees to that).
package carrier

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
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
)

// Lie is what a carrier changes in a real node's answers. Functions that change an answer
// report whether they did; nil ones leave it alone.
type Lie struct {
	Commit     func(*coretypes.ResultCommit) bool
	Validators func(*coretypes.ResultValidators) bool
	Query      func(*abci.ResponseQuery) bool
	// Stall says that a request is never answered. The height is 0 for the latest.
	Stall func(method string, height int64) bool
	// Fail answers a request with an error of this text, if it is not empty.
	Fail func(method string, height int64) string
	// Pace delays every answer about headers, changing nothing.
	Pace time.Duration
}

// Forge is a lie about everything that a party asks for: headers of another state, fewer
// validators, and records that are not what was proven.
func Forge() Lie {
	return Lie{
		Commit: func(r *coretypes.ResultCommit) bool {
			if r.Header == nil || len(r.AppHash) == 0 {
				return false
			}
			r.AppHash[0] ^= 1
			return true
		},
		Validators: func(r *coretypes.ResultValidators) bool {
			if len(r.Validators) < 2 {
				return false
			}
			r.Validators = r.Validators[1:]
			r.Count, r.Total = len(r.Validators), len(r.Validators)
			return true
		},
		Query: func(r *abci.ResponseQuery) bool {
			if len(r.Value) == 0 {
				return false
			}
			r.Value[len(r.Value)-1] ^= 1
			return true
		},
	}
}

// Stall is a lie that answers nothing.
func Stall() Lie { return Lie{Stall: func(string, int64) bool { return true }} }

// Carrier is a proxy before one node. It is safe for concurrent use.
type Carrier struct {
	lie    atomic.Pointer[Lie]
	told   atomic.Int64
	plain  *httputil.ReverseProxy
	server *httptest.Server
	closed chan struct{}
}

// New starts a carrier on the loopback interface before a node's RPC address, host:port.
func New(rpc string, lie Lie) *Carrier {
	target := &url.URL{Scheme: "http", Host: rpc}
	c := &Carrier{plain: httputil.NewSingleHostReverseProxy(target), closed: make(chan struct{})}
	c.lie.Store(&lie)
	c.plain.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	c.server = httptest.NewServer(c)
	return c
}

// Close ends all connections.
func (c *Carrier) Close() {
	close(c.closed)
	c.server.CloseClientConnections()
	c.server.Close()
}

// URL is where the carrier answers.
func (c *Carrier) URL() string { return c.server.URL }

// Tell replaces the lie; the empty one makes the carrier honest.
func (c *Carrier) Tell(lie Lie) { c.lie.Store(&lie) }

// Told counts the requests that were lied to, failed or left unanswered.
func (c *Carrier) Told() int64 { return c.told.Load() }

// ServeHTTP implements http.Handler.
func (c *Carrier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	lie, height := c.lie.Load(), heightOf(request.Params)
	if lie.Stall != nil && lie.Stall(request.Method, height) {
		c.told.Add(1)
		select {
		case <-r.Context().Done():
		case <-c.closed:
		}
		return
	}
	if lie.Fail != nil {
		if text := lie.Fail(request.Method, height); text != "" {
			c.told.Add(1)
			answer(w, rpctypes.RPCInternalError(request.ID, errorText(text)))
			return
		}
	}
	if request.Method == "commit" {
		time.Sleep(lie.Pace)
	}
	forward := r.Clone(r.Context())
	forward.Body = io.NopCloser(bytes.NewReader(body))
	if !lie.touches(request.Method) {
		c.plain.ServeHTTP(w, forward)
		return
	}
	recorded := httptest.NewRecorder()
	c.plain.ServeHTTP(recorded, forward)
	raw := recorded.Body.Bytes()
	if changed, ok := lie.change(request.Method, raw); ok {
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

func (l *Lie) touches(method string) bool {
	switch method {
	case "commit":
		return l.Commit != nil
	case "validators":
		return l.Validators != nil
	case "abci_query":
		return l.Query != nil
	}
	return false
}

// change returns the answer that the lie makes of a node's; false if it leaves that as it is.
func (l *Lie) change(method string, raw []byte) (rpctypes.RPCResponse, bool) {
	var response rpctypes.RPCResponse
	if json.Unmarshal(raw, &response) != nil || response.Error != nil {
		return response, false
	}
	switch method {
	case "commit":
		return changed(response, l.Commit)
	case "validators":
		return changed(response, l.Validators)
	default:
		return changed(response, func(result *coretypes.ResultABCIQuery) bool { return l.Query(&result.Response) })
	}
}

func changed[T any](response rpctypes.RPCResponse, change func(*T) bool) (rpctypes.RPCResponse, bool) {
	result := new(T)
	if cmtjson.Unmarshal(response.Result, result) != nil || !change(result) {
		return response, false
	}
	return rpctypes.NewRPCSuccessResponse(response.ID, result), true
}
