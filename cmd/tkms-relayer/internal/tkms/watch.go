package tkms

import (
	"context"
	"log/slog"
	"sync"
	"time"

	cmttypes "github.com/cometbft/cometbft/types"

	"github.com/tkms-network/tkms/x/kms/client"
)

const (
	// pollInterval is how often the height is asked for while the websocket is silent.
	pollInterval = 20 * time.Millisecond
	// silence is how long the websocket may be silent before the height is asked
	// for: a little over a block.
	silence = 300 * time.Millisecond
	// standstill is how long the chain may be silent before it is asked less often.
	standstill = 5 * time.Second
	// reconnectInterval is how often a lost websocket is tried again.
	reconnectInterval = 2 * time.Second
)

// Head is the last block that a node has committed.
type Head struct {
	Height int64
	Time   time.Time
}

// Watch knows the head. The websocket is a wake-up only: it may lose blocks, and
// while it is silent the node is asked.
type Watch struct {
	nodes *Nodes
	log   *slog.Logger

	mu      sync.Mutex
	head    Head
	at      time.Time // when head was seen
	changed chan struct{}
}

// NewWatch returns a watch that Run feeds.
func NewWatch(nodes *Nodes, log *slog.Logger) *Watch {
	return &Watch{nodes: nodes, log: log, changed: make(chan struct{})}
}

// Head returns the head as far as it is known, zero before the first block was
// seen, and when it was seen.
func (w *Watch) Head() (Head, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.head, w.at
}

// Wait returns the head once it is above a height.
func (w *Watch) Wait(ctx context.Context, above int64) (Head, error) {
	for {
		w.mu.Lock()
		head, changed := w.head, w.changed
		w.mu.Unlock()
		if head.Height > above {
			return head, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Head{}, context.Cause(ctx)
		}
	}
}

func (w *Watch) advance(head Head) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if head.Height <= w.head.Height {
		return
	}
	w.head, w.at = head, time.Now()
	close(w.changed)
	w.changed = make(chan struct{})
}

// Run follows the chain until the context ends.
func (w *Watch) Run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { w.poll(ctx) })
	for ctx.Err() == nil {
		if err := w.listen(ctx); err != nil && ctx.Err() == nil {
			w.log.Debug("no block events from the TKMS node; polling", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(reconnectInterval):
		}
	}
}

// poll asks for the head while no event tells it.
func (w *Watch) poll(ctx context.Context) {
	for {
		wait := pollInterval
		_, at := w.Head()
		if age := time.Since(at); age > silence {
			if err := w.nodes.ask(ctx, w.askHead); err != nil || age > standstill {
				wait = silence
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (w *Watch) askHead(ctx context.Context, c *client.Client) error {
	status, err := c.RPC().Status(ctx)
	if err != nil {
		return err
	}
	w.advance(Head{status.SyncInfo.LatestBlockHeight, status.SyncInfo.LatestBlockTime})
	return nil
}

// listen takes block events of the preferred node until they stay away.
func (w *Watch) listen(ctx context.Context) error {
	connection, err := client.Dial(w.nodes.addresses[w.nodes.first()])
	if err != nil {
		return err
	}
	if err := connection.RPC().Start(); err != nil {
		return err
	}
	defer func() { _ = connection.RPC().Stop() }()
	events, err := connection.RPC().Subscribe(ctx, "tkms-relayer", cmttypes.EventQueryNewBlockHeader.String(), 16)
	if err != nil {
		return err
	}
	quiet := time.NewTimer(standstill)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-quiet.C:
			return nil
		case event, ok := <-events:
			if !ok {
				return nil
			}
			if data, ok := event.Data.(cmttypes.EventDataNewBlockHeader); ok {
				w.advance(Head{data.Header.Height, data.Header.Time})
			}
			quiet.Reset(standstill)
		}
	}
}
