package lightclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cometbft/cometbft/types"
)

// Client verifies headers and proofs. It is safe for concurrent use.
type Client struct {
	cfg   Config
	nodes []*follower

	mu      sync.Mutex
	latest  *types.LightBlock
	kept    map[int64]*types.LightBlock
	order   []int64 // heights in kept, ascending
	changed chan struct{}
	stopped error
	fork    *Fork
	saved   time.Time
	// preferred is the node that delivered the latest header.
	preferred int
}

// Fork is evidence of two conflicting headers that both verify.
type Fork struct {
	// Ours was verified first.
	Ours *types.LightBlock
	// Theirs conflicts with it.
	Theirs *types.LightBlock
	// Node delivered Theirs.
	Node string
}

// New makes a client that goes on from the stored state or, without one, from
// the provisioned header. It talks to no node.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, kept: make(map[int64]*types.LightBlock), changed: make(chan struct{})}
	for i, node := range cfg.Nodes {
		c.nodes = append(c.nodes, &follower{client: c, node: node, index: i, woken: make(chan struct{}, 1)})
	}
	state, err := cfg.Store.Load()
	if err != nil {
		return nil, fmt.Errorf("light client: loading the state: %w", err)
	}
	if state == nil {
		return c, nil
	}
	latest, err := decodeState(state, cfg.ChainID)
	if err != nil {
		return nil, err
	}
	if latest.Height < cfg.TrustedHeight || latest.Height == cfg.TrustedHeight && !bytes.Equal(latest.Hash(), cfg.TrustedHash) {
		return nil, fmt.Errorf("%w: it contradicts the provisioned header", ErrState)
	}
	c.keep(latest)
	c.saved = cfg.Now()
	return c, nil
}

// Run follows the chain until ctx ends, which is no error, or the client has to
// stop: ErrFork, ErrExpired. It is called once.
func (c *Client) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for _, f := range c.nodes {
		group.Go(func() { f.watch(ctx) })
		group.Go(func() {
			f.follow(ctx)
			// A follower ends early only when the client has stopped.
			cancel()
		})
	}
	group.Wait()
	c.mu.Lock()
	latest, stopped := c.latest, c.stopped
	c.mu.Unlock()
	if latest != nil {
		c.save(latest)
	}
	return stopped
}

// Header is a verified header.
type Header struct {
	*types.Header
	// Hash is the header's hash.
	Hash []byte
}

func headerOf(b *types.LightBlock) *Header { return &Header{b.Header, b.Hash()} }

// Latest returns the latest verified header, or ErrNotSynced.
func (c *Client) Latest() (*Header, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest == nil {
		return nil, ErrNotSynced
	}
	return headerOf(c.latest), nil
}

// Stopped returns ErrFork or ErrExpired when the client has stopped for it.
func (c *Client) Stopped() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// Evidence returns the fork for which the client stopped, or nil.
func (c *Client) Evidence() *Fork {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fork
}

// HeaderAt returns the verified header of a height, waiting for it until ctx
// ends: then the error is ErrNotSynced. ErrHeightGone says that waiting is of no
// use.
func (c *Client) HeaderAt(ctx context.Context, height int64) (*Header, error) {
	for {
		c.mu.Lock()
		block, latest, changed, stopped := c.kept[height], c.latest, c.changed, c.stopped
		c.mu.Unlock()
		switch {
		case stopped != nil:
			return nil, stopped
		case block != nil:
			return headerOf(block), nil
		case latest != nil && latest.Height >= height:
			return nil, fmt.Errorf("%w: %d", ErrHeightGone, height)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %d: %w", ErrNotSynced, height, context.Cause(ctx))
		}
	}
}

// Next returns the lowest kept verified header above a height, waiting for one
// until ctx ends. Heights that were skipped when catching up are not seen.
func (c *Client) Next(ctx context.Context, after int64) (*Header, error) {
	for {
		c.mu.Lock()
		changed, stopped := c.changed, c.stopped
		var next *types.LightBlock
		if c.latest != nil && c.latest.Height > after {
			next = c.kept[c.order[search(c.order, after+1)]]
		}
		c.mu.Unlock()
		if stopped != nil {
			return nil, stopped
		}
		if next != nil {
			return headerOf(next), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: above %d: %w", ErrNotSynced, after, context.Cause(ctx))
		}
	}
}

// search returns the position of the first height that is at least the given one.
func search(heights []int64, least int64) int {
	low, high := 0, len(heights)
	for low < high {
		if middle := (low + high) / 2; heights[middle] < least {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// Follow yields every verified header above a height in order, as soon as it is
// verified. The channel closes when ctx ends or the client stops. A slow reader
// delays nothing; one that falls behind by more than Config.Keep misses headers.
func (c *Client) Follow(ctx context.Context, after int64) <-chan *Header {
	headers := make(chan *Header)
	go func() {
		defer close(headers)
		for {
			next, err := c.Next(ctx, after)
			if err != nil {
				return
			}
			select {
			case headers <- next:
				after = next.Height
			case <-ctx.Done():
				return
			}
		}
	}()
	return headers
}

// keep makes a verified block the latest. Called with mu held, or before sharing.
func (c *Client) keep(b *types.LightBlock) {
	c.latest = b
	c.kept[b.Height] = b
	c.order = append(c.order, b.Height)
	for len(c.order) > c.cfg.Keep {
		delete(c.kept, c.order[0])
		c.order = c.order[1:]
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// stop ends the client for good. Called with mu held.
func (c *Client) stop(why error) {
	if c.stopped == nil {
		c.stopped = why
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

func (c *Client) save(b *types.LightBlock) {
	state, err := encodeState(b)
	if err == nil {
		err = c.cfg.Store.Save(state)
	}
	if err != nil {
		// The state only saves catching up: go on.
		c.cfg.Log.Error("cannot save the light client's state", "err", err)
	}
}

// NodeStatus describes a node as the client sees it.
type NodeStatus struct {
	// Name is Node.Name.
	Name string
	// Height is the highest header that it delivered and that verified.
	Height int64
	// Watched says that the event subscription works.
	Watched bool
	// Refused counts headers and proofs that did not verify.
	Refused uint64
	// Err is the latest failure, nil after a success.
	Err error
}

// Nodes describes all nodes.
func (c *Client) Nodes() []NodeStatus {
	all := make([]NodeStatus, 0, len(c.nodes))
	for _, f := range c.nodes {
		all = append(all, f.status())
	}
	return all
}

func isRefusal(err error) bool {
	return errors.Is(err, ErrBadHeader) || errors.Is(err, ErrProof)
}
