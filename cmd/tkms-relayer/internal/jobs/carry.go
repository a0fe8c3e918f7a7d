package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
)

// receiptInterval is how often a callback's receipt is asked for.
const receiptInterval = 50 * time.Millisecond

// carryAll brings the result to the contracts that wait for it, one after the other.
func (m *Manager) carryAll(e *entry) {
	for {
		job := e.snapshot()
		if job.State != Succeeded || m.ctx.Err() != nil {
			return
		}
		next := -1
		for i := range job.Carries {
			if !job.Carries[i].final() {
				next = i
				break
			}
		}
		if next < 0 {
			return
		}
		m.carry(e, job, next)
	}
}

// carry brings a result to one contract and waits for the receipt. Carries are
// never removed, so that their positions stay.
func (m *Manager) carry(e *entry, job *Job, at int) {
	ctx, cancel := context.WithTimeoutCause(m.ctx, m.cfg.CarryTimeout, errTimeout)
	defer cancel()
	err := m.sendAndWait(ctx, e, job, at)
	if m.ctx.Err() != nil {
		return // it goes on after the restart
	}
	if m.notTaken(ctx, e, job, at, err) {
		m.reopen(e, at)
		return
	}
	if err != nil {
		m.settle(e, at, func(c *Carry) { c.State, c.Error = CarryRefused, err.Error() })
	}
	carry := e.snapshot().Carries[at]
	m.cfg.Metrics.carries.WithLabelValues(string(carry.State)).Inc()
	m.cfg.Log.Info("result carried to the host chain", "job", job.ID, "contract", carry.Contract, "outcome", carry.State, "tx", carry.TxHash, "err", carry.Error)
}

// settle changes a carry and keeps it.
func (m *Manager) settle(e *entry, at int, change func(*Carry)) {
	if err := m.update(e, func(j *Job) { change(&j.Carries[at]) }); err != nil {
		m.cfg.Log.Error("a callback's state was not kept", "err", err)
	}
}

func (m *Manager) sendAndWait(ctx context.Context, e *entry, job *Job, at int) error {
	if m.cfg.Carrier == nil {
		return ErrNoCarrier
	}
	carry := job.Carries[at]
	if carry.State == CarrySent {
		// Sent before a restart, or kept and not yet sent.
		receipt, err := m.cfg.Carrier.Receipt(ctx, carry.TxHash)
		if err == nil && receipt == nil {
			_ = m.cfg.Carrier.Resend(ctx, carry.Raw)
		}
	} else if err := m.send(ctx, e, job, at); err != nil {
		return err
	}
	return m.await(ctx, e, at)
}

// send repeats what the node did not take, until the time is up.
func (m *Manager) send(ctx context.Context, e *entry, job *Job, at int) error {
	for {
		err := m.cfg.Carrier.Carry(ctx, job.Carries[at].Contract, job.Result.Signed(), func(raw []byte, hash common.Hash) error {
			return m.update(e, func(j *Job) {
				c := &j.Carries[at]
				c.State, c.Raw, c.TxHash, c.SentAt = CarrySent, raw, hash, time.Now().UTC()
			})
		})
		if err == nil || !errors.Is(err, aclclient.ErrNode) && !errors.Is(err, hostchain.ErrNotSent) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(retryInterval):
		}
	}
}

// await waits until a sent callback is in a block.
func (m *Manager) await(ctx context.Context, e *entry, at int) error {
	for {
		hash := e.snapshot().Carries[at].TxHash
		receipt, err := m.cfg.Carrier.Receipt(ctx, hash)
		if err == nil && receipt != nil {
			state := CarrySucceeded
			if !receipt.Succeeded {
				state = CarryReverted
			}
			m.settle(e, at, func(c *Carry) {
				c.State, c.Block, c.GasUsed, c.Raw = state, receipt.Block, receipt.GasUsed, nil
			})
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: the transaction is in no block", context.Cause(ctx))
		case <-time.After(receiptInterval):
		}
	}
}

// notTaken tells whether a contract refused a result since the parties who signed it have
// been replaced.
func (m *Manager) notTaken(ctx context.Context, e *entry, job *Job, at int, err error) bool {
	if err == nil && e.snapshot().Carries[at].State != CarryReverted {
		return false
	}
	return m.replaced(ctx, job.Result.EpochID)
}
