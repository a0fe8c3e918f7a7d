package stock

import (
	"context"
	"errors"
	"fmt"

	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
)

const (
	// workers is how many batches are made at once, remakers how many that are held
	// already are made anew.
	workers  = 2
	remakers = 1
	// linger is how long a finished batch goes on answering slower members.
	linger = 5 * time.Second
	// catchUpInterval is the pause between two attempts to fetch a batch that the
	// others may have made without this party.
	catchUpInterval = 500 * time.Millisecond
)

// Run makes batches until ctx ends: those that are wanted, and anew those that an
// earlier set of members made, so that all come to hold the same ones however the
// set changed under them. Each kind is made lowest first: of the lowest batch that
// somebody lacks all members then are at work on it, and no two wait for each other.
// Batches on demand, of which members may learn in different orders, are all made at
// once.
func (s *Stock) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for range workers {
		running.Go(func() { s.work(ctx, s.claimNew) })
	}
	for range remakers {
		running.Go(func() { s.work(ctx, s.claimOld) })
	}
	running.Go(func() { s.workOnDemand(ctx) })
}

func (s *Stock) work(ctx context.Context, claim func() (uint64, bool)) {
	for ctx.Err() == nil {
		s.mu.Lock()
		changed := s.changed
		number, wanted := claim()
		s.mu.Unlock()
		if !wanted {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		s.make(ctx, number)
	}
}

// make makes a batch that was claimed.
func (s *Stock) make(ctx context.Context, number uint64) {
	m, err := s.obtain(ctx, number)
	if err == nil {
		err = s.add(number, m)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errOtherwise) {
		s.cfg.Log.Error("stock: batch failed", "batch", number, "err", err)
		pause(ctx, time.Second)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.making, number)
	s.notify()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// claimNew picks the lowest batch that is wanted and neither held nor made.
func (s *Stock) claimNew() (uint64, bool) {
	return s.claim(func(number uint64) bool { _, held := s.newest(number); return !held && !s.onDemand(number) })
}

// claimOld picks the lowest batch that is held as an earlier set of members made it.
func (s *Stock) claimOld() (uint64, bool) {
	return s.claim(func(number uint64) bool {
		generation, held := s.newest(number)
		return held && generation < s.members.generation
	})
}

// claim picks the lowest batch that is wanted and that nobody makes.
func (s *Stock) claim(wanted func(number uint64) bool) (uint64, bool) {
	if s.members.active == 0 || !s.counted {
		return 0, false
	}
	lowest := s.next
	for _, held := range s.open {
		lowest = min(lowest, held.first)
	}
	for number := lowest / BatchItems; number*BatchItems < s.next+s.cfg.Target; number++ {
		if !s.making[number] && !s.spent(number) && wanted(number) {
			s.making[number] = true
			return number, true
		}
	}
	return 0, false
}

func (s *Stock) add(number uint64, m made) error {
	raw, err := m.batch.MarshalBinary()
	if err != nil {
		return err
	}
	err = s.cfg.Store.Put(fmt.Sprintf(batchName, number, m.generation), raw)
	clear(raw)
	if err != nil {
		return fmt.Errorf("stock: seal batch %d: %w", number, err)
	}
	s.mu.Lock()
	var names []string
	for _, generation := range s.insert(number, m) {
		names = append(names, fmt.Sprintf(batchName, number, generation))
	}
	items := s.available()
	s.notify()
	s.mu.Unlock()
	s.erase(names...)
	s.cfg.Changed(items)
	return nil
}

// obtain makes a batch with the members that the chain waits for, or takes over
// one that they made without this party, whichever comes first. It starts anew
// when the set changes, and waits for that when the batch is burnt.
func (s *Stock) obtain(ctx context.Context, number uint64) (made, error) {
	defer s.note(number, 0)
	var failed members
	for {
		if m, err := s.catchUp(ctx, number); err == nil {
			return m, nil
		}
		s.mu.Lock()
		current, changed, unwanted := s.members, s.changed, !s.wanted(number)
		s.mu.Unlock()
		switch {
		case unwanted:
			return made{}, errOtherwise
		case current == failed || !current.active.Has(s.cfg.Identity.Self()):
			if err := s.await(ctx, changed); err != nil {
				return made{}, err
			}
			continue
		}
		m, err := s.produce(ctx, number, current)
		switch {
		case err == nil || ctx.Err() != nil:
			return m, err
		case !s.unchanged(current) || errors.Is(err, errOtherwise):
		case mpc.Culprits(err) != 0 || errors.Is(err, preproc.ErrJournal):
			// Another run of the session would come to the same.
			s.cfg.Log.Warn("stock: a batch is burnt", "batch", number, "generation", current.generation, "culprits", mpc.Culprits(err).String(), "err", err)
			failed = current
			defer time.AfterFunc(s.cfg.Patience, func() { s.suspect(number, current, mpc.Culprits(err)) }).Stop()
		default:
			return made{}, err
		}
	}
}

// wanted reports whether a batch is yet to be made, or made anew.
func (s *Stock) wanted(number uint64) bool {
	generation, held := s.newest(number)
	return !s.spent(number) && (!held || generation < s.members.generation)
}

// suspect reports culprits like silent members if the chain still waits for them.
func (s *Stock) suspect(number uint64, m members, culprits sharing.Parties) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == m && s.making[number] && culprits != 0 {
		s.silent[number] = culprits
		s.notify()
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

// naming names the making of a batch with one set of members.
func (s *Stock) naming(number uint64, m members) mpc.Session {
	shape := s.cfg.Shape
	return mpc.Session{
		ChainID: s.cfg.ChainID, Subject: mpc.Uint64(number), Parameters: fmt.Sprintf("K=%d W=%d chain=%t", shape.K, shape.W, shape.Chain),
		Epoch: s.cfg.Epoch, Attempt: m.generation, Protocol: "offline batch", Parties: m.active, T: s.cfg.Code.T(),
	}
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
func (s *Stock) produce(ctx context.Context, number uint64, m members) (made, error) {
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.note(number, 0)
	named := s.naming(number, m)
	id := named.ID()
	source, err := s.randomness(running, number, m)
	if err != nil {
		return made{}, err
	}
	inner, err := preproc.NewBatch(preproc.Config{
		Source: source, Session: id, From: m.active, Identity: s.cfg.Identity, Journal: s.cfg.Journal,
	}, s.cfg.Shape, number*BatchItems, BatchItems)
	if err != nil {
		return made{}, err
	}
	machine := &watched{Machine: inner}
	along, stop := context.WithCancel(running)
	defer stop()
	var rescued made
	var watching sync.WaitGroup
	if s.onDemand(number) {
		watching.Go(func() { s.invite(along, number, m.active) })
	}
	watching.Go(func() { rescued = s.watch(along, cancel, number, m, machine) })
	var batch *preproc.Batch
	var failure error
	err = s.cfg.Sessions.Run(running, session.ID(id), m.active, machine, session.WithLinger(linger, func() {
		machine.mu.Lock()
		defer machine.mu.Unlock()
		batch, failure = preproc.FromMachine(inner, s.cfg.Shape)
	}, func() {
		s.accuse(named, machine, nil)
		if dealt, ok := source.(*vss.Source); ok {
			dealt.Zero()
		}
	}))
	stop()
	watching.Wait()
	s.note(number, 0)
	if err != nil {
		s.accuse(named, machine, err)
	} else {
		err = failure
	}
	if err != nil && rescued.batch != nil {
		return rescued, nil
	}
	return made{m.generation, batch}, err
}

// randomness returns what the batch is drawn from.
func (s *Stock) randomness(ctx context.Context, number uint64, m members) (prss.Randomness, error) {
	if s.cfg.Deal == nil {
		return s.source(m.generation)
	}
	demand, err := preproc.Demand(s.cfg.Shape.Sections(number*BatchItems, BatchItems))
	if err != nil {
		return nil, err
	}
	dealing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go s.endWhenChanged(dealing, cancel, number, m)
	return s.cfg.Deal(dealing, s.naming(number, m), demand)
}

// endWhenChanged ends a dealing when the set of members changes.
func (s *Stock) endWhenChanged(ctx context.Context, cancel context.CancelCauseFunc, number uint64, m members) {
	for {
		s.mu.Lock()
		changed, same := s.changed, s.members == m && s.wanted(number)
		s.mu.Unlock()
		if !same {
			cancel(errOtherwise)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// accuse passes on what a session found about its members.
func (s *Stock) accuse(named mpc.Session, machine *watched, failure error) {
	machine.mu.Lock()
	evidence := machine.Evidence()
	machine.mu.Unlock()
	if culprits := mpc.Culprits(failure); len(evidence) > 0 || culprits != 0 {
		s.cfg.Accuse(named, evidence, culprits)
	}
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
func (s *Stock) watch(ctx context.Context, cancel context.CancelCauseFunc, number uint64, m members, machine *watched) made {
	since := time.Now()
	ticker := time.NewTicker(catchUpInterval)
	defer ticker.Stop()
	for {
		s.mu.Lock()
		changed, same := s.changed, s.members == m && s.wanted(number)
		s.mu.Unlock()
		if !same {
			cancel(errOtherwise)
			return made{}
		}
		select {
		case <-ctx.Done():
			return made{}
		case <-changed:
			continue
		case <-ticker.C:
		}
		if batch, err := s.catchUp(ctx, number); err == nil {
			cancel(errOtherwise)
			return batch
		}
		if time.Since(since) >= s.cfg.Patience {
			s.note(number, s.silentOf(ctx, machine.missing(), number, m.generation))
		}
	}
}

// errOtherwise ends the making of a batch that is made otherwise, or that nobody
// needs any more: the others have used and erased it.
var errOtherwise = errors.New("stock: the batch is made otherwise, or spent")
