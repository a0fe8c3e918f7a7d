package onchain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
)

const (
	// lookInterval is how often jobs under way are looked at, and how long a failure to
	// read the chain waits.
	lookInterval = time.Second
	// restAtMost is how long a new block is waited for before the rest is looked after.
	restAtMost = 10 * time.Second
	// A request that failed waits minBackoff, or what the configuration says, and twice as
	// long each further time, at most maxBackoff; it is given up maxAge after its event, or
	// when the contract did not take the result maxRefusals times.
	minBackoff  = 5 * time.Second
	maxBackoff  = time.Hour
	maxAge      = 24 * time.Hour
	maxRefusals = 3
)

// Host is the host chain, see hostchain.Host.
type Host interface {
	Await(ctx context.Context, above uint64) (uint64, error)
	Scan(ctx context.Context, from uint64, contract common.Address, first common.Hash, second []common.Hash) (uint64, []hostchain.Event, error)
}

// Jobs do the work, see jobs.Manager.
type Jobs interface {
	Submit(batch []handles.Handle, contract *common.Address) (*jobs.Job, error)
	Get(id string) (*jobs.Job, error)
}

// Config of a watcher.
type Config struct {
	HostChainID uint64
	// Path of the file that keeps what was read and found.
	Path string
	// Contracts that are served, one or more.
	Contracts []common.Address
	// From is the first block that is read with a new file; 0: the newest one then.
	From uint64
	// Backoff is how long a request that failed waits the first time; 0: 5 s.
	Backoff time.Duration
	// Record returns the chain's record on TKMS, which names the ACL.
	Record  func(context.Context) (*acltypes.HostChain, error)
	Host    Host
	Jobs    Jobs
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Watcher reads the host chain and makes jobs. Only one process may have its file open.
type Watcher struct {
	cfg     Config
	topics  []common.Hash
	ledger  *ledger
	next    uint64
	open    []*request
	metrics *metrics
}

// Open opens the file and goes on where it ends.
func Open(cfg Config) (*Watcher, error) {
	if cfg.Backoff == 0 {
		cfg.Backoff = minBackoff
	}
	l, err := openLedger(cfg.Path)
	if err != nil {
		return nil, err
	}
	w := &Watcher{cfg: cfg, ledger: l, metrics: newMetrics(cfg.Metrics)}
	w.next, err = l.next()
	if err == nil {
		w.open, err = l.open()
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	for _, contract := range cfg.Contracts {
		w.topics = append(w.topics, common.BytesToHash(contract[:]))
	}
	return w, nil
}

// Close closes the file, after Run.
func (w *Watcher) Close() error { return w.ledger.close() }

// Run reads and serves until the context ends.
func (w *Watcher) Run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		behind, err := w.read(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			w.cfg.Log.Warn("events of the host chain are not read", "from", w.next, "err", err)
		}
		failing = err != nil
		due := w.serve()
		switch {
		case err != nil:
			pause(ctx, lookInterval)
		case !behind:
			w.rest(ctx, due)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// rest waits for the block to read next, or until something is due.
func (w *Watcher) rest(ctx context.Context, due time.Time) {
	ctx, cancel := context.WithDeadline(ctx, due)
	defer cancel()
	_, _ = w.cfg.Host.Await(ctx, w.next-1)
}

// read reads some blocks, and tells whether there may be more.
func (w *Watcher) read(ctx context.Context) (behind bool, err error) {
	record, err := w.cfg.Record(ctx)
	if err != nil {
		return false, err
	}
	if w.next == 0 {
		if w.next = w.cfg.From; w.next == 0 {
			if w.next, err = w.cfg.Host.Await(ctx, 0); err != nil {
				return false, err
			}
		}
		if err := w.ledger.advance(w.next, nil); err != nil {
			return false, err
		}
		w.cfg.Log.Info("contracts are served", "contracts", w.cfg.Contracts, "from", w.next)
	}
	next, events, err := w.cfg.Host.Scan(ctx, w.next, common.BytesToAddress(record.Acl.Address), allowedForDecryption, w.topics)
	if err != nil || next == w.next {
		return false, err
	}
	var found []*request
	for _, event := range events {
		list, err := decodeHandles(event.Data)
		if err != nil {
			// The ACL of the layout cannot emit it; there is nothing to serve.
			w.cfg.Log.Error("an event cannot be read", "block", event.Height, "err", err)
			continue
		}
		found = append(found, &request{
			Height: event.Height, Index: event.Index, Contract: common.BytesToAddress(event.Topics[1][:]), Handles: list, Seen: time.Now().UTC(),
		})
	}
	if err := w.ledger.advance(next, found); err != nil {
		return false, err
	}
	w.next, w.open = next, append(w.open, found...)
	w.metrics.read.Set(float64(next - 1))
	return true, nil
}

// serve looks after requests that are due, and returns when the next one is.
func (w *Watcher) serve() time.Time {
	now := time.Now()
	first := now.Add(restAtMost)
	w.open = slices.DeleteFunc(w.open, func(r *request) bool {
		if !now.Before(r.Due) {
			if outcome := w.step(r, now); outcome != "" {
				w.finish(r, outcome)
				return true
			}
		}
		if r.Due.Before(first) {
			first = r.Due
		}
		return false
	})
	w.metrics.open.Set(float64(len(w.open)))
	return first
}

// Outcomes of a request.
const (
	carried = "carried"
	refused = "refused"
	invalid = "invalid"
	expired = "expired"
)

// step makes or looks at the job of a request, and returns its outcome, "" for none yet.
func (w *Watcher) step(r *request, now time.Time) (outcome string) {
	if r.Job == "" {
		return w.submit(r, now)
	}
	r.Due = now.Add(lookInterval)
	job, err := w.cfg.Jobs.Get(r.Job)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		r.Tries++
		return w.again(r, now, fmt.Errorf("its job %s is gone", r.Job))
	case err != nil:
		w.cfg.Log.Error("a job cannot be looked at", "job", r.Job, "err", err)
	case job.State == jobs.Failed && job.Failure.Reason == jobs.ReasonInvalid:
		return invalid
	case job.State == jobs.Failed:
		r.Tries++
		return w.again(r, now, job.Failure)
	case job.State == jobs.Succeeded:
		return w.carriage(r, job, now)
	}
	return ""
}

// carriage looks what became of the call.
func (w *Watcher) carriage(r *request, job *jobs.Job, now time.Time) string {
	at := slices.IndexFunc(job.Carries, func(c jobs.Carry) bool { return c.Contract == r.Contract })
	if at < 0 {
		r.Tries++
		return w.again(r, now, errors.New("its job has no call for the contract"))
	}
	switch carry := job.Carries[at]; carry.State {
	case jobs.CarrySucceeded:
		return carried
	case jobs.CarryRefused, jobs.CarryReverted:
		if r.Refusals++; r.Refusals >= maxRefusals {
			return refused
		}
		return w.again(r, now, fmt.Errorf("the call was %s: %s", carry.State, carry.Error))
	}
	return ""
}

// again has a request submitted once more, later.
func (w *Watcher) again(r *request, now time.Time, why error) string {
	if now.Sub(r.Seen) > maxAge {
		return expired
	}
	wait := min(w.cfg.Backoff<<min(r.Tries+r.Refusals-1, 16), maxBackoff)
	r.Job, r.Due = "", now.Add(wait)
	w.cfg.Log.Info("a request of a contract is tried again", "contract", r.Contract, "block", r.Height, "in", wait, "reason", why)
	return w.keep(r)
}

func (w *Watcher) submit(r *request, now time.Time) string {
	r.Due = now.Add(lookInterval)
	raw := make([][]byte, len(r.Handles))
	for i := range r.Handles {
		raw[i] = r.Handles[i][:]
	}
	batch, err := handles.ParseBatch(w.cfg.HostChainID, raw)
	if err != nil {
		return invalid
	}
	job, err := w.cfg.Jobs.Submit(batch, &r.Contract)
	switch {
	case errors.Is(err, jobs.ErrBusy), errors.Is(err, jobs.ErrClosed):
		return ""
	case err != nil:
		r.Tries++
		return w.again(r, now, err)
	}
	r.Job = job.ID
	return w.keep(r)
}

// keep puts a request on disk. If that fails it is served all the same: a restart makes
// the same job again.
func (w *Watcher) keep(r *request) string {
	if err := w.ledger.update(r); err != nil {
		w.cfg.Log.Error("a request of a contract was not kept", "contract", r.Contract, "block", r.Height, "err", err)
	}
	return ""
}

func (w *Watcher) finish(r *request, outcome string) {
	if err := w.ledger.drop(r); err != nil {
		w.cfg.Log.Error("a request of a contract was not dropped", "contract", r.Contract, "block", r.Height, "err", err)
	}
	w.metrics.finished.WithLabelValues(outcome).Inc()
	w.cfg.Log.Info("a request of a contract is done with", "contract", r.Contract, "block", r.Height, "handles", len(r.Handles), "outcome", outcome)
}
