package party

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/sharing"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// setupRun plays one attempt of a set-up until its keys are there: it exchanges
// openings, and, as the chain's record goes on, complains about those that are
// missing, takes answers, leaves out what was dropped, and compares the keys. What
// to do follows from the record and from what is sealed, so that a run that is
// begun anew after a restart goes on where the last one was.
type setupRun struct {
	seat    *seat
	attempt uint32
	stop    context.CancelFunc
	ended   chan struct{} // closed when nothing of the run is done any more
	wake    chan struct{} // capacity 1

	mu      sync.Mutex
	machine *prss.Setup
	err     error // of the latest step

	// Used by the goroutine of live only.

	own       *prss.Contribution
	sealed    [sha256.Size]byte  // of the openings as they are on disk
	taken     []uint32           // accused whose answers are right
	comparing mpc.Digest         // transcript of the keys that are or were compared
	compared  chan error         // how it ends, nil if it has
	differing error              // how it ended
	forsake   context.CancelFunc // ends the comparison
}

// Start implements mpc.Machine.
func (r *setupRun) Start() ([]mpc.Message, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.Start()
}

// Receive implements mpc.Machine.
func (r *setupRun) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.Receive(from, round, payload)
}

// Done implements mpc.Machine.
func (r *setupRun) Done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.Done()
}

// followSetup begins the run of the recorded attempt, or lets it look at the
// record. It returns what is wrong with it.
func (s *seat) followSetup(c *committee.Committee) error {
	s.mu.Lock()
	run := s.setup
	s.mu.Unlock()
	if run == nil || run.attempt != c.Epoch.Attempt {
		s.endSetup()
		return s.startSetup(c)
	}
	run.signal()
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.err
}

func (r *setupRun) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// endSetup ends the run, if there is one, and waits for that.
func (s *seat) endSetup() {
	s.mu.Lock()
	run := s.setup
	s.setup = nil
	s.mu.Unlock()
	if run != nil {
		run.stop()
		<-run.ended
	}
}

func (s *seat) startSetup(c *committee.Committee) error {
	roots, err := c.Roots()
	if err != nil {
		return err
	}
	own, err := s.contribution(c)
	if err != nil {
		return err
	}
	machine, err := prss.NewSetup(own, roots)
	if err != nil {
		return err
	}
	raw, err := s.party.cfg.Store.Get(setupObject(kindOpenings, c))
	switch {
	case err == nil:
		err = machine.Restore(raw)
		raw.Zero()
		if err != nil {
			return err
		}
	case !errors.Is(err, seal.ErrNotFound):
		return err
	}
	ctx, stop := context.WithCancel(s.ctx)
	run := &setupRun{seat: s, attempt: c.Epoch.Attempt, stop: stop, ended: make(chan struct{}), wake: make(chan struct{}, 1), own: own, machine: machine}
	s.mu.Lock()
	s.setup = run
	s.mu.Unlock()
	s.running.Go(func() { run.live(ctx, c) })
	return nil
}

// live exchanges openings and takes a step whenever the exchange, the comparison
// or the record has gone on.
func (r *setupRun) live(ctx context.Context, c *committee.Committee) {
	exchanging, done := context.WithCancel(ctx)
	var exchange sync.WaitGroup
	exchange.Go(func() {
		defer r.signal()
		err := r.seat.run(exchanging, r.seat.setupSession(c), setupOwner, sharing.AllParties(c.N), r)
		if err != nil && exchanging.Err() == nil {
			r.seat.party.cfg.Log.Error("the exchange of a set-up ended", "epoch", c.Epoch.Id, "attempt", r.attempt, "err", err)
		}
	})
	defer func() {
		done()
		exchange.Wait()
		r.machine.Zero()
		r.own.Zero()
		close(r.ended)
	}()
	for {
		err := r.step(ctx, r.seat.current())
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
		if r.Done() {
			done()
		}
		select {
		case <-ctx.Done():
			return
		case err := <-r.compared:
			r.concluded(c, err)
		case <-r.wake:
		}
	}
}

// step does what the record asks for.
func (r *setupRun) step(ctx context.Context, c *committee.Committee) error {
	if c.Epoch.Attempt != r.attempt {
		return nil
	}
	if err := r.leaveOut(c); err != nil {
		return err
	}
	// What an answer should have shown may come otherwise.
	return errors.Join(r.takeAnswers(ctx, c), r.proceed(ctx, c))
}

// proceed goes as far as the openings allow: to a complaint, or to keys and their
// confirmation.
func (r *setupRun) proceed(ctx context.Context, c *committee.Committee) error {
	if err := r.keepOpenings(c); err != nil {
		return err
	}
	r.mu.Lock()
	keys := r.machine.Keys()
	r.mu.Unlock()
	if keys == nil {
		return r.complain(ctx, c)
	}
	if r.comparing != keys.Transcript() {
		r.compare(ctx, c, keys)
	}
	if r.compared != nil {
		if late, err := r.seat.lastCall(ctx, c); err != nil || !late {
			return err
		}
	} else if r.differing != nil {
		return r.differing
	}
	if err := r.seat.storeKeys(c, keys); err != nil {
		return err
	}
	if confirming(c) {
		return r.seat.postTranscript(ctx, c)
	}
	return nil
}

// confirming reports whether the chain takes confirmations.
func confirming(c *committee.Committee) bool {
	return c.Epoch.Status == partiestypes.EPOCH_STATUS_CONFIRMING || c.Epoch.Status == partiestypes.EPOCH_STATUS_CONCLUDING
}

// leaveOut drops what the chain dropped.
func (r *setupRun) leaveOut(c *committee.Committee) error {
	transcript, err := r.seat.transcript(c)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.machine.Transcript() == transcript {
		return nil
	}
	return r.machine.Drop(c.Dropped())
}

// keepOpenings seals the openings that others have shown: they need not show them
// again.
func (r *setupRun) keepOpenings(c *committee.Committee) error {
	r.mu.Lock()
	raw := r.machine.Openings()
	r.mu.Unlock()
	defer clear(raw)
	digest := sha256.Sum256(raw)
	if digest == r.sealed {
		return nil
	}
	if err := r.seat.party.cfg.Store.Put(setupObject(kindOpenings, c), raw); err != nil {
		return err
	}
	r.sealed = digest
	return nil
}

// compare begins to compare keys with the other members'.
func (r *setupRun) compare(ctx context.Context, c *committee.Committee, keys *prss.Keys) {
	if r.forsake != nil {
		r.forsake()
	}
	ctx, r.forsake = context.WithCancel(ctx)
	s, ended := r.seat, make(chan error, 1)
	r.comparing, r.compared, r.differing = keys.Transcript(), ended, nil
	s.running.Go(func() {
		s.roundTrip(ctx)
		comparison := prss.NewComparison(keys)
		err := s.run(ctx, s.comparisonSession(c, keys.Transcript()), setupOwner, sharing.AllParties(c.N), comparison)
		if wrong := comparison.Culprits(); wrong != 0 {
			s.party.cfg.Log.Warn("members say that they hold other keys", "epoch", c.Epoch.Id, "attempt", r.attempt, "culprits", wrong.String())
		}
		ended <- err
	})
}

// concluded takes the outcome of a comparison. Keys that are wrong are not kept,
// nor what they came from.
func (r *setupRun) concluded(c *committee.Committee, err error) {
	r.compared, r.differing = nil, err
	if !errors.Is(err, prss.ErrCheck) {
		return
	}
	r.seat.party.cfg.Log.Error("the keys of the set-up are wrong on this machine", "epoch", c.Epoch.Id, "attempt", r.attempt, "err", err)
	r.seat.mu.Lock()
	r.seat.keys = nil
	r.seat.mu.Unlock()
	for _, kind := range []string{kindKeys, kindOpenings} {
		if err := r.seat.party.cfg.Store.Delete(setupObject(kind, c)); err != nil && !errors.Is(err, seal.ErrNotFound) {
			r.seat.party.cfg.Log.Error("cannot erase wrong keys", "err", err)
		}
	}
}

// lastCallBlocks are left to post and include a word in the shortest of phases.
const lastCallBlocks = 2

// lastCall reports whether most of a phase in which members confirm is over: who
// has something to complain about complains, and who has keys confirms them though
// not enough others could compare theirs, since those may be complaining.
func (s *seat) lastCall(ctx context.Context, c *committee.Committee) (bool, error) {
	if !confirming(c) {
		return false, nil
	}
	s.party.mu.Lock()
	height := s.party.height
	s.party.mu.Unlock()
	var params partiestypes.Params
	if err := record(ctx, s.party.cfg.Chain, partiestypes.StoreKey, partiestypes.ParamsKey(), height, &params); err != nil {
		return false, err
	}
	return height >= c.Epoch.Deadline-int64(params.SetupConfirmBlocks)/4-lastCallBlocks, nil
}

// finishSetup ends the set-up of a member that has the keys of the epoch.
func (s *seat) finishSetup(c *committee.Committee) error {
	keys, err := s.loadKeys(c)
	if err != nil || keys == nil {
		return err
	}
	s.endSetup()
	if s.erased {
		return nil
	}
	err = s.eraseSetup(c)
	s.erased = err == nil
	return err
}

// eraseSetup erases what only a set-up under way needs, and all of attempts that
// failed. The contribution of the one that succeeded stays: members that missed it
// come for their openings.
func (s *seat) eraseSetup(c *committee.Committee) error {
	objects, err := s.party.cfg.Store.List()
	if err != nil {
		return err
	}
	current := setupObject("", c)
	for _, object := range objects {
		if object.Epoch != current.Epoch {
			continue
		}
		switch object.Kind {
		case kindContribution, kindKeys:
			if object.Key == current.Key {
				continue
			}
		case kindOpenings, kindComplaint:
		default:
			continue
		}
		if err := s.party.cfg.Store.Delete(object); err != nil {
			return fmt.Errorf("erase what the set-up of epoch %d left: %w", c.Epoch.Id, err)
		}
	}
	return nil
}
