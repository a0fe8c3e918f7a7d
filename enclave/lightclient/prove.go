package lightclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tkms-network/tkms/enclave/stateproof"
)

// Bounds of a query.
const (
	maxKey   = 1024
	maxStore = 64
)

// Prove returns the value of key in a store as of height, proven against the
// header of height+1, for which it waits until ctx ends. A nil value with a nil
// error proves absence. ErrNotSynced, ErrProof and ErrNode are worth a retry and
// say nothing about the state.
func (c *Client) Prove(ctx context.Context, store string, key []byte, height int64) ([]byte, error) {
	if store == "" || len(store) > maxStore || strings.Contains(store, "/") || len(key) < 1 || len(key) > maxKey || height < 1 {
		return nil, fmt.Errorf("%w: store, key or height of a query is out of range", ErrConfig)
	}
	// The node can be asked before the header is there, so that the proof is at
	// hand when it comes.
	value, err := race(ctx, c, func(ctx context.Context, f *follower) ([]byte, error) {
		proof, err := f.claim(ctx, store, key, height)
		if err != nil {
			return nil, err
		}
		header, err := c.HeaderAt(ctx, height+1)
		if err != nil {
			return nil, final{err}
		}
		if proof.Height != height {
			err = fmt.Errorf("%w: of height %d, asked for %d", ErrProof, proof.Height, height)
		} else {
			err = proof.verify(header.AppHash, store, key, c.cfg.MaxValue)
		}
		if err != nil {
			f.note(0, err)
			c.cfg.Log.Warn("node delivered a proof that does not verify", "node", f.node.Name(), "store", store, "height", height, "err", err)
			return nil, err
		}
		if len(proof.Value) == 0 {
			return nil, nil
		}
		return proof.Value, nil
	})
	if latest, e := c.Latest(); err != nil && !errors.Is(err, ErrNotSynced) && (e != nil || latest.Height <= height) {
		err = fmt.Errorf("%w: %w", ErrNotSynced, err)
	}
	return value, err
}

// claim asks a node for a proof, for a while also if it does not have the height
// yet.
func (f *follower) claim(ctx context.Context, store string, key []byte, height int64) (*Proof, error) {
	ctx, cancel := context.WithTimeout(ctx, f.client.cfg.RequestTimeout)
	defer cancel()
	for {
		proof, err := f.node.Prove(ctx, store, key, height)
		if !errors.Is(err, ErrNotYet) || ctx.Err() != nil {
			return proof, err
		}
		sleep(ctx, 5*time.Millisecond)
	}
}

// verify checks the proof under the application hash that the next height's header has.
func (p *Proof) verify(appHash []byte, store string, key []byte, maxValue int) error {
	if err := stateproof.Verify(appHash, store, key, p.Value, p.Ops, maxValue); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// UntrustedQuery passes an application query, a gRPC method say, to whichever
// node answers first. The answer is not verified: use it for hints only.
func (c *Client) UntrustedQuery(ctx context.Context, path string, data []byte, height int64) ([]byte, error) {
	return race(ctx, c, func(ctx context.Context, f *follower) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
		defer cancel()
		value, _, err := f.node.Query(ctx, path, data, height)
		return value, err
	})
}

// BroadcastTx hands a transaction to a node, to the next if that fails. A
// refusal by a mempool is a result, not an error; a node may lie about either.
func (c *Client) BroadcastTx(ctx context.Context, tx []byte) (*BroadcastResult, error) {
	return race(ctx, c, func(ctx context.Context, f *follower) (*BroadcastResult, error) {
		ctx, cancel := context.WithTimeout(ctx, 5*c.cfg.RequestTimeout)
		defer cancel()
		return f.node.BroadcastTx(ctx, tx)
	})
}

// final marks an error that no other node can mend.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// race asks the preferred node and, at a failure or after Config.Stagger, the
// next, until one succeeds.
func race[T any](ctx context.Context, c *Client, ask func(context.Context, *follower) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		value T
		err   error
	}
	c.mu.Lock()
	first := c.preferred
	c.mu.Unlock()
	outcomes := make(chan outcome, len(c.nodes))
	launch := func(i int) {
		f := c.nodes[(first+i)%len(c.nodes)]
		go func() {
			value, err := ask(ctx, f)
			outcomes <- outcome{value, err}
		}()
	}
	launch(0)
	started, running := 1, 1
	timer := time.NewTimer(c.cfg.Stagger)
	defer timer.Stop()
	var zero T
	var failures []error
	for {
		next := false
		select {
		case o := <-outcomes:
			if o.err == nil {
				return o.value, nil
			}
			var stop final
			if errors.As(o.err, &stop) {
				return zero, stop.error
			}
			failures = append(failures, o.err)
			running--
			next = true
		case <-timer.C:
			next = true
		case <-ctx.Done():
			return zero, fmt.Errorf("%w: %w", ErrNode, errors.Join(append(failures, context.Cause(ctx))...))
		}
		if next && started < len(c.nodes) {
			launch(started)
			started++
			running++
			timer.Reset(c.cfg.Stagger)
		}
		if running == 0 {
			return zero, errors.Join(failures...)
		}
	}
}
