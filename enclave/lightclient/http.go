package lightclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	cmtbytes "github.com/cometbft/cometbft/libs/bytes"
	"github.com/cometbft/cometbft/proto/tendermint/crypto"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	jsonrpcclient "github.com/cometbft/cometbft/rpc/jsonrpc/client"
	"github.com/cometbft/cometbft/types"
)

// Bounds of what a node may answer.
const (
	maxResponse   = 4 << 20
	maxValidators = 1000
	pageSize      = 100
)

type httpNode struct {
	address string
	client  *rpchttp.HTTP
	caller  *jsonrpcclient.Client
}

// HTTP is a Node reached through CometBFT's JSON-RPC at an address such as
// http://host:26657.
func HTTP(address string) (Node, error) {
	plain, err := jsonrpcclient.DefaultHTTPClient(address)
	if err != nil {
		return nil, fmt.Errorf("%w: node %q: %w", ErrConfig, address, err)
	}
	if transport, ok := plain.Transport.(*http.Transport); ok {
		// Keep connections: a new one costs as much as several requests.
		transport.MaxIdleConnsPerHost = 16
		transport.DisableCompression = true
	}
	plain.Transport = boundedTransport{plain.Transport}
	client, err := rpchttp.NewWithClient(address, "/websocket", plain)
	if err != nil {
		return nil, fmt.Errorf("%w: node %q: %w", ErrConfig, address, err)
	}
	caller, err := jsonrpcclient.NewWithHTTPClient(address, plain)
	if err != nil {
		return nil, fmt.Errorf("%w: node %q: %w", ErrConfig, address, err)
	}
	return &httpNode{address: address, client: client, caller: caller}, nil
}

// boundedTransport cuts responses off after maxResponse bytes: the JSON-RPC
// client reads them whole.
type boundedTransport struct{ http.RoundTripper }

func (t boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxResponse}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

var errTooLong = errors.New("response is too long")

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Name implements Node.
func (n *httpNode) Name() string { return n.address }

// failed wraps an error of the RPC client. Nodes tell a height of the future from
// other failures by text only; taking one for the other costs a retry.
func (n *httpNode) failed(err error) error {
	text := err.Error()
	if strings.Contains(text, "must be less than or equal to") || strings.Contains(text, "could not find results for height") {
		return ErrNotYet
	}
	return fmt.Errorf("%w: %s: %w", ErrNode, n.address, err)
}

// SignedHeader implements Node.
func (n *httpNode) SignedHeader(ctx context.Context, height int64) (*types.SignedHeader, error) {
	var at *int64
	if height > 0 {
		at = &height
	}
	result, err := n.client.Commit(ctx, at)
	if err != nil {
		return nil, n.failed(err)
	}
	if result.Header == nil || result.Commit == nil {
		return nil, ErrNotYet
	}
	return &result.SignedHeader, nil
}

// Validators implements Node.
func (n *httpNode) Validators(ctx context.Context, height int64) (*types.ValidatorSet, error) {
	var all []*types.Validator
	perPage := pageSize
	for page := 1; ; page++ {
		result, err := n.client.Validators(ctx, &height, &page, &perPage)
		if err != nil {
			return nil, n.failed(err)
		}
		all = append(all, result.Validators...)
		if len(result.Validators) == 0 || len(result.Validators) > pageSize || result.Total < len(all) || result.Total > maxValidators {
			return nil, fmt.Errorf("%w: validator set is not paged as it says", ErrBadHeader)
		}
		if len(all) == result.Total {
			break
		}
	}
	for _, v := range all {
		if v == nil || v.ValidateBasic() != nil {
			return nil, fmt.Errorf("%w: malformed validator", ErrBadHeader)
		}
	}
	set, err := types.ValidatorSetFromExistingValidators(all)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadHeader, err)
	}
	return set, nil
}

// Prove implements Node.
func (n *httpNode) Prove(ctx context.Context, store string, key []byte, height int64) (*Proof, error) {
	r, err := n.query(ctx, "/store/"+store+"/key", key, height, true)
	if err != nil {
		return nil, err
	}
	if r.Code != 0 {
		if strings.Contains(r.Log, "proof is unexpectedly empty") || strings.Contains(r.Log, "version does not exist") {
			return nil, fmt.Errorf("%w: %s", ErrNotYet, r.Log)
		}
		return nil, fmt.Errorf("%w: %s: query failed with code %d: %s", ErrNode, n.address, r.Code, r.Log)
	}
	return &Proof{Height: r.Height, Value: r.Value, Ops: r.ProofOps.Ops}, nil
}

// Query implements Node.
func (n *httpNode) Query(ctx context.Context, path string, data []byte, height int64) ([]byte, int64, error) {
	r, err := n.query(ctx, path, data, height, false)
	if err != nil {
		return nil, 0, err
	}
	if r.Code != 0 {
		return nil, 0, fmt.Errorf("%w: %s: query failed with code %d: %s", ErrNode, n.address, r.Code, r.Log)
	}
	return r.Value, r.Height, nil
}

// queried is what is read of the answer to a query. CometBFT's own type is decoded by
// reflection over protobuf messages, which takes several times as long: a party spent a
// fifth of its time there.
type queried struct {
	Code     uint32 `json:"code"`
	Log      string `json:"log"`
	Value    []byte `json:"value"`
	Height   int64  `json:"height,string"`
	ProofOps struct {
		Ops []crypto.ProofOp `json:"ops"`
	} `json:"proofOps"`
}

// queryResult has a decoder of its own because CometBFT's JSON would reflect over it.
type queryResult struct{ response queried }

// UnmarshalJSON implements json.Unmarshaler.
func (r *queryResult) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &struct {
		Response *queried `json:"response"`
	}{&r.response})
}

func (n *httpNode) query(ctx context.Context, path string, data []byte, height int64, prove bool) (*queried, error) {
	result := new(queryResult)
	arguments := map[string]any{"path": path, "data": cmtbytes.HexBytes(data), "height": height, "prove": prove}
	if _, err := n.caller.Call(ctx, "abci_query", arguments, result); err != nil {
		return nil, n.failed(err)
	}
	return &result.response, nil
}

// BroadcastTx implements Node.
func (n *httpNode) BroadcastTx(ctx context.Context, tx []byte) (*BroadcastResult, error) {
	result, err := n.client.BroadcastTxSync(ctx, tx)
	if err != nil {
		return nil, n.failed(err)
	}
	return &BroadcastResult{Hash: result.Hash, Code: result.Code, Codespace: result.Codespace, Log: result.Log}, nil
}

// subscriber names the subscription; it is per connection.
const subscriber = "tkms-party"

// watchSilence is after how long without an event a subscription counts as dead:
// the client redials a broken connection unseen, and late.
const watchSilence = 10 * time.Second

// Watch implements Node. It uses a connection of its own each time: the client's
// resubscription says nothing of the blocks missed, and does not end with ctx.
func (n *httpNode) Watch(ctx context.Context, wake func(height int64)) error {
	client, err := rpchttp.New(n.address, "/websocket")
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNode, n.address, err)
	}
	started := make(chan error, 1)
	go func() { started <- client.Start() }() // dials, and knows no context
	select {
	case err := <-started:
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrNode, n.address, err)
		}
	case <-ctx.Done():
		go func() {
			if <-started == nil {
				_ = client.Stop()
			}
		}()
		return ctx.Err()
	}
	defer func() { _ = client.Stop() }()
	events, err := client.Subscribe(ctx, subscriber, types.EventQueryNewBlockHeader.String(), 16)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNode, n.address, err)
	}
	wake(0)
	silence := time.NewTimer(watchSilence)
	defer silence.Stop()
	for {
		select {
		case <-silence.C:
			return fmt.Errorf("%w: %s: no event for %v", ErrNode, n.address, watchSilence)
		case <-ctx.Done():
			return ctx.Err()
		case <-client.Quit():
			return fmt.Errorf("%w: %s: event subscription ended", ErrNode, n.address)
		case event, ok := <-events:
			if !ok {
				return fmt.Errorf("%w: %s: event subscription ended", ErrNode, n.address)
			}
			silence.Reset(watchSilence)
			if header, ok := event.Data.(types.EventDataNewBlockHeader); ok {
				wake(header.Header.Height)
			} else {
				wake(0)
			}
		}
	}
}
