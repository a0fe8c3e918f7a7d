package session

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of this package.
var (
	// ErrConfig reports a router or session that cannot work as configured.
	ErrConfig = errors.New("session: invalid configuration")
	// ErrSessionUsed reports a session id that is running or has run.
	ErrSessionUsed = errors.New("session: the session id was used before")
	// ErrMachine reports a machine that panicked or addressed nobody.
	ErrMachine = errors.New("session: the protocol machine failed")
	// ErrClosed reports use after Close.
	ErrClosed = errors.New("session: router is closed")
	// ErrCallFailed reports that the called party's handler refused or failed.
	ErrCallFailed = errors.New("session: the called party failed to answer")
	// ErrUnknownMethod reports that the called party does not serve the method.
	ErrUnknownMethod = errors.New("session: the called party does not know the method")
	// ErrBusy reports that too many calls are under way, here or there.
	ErrBusy = errors.New("session: too many calls at once")
)

// MaxParties is the highest index: two committees of sixteen that hand over to each
// other.
const MaxParties = 32

// Mesh carries frames. Send copies its arguments and never blocks on the
// network, nor does SendBulk, whose frames do not hold up those of Send;
// transport.Mesh is one.
type Mesh interface {
	Self() int
	Send(to int, parts ...[]byte) error
	SendBulk(to int, parts ...[]byte) error
}

// Config configures a Router. Zero values of the limits take defaults.
type Config struct {
	// Mesh carries frames; its receive callback must be Router.Receive.
	Mesh Mesh
	// Parties is n, at most MaxParties: indices are 1..n.
	Parties int

	// PendingFrames and PendingBytes bound, per peer, messages of sessions not
	// yet started (default 8192 and 64 MiB); PendingAge is when they are dropped
	// (default 60 s).
	PendingFrames, PendingBytes int
	PendingAge                  time.Duration
	// InboxBytes bounds, per peer, what the machines of all sessions have not yet taken
	// (default 256 MiB).
	InboxBytes int
	// Finished is how many finished session ids are remembered, so that late
	// messages are not taken for early ones (default 16384).
	Finished int
	// Handlers is how many calls of one peer are handled at once (default 4),
	// WaitingCalls how many more may wait (default 64), and CallBytes bounds the
	// bodies of both together (default 64 MiB).
	Handlers, WaitingCalls, CallBytes int
	// OpenCalls bounds own calls to one peer under way (default 256).
	OpenCalls int
	// CallTimeout ends calls whose context has no deadline (default 10 s).
	CallTimeout time.Duration
	// Log takes failures of machines and handlers (default: discarded).
	Log *slog.Logger
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Router delivers frames to machines and handlers. It is safe for concurrent
// use.
type Router struct {
	cfg    Config
	self   int
	ctx    context.Context
	cancel context.CancelFunc
	// running counts lingering sessions and handlers. Guarded against a late Add
	// by closed, under mu.
	running sync.WaitGroup

	mu       sync.RWMutex
	closed   bool
	sessions map[ID]*session
	waiting  []pending      // by peer
	inboxes  []atomic.Int64 // by peer: bytes in all sessions
	finished map[ID]bool
	recent   []ID // ring of finished ids
	oldest   int

	handlers map[string]Handler
	inbound  []callBudget // by peer

	callMu   sync.Mutex
	nextCall uint64
	calls    map[uint64]*call
	open     []int // by peer

	counts [statCount]atomic.Uint64
}

// New makes a router.
func New(cfg Config) (*Router, error) {
	if cfg.Mesh == nil || cfg.Parties < 1 || cfg.Parties > MaxParties || cfg.Mesh.Self() < 1 || cfg.Mesh.Self() > cfg.Parties {
		return nil, fmt.Errorf("%w: no mesh, or indices outside 1..%d", ErrConfig, cfg.Parties)
	}
	orDefault(&cfg.PendingFrames, 8192)
	orDefault(&cfg.PendingBytes, 64<<20)
	orDefault(&cfg.PendingAge, time.Minute)
	orDefault(&cfg.InboxBytes, 256<<20)
	orDefault(&cfg.Finished, 16384)
	orDefault(&cfg.Handlers, 4)
	orDefault(&cfg.WaitingCalls, 64)
	orDefault(&cfg.CallBytes, 64<<20)
	orDefault(&cfg.OpenCalls, 256)
	orDefault(&cfg.CallTimeout, 10*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	// Call ids start at random: a peer may still hold a reply meant for a call
	// of an earlier life of this process.
	var first [8]byte
	if _, err := rand.Read(first[:]); err != nil {
		return nil, fmt.Errorf("session: reading randomness: %w", err)
	}
	r := &Router{
		cfg: cfg, self: cfg.Mesh.Self(),
		sessions: make(map[ID]*session),
		waiting:  make([]pending, cfg.Parties+1),
		inboxes:  make([]atomic.Int64, cfg.Parties+1),
		finished: make(map[ID]bool),
		handlers: make(map[string]Handler),
		inbound:  make([]callBudget, cfg.Parties+1),
		nextCall: binary.BigEndian.Uint64(first[:]),
		calls:    make(map[uint64]*call),
		open:     make([]int, cfg.Parties+1),
	}
	for i := range r.inbound {
		r.inbound[i].slots = make(chan struct{}, cfg.Handlers)
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Close ends lingering sessions and open calls, waits for handlers and makes
// running sessions return ErrClosed.
func (r *Router) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.running.Wait()
}

// launch starts f unless the router is closed.
func (r *Router) launch(f func()) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return false
	}
	r.running.Go(f)
	return true
}

// Receive takes one frame from a peer and owns it. It never blocks.
func (r *Router) Receive(from int, frame []byte) {
	if from < 1 || from > r.cfg.Parties || from == r.self || len(frame) == 0 {
		r.count(statMalformed)
		return
	}
	switch frame[0] {
	case kindMessage:
		if id, round, payload, err := parseMessage(frame); err == nil {
			r.deliver(id, inbound{from, round, payload})
			return
		}
	case kindCall:
		if call, method, body, err := parseCall(frame); err == nil {
			r.serve(from, call, method, body)
			return
		}
	case kindReply:
		if call, outcome, body, err := parseReply(frame); err == nil {
			r.resolve(from, call, outcome, body)
			return
		}
	}
	r.count(statMalformed)
}

// Deliver hands over a message that reached this party otherwise than in a frame
// of its own, such as in the answer to a call. It counts as sent by from, and the
// router owns the payload.
func (r *Router) Deliver(from int, id ID, round uint16, payload []byte) {
	if from < 1 || from > r.cfg.Parties || from == r.self {
		r.count(statMalformed)
		return
	}
	r.deliver(id, inbound{from, round, payload})
}

func (r *Router) deliver(id ID, m inbound) {
	r.mu.RLock()
	s, late := r.sessions[id], r.finished[id]
	r.mu.RUnlock()
	if s == nil && !late {
		r.mu.Lock()
		// The session may have started, or ended, in between.
		if s, late = r.sessions[id], r.finished[id]; s == nil && !late {
			now := time.Now()
			waiting := &r.waiting[m.from]
			r.countN(statExpired, waiting.expire(now.Add(-r.cfg.PendingAge)))
			if !waiting.add(id, m, now, r.cfg.PendingFrames, r.cfg.PendingBytes) {
				r.count(statOverflow)
			}
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
	switch {
	case s == nil:
		r.count(statLate)
	case !s.push(m):
		r.count(statOverflow)
	}
}

// admit registers a session and hands it what arrived early.
func (r *Router) admit(id ID, s *session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if r.sessions[id] != nil || r.finished[id] {
		return fmt.Errorf("%w: %s", ErrSessionUsed, id)
	}
	r.sessions[id] = s
	oldest := time.Now().Add(-r.cfg.PendingAge)
	for from := range r.waiting {
		r.countN(statExpired, r.waiting[from].expire(oldest))
		for _, m := range r.waiting[from].take(id) {
			if !s.push(m) {
				r.count(statOverflow)
			}
		}
	}
	return nil
}

func (r *Router) retire(s *session) {
	s.end()
	id := s.id
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, id)
	r.finished[id] = true
	if len(r.recent) < r.cfg.Finished {
		r.recent = append(r.recent, id)
		return
	}
	delete(r.finished, r.recent[r.oldest])
	r.recent[r.oldest] = id
	r.oldest = (r.oldest + 1) % len(r.recent)
}

type stat int

const (
	statMalformed stat = iota
	statOverflow
	statExpired
	statLate
	statUnsent
	statCount
)

func (r *Router) count(s stat) { r.counts[s].Add(1) }

func (r *Router) countN(s stat, n int) {
	if n > 0 {
		r.counts[s].Add(uint64(n))
	}
}

// Stats counts what did not reach a machine or a peer since the router was made.
type Stats struct {
	// Running is the number of sessions now, lingering ones included.
	Running int
	// Pending is the number of messages kept for sessions not yet started, PendingBytes
	// what they take.
	Pending, PendingBytes int
	// InboxBytes is what the machines of running sessions have not yet taken.
	InboxBytes int
	// Malformed counts frames that are none.
	Malformed uint64
	// Overflow counts messages and calls dropped for a bound.
	Overflow uint64
	// Expired counts messages whose session did not start in time.
	Expired uint64
	// Late counts messages of finished sessions.
	Late uint64
	// Unsent counts messages that the mesh dropped.
	Unsent uint64
}

// Stats returns the present counts.
func (r *Router) Stats() Stats {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := Stats{
		Running:   len(r.sessions),
		Malformed: r.counts[statMalformed].Load(),
		Overflow:  r.counts[statOverflow].Load(),
		Expired:   r.counts[statExpired].Load(),
		Late:      r.counts[statLate].Load(),
		Unsent:    r.counts[statUnsent].Load(),
	}
	for i := range r.waiting {
		s.Pending += r.waiting[i].frames
		s.PendingBytes += r.waiting[i].bytes
		s.InboxBytes += int(r.inboxes[i].Load())
	}
	return s
}
