package party

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/party/status"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// maxCatchUp bounds the blocks whose work is read one by one; older open work is
// found through the list of open work.
const maxCatchUp = 50

// recheck is how many open requests, and keys, are proven anew with each block.
const recheck = 32

// A request is looked at again when its answer may be there: firstLook blocks after the
// one in which it was seen or answered, as a transaction takes that long, and every
// nextLook blocks from then on. A proof costs about as much as a decryption.
const (
	firstLook = 3
	nextLook  = 2
)

// proofs is how many records are proven at a time.
const proofs = 8

// task is one request or key that this party works on.
type task struct {
	id      string
	seat    *seat
	cancel  context.CancelFunc
	request *kmstypes.Request // nil for a key
	key     *kmstypes.Key
	update  chan *kmstypes.Key // newest proven record of a key

	// What follows is guarded by the party's mu.

	overtaken context.CancelFunc // ends the generation of a key that became active without this party
	recorded  bool               // the chain has this party's answer
	result    *kmstypes.Result   // the answer, once there is one
	posted    int64              // height at which it was last posted
	refused   bool               // there will be no answer
	look      int64              // height from which on a request is looked at again
	until     int64              // last height for which a request is kept that nothing more is to be done for, 0 before
}

// takeWork starts what the chain recorded up to a height and follows what is
// under way. Every block's list of work is proven, so that a node cannot hide a
// request; only what was open before this party came is found by a hint.
func (p *Party) takeWork(ctx context.Context, height int64) error {
	var serving []*seat
	for _, s := range p.allSeats() {
		if p.serving(s) {
			serving = append(serving, s)
		}
	}
	if len(serving) == 0 {
		return nil
	}
	behind := p.cursor == 0 || height-p.cursor > maxCatchUp
	more := false
	for _, s := range serving {
		if behind || !s.caughtUp {
			if err := p.takeOpenWork(ctx, s, height); err != nil {
				return err
			}
		}
		more = more || !s.caughtUp
	}
	switch {
	case behind && more:
		p.cursor = height
	case behind:
		// The latest lists are read all the same: what is no longer open may still take
		// this party's share.
		p.cursor = max(p.cursor, height-maxCatchUp)
	}
	for ; p.cursor < height; p.cursor++ {
		var work kmstypes.Work
		err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfWork(uint64(p.cursor+1)), height, &work)
		if errors.Is(err, ErrAbsent) {
			continue
		}
		if err == nil {
			err = p.takeList(ctx, work.KeyIds, work.RequestIds, height)
		}
		if err != nil {
			return err
		}
	}
	if err := p.eraseEarlier(ctx, height); err != nil {
		return err
	}
	return p.followTasks(ctx, height)
}

// takeOpenWork finds what was open before this party came: after a restart, or
// when it is far behind.
func (p *Party) takeOpenWork(ctx context.Context, s *seat, height int64) error {
	epoch := s.epochID()
	next, err := nextItem(ctx, p.cfg.Chain, epoch, height)
	if err != nil {
		return err
	}
	var work kmstypes.QueryOpenWorkResponse
	if err := query(ctx, p.cfg.Chain, "/tkms.kms.v1.Query/OpenWork", &kmstypes.QueryOpenWorkRequest{EpochId: epoch}, &work); err != nil {
		return err
	}
	// Requests hold their items before the stock learns what is assigned: it
	// erases what is assigned and not held.
	if err := p.takeList(ctx, work.KeyIds, work.RequestIds, height); err != nil {
		return err
	}
	s.caughtUp = !work.More
	if !work.More {
		s.assigned(next)
		if err := p.findEarlier(); err != nil {
			return err
		}
	}
	return p.openKeys(ctx, s, height)
}

// takeList starts what is in a list, each in the seat of its epoch.
func (p *Party) takeList(ctx context.Context, keys, requests [][]byte, height int64) error {
	for _, id := range keys {
		var key kmstypes.Key
		if err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(id), height, &key); errors.Is(err, ErrAbsent) {
			continue
		} else if err != nil {
			return err
		}
		if s := p.seatOf(key.EpochId); s != nil {
			p.startKey(s, &key)
		}
	}
	found := make([]*kmstypes.Request, len(requests))
	err := each(len(requests), func(i int) error {
		request := new(kmstypes.Request)
		err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfRequest(requests[i]), height, request)
		if err == nil {
			found[i] = request
		} else if !errors.Is(err, ErrAbsent) {
			return err
		}
		return nil
	})
	// In the chain's order, so that all parties begin with the same ones.
	for _, request := range found {
		if request == nil {
			continue
		}
		if s := p.seatOf(request.EpochId); s != nil {
			p.startRequest(s, request)
		}
	}
	return err
}

// each calls do with 0 to count-1, some at a time, and returns what failed.
func each(count int, do func(i int) error) error {
	failures := make([]error, count)
	slots := make(chan struct{}, proofs)
	var running sync.WaitGroup
	for i := range count {
		slots <- struct{}{}
		running.Go(func() {
			failures[i] = do(i)
			<-slots
		})
	}
	running.Wait()
	return errors.Join(failures...)
}

// add registers a task unless it is known, and returns its context.
func (p *Party) add(s *seat, t *task) (context.Context, bool) {
	t.seat = s
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.tasks[t.id]; known {
		return nil, false
	}
	var ctx context.Context
	ctx, t.cancel = context.WithCancel(s.ctx)
	p.tasks[t.id] = t
	return ctx, true
}

// remove ends a task; what was sent for it is no longer handed out.
func (p *Party) remove(t *task) {
	p.mu.Lock()
	if p.tasks[t.id] == t {
		delete(p.tasks, t.id)
	}
	p.mu.Unlock()
	t.cancel()
	t.seat.sent.Drop(t.id)
}

func requestTask(r *kmstypes.Request) string {
	return fmt.Sprintf("request %s/%d", hex.EncodeToString(r.Id), r.Attempt)
}

func keyTask(k *kmstypes.Key) string {
	return fmt.Sprintf("key %s/%d", hex.EncodeToString(k.Id), k.Attempt)
}

// followTasks proves records of tasks anew: closed ones end, keys go on.
func (p *Party) followTasks(ctx context.Context, height int64) error {
	p.mu.Lock()
	var requests, keys, over []*task
	for _, t := range p.tasks {
		switch {
		case t.request == nil:
			keys = append(keys, t)
		case t.until == 0 && height >= t.look:
			requests = append(requests, t)
		case t.until != 0 && height > t.until:
			over = append(over, t)
		}
	}
	p.mu.Unlock()
	for _, t := range over {
		p.end(t)
	}
	for _, t := range keys[:min(len(keys), recheck)] {
		if err := p.followKey(ctx, t, height); err != nil {
			return err
		}
	}
	requests = requests[:min(len(requests), recheck)]
	return each(len(requests), func(i int) error { return p.followRequest(ctx, requests[i], height) })
}

// lookLater puts the next look at a request off.
func (p *Party) lookLater(t *task, height int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.look = max(t.look, height)
}

// followRequest ends a task whose request is closed, and posts its answer again
// when the chain does not show it. A user decryption goes on for a while after it was
// fulfilled.
func (p *Party) followRequest(ctx context.Context, t *task, height int64) error {
	s := t.seat
	var now kmstypes.Request
	err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfRequest(t.request.Id), height, &now)
	if err != nil && !errors.Is(err, ErrAbsent) {
		return err
	}
	p.lookLater(t, height+nextLook)
	current := err == nil && now.Attempt == t.request.Attempt
	fulfilled := current && now.Status == kmstypes.REQUEST_STATUS_FULFILLED
	if current && now.Status == kmstypes.REQUEST_STATUS_ACCEPTED {
		p.postAgain(t, s.answered(&now))
		return nil
	}
	if fulfilled && takesShares(&now, s.code.N(), height) {
		p.postAgain(t, s.answered(&now))
		if !p.linger(t, min(now.Deadline, height+lateShares)) {
			return nil
		}
	} else {
		p.end(t)
	}
	p.board.Request(hex.EncodeToString(t.request.Id), func(r *status.Request) {
		switch {
		case r.Attempt != t.request.Attempt || r.State == status.StateRefused:
		case fulfilled:
			r.State = status.StateFulfilled
		default:
			r.State = status.StateExpired
		}
	})
	return nil
}

// end ends the task of a request.
func (p *Party) end(t *task) {
	p.remove(t)
	t.seat.release(t.id)
}

// linger keeps a request up to a height without looking at it again, unless its answer
// is still to come or to be recorded.
func (p *Party) linger(t *task, until int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !t.recorded && !t.refused {
		return false
	}
	t.until = until
	return true
}
