package stock

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

const (
	// workers is how many batches are made at once.
	workers = 2
	// linger is how long a finished batch goes on answering slower members.
	linger = 5 * time.Second
	// catchUpInterval is the pause between two attempts to fetch a batch that the
	// others may have made without this party.
	catchUpInterval = 500 * time.Millisecond
	// redoTime bounds a run of redo: nobody else may need it.
	redoTime = 10 * time.Second
)

// Run makes batches until ctx ends.
func (s *Stock) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for range workers {
		running.Go(func() { s.work(ctx) })
	}
	running.Go(func() { s.follow(ctx) })
}

// follow starts redo whenever the set of members changes.
func (s *Stock) follow(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	var last members
	for ctx.Err() == nil {
		s.mu.Lock()
		changed, current := s.changed, s.members
		s.mu.Unlock()
		if current != last && last.active != 0 {
			running.Go(func() { s.redo(ctx, current) })
		}
		last = current
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

func (s *Stock) work(ctx context.Context) {
	for ctx.Err() == nil {
		s.mu.Lock()
		changed := s.changed
		number, wanted := s.claim()
		s.mu.Unlock()
		if !wanted {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		batch, err := s.obtain(ctx, number)
		if err == nil {
			err = s.add(number, batch)
		}
		s.mu.Lock()
		delete(s.making, number)
		s.notify()
		s.mu.Unlock()
		if err != nil && ctx.Err() == nil && !errors.Is(err, errSpent) {
			s.cfg.Log.Error("stock: batch failed", "batch", number, "err", err)
			pause(ctx, time.Second)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// claim picks the lowest batch that is wanted and nobody makes.
func (s *Stock) claim() (uint64, bool) {
	if s.members.active == 0 {
		return 0, false
	}
	lowest := s.next
	for _, held := range s.open {
		lowest = min(lowest, held.first)
	}
	for number := lowest / BatchItems; number*BatchItems < s.next+s.cfg.Target; number++ {
		if s.batches[number] == nil && !s.making[number] && !s.spent(number) {
			s.making[number] = true
			return number, true
		}
	}
	return 0, false
}

func (s *Stock) add(number uint64, batch *preproc.Batch) error {
	raw, err := batch.MarshalBinary()
	if err != nil {
		return err
	}
	err = s.cfg.Store.Put(name(number), raw)
	clear(raw)
	if err != nil {
		return fmt.Errorf("stock: seal batch %d: %w", number, err)
	}
	s.mu.Lock()
	s.batches[number] = batch
	s.opened[number] = openedValues{digest: batch.OpenedDigest(), data: batch.Opened()}
	items := s.available()
	s.notify()
	s.mu.Unlock()
	s.cfg.Changed(items)
	return nil
}

// obtain makes a batch with the members that the chain waits for, or takes over
// one that they made without this party, whichever comes first. It starts anew
// when the set changes.
func (s *Stock) obtain(ctx context.Context, number uint64) (*preproc.Batch, error) {
	if batch, err := s.catchUp(ctx, number); err == nil {
		return batch, nil
	}
	for {
		s.mu.Lock()
		current, changed, spent := s.members, s.changed, s.spent(number)
		s.mu.Unlock()
		if spent {
			return nil, errSpent
		}
		if !current.active.Has(s.cfg.Identity.Self()) {
			if err := s.await(ctx, changed); err != nil {
				return nil, err
			}
		} else if batch, err := s.produce(ctx, number, current); err == nil || ctx.Err() != nil {
			return batch, err
		} else if s.unchanged(current) && !errors.Is(err, errOtherwise) {
			return nil, err
		}
		if batch, err := s.catchUp(ctx, number); err == nil {
			return batch, nil
		}
	}
}

func (s *Stock) await(ctx context.Context, changed chan struct{}) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-changed:
	case <-time.After(catchUpInterval):
	}
	return nil
}

func (s *Stock) unchanged(m members) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members == m
}

// sessionID names the making of a batch with one set of members.
func (s *Stock) sessionID(number uint64, m members) session.ID {
	return session.ID(mpc.Session{
		ChainID: s.cfg.ChainID, Subject: mpc.Uint64(number), Parameters: fmt.Sprintf("K=%d W=%d", s.cfg.Shape.K, s.cfg.Shape.W),
		Epoch: s.cfg.Epoch, Attempt: m.generation, Protocol: "offline batch", Parties: m.active, T: s.cfg.Source.Code().T(),
	}.ID())
}

// watched lets another goroutine ask a running machine whom it waits for.
type watched struct {
	*preproc.Machine
	mu sync.Mutex
}

func (w *watched) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Machine.Receive(from, round, payload)
}

func (w *watched) Start() ([]mpc.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Machine.Start()
}

func (w *watched) missing() sharing.Parties {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Missing()
}

// produce makes one batch and watches over it.
func (s *Stock) produce(ctx context.Context, number uint64, m members) (*preproc.Batch, error) {
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	made, rescued, err := s.session(running, number, m, func(ctx context.Context, machine *watched) *preproc.Batch {
		return s.watch(ctx, cancel, number, m, machine)
	})
	s.note(number, 0)
	if err != nil && rescued != nil {
		return rescued, nil
	}
	return made, err
}

// session runs the offline phase for one batch; beside runs along with it, under
// a context that ends with it. What beside returns is returned as rescued.
func (s *Stock) session(ctx context.Context, number uint64, m members, beside func(context.Context, *watched) *preproc.Batch) (made, rescued *preproc.Batch, err error) {
	id := s.sessionID(number, m)
	inner, err := preproc.NewBatch(preproc.Config{
		Source: s.cfg.Source, Session: mpc.Digest(id), From: m.active, Identity: s.cfg.Identity,
	}, s.cfg.Shape, number*BatchItems, BatchItems)
	if err != nil {
		return nil, nil, err
	}
	machine := &watched{Machine: inner}
	along, stop := context.WithCancel(ctx)
	defer stop()
	var watching sync.WaitGroup
	watching.Go(func() { rescued = beside(along, machine) })
	var failure error
	err = s.cfg.Sessions.Run(ctx, id, m.active, machine, session.WithLinger(linger, func() {
		machine.mu.Lock()
		defer machine.mu.Unlock()
		made, failure = preproc.FromMachine(inner, s.cfg.Shape)
	}, nil))
	if err == nil {
		err = failure
	}
	stop()
	watching.Wait()
	return made, rescued, err
}

// note keeps whom a batch waits for.
func (s *Stock) note(number uint64, missing sharing.Parties) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if missing == 0 {
		delete(s.silent, number)
	} else {
		s.silent[number] = missing
	}
}

// watch ends the run when the set of members changes or when the batch turns out
// to be made already, and notes whom it waits for.
func (s *Stock) watch(ctx context.Context, cancel context.CancelCauseFunc, number uint64, m members, machine *watched) *preproc.Batch {
	since := time.Now()
	ticker := time.NewTicker(catchUpInterval)
	defer ticker.Stop()
	for {
		s.mu.Lock()
		changed, same := s.changed, s.members == m && !s.spent(number)
		s.mu.Unlock()
		if !same {
			cancel(errOtherwise)
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			continue
		case <-ticker.C:
		}
		if batch, err := s.catchUp(ctx, number); err == nil {
			cancel(errOtherwise)
			return batch
		}
		if time.Since(since) >= s.cfg.Patience {
			s.note(number, machine.missing())
		}
	}
}

// errSpent ends the making of a batch that nobody needs any more: the others have
// used and erased it.
var errSpent = errors.New("stock: the batch is spent")

// errOtherwise ends a run whose result is no longer wanted.
var errOtherwise = errors.New("stock: the batch is made otherwise")

// redo runs the newest batches once more with a new set of members and drops the
// result: a member that did not finish one under the old set needs the others,
// and cannot fetch what only one of them has.
func (s *Stock) redo(ctx context.Context, m members) {
	s.mu.Lock()
	held := slices.Sorted(maps.Keys(s.batches))
	s.mu.Unlock()
	if !m.active.Has(s.cfg.Identity.Self()) {
		return
	}
	var running sync.WaitGroup
	defer running.Wait()
	for _, number := range held[max(0, len(held)-2*workers):] {
		running.Go(func() {
			limited, cancel := context.WithTimeout(ctx, redoTime)
			defer cancel()
			batch, _, err := s.session(limited, number, m, func(context.Context, *watched) *preproc.Batch { return nil })
			if err == nil {
				batch.Zero()
			}
		})
	}
}

// catchUp rebuilds a batch from the values that t+1 peers say were opened.
func (s *Stock) catchUp(ctx context.Context, number uint64) (*preproc.Batch, error) {
	code := s.cfg.Source.Code()
	if code.N() == 1 {
		return nil, ErrDisagree
	}
	type answer struct {
		peer int
		data []byte
	}
	answers := make(chan answer, code.N())
	calling, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	asked := 0
	for peer := 1; peer <= code.N(); peer++ {
		if peer == s.cfg.Identity.Self() {
			continue
		}
		asked++
		go func() {
			data, err := s.cfg.Sessions.Call(calling, peer, methodOpened(s.cfg.Shape), binary.BigEndian.AppendUint64(nil, number))
			if err != nil {
				data = nil
			}
			answers <- answer{peer, data}
		}()
	}
	votes := map[mpc.Digest]int{}
	most := 0
	for left := asked - 1; most+left+1 > code.T(); left-- {
		got := <-answers
		if got.data == nil {
			continue
		}
		digest := mpc.Hash("tkms/v1/stock/opened", got.data)
		votes[digest]++
		most = max(most, votes[digest])
		if most > code.T() {
			return preproc.RebuildBatch(s.cfg.Source, s.cfg.Shape, number*BatchItems, BatchItems, got.data)
		}
	}
	return nil, ErrDisagree
}

// serveOpened answers with the opened values of a batch.
func (s *Stock) serveOpened(_ int, body []byte) ([]byte, error) {
	if len(body) != 8 {
		return nil, ErrRequest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	opened, held := s.opened[binary.BigEndian.Uint64(body)]
	if !held {
		return nil, ErrMissing
	}
	return opened.data, nil
}
