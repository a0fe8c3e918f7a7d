package tkms

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"

	jsonrpc "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	cmttypes "github.com/cometbft/cometbft/types"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// lifetime of a transaction, from the time of the last block.
const lifetime = time.Minute

// ErrNoAccount reports an account that the chain does not know.
var ErrNoAccount = errors.New("the relayer's account is not on chain")

// Records are what the chain says about a host chain.
type Records struct {
	HostChain *acltypes.HostChain
	// Key is the one under which the host chain encrypts now.
	Key *kmstypes.Key
}

// Sent is a transaction in a mempool.
type Sent struct {
	Hash []byte
	// Timeout is the block time from which on it cannot get into a block any more.
	Timeout time.Time
}

// Chain reads and writes for one account. It is safe for concurrent use.
type Chain struct {
	nodes *Nodes
	watch *Watch
	key   *secp256k1.PrivKey

	records    moments[Records]                          // by host chain
	hostEpochs moments[*kmstypes.QueryHostEpochResponse] // by host chain
	present    moments[[]uint32]                         // by epoch

	mu     sync.Mutex
	signer *client.Signer
	price  *sdk.DecCoin
	last   time.Time         // of the time-outs given out
	epochs map[uint64]*Epoch // that were asked for their signers
}

// New returns the chain as seen by an account.
func New(nodes *Nodes, watch *Watch, key *secp256k1.PrivKey) *Chain {
	return &Chain{nodes: nodes, watch: watch, key: key, epochs: map[uint64]*Epoch{}}
}

// Address of the account.
func (c *Chain) Address() sdk.AccAddress { return sdk.AccAddress(c.key.PubKey().Address()) }

// Wait returns the head once it is above a height.
func (c *Chain) Wait(ctx context.Context, above int64) (Head, error) { return c.watch.Wait(ctx, above) }

// Head returns the head as far as it is known, and when it was seen.
func (c *Chain) Head() (Head, time.Time) { return c.watch.Head() }

// Records returns a host chain's record and key, at most a moment old. A missing
// one is client.ErrNotFound.
func (c *Chain) Records(ctx context.Context, hostChainID uint64) (Records, error) {
	return c.records.get(hostChainID, func() (records Records, err error) {
		err = c.nodes.ask(ctx, func(ctx context.Context, node *client.Client) (err error) {
			if records.HostChain, err = node.HostChain(ctx, hostChainID); err != nil {
				return fmt.Errorf("host chain %d: %w", hostChainID, err)
			}
			if records.Key, err = node.HostKey(ctx, hostChainID); err != nil {
				return fmt.Errorf("key of host chain %d: %w", hostChainID, err)
			}
			return nil
		})
		return records, err
	})
}

// Forget drops cached records, for a caller whom the chain told that they are old.
func (c *Chain) Forget() {
	c.records.forget()
	c.present.forget()
	c.hostEpochs.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.price = nil
}

// Request returns the record of a request, or client.ErrNotFound.
func (c *Chain) Request(ctx context.Context, id []byte) (request *kmstypes.Request, err error) {
	err = c.nodes.ask(ctx, func(ctx context.Context, node *client.Client) (err error) {
		request, err = node.Request(ctx, id)
		return err
	})
	return request, err
}

// Send signs messages into one transaction and hands it to a mempool. A refusal
// is a *client.TxError.
func (c *Chain) Send(ctx context.Context, gas uint64, msgs ...sdk.Msg) (Sent, error) {
	signer, price, err := c.identity(ctx)
	if err != nil {
		return Sent{}, err
	}
	head, err := c.watch.Wait(ctx, 0)
	if err != nil {
		return Sent{}, err
	}
	timeout := c.timeout(head.Time)
	amount := price.Amount.MulInt(math.NewIntFromUint64(gas)).Ceil().TruncateInt()
	tx, err := signer.Sign(msgs, gas, sdk.NewCoins(sdk.NewCoin(price.Denom, amount)), client.Order{Timeout: timeout})
	if err != nil {
		return Sent{}, err
	}
	hash, err := c.broadcast(ctx, tx)
	return Sent{hash, timeout}, err
}

// broadcast hands a transaction to a mempool. One that a mempool has already, from
// an attempt whose answer was lost, is as good as accepted.
func (c *Chain) broadcast(ctx context.Context, tx []byte) (hash []byte, err error) {
	err = c.nodes.ask(ctx, func(ctx context.Context, node *client.Client) (err error) {
		hash, err = node.Broadcast(ctx, tx)
		return err
	})
	var rpc *jsonrpc.RPCError
	if errors.As(err, &rpc) && strings.Contains(rpc.Data, "already exists in cache") {
		return txHash(tx), nil
	}
	return hash, err
}

// Included tells whether a transaction is in a block; if it failed there, the
// error is a *client.TxError. A node indexes a block's transactions a moment after
// it committed the block.
func (c *Chain) Included(ctx context.Context, hash []byte) (bool, error) {
	included := false
	err := c.nodes.ask(ctx, func(ctx context.Context, node *client.Client) error {
		answer, err := node.RPC().Tx(ctx, hash, false)
		var rpc *jsonrpc.RPCError
		if errors.As(err, &rpc) && strings.Contains(rpc.Data, "not found") {
			return nil
		}
		if err != nil {
			return err
		}
		included = true
		if result := answer.TxResult; result.Code != 0 {
			return &client.TxError{Codespace: result.Codespace, Code: result.Code, Log: result.Log}
		}
		return nil
	})
	return included, err
}

// identity returns the signer and the gas price, which it looks up once.
func (c *Chain) identity(ctx context.Context) (*client.Signer, *sdk.DecCoin, error) {
	c.mu.Lock()
	signer, price := c.signer, c.price
	c.mu.Unlock()
	if signer != nil && price != nil {
		return signer, price, nil
	}
	err := c.nodes.ask(ctx, func(ctx context.Context, node *client.Client) error {
		asked, err := node.GasPrice(ctx)
		if err != nil {
			return err
		}
		price = &asked
		if signer == nil {
			signer, err = c.lookUp(ctx, node)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signer, c.price = signer, price
	return signer, price, nil
}

func (c *Chain) lookUp(ctx context.Context, node *client.Client) (*client.Signer, error) {
	status, err := node.RPC().Status(ctx)
	if err != nil {
		return nil, err
	}
	number, _, err := node.Account(ctx, c.Address())
	if errors.Is(err, client.ErrNotFound) {
		return nil, fmt.Errorf("%w: send coins to %s: %w", ErrNoAccount, c.Address(), err)
	}
	if err != nil {
		return nil, err
	}
	return &client.Signer{ChainID: status.NodeInfo.Network, AccountNumber: number, Key: c.key}, nil
}

// timeout returns a block time that no other transaction of this account has: the
// chain tells unordered transactions apart by it. The nanoseconds are those of the
// wall clock, so that a restart within one block does not repeat one.
func (c *Chain) timeout(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	timeout := now.Add(lifetime).Truncate(time.Second).Add(time.Duration(time.Now().Nanosecond()))
	if !timeout.After(c.last) {
		timeout = c.last.Add(time.Nanosecond)
	}
	c.last = timeout
	return timeout
}

func txHash(tx []byte) []byte { return cmttypes.Tx(tx).Hash() }
