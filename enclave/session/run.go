package session

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// session is one running machine with its inbox.
type session struct {
	id      ID
	parties []int  // without self
	member  []bool // by index
	header  [messageHeader]byte
	parts   [2][]byte // of the frame being sent: header and payload
	wake    chan struct{}
	send    func(to int, parts ...[]byte) error

	queued []atomic.Int64 // by peer: what waits in the inboxes of all sessions
	limit  int64          // of each

	mu    sync.Mutex
	inbox []inbound
	bytes []int64 // by peer, waiting in this inbox
	ended bool
}

// inboxRoom is the messages a peer for which an inbox has room from the start: those
// of a round and some of the next.
const inboxRoom = 2

func (s *session) push(m inbound) bool {
	if !s.member[m.from] {
		return false
	}
	cost := int64(len(m.payload) + messageHeader)
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	if s.queued[m.from].Add(cost) > s.limit {
		s.queued[m.from].Add(-cost)
		s.mu.Unlock()
		return false
	}
	s.bytes[m.from] += cost
	s.inbox = append(s.inbox, m)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return true
}

// take exchanges the inbox for an empty buffer.
func (s *session) take(buffer []inbound) []inbound {
	clear(buffer)
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.inbox
	s.inbox = buffer[:0]
	s.release()
	return full
}

// end drops what waits in the inbox, and whatever comes.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.inbox = true, nil
	s.release()
}

// release gives the room back that the inbox took. Called with the lock held.
func (s *session) release() {
	for from, bytes := range s.bytes {
		if bytes > 0 {
			s.queued[from].Add(-bytes)
		}
	}
	clear(s.bytes)
}

type runOptions struct {
	parties []int
	bulk    bool
	linger  time.Duration
	done    func()
	closed  func()
}

// Option changes how Run runs a machine.
type Option func(*runOptions)

// WithParties restricts the session to these indices; the own one may be among
// them. Everyone then means these, and messages of others are dropped. The
// default is all parties.
func WithParties(indices ...int) Option {
	return func(o *runOptions) { o.parties = indices }
}

// WithBulk sends the session's messages behind those of others: they are large and
// may take their time.
func WithBulk() Option { return func(o *runOptions) { o.bulk = true } }

// WithLinger lets the machine go on receiving for d after it is done, so that
// late messages still name cheaters. It is then shared with the router: done is
// called when the result is ready, before Run returns, closed after the last
// message was delivered, and only in these two may the caller touch the machine.
// Either may be nil.
func WithLinger(d time.Duration, done, closed func()) Option {
	return func(o *runOptions) { o.linger, o.done, o.closed = d, done, closed }
}

// Run starts the machine as session id and returns nil when it is done, the
// machine's error if it fails, or the cause why ctx ended. Messages that came
// before Run are delivered first. Without WithLinger the machine is not touched
// after Run has returned. Parties that cannot be reached are treated as silent.
func (r *Router) Run(ctx context.Context, id ID, machine mpc.Machine, options ...Option) error {
	var opt runOptions
	for _, o := range options {
		o(&opt)
	}
	s, err := r.newSession(id, opt)
	if err != nil {
		return err
	}
	if err := r.admit(id, s); err != nil {
		return err
	}
	lingers := false
	defer func() {
		if !lingers {
			r.retire(s)
		}
	}()
	if err := r.start(s, machine); err != nil {
		return err
	}
	batch := make([]inbound, 0, inboxRoom*len(s.parties))
	for !machine.Done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("session %s: %w", id, context.Cause(ctx))
		case <-r.ctx.Done():
			return ErrClosed
		case <-s.wake:
		}
		batch = s.take(batch)
		for i, m := range batch {
			if err := r.step(s, machine, m); err != nil {
				return err
			}
			if machine.Done() {
				batch = batch[i+1:]
				break
			}
		}
	}
	if opt.done != nil {
		opt.done()
	}
	if opt.linger > 0 {
		lingers = r.launch(func() { r.linger(s, machine, batch, opt) })
	}
	return nil
}

// linger delivers late messages. A failure is no longer of interest: the result
// is out.
func (r *Router) linger(s *session, machine mpc.Machine, batch []inbound, opt runOptions) {
	defer r.retire(s)
	if opt.closed != nil {
		defer opt.closed()
	}
	timer := time.NewTimer(opt.linger)
	defer timer.Stop()
	for {
		for _, m := range batch {
			if err := r.step(s, machine, m); err != nil {
				r.cfg.Log.Debug("late message", "session", s.id, "err", err)
				return
			}
		}
		select {
		case <-timer.C:
			return
		case <-r.ctx.Done():
			return
		case <-s.wake:
		}
		batch = s.take(nil)
	}
}

func (r *Router) newSession(id ID, opt runOptions) (*session, error) {
	s := &session{
		id: id, parties: make([]int, 0, r.cfg.Parties), member: make([]bool, r.cfg.Parties+1), send: r.cfg.Mesh.Send,
		inbox: make([]inbound, 0, inboxRoom*r.cfg.Parties), bytes: make([]int64, r.cfg.Parties+1), wake: make(chan struct{}, 1),
		queued: r.inboxes, limit: int64(r.cfg.InboxBytes),
	}
	if opt.bulk {
		s.send = r.cfg.Mesh.SendBulk
	}
	parties := opt.parties
	if parties == nil {
		for i := 1; i <= r.cfg.Parties; i++ {
			parties = append(parties, i)
		}
	}
	for _, i := range parties {
		if i < 1 || i > r.cfg.Parties || s.member[i] {
			return nil, fmt.Errorf("%w: party %d of session %s", ErrConfig, i, id)
		}
		if s.member[i] = i != r.self; s.member[i] {
			s.parties = append(s.parties, i)
		}
	}
	return s, nil
}

func (r *Router) start(s *session, machine mpc.Machine) (err error) {
	defer r.recover(s, &err)
	out, err := machine.Start()
	if err != nil {
		return fmt.Errorf("session %s: starting: %w", s.id, err)
	}
	return r.send(s, out)
}

func (r *Router) step(s *session, machine mpc.Machine, m inbound) (err error) {
	defer r.recover(s, &err)
	out, err := machine.Receive(m.from, m.round, m.payload)
	sent := r.send(s, out) // even so: others need what this party says of its failure
	if err != nil {
		return fmt.Errorf("session %s: round %d from party %d: %w", s.id, m.round, m.from, err)
	}
	return sent
}

// recover turns a panic into the end of one session: a message that trips a bug
// must not end the others.
func (r *Router) recover(s *session, err *error) {
	if p := recover(); p != nil {
		r.cfg.Log.Error("a protocol machine panicked", "session", s.id, "panic", p, "stack", string(debug.Stack()))
		*err = fmt.Errorf("%w: session %s panicked", ErrMachine, s.id)
	}
}

func (r *Router) send(s *session, out []mpc.Message) error {
	for _, m := range out {
		putMessageHeader(&s.header, s.id, m.Round)
		if m.To != mpc.Everyone {
			if m.To < 0 || m.To >= len(s.member) || !s.member[m.To] {
				return fmt.Errorf("%w: session %s sends to party %d", ErrMachine, s.id, m.To)
			}
			r.sendOne(s, m.To, m.Payload)
			continue
		}
		for _, to := range s.parties {
			r.sendOne(s, to, m.Payload)
		}
	}
	return nil
}

func (r *Router) sendOne(s *session, to int, payload []byte) {
	s.parts = [2][]byte{s.header[:], payload}
	if err := s.send(to, s.parts[:]...); err != nil {
		r.count(statUnsent)
		r.cfg.Log.Debug("message not sent", "session", s.id, "to", to, "err", err)
	}
}
