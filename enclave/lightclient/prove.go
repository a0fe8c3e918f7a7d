package lightclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	ics23 "github.com/cosmos/ics23/go"
)

// Types of the two proof steps as the application names them: key and value in the
// store's tree, and the tree's root under the application hash.
const (
	OpStore = "ics23:iavl"
	OpApp   = "ics23:simple"
)

// Bounds of a query.
const (
	maxKey   = 1024
	maxStore = 64
	// maxProof bounds one encoded step. A tree of 2^40 keys has 56 levels of
	// about 40 bytes, twice that for absence.
	maxProof = 64 << 10
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
			err = VerifyProof(header.AppHash, store, key, proof, c.cfg.MaxValue)
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

// VerifyProof checks an ICS-23 proof in two steps, of types OpStore and OpApp: key and
// value, or absence, in the store's tree, and the tree's root among the stores under
// the application hash, which the header after the proof's height has. An empty value
// claims absence: the tree cannot prove an empty value. maxValue bounds the value in
// bytes. It fails with ErrProof.
func VerifyProof(appHash []byte, store string, key []byte, proof *Proof, maxValue int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v", ErrProof, p)
		}
	}()
	if len(proof.Ops) != 2 || len(proof.Value) > maxValue {
		return fmt.Errorf("%w: %d steps, value of %d bytes", ErrProof, len(proof.Ops), len(proof.Value))
	}
	inner, err := decodeStep(proof.Ops[0], OpStore, key)
	if err != nil {
		return err
	}
	outer, err := decodeStep(proof.Ops[1], OpApp, []byte(store))
	if err != nil {
		return err
	}
	root, err := inner.Calculate()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	if len(proof.Value) > 0 {
		if inner.GetExist() == nil || !ics23.VerifyMembership(ics23.IavlSpec, root, inner, key, proof.Value) {
			return fmt.Errorf("%w: value is not under the store's root", ErrProof)
		}
	} else if inner.GetNonexist() == nil || !ics23.VerifyNonMembership(ics23.IavlSpec, root, inner, key) {
		return fmt.Errorf("%w: absence does not follow from the store's root", ErrProof)
	}
	if outer.GetExist() == nil || !ics23.VerifyMembership(ics23.TendermintSpec, appHash, outer, []byte(store), root) {
		return fmt.Errorf("%w: store is not under the application hash", ErrProof)
	}
	return nil
}

func decodeStep(op cmtcrypto.ProofOp, kind string, key []byte) (*ics23.CommitmentProof, error) {
	if op.Type != kind || string(op.Key) != string(key) || len(op.Data) > maxProof {
		return nil, fmt.Errorf("%w: step is of another kind, key or size", ErrProof)
	}
	step := new(ics23.CommitmentProof)
	if err := step.Unmarshal(op.Data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	return step, nil
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
