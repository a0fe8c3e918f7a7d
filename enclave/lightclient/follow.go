package lightclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cometbft/cometbft/types"
)

// follower walks through the headers of one node. Each goes at its node's pace:
// the first to deliver a height moves the client, the others' headers are
// compared with it, beside the path.
type follower struct {
	client *Client
	node   Node
	index  int

	// hint is the height of which the node's events spoke.
	hint    atomic.Int64
	watched atomic.Bool
	woken   chan struct{}
	// The rest is used by the following goroutine only. hurried counts quick
	// retries; streak counts headers since the node's tip was last looked at, and
	// located says that it was since the last failure.
	hurried int
	streak  int64
	located bool

	mu      sync.Mutex
	height  int64
	refused uint64
	err     error
}

const (
	failurePause = 200 * time.Millisecond
	refusedPause = 2 * time.Second
	watchPause   = time.Second
	maxHurried   = 10
)

func (f *follower) follow(ctx context.Context) {
	for ctx.Err() == nil && f.client.Stopped() == nil {
		height, err := f.target(ctx)
		if err == nil {
			err = f.step(ctx, height)
		}
		switch {
		case err == nil:
			f.streak++
			continue
		case errors.Is(err, ErrFork) || errors.Is(err, ErrExpired):
			return
		case errors.Is(err, ErrNotYet):
			f.streak = 0
			f.wait(ctx, height)
		case isRefusal(err):
			f.note(0, err)
			f.client.cfg.Log.Warn("node delivered a header that does not verify", "node", f.node.Name(), "height", height, "err", err)
			sleep(ctx, refusedPause)
		case ctx.Err() == nil:
			f.located = false
			f.note(0, err)
			sleep(ctx, failurePause)
		}
	}
}

// target chooses the height to ask for: the provisioned one, the next one, or
// the node's latest if the client is far behind it.
func (f *follower) target(ctx context.Context) (int64, error) {
	c := f.client
	c.mu.Lock()
	latest := c.latest
	c.mu.Unlock()
	if latest == nil {
		return c.cfg.TrustedHeight, nil
	}
	f.mu.Lock()
	own := f.height
	f.mu.Unlock()
	if !f.located || f.streak >= c.cfg.MaxWalk || own < latest.Height-c.cfg.MaxWalk {
		// New, back after a failure, or behind: see where the node is.
		tip, err := f.request(ctx, 0)
		if err != nil {
			return 0, err
		}
		f.located, f.streak = true, 0
		switch {
		case tip.Height <= own:
			return own + 1, ErrNotYet
		case tip.Height > latest.Height && tip.Height <= latest.Height+c.cfg.MaxWalk:
			return latest.Height + 1, nil
		default:
			return tip.Height, nil
		}
	}
	return own + 1, nil
}

func (f *follower) step(ctx context.Context, height int64) error {
	b, err := f.fetch(ctx, height)
	if err != nil {
		return err
	}
	if err := f.client.submit(ctx, f, b); err != nil {
		return err
	}
	f.note(height, nil)
	return nil
}

func (f *follower) note(height int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	if err == nil {
		f.height = height
	} else if isRefusal(err) {
		f.refused++
	}
}

func (f *follower) status() NodeStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return NodeStatus{Name: f.node.Name(), Height: f.height, Watched: f.watched.Load(), Refused: f.refused, Err: f.err}
}

func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// wait returns when the node may have the height: its events say so, or it is
// time to ask again.
func (f *follower) wait(ctx context.Context, height int64) {
	if f.hint.Load() >= height && f.hurried < maxHurried {
		// The event was ahead of the node's own store: ask again at once, nearly.
		f.hurried++
		sleep(ctx, 2*time.Millisecond)
		return
	}
	f.hurried = 0
	interval := f.client.cfg.Poll
	if f.watched.Load() {
		interval = f.client.cfg.PollWatched
	}
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-f.woken:
	}
}

// watch keeps the event subscription alive.
func (f *follower) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.node.Watch(ctx, func(height int64) {
			f.watched.Store(true)
			// A node that claims a height far ahead must not make us ask it forever.
			if c, err := f.client.Latest(); err == nil && height <= c.Height+1 {
				f.hint.Store(height)
			}
			select {
			case f.woken <- struct{}{}:
			default:
			}
		})
		f.watched.Store(false)
		if ctx.Err() == nil {
			f.client.cfg.Log.Debug("no event subscription, polling", "node", f.node.Name(), "err", err)
			sleep(ctx, watchPause)
		}
	}
}

// request asks for a header and checks that it is what was asked for.
func (f *follower) request(ctx context.Context, height int64) (header *types.SignedHeader, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.client.cfg.RequestTimeout)
	defer cancel()
	defer guard(&err)
	header, err = f.node.SignedHeader(ctx, height)
	if err != nil {
		return nil, err
	}
	if err := header.ValidateBasic(f.client.cfg.ChainID); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadHeader, err)
	}
	if height != 0 && header.Height != height {
		return nil, fmt.Errorf("%w: of height %d, asked for %d", ErrBadHeader, header.Height, height)
	}
	return header, nil
}

// fetch gets a header with its validators, from memory if they are known.
func (f *follower) fetch(ctx context.Context, height int64) (b *types.LightBlock, err error) {
	header, err := f.request(ctx, height)
	if err != nil {
		return nil, err
	}
	validators := f.client.knownValidators(header.ValidatorsHash)
	if validators == nil {
		ctx, cancel := context.WithTimeout(ctx, f.client.cfg.RequestTimeout)
		defer cancel()
		defer guard(&err)
		if validators, err = f.node.Validators(ctx, height); err != nil {
			return nil, err
		}
	}
	b = &types.LightBlock{SignedHeader: header, ValidatorSet: validators}
	if err := b.ValidateBasic(f.client.cfg.ChainID); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadHeader, err)
	}
	return b, nil
}

// knownValidators spares a request while the set does not change.
func (c *Client) knownValidators(hash []byte) *types.ValidatorSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest != nil && bytes.Equal(c.latest.ValidatorsHash, hash) {
		return c.latest.ValidatorSet
	}
	return nil
}

// guard turns a panic over hostile data into an error: validator sets panic when
// their powers overflow.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: panic: %v", ErrBadHeader, p)
	}
}
