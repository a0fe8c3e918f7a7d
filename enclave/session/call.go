package session

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// Handler answers a call of a peer. It owns body. The text of an error is logged
// here and not told to the peer. It must return without waiting for the caller.
type Handler func(peer int, body []byte) ([]byte, error)

// callBudget bounds what one peer's calls may occupy here.
type callBudget struct {
	slots chan struct{}
	calls atomic.Int64
	bytes atomic.Int64
}

type call struct {
	peer  int
	reply chan reply // capacity 1
}

type reply struct {
	outcome status
	body    []byte
}

// Handle serves a method, 1..255 bytes long, replacing an earlier handler.
func (r *Router) Handle(method string, handler Handler) {
	if len(method) == 0 || len(method) > 255 || handler == nil {
		panic("session: a method needs a name of 1 to 255 bytes and a handler")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handlers[method] = handler
}

// Call asks a peer and waits for its answer until ctx ends, or CallTimeout if
// ctx has no deadline. The call may reach the peer's handler twice if the
// connection breaks, so methods must be idempotent.
func (r *Router) Call(ctx context.Context, peer int, method string, body []byte) ([]byte, error) {
	if peer < 1 || peer > r.cfg.Parties || peer == r.self || len(method) == 0 || len(method) > 255 {
		return nil, fmt.Errorf("%w: call of %q to party %d", ErrConfig, method, peer)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.cfg.CallTimeout)
		defer cancel()
	}
	c := &call{peer: peer, reply: make(chan reply, 1)}
	id, err := r.register(c)
	if err != nil {
		return nil, err
	}
	defer r.unregister(id, c)
	if err := r.cfg.Mesh.Send(peer, appendCallHeader(nil, id, method), body); err != nil {
		return nil, fmt.Errorf("session: calling %q of party %d: %w", method, peer, err)
	}
	select {
	case got := <-c.reply:
		if got.outcome == statusOK {
			return got.body, nil
		}
		return nil, fmt.Errorf("%w: %q of party %d", got.outcome.err(), method, peer)
	case <-ctx.Done():
		return nil, fmt.Errorf("session: calling %q of party %d: %w", method, peer, context.Cause(ctx))
	case <-r.ctx.Done():
		return nil, ErrClosed
	}
}

func (s status) err() error {
	switch s {
	case statusUnknownMethod:
		return ErrUnknownMethod
	case statusBusy:
		return ErrBusy
	default:
		return ErrCallFailed
	}
}

func (r *Router) register(c *call) (uint64, error) {
	r.callMu.Lock()
	defer r.callMu.Unlock()
	if r.open[c.peer] >= r.cfg.OpenCalls {
		return 0, ErrBusy
	}
	r.open[c.peer]++
	r.nextCall++
	r.calls[r.nextCall] = c
	return r.nextCall, nil
}

func (r *Router) unregister(id uint64, c *call) {
	r.callMu.Lock()
	defer r.callMu.Unlock()
	delete(r.calls, id)
	r.open[c.peer]--
}

func (r *Router) resolve(from int, id uint64, outcome status, body []byte) {
	r.callMu.Lock()
	c := r.calls[id]
	r.callMu.Unlock()
	if c == nil || c.peer != from {
		r.count(statLate)
		return
	}
	select {
	case c.reply <- reply{outcome, body}:
	default: // answered twice
	}
}

// serve runs a handler in its own goroutine, within the peer's budget.
func (r *Router) serve(from int, id uint64, method string, body []byte) {
	r.mu.RLock()
	handler := r.handlers[method]
	r.mu.RUnlock()
	if handler == nil {
		r.answer(from, id, statusUnknownMethod, nil)
		return
	}
	budget := &r.inbound[from]
	size := int64(len(body))
	release := func() {
		budget.calls.Add(-1)
		budget.bytes.Add(-size)
	}
	calls, bytes := budget.calls.Add(1), budget.bytes.Add(size)
	if calls > int64(r.cfg.Handlers+r.cfg.WaitingCalls) || bytes > int64(r.cfg.CallBytes) {
		release()
		r.count(statOverflow)
		r.answer(from, id, statusBusy, nil)
		return
	}
	started := r.launch(func() {
		defer release()
		select {
		case budget.slots <- struct{}{}:
		case <-r.ctx.Done():
			return
		}
		defer func() { <-budget.slots }()
		answer, err := invoke(handler, from, body)
		if err != nil {
			r.cfg.Log.Debug("call failed", "method", method, "peer", from, "err", err)
			r.answer(from, id, statusFailed, nil)
			return
		}
		r.answer(from, id, statusOK, answer)
	})
	if !started {
		release()
	}
}

func invoke(handler Handler, from int, body []byte) (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("session: handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return handler(from, body)
}

// promptReply is the largest answer, in bytes, that others may wait behind.
const promptReply = 256 << 10

func (r *Router) answer(to int, id uint64, outcome status, body []byte) {
	send := r.cfg.Mesh.Send
	if len(body) > promptReply {
		send = r.cfg.Mesh.SendBulk
	}
	if err := send(to, appendReplyHeader(nil, id, outcome), body); err != nil {
		r.count(statUnsent)
		r.cfg.Log.Debug("answer not sent", "to", to, "err", err)
		if outcome == statusOK {
			// Perhaps only the body is too large: let the caller stop waiting.
			_ = r.cfg.Mesh.Send(to, appendReplyHeader(nil, id, statusFailed))
		}
	}
}
