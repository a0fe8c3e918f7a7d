// Package post carries a party's messages to the chain: unordered transactions
// without fee from the account that registration created, so that no nonce can
// get stuck. Results that come within one block share one transaction.
//
// Nothing here is believed: a message that got lost is posted again by whoever
// sees, in proven state, that it is missing.
package post

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

const (
	// Lifetime of a transaction, from verified block time.
	Lifetime   = 45 * time.Second
	messageGas = 1_000_000
	resultGas  = 400_000
	// A share is paid for by the byte, carried (10) and stored (30).
	shareByteGas = 50
	// The chain takes no party's transaction with more.
	maxGas = 20_000_000

	// MaxResults of one transaction, as the gas allows; the rest goes with the next
	// block.
	MaxResults = (maxGas - messageGas) / resultGas
)

// gasOf is what a result may cost.
func gasOf(r kmstypes.Result) uint64 {
	return min(resultGas+shareByteGas*uint64(len(r.Share)), maxGas-messageGas)
}

// ErrNoAccount reports that the party's account is not on the chain yet.
var ErrNoAccount = errors.New("post: the chain has no account of this party: register it first")

// Chain is what a Poster needs of a node.
type Chain interface {
	// AccountNumber returns the number of an account, or ErrNoAccount.
	AccountNumber(ctx context.Context, address sdk.AccAddress) (uint64, error)
	// BroadcastTx hands a transaction to the mempool; an error names the code.
	BroadcastTx(ctx context.Context, tx []byte) error
}

// Poster posts the messages of one party. It is safe for concurrent use.
type Poster struct {
	chain  Chain
	report func(err error)

	mu       sync.Mutex
	signer   client.Signer
	numbered bool
	now      time.Time
	last     time.Time
	results  []kmstypes.Result
	sent     bool // a results transaction went out since the last block
	wake     chan struct{}
}

// New makes a Poster for signer, whose account number is looked up when it is
// first needed. report takes failures; they are not retried here.
func New(chain Chain, signer client.Signer, report func(error)) *Poster {
	return &Poster{chain: chain, signer: signer, report: report, wake: make(chan struct{}, 1)}
}

// Advance tells the time of the newest verified block: results that wait may go.
func (p *Poster) Advance(blockTime time.Time) {
	p.mu.Lock()
	p.now, p.sent = blockTime, false
	p.mu.Unlock()
	p.signal()
}

func (p *Poster) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Result queues a result, unless one for the request waits already: whoever posts
// again what does not show must not lengthen a queue that is the reason.
func (p *Poster) Result(result kmstypes.Result) {
	p.mu.Lock()
	waits := slices.ContainsFunc(p.results, func(r kmstypes.Result) bool {
		return r.Attempt == result.Attempt && bytes.Equal(r.RequestId, result.RequestId)
	})
	if !waits {
		p.results = append(p.results, result)
	}
	p.mu.Unlock()
	p.signal()
}

// Message posts one message in a transaction of its own.
func (p *Poster) Message(ctx context.Context, msg sdk.Msg) error {
	return p.broadcast(ctx, msg, messageGas)
}

// Costly is Message with all the gas that the chain grants a party: for few messages
// whose work depends on what others posted before.
func (p *Poster) Costly(ctx context.Context, msg sdk.Msg) error {
	return p.broadcast(ctx, msg, maxGas)
}

// Run posts results until ctx ends: at once, or with the next block if a
// transaction went out since the last one.
func (p *Poster) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		if batch, gas := p.take(); len(batch) > 0 {
			msg := &kmstypes.MsgPostResults{Account: p.signer.Address().String(), Results: batch}
			if err := p.broadcast(ctx, msg, gas); err != nil {
				p.report(fmt.Errorf("post %d results: %w", len(batch), err))
			}
		}
	}
}

// take returns the results that may go now, in one transaction, and their gas. The
// gas for their bytes also keeps them below the size that a transaction may have.
func (p *Poster) take() (batch []kmstypes.Result, gas uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent {
		return nil, 0
	}
	gas = messageGas
	for _, r := range p.results {
		if gas+gasOf(r) > maxGas {
			break
		}
		gas += gasOf(r)
		batch = append(batch, r)
	}
	p.results = p.results[len(batch):]
	p.sent = len(batch) > 0
	return batch, gas
}

func (p *Poster) broadcast(ctx context.Context, msg sdk.Msg, gas uint64) error {
	if err := p.number(ctx); err != nil {
		return err
	}
	tx, err := p.signer.Sign([]sdk.Msg{msg}, gas, nil, client.Order{Timeout: p.timeout()})
	if err != nil {
		return err
	}
	if err := p.chain.BroadcastTx(ctx, tx); err != nil {
		// The number is what one node said: a wrong one must not stick.
		p.mu.Lock()
		p.numbered = false
		p.mu.Unlock()
		return err
	}
	return nil
}

func (p *Poster) number(ctx context.Context) error {
	p.mu.Lock()
	known := p.numbered
	p.mu.Unlock()
	if known {
		return nil
	}
	number, err := p.chain.AccountNumber(ctx, p.signer.Address())
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.signer.AccountNumber, p.numbered = number, true
	p.mu.Unlock()
	return nil
}

// timeout returns a block time that no other transaction of this Poster has.
func (p *Poster) timeout() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	timeout := p.now.Add(Lifetime)
	if !timeout.After(p.last) {
		timeout = p.last.Add(time.Nanosecond)
	}
	p.last = timeout
	return timeout
}
