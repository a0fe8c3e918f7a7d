package hostchain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

const (
	// lookInterval is how often the node in use is asked for its head, idleInterval the
	// others, and the one in use if it tells of blocks by itself.
	lookInterval = 200 * time.Millisecond
	idleInterval = time.Second
	// blamed is how long a node that failed comes after the others.
	blamed = 10 * time.Second
	// reconnect is how long a lost subscription waits for the next.
	reconnect = 5 * time.Second
)

// ErrNoAddress reports a host chain without nodes.
var ErrNoAddress = errors.New("no node of the host chain is named")

// Config of a host.
type Config struct {
	ChainID uint64
	// Addresses of JSON-RPC nodes, HTTP or websocket, one or more; the first is preferred.
	Addresses []string
	// Record returns the chain's record on TKMS, which says whose seals count.
	Record func(context.Context) (*acltypes.HostChain, error)
	Log    *slog.Logger
}

// Host is a host chain as seen through one or more nodes, none of which is trusted. It
// is safe for concurrent use.
type Host struct {
	cfg     Config
	members []*member
	cancel  context.CancelFunc
	group   sync.WaitGroup

	mu      sync.Mutex
	known   *acltypes.HostChain
	newest  *client.Head
	forked  bool
	changed chan struct{} // closed when newest changes
}

// member is one node.
type member struct {
	*client.Node
	number int // place among the addresses, which may hold secrets and are not logged
	// socket says that the node can tell of blocks.
	socket bool

	// head is the newest one whose seals were verified, nil for none; until is the time
	// before which the node comes after the others. Guarded by the host's lock.
	head  *client.Head
	until time.Time
}

// Open returns the host chain and starts to follow it. No node has to answer yet, but
// those with a websocket.
func Open(ctx context.Context, cfg Config) (*Host, error) {
	if len(cfg.Addresses) == 0 {
		return nil, ErrNoAddress
	}
	h := &Host{cfg: cfg, changed: make(chan struct{})}
	for i, address := range cfg.Addresses {
		node, err := client.Dial(ctx, address, cfg.ChainID)
		if err != nil {
			h.closeNodes()
			return nil, fmt.Errorf("node %d: %w", i+1, err)
		}
		h.members = append(h.members, &member{Node: node, number: i + 1, socket: strings.HasPrefix(address, "ws")})
	}
	running, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	for _, m := range h.members {
		h.group.Go(func() { h.follow(running, m) })
	}
	return h, nil
}

// Close stops following and ends the connections.
func (h *Host) Close() {
	h.cancel()
	h.group.Wait()
	h.closeNodes()
}

func (h *Host) closeNodes() {
	for _, m := range h.members {
		m.Close()
	}
}

// CheckChain returns client.ErrOtherChain if a node is of another chain than the one
// expected, else client.ErrNode if one does not answer.
func (h *Host) CheckChain(ctx context.Context) error {
	failures := make([]error, len(h.members))
	var group sync.WaitGroup
	for i, m := range h.members {
		group.Go(func() {
			if err := m.CheckChain(ctx); err != nil {
				failures[i] = fmt.Errorf("node %d: %w", m.number, err)
			}
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// Height returns the number of the newest block that is known to be sealed, or that a
// node tells of while none is.
func (h *Host) Height(ctx context.Context) (uint64, error) {
	if sealed := h.Sealed(); sealed != 0 {
		return sealed, nil
	}
	return race(ctx, h, func(ctx context.Context, m *member) (uint64, error) { return m.Node.Height(ctx) })
}

// Sealed returns the newest block that is known to be sealed, 0 for none.
func (h *Host) Sealed() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.newest == nil {
		return 0
	}
	return h.newest.Height
}

// Await returns the newest block that is known to be sealed, once it is above a height.
func (h *Host) Await(ctx context.Context, above uint64) (uint64, error) {
	for {
		h.mu.Lock()
		newest, changed := h.newest, h.changed
		h.mu.Unlock()
		if newest != nil && newest.Height > above {
			return newest.Height, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// follow looks at a node's head, whenever the node tells of a block and from time to
// time.
func (h *Host) follow(ctx context.Context, m *member) {
	wake := make(chan struct{}, 1)
	var listening sync.WaitGroup
	defer listening.Wait()
	if m.socket {
		listening.Go(func() { listen(ctx, m, wake) })
	}
	for {
		interval := idleInterval
		if h.look(ctx, m) && !m.socket && h.order()[0] == m {
			interval = lookInterval
		}
		select {
		case <-wake:
		case <-time.After(interval):
		case <-ctx.Done():
			return
		}
	}
}

// listen wakes for each block that a node tells of.
func listen(ctx context.Context, m *member, wake chan<- struct{}) {
	for ctx.Err() == nil {
		_ = m.Notify(ctx, func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		})
		select {
		case <-time.After(reconnect):
		case <-ctx.Done():
		}
	}
}

// look fetches a node's head and keeps it if its seals verify. It returns false while
// nothing can be verified: TKMS does not know the chain yet, or never answered.
func (h *Host) look(ctx context.Context, m *member) bool {
	record := h.record(ctx)
	if record == nil {
		return false
	}
	head, err := m.Head(ctx)
	if err == nil {
		_, err = head.Check(record)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		h.blame(m, err)
	default:
		h.saw(m, head)
	}
	return true
}

// record returns the chain's record, an earlier one if TKMS does not answer now, nil if
// it never did.
func (h *Host) record(ctx context.Context) *acltypes.HostChain {
	record, err := h.cfg.Record(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.known = record
	}
	return h.known
}

// blame puts a node after the others for a while.
func (h *Host) blame(m *member, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().After(m.until) {
		h.cfg.Log.Warn("a node of the host chain fails", "node", m.number, "err", err)
	}
	m.until = time.Now().Add(blamed)
}

// saw notes a head with verified seals. One below an earlier head of the node is taken
// as it is: the node serves no more than that. What is known to be sealed stays, since
// no other block of its height can be.
func (h *Host) saw(m *member, head *client.Head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.head != nil && head.Height < m.head.Height {
		h.cfg.Log.Warn("a node of the host chain went back", "node", m.number, "from", m.head.Height, "to", head.Height)
	}
	m.head = head
	switch {
	case h.newest == nil || head.Height > h.newest.Height:
		h.newest = head
		close(h.changed)
		h.changed = make(chan struct{})
	case head.Height == h.newest.Height && head.Hash != h.newest.Hash && !h.forked:
		h.forked = true
		h.cfg.Log.Error("two blocks of one height are sealed: the host chain's validators broke their rules",
			"height", head.Height, "block", head.Hash, "other", h.newest.Hash)
	}
}

// headOf returns a node's newest head with verified seals, nil for none.
func (h *Host) headOf(m *member) *client.Head {
	h.mu.Lock()
	defer h.mu.Unlock()
	return m.head
}

// order returns the nodes in the order in which they are asked: those that failed just
// now last, else those that are further first, else as they were named.
func (h *Host) order() []*member {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	list := slices.Clone(h.members)
	slices.SortStableFunc(list, func(a, b *member) int {
		return cmp.Or(rank(a, now)-rank(b, now), -cmp.Compare(height(a), height(b)))
	})
	return list
}

// rank is 1 for a node that failed just now.
func rank(m *member, now time.Time) int {
	if now.Before(m.until) {
		return 1
	}
	return 0
}

// height is how far a node is, as far as is known.
func height(m *member) uint64 {
	if m.head == nil {
		return 0
	}
	return m.head.Height
}
