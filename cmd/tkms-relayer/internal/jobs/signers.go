package jobs

import (
	"context"
	"time"
)

// taken tells whether the host chain takes the signatures of an epoch, and its clients
// the shares. While TKMS does not say, it does.
func (m *Manager) taken(ctx context.Context, epochID uint64) bool {
	taken, _, err := m.cfg.Chain.Takes(ctx, m.cfg.HostChainID, epochID)
	if err != nil {
		m.cfg.Log.Debug("whose signatures the host chain takes was not said", "err", err)
	}
	return taken || err != nil
}

// is tells whether a result is another one's equal.
func (r *Result) is(other *Result) bool {
	return r != nil && other != nil && r.RequestID == other.RequestID && r.Attempt == other.Attempt
}

// stale returns the result of a job if the host chain no longer takes it.
func (m *Manager) stale(id string) *Result {
	job, err := m.Get(id)
	if err != nil || job.State != Succeeded || job.Result == nil || job.Result.EpochID == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(m.ctx, refreshTimeout)
	defer cancel()
	if m.taken(ctx, job.Result.EpochID) {
		return nil
	}
	return job.Result
}

// replaced tells whether the host chain takes others' signatures than those of an epoch,
// for which it waits while that is about to be shown.
func (m *Manager) replaced(ctx context.Context, epochID uint64) bool {
	for epochID != 0 {
		taken, pending, err := m.cfg.Chain.Takes(ctx, m.cfg.HostChainID, epochID)
		if err == nil && !taken {
			return true
		}
		if err == nil && !pending {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(retryInterval):
		}
	}
	return false
}

// reopen has a job fetch a result that the host chain takes, for the contracts that did
// not get one yet.
func (m *Manager) reopen(e *entry, at int) {
	err := m.update(e, func(j *Job) {
		j.State, j.Result = Working, nil
		j.Carries[at] = Carry{Contract: j.Carries[at].Contract, State: CarryPending}
		e.settled = make(chan struct{})
	})
	if err != nil {
		m.cfg.Log.Error("a job's state was not kept", "job", e.job.ID, "err", err)
	}
	m.cfg.Log.Info("the host chain takes others' signatures; the result is asked for again", "job", e.job.ID)
}
