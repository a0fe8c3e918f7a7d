package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	rpcclient "github.com/cometbft/cometbft/rpc/client"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	jsonrpc "github.com/cometbft/cometbft/rpc/jsonrpc/client"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/gogoproto/proto"
)

// pollInterval is how often an answer is looked for; well below a block.
const pollInterval = 15 * time.Millisecond

// idleConnections is how many connections to a node are kept for further calls.
const idleConnections = 64

// ErrQuery reports a query that the node refused.
var ErrQuery = errors.New("query refused")

// TxError is the chain's refusal of a transaction.
type TxError struct {
	// Codespace and Code are stable; Log is for people.
	Codespace string
	Code      uint32
	Log       string
}

// Error implements error.
func (e *TxError) Error() string { return fmt.Sprintf("%s/%d: %s", e.Codespace, e.Code, e.Log) }

// Name is the refusal's stable name, codespace and code.
func (e *TxError) Name() string { return fmt.Sprintf("%s/%d", e.Codespace, e.Code) }

// Client reads from and writes to one node. It is safe for concurrent use.
type Client struct {
	rpc *rpchttp.HTTP
}

// Dial returns a client of the node with an RPC address such as
// http://127.0.0.1:26657. It does not connect yet.
func Dial(address string) (*Client, error) {
	plain, err := jsonrpc.DefaultHTTPClient(address)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", address, err)
	}
	if transport, ok := plain.Transport.(*http.Transport); ok {
		// Two are kept by default: of many callers most would make a new one each time.
		transport.MaxIdleConnsPerHost = idleConnections
	}
	rpc, err := rpchttp.NewWithClient(address, "/websocket", plain)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", address, err)
	}
	return &Client{rpc: rpc}, nil
}

// RPC returns the CometBFT client.
func (c *Client) RPC() *rpchttp.HTTP { return c.rpc }

// Query calls a gRPC method through the application query, at the latest height.
func (c *Client) Query(ctx context.Context, method string, request, response proto.Message) error {
	encoded, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	answer, err := c.rpc.ABCIQueryWithOptions(ctx, method, encoded, rpcclient.ABCIQueryOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if answer.Response.Code != 0 {
		return &QueryError{Method: method, Codespace: answer.Response.Codespace, Code: answer.Response.Code, Log: answer.Response.Log}
	}
	return proto.Unmarshal(answer.Response.Value, response)
}

// Account returns an account's number and sequence.
func (c *Client) Account(ctx context.Context, address sdk.AccAddress) (number, sequence uint64, err error) {
	var response authtypes.QueryAccountInfoResponse
	if err := c.Query(ctx, "/cosmos.auth.v1beta1.Query/AccountInfo", &authtypes.QueryAccountInfoRequest{Address: address.String()}, &response); err != nil {
		return 0, 0, err
	}
	return response.Info.AccountNumber, response.Info.Sequence, nil
}

// Broadcast hands a transaction to the mempool and returns its hash, or a
// TxError if the mempool refuses it.
func (c *Client) Broadcast(ctx context.Context, tx []byte) ([]byte, error) {
	answer, err := c.rpc.BroadcastTxSync(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("broadcast: %w", err)
	}
	if answer.Code != 0 {
		return nil, &TxError{Codespace: answer.Codespace, Code: answer.Code, Log: answer.Log}
	}
	return answer.Hash, nil
}

// Wait returns the result of a transaction once it is in a block, and a TxError
// with it if it failed there.
func (c *Client) Wait(ctx context.Context, hash []byte) (*coretypes.ResultTx, error) {
	for {
		result, err := c.rpc.Tx(ctx, hash, false)
		if err == nil {
			if result.TxResult.Code != 0 {
				return result, &TxError{Codespace: result.TxResult.Codespace, Code: result.TxResult.Code, Log: result.TxResult.Log}
			}
			return result, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for transaction %X: %w", hash, context.Cause(ctx))
		case <-time.After(pollInterval):
		}
	}
}

// Sender sends transactions of one account. It is safe for concurrent use:
// transactions are unordered, so that none waits for another.
type Sender struct {
	client *Client
	signer Signer
	price  sdk.DecCoin

	mu   sync.Mutex
	last time.Time
}

// lifetime of a transaction, from the latest block's time.
const lifetime = 2 * time.Minute

// NewSender looks up the account and the gas price that consensus demands.
func (c *Client) NewSender(ctx context.Context, signer Signer, price sdk.DecCoin) (*Sender, error) {
	number, _, err := c.Account(ctx, signer.Address())
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", signer.Address(), err)
	}
	signer.AccountNumber = number
	return &Sender{client: c, signer: signer, price: price}, nil
}

// Address returns the account's address.
func (s *Sender) Address() sdk.AccAddress { return s.signer.Address() }

// Broadcast signs messages into one transaction and hands it to the mempool.
func (s *Sender) Broadcast(ctx context.Context, gas uint64, msgs ...sdk.Msg) ([]byte, error) {
	status, err := s.client.rpc.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("node status: %w", err)
	}
	fee := sdk.NewCoins(sdk.NewCoin(s.price.Denom, s.price.Amount.MulInt64(int64(gas)).Ceil().TruncateInt()))
	tx, err := s.signer.Sign(msgs, gas, fee, Order{Timeout: s.timeout(status.SyncInfo.LatestBlockTime)})
	if err != nil {
		return nil, err
	}
	return s.client.Broadcast(ctx, tx)
}

// Send broadcasts and waits for the block.
func (s *Sender) Send(ctx context.Context, gas uint64, msgs ...sdk.Msg) (*coretypes.ResultTx, error) {
	hash, err := s.Broadcast(ctx, gas, msgs...)
	if err != nil {
		return nil, err
	}
	return s.client.Wait(ctx, hash)
}

// timeout returns a block time that no other transaction of this Sender has.
func (s *Sender) timeout(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	timeout := now.Add(lifetime)
	if !timeout.After(s.last) {
		timeout = s.last.Add(time.Nanosecond)
	}
	s.last = timeout
	return timeout
}
