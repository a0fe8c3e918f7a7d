package jobs

import (
	"context"
	"errors"
	"time"
)

const (
	// maxPaid bounds the transactions of one job that got into a block without
	// effect: each costs gas.
	maxPaid = 4
	// retryInterval is how long a try that failed waits for the next.
	retryInterval = 200 * time.Millisecond
	// readyInterval is how long a try for which something had to be ready waits if the
	// host chain makes no block, which most such things come with.
	readyInterval = time.Second
)

// errTimeout ends a job that takes too long.
var errTimeout = errors.New("the job took too long")

// work does what a job needs until nothing is left or the manager closes. job is a
// copy of the entry's, so that work begins while the entry is being written to disk.
func (m *Manager) work(e *entry, job *Job) {
	for ; ; job = e.snapshot() {
		select {
		case m.slots <- struct{}{}:
		case <-m.ctx.Done():
			return
		}
		if job.State == Working {
			m.pursue(e, job)
		}
		<-m.slots
		// Callbacks wait for blocks of a second or more: they do not keep others waiting.
		m.carryAll(e)
		if m.ctx.Err() != nil || m.leave(e) {
			return
		}
	}
}

// outcome writes what a job came to into its record.
type outcome func(*Job)

// pursue brings a job from working to its outcome.
func (m *Manager) pursue(e *entry, job *Job) {
	ctx, cancel := context.WithTimeoutCause(m.ctx, m.cfg.Timeout, errTimeout)
	defer cancel()
	r, err := m.run(e, job)
	var write outcome
	if err == nil {
		write, err = r.until(ctx)
	}
	if m.ctx.Err() != nil {
		return // it goes on after the restart
	}
	var failed *Failure
	switch {
	case err == nil:
		m.succeed(e, job, write)
	case errors.As(err, &failed):
		m.fail(e, failed)
	default:
		m.fail(e, failure(ReasonTimeout, "%s", err))
	}
}

func (m *Manager) succeed(e *entry, job *Job, write outcome) {
	err := m.update(e, func(j *Job) {
		j.State, j.Failure, j.Input = Succeeded, nil, nil
		write(j)
	})
	if err != nil {
		m.cfg.Log.Error("a result was not kept", "job", job.ID, "err", err)
	}
	took := time.Since(job.Created)
	m.cfg.Metrics.finished.WithLabelValues(string(job.Kind), string(Succeeded)).Inc()
	m.cfg.Metrics.duration.WithLabelValues(string(job.Kind)).Observe(took.Seconds())
	m.cfg.Log.Info("done", "kind", job.Kind, "job", job.ID, "handles", len(job.Handles), "took", took.Round(time.Millisecond))
}

func (m *Manager) fail(e *entry, failed *Failure) {
	if err := m.update(e, func(j *Job) { j.State, j.Failure, j.Input = Failed, failed, nil }); err != nil {
		m.cfg.Log.Error("a failure was not kept", "job", e.job.ID, "err", err)
	}
	job := e.snapshot()
	m.cfg.Metrics.finished.WithLabelValues(string(job.Kind), failed.Reason).Inc()
	m.cfg.Log.Warn("not done", "kind", job.Kind, "job", job.ID, "reason", failed.Reason, "message", failed.Message)
}

// run is the work on one job.
type run struct {
	m *Manager
	e *entry
	// attempt tries once. What it fails with is classified.
	attempt func(context.Context) (outcome, error)
	// readiness is how long the host chain, or who serves it, is waited for.
	readiness time.Duration
	gasFactor uint64
	paid      int
}

// run prepares the work on a job. An error is final.
func (m *Manager) run(e *entry, job *Job) (*run, error) {
	r := &run{m: m, e: e, readiness: m.cfg.Readiness, gasFactor: 1}
	if job.Kind == InputProof {
		r.attempt = func(ctx context.Context) (outcome, error) { return m.handOver(ctx, job.Input) }
		return r, nil
	}
	batch, err := job.batch(m.cfg.HostChainID)
	if err != nil {
		return nil, failure(ReasonInvalid, "%s", err)
	}
	var d decryption = &publicDecryption{m, batch}
	if job.User != nil {
		d = &userDecryption{m, batch, job.User}
		r.readiness = min(r.readiness, userReadiness)
	}
	r.attempt = func(ctx context.Context) (outcome, error) { return r.decrypt(ctx, d) }
	return r, nil
}

// until tries until there is an outcome, a *Failure, or the context ends.
func (r *run) until(ctx context.Context) (outcome, error) {
	start := time.Now()
	for {
		block := r.m.cfg.Prover.Sealed()
		write, err := r.attempt(ctx)
		if err == nil {
			return write, nil
		}
		if r.m.ctx.Err() != nil {
			return nil, err
		}
		err = classify(err)
		var again *setback
		if !errors.As(err, &again) {
			return nil, err
		}
		r.m.cfg.Metrics.setbacks.WithLabelValues(again.Reason).Inc()
		r.m.cfg.Log.Debug("a try failed", "job", r.e.snapshot().ID, "reason", again.Reason, "message", again.Message)
		r.learn(again.Reason)
		if r.paid >= maxPaid || again.ready && time.Since(start) > r.readiness {
			return nil, &again.Failure
		}
		if again.ready {
			r.awaitBlock(ctx, block, min(readyInterval, r.readiness-time.Since(start)))
		} else {
			pause(ctx, retryInterval)
		}
		if ctx.Err() != nil {
			return nil, outOfTime(ctx, &again.Failure)
		}
	}
}

// awaitBlock waits for a block above one of the host chain, at most for a while.
func (r *run) awaitBlock(ctx context.Context, above uint64, atMost time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	if _, err := r.m.cfg.Prover.Await(ctx, above); err != nil {
		<-ctx.Done()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// learn changes what the next try does.
func (r *run) learn(reason string) {
	switch reason {
	case reasonOutOfGas:
		r.gasFactor *= 2
	case reasonOldRecords, ReasonHostHeaders:
		r.m.cfg.Chain.Forget()
	}
}

// outOfTime says why the last try before the end failed.
func outOfTime(ctx context.Context, last *Failure) error {
	return failure(ReasonTimeout, "%s; last: %s", context.Cause(ctx), last.Error())
}
