package jobs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// maxCarries bounds the contracts that one result is brought to.
const maxCarries = 8

// sweepInterval is how often old jobs are looked for.
const sweepInterval = 10 * time.Minute

var (
	// ErrBusy reports that too many jobs are open.
	ErrBusy = errors.New("too many jobs are under way")
	// ErrNoCarrier reports a callback that this relayer does not do.
	ErrNoCarrier = errors.New("this relayer carries no results back")
	// ErrTooManyCarries reports a job with as many callbacks as it may have.
	ErrTooManyCarries = errors.New("the result is brought to as many contracts as it may be")
	// ErrClosed reports a manager that was closed.
	ErrClosed = errors.New("the relayer stops")
)

// Chain is TKMS as jobs need it.
type Chain interface {
	Address() sdk.AccAddress
	Records(ctx context.Context, hostChainID uint64) (tkms.Records, error)
	Forget()
	Request(ctx context.Context, id []byte) (*kmstypes.Request, error)
	Shares(ctx context.Context, id []byte) (*kmstypes.QuerySharesResponse, error)
	// Present returns the indices of an epoch's members that take part.
	Present(ctx context.Context, epochID uint64) ([]uint32, error)
	// Takes tells whether the host chain takes the signatures of an epoch, and whether it
	// is about to take others.
	Takes(ctx context.Context, hostChainID, epochID uint64) (taken, pending bool, err error)
	Send(ctx context.Context, gas uint64, msgs ...sdk.Msg) (tkms.Sent, error)
	Included(ctx context.Context, hash []byte) (bool, error)
	Wait(ctx context.Context, above int64) (tkms.Head, error)
}

// Prover gathers evidence on the host chain.
type Prover interface {
	Gather(ctx context.Context, record *acltypes.HostChain, batch []handles.Handle) (*aclclient.Evidence, error)
	GatherUser(ctx context.Context, record *acltypes.HostChain, access acltypes.UserAccess) (*aclclient.Evidence, error)
	// Sealed returns the newest block of the host chain that is known, 0 for none.
	Sealed() uint64
	// Await returns such a block once there is one above a height.
	Await(ctx context.Context, above uint64) (uint64, error)
}

// Carrier brings results to contracts of the host chain.
type Carrier interface {
	Carry(ctx context.Context, contract common.Address, result hostchain.Result, keep func(raw []byte, hash common.Hash) error) error
	Resend(ctx context.Context, raw []byte) error
	Receipt(ctx context.Context, hash common.Hash) (*hostchain.Receipt, error)
}

// Coprocessor verifies encrypted inputs.
type Coprocessor interface {
	Verify(ctx context.Context, input *Input) (*Proven, error)
}

// Config of a manager.
type Config struct {
	HostChainID uint64
	// Path of the file that keeps jobs.
	Path    string
	Chain   Chain
	Prover  Prover
	Carrier Carrier // nil: no callbacks
	// Coprocessor takes inputs; nil: none are taken.
	Coprocessor Coprocessor
	Log         *slog.Logger
	Metrics     *Metrics

	// Workers is how many jobs are worked on at a time, Open how many may be open.
	Workers, Open int
	// MaxFee is what one request may cost, in utkms.
	MaxFee uint64
	// Timeout is how long a job may take, Readiness how long the host chain may take
	// to show the handles public and registered, CarryTimeout how long a callback may
	// take to get into a block.
	Timeout, Readiness, CarryTimeout time.Duration
	// Grace is how many TKMS blocks after a user decryption became usable the shares
	// of the remaining parties are waited for.
	Grace int64
	// Retention is how long a finished job is kept, UserRetention one that TKMS or the
	// coprocessor answers again for nothing: user decryptions and inputs.
	Retention, UserRetention time.Duration
}

// Manager takes jobs and works on them. It is safe for concurrent use.
type Manager struct {
	cfg   Config
	shelf *shelf
	slots chan struct{}

	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu     sync.Mutex
	active map[string]*entry
	closed bool
}

// entry is a job that is worked on.
type entry struct {
	mu   sync.Mutex
	job  *Job
	gone bool // left the manager's map; look the job up again
	// settled is closed once the job is no longer being worked on; reopen replaces it.
	settled chan struct{}
}

// done returns what is closed once the job is no longer being worked on.
func (e *entry) done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.settled
}

func newEntry(job *Job) *entry {
	e := &entry{job: job, settled: make(chan struct{})}
	if job.State != Working {
		close(e.settled)
	}
	return e
}

// Open opens the file of jobs and goes on with those that have work to do.
func Open(cfg Config) (*Manager, error) {
	shelf, err := openShelf(cfg.Path)
	if err != nil {
		return nil, err
	}
	list, err := shelf.open()
	if err != nil {
		return nil, errors.Join(err, shelf.close())
	}
	m := &Manager{cfg: cfg, shelf: shelf, slots: make(chan struct{}, cfg.Workers), active: map[string]*entry{}}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range list {
		cfg.Log.Info("a job goes on", "job", j.ID, "state", j.State)
		m.start(newEntry(j))
	}
	m.group.Go(m.sweep)
	return m, nil
}

// Close stops work and closes the file. Jobs under way go on when it is opened again.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.group.Wait()
	return m.shelf.close()
}

// start works on an entry. The caller holds m.mu.
func (m *Manager) start(e *entry) {
	m.active[e.job.ID] = e
	m.cfg.Metrics.open.Set(float64(len(m.active)))
	job := e.job.clone()
	m.group.Go(func() { m.work(e, job) })
}

// Submit returns the job of a set of handles, which it makes or starts anew if there is
// none, it failed, or the host chain no longer takes its result. A contract given is one more that the result is
// brought to. Errors: ErrBusy, ErrNoCarrier, ErrTooManyCarries, ErrClosed.
func (m *Manager) Submit(batch []handles.Handle, contract *common.Address) (*Job, error) {
	if contract != nil && m.cfg.Carrier == nil {
		return nil, ErrNoCarrier
	}
	return m.submit(&Job{ID: publicID(m.cfg.HostChainID, batch), Kind: PublicDecrypt, Handles: hashes(batch)}, contract)
}

func hashes(batch []handles.Handle) []common.Hash {
	list := make([]common.Hash, len(batch))
	for i, h := range batch {
		list[i] = common.Hash(h)
	}
	return list
}

// submit returns the job with the name of a wish, which becomes it if there is none.
func (m *Manager) submit(wish *Job, contract *common.Address) (*Job, error) {
	e, err := m.acquire(wish, m.stale(wish.ID))
	if err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	return m.ask(e, contract)
}

// acquire returns the entry of a job, which it makes if there is none, with its lock
// held. stale is a result that is as good as none.
func (m *Manager) acquire(wish *Job, stale *Result) (*entry, error) {
	for {
		e, made, err := m.enter(wish, stale)
		if made || err != nil {
			return e, err
		}
		e.mu.Lock()
		if !e.gone && (e.job.open() || !e.job.Result.is(stale)) {
			return e, nil
		}
		e.mu.Unlock()
		// Nothing is left to do for it: it leaves at once.
		time.Sleep(time.Millisecond)
	}
}

// enter returns the entry of a job that is worked on, or makes it and starts the
// work. One just made is locked: the job must not end before its asker has it, or the
// asker would find a failure and start it anew.
func (m *Manager) enter(wish *Job, stale *Result) (e *entry, made bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, false, ErrClosed
	}
	if e := m.active[wish.ID]; e != nil {
		return e, false, nil
	}
	if len(m.active) >= m.cfg.Open {
		return nil, false, ErrBusy
	}
	job, err := m.shelf.get(wish.ID)
	if errors.Is(err, ErrNotFound) || err == nil && (job.State == Failed || job.State == Succeeded && job.Result.is(stale)) {
		now := time.Now().UTC()
		job, err = wish.clone(), nil
		job.State, job.Created, job.Updated = Working, now, now
	}
	if err != nil {
		return nil, false, err
	}
	e = newEntry(job)
	e.mu.Lock()
	m.start(e)
	return e, true, nil
}

// ask adds a callback and makes sure that the job is on disk. The caller holds
// e.mu.
func (m *Manager) ask(e *entry, contract *common.Address) (*Job, error) {
	if contract != nil {
		if err := addCarry(e.job, *contract); err != nil {
			return nil, err
		}
	}
	if e.job.open() {
		if err := m.shelf.put(e.job); err != nil {
			return nil, err
		}
	}
	return e.job.clone(), nil
}

// addCarry notes a contract, again if it did not take the result before.
func addCarry(j *Job, contract common.Address) error {
	at := slices.IndexFunc(j.Carries, func(c Carry) bool { return c.Contract == contract })
	switch {
	case at < 0 && len(j.Carries) == maxCarries:
		return ErrTooManyCarries
	case at < 0:
		j.Carries = append(j.Carries, Carry{Contract: contract, State: CarryPending})
	case j.Carries[at].State == CarryRefused || j.Carries[at].State == CarryReverted:
		j.Carries[at] = Carry{Contract: contract, State: CarryPending}
	}
	return nil
}

// Get returns a job, or ErrNotFound.
func (m *Manager) Get(id string) (*Job, error) {
	m.mu.Lock()
	e := m.active[id]
	m.mu.Unlock()
	if e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.job.clone(), nil
	}
	return m.shelf.get(id)
}

// Wait returns a job once it is no longer being worked on, or as it is when the
// context ends. Callbacks are not waited for. Errors: ErrNotFound.
func (m *Manager) Wait(ctx context.Context, id string) (*Job, error) {
	m.mu.Lock()
	e := m.active[id]
	m.mu.Unlock()
	if e != nil {
		select {
		case <-e.done():
		case <-ctx.Done():
		case <-m.ctx.Done():
		}
	}
	return m.Get(id)
}

// update changes a job and keeps it.
func (m *Manager) update(e *entry, change func(*Job)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	working := e.job.State == Working
	change(e.job)
	e.job.Updated = time.Now().UTC()
	err := m.shelf.put(e.job)
	if working && e.job.State != Working {
		close(e.settled)
	}
	return err
}

// note changes a job in memory only: what it says is not needed after a restart.
func (e *entry) note(change func(*Job)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e.job)
}

func (e *entry) snapshot() *Job {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.job.clone()
}

// leave takes an entry out if nothing is left to do.
func (m *Manager) leave(e *entry) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.job.open() {
		return false
	}
	e.gone = true
	delete(m.active, e.job.ID)
	m.cfg.Metrics.open.Set(float64(len(m.active)))
	return true
}

// expired tells whether a job without work to do was kept long enough.
func (m *Manager) expired(j *Job) bool {
	kept := m.cfg.Retention
	if j.Kind != PublicDecrypt {
		kept = m.cfg.UserRetention
	}
	return time.Since(j.Updated) > kept
}

// sweep drops old jobs from time to time.
func (m *Manager) sweep() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		dropped, err := m.shelf.sweep(m.expired)
		if err != nil {
			m.cfg.Log.Error("old jobs were not dropped", "err", err)
		} else if dropped > 0 {
			m.cfg.Log.Info("old jobs dropped", "jobs", dropped)
		}
		select {
		case <-ticker.C:
		case <-m.ctx.Done():
			return
		}
	}
}
