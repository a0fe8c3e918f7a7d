package jobs

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

const (
	// maxPaid bounds the transactions of one job that got into a block without
	// effect: each costs gas.
	maxPaid = 4
	// retryInterval is how long a try that failed waits for the next.
	retryInterval = 200 * time.Millisecond
)

// errTimeout ends a job that takes too long.
var errTimeout = errors.New("the job took too long")

// work does what a job needs until nothing is left or the manager closes.
func (m *Manager) work(e *entry) {
	for {
		select {
		case m.slots <- struct{}{}:
		case <-m.ctx.Done():
			return
		}
		job := e.snapshot()
		if job.State == Working {
			m.decrypt(e, job)
		}
		<-m.slots
		// Callbacks wait for blocks of a second or more: they do not keep others waiting.
		m.carryAll(e)
		if m.ctx.Err() != nil || m.leave(e) {
			return
		}
	}
}

// decrypt brings a job from working to its outcome.
func (m *Manager) decrypt(e *entry, job *Job) {
	batch, err := job.batch(m.cfg.HostChainID)
	if err != nil {
		m.fail(e, failure(LabelInvalid, "%s", err))
		return
	}
	ctx, cancel := context.WithTimeoutCause(m.ctx, m.cfg.Timeout, errTimeout)
	defer cancel()
	r := &run{m: m, e: e, batch: batch, gasFactor: 1}
	result, err := r.until(ctx)
	if m.ctx.Err() != nil {
		return // it goes on after the restart
	}
	var failed *Failure
	if errors.As(err, &failed) {
		m.fail(e, failed)
		return
	}
	if err != nil {
		m.fail(e, failure(LabelTimeout, "%s", err))
		return
	}
	err = m.update(e, func(j *Job) {
		j.State, j.Result, j.Failure = Succeeded, result, nil
		j.step(StepFulfilled, time.Now().UTC(), result.Height)
	})
	if err != nil {
		m.cfg.Log.Error("a result was not kept", "job", job.ID, "err", err)
	}
	m.cfg.Metrics.finished.WithLabelValues(string(Succeeded)).Inc()
	m.cfg.Metrics.duration.Observe(time.Since(job.Created).Seconds())
	m.cfg.Log.Info("decrypted", "job", job.ID, "request", result.RequestID, "handles", len(batch), "took", time.Since(job.Created).Round(time.Millisecond))
}

func (m *Manager) fail(e *entry, failed *Failure) {
	if err := m.update(e, func(j *Job) { j.State, j.Failure = Failed, failed }); err != nil {
		m.cfg.Log.Error("a failure was not kept", "job", e.job.ID, "err", err)
	}
	m.cfg.Metrics.finished.WithLabelValues(failed.Label).Inc()
	m.cfg.Log.Warn("not decrypted", "job", e.snapshot().ID, "label", failed.Label, "reason", failed.Message)
}

// run is the work on one job.
type run struct {
	m         *Manager
	e         *entry
	batch     []handles.Handle
	gasFactor uint64
	paid      int
}

// until tries until there is a result, a *Failure, or the context ends.
func (r *run) until(ctx context.Context) (*Result, error) {
	start := time.Now()
	for {
		result, err := r.try(ctx)
		if err == nil {
			return result, nil
		}
		if r.m.ctx.Err() != nil {
			return nil, err
		}
		err = classify(err)
		var again *setback
		if !errors.As(err, &again) {
			return nil, err
		}
		r.m.cfg.Metrics.setbacks.WithLabelValues(again.Label).Inc()
		r.m.cfg.Log.Debug("a try failed", "job", r.e.snapshot().ID, "label", again.Label, "reason", again.Message)
		r.learn(again.Label)
		if r.paid >= maxPaid || again.ready && time.Since(start) > r.m.cfg.Readiness {
			return nil, &again.Failure
		}
		select {
		case <-ctx.Done():
			return nil, outOfTime(ctx, &again.Failure)
		case <-time.After(retryInterval):
		}
	}
}

// learn changes what the next try does.
func (r *run) learn(label string) {
	switch label {
	case labelOutOfGas:
		r.gasFactor *= 2
	case labelOldRecords, LabelHostHeaders:
		r.m.cfg.Chain.Forget()
	}
}

// outOfTime says why the last try before the end failed.
func outOfTime(ctx context.Context, last *Failure) error {
	return failure(LabelTimeout, "%s; last: %s", context.Cause(ctx), last.Error())
}

// try finds the request on TKMS, or makes it, and follows it.
func (r *run) try(ctx context.Context) (*Result, error) {
	chain := r.m.cfg.Chain
	records, err := chain.Records(ctx, r.m.cfg.HostChainID)
	if err != nil {
		return nil, err
	}
	if records.Key.Status != kmstypes.KEY_STATUS_ACTIVE {
		return nil, &setback{*failure(LabelHostChain, "the host chain's key is %s", records.Key.Status), true}
	}
	id := handles.RequestID(r.m.cfg.HostChainID, handles.KindPublicDecryption, [32]byte(records.Key.Id), r.batch)
	known, err := chain.Request(ctx, id[:])
	switch {
	case errors.Is(err, client.ErrNotFound):
		known = &kmstypes.Request{Id: id[:]}
	case err != nil:
		return nil, err
	case known.Status == kmstypes.REQUEST_STATUS_FULFILLED:
		return resultOf(known), nil
	case known.Status == kmstypes.REQUEST_STATUS_ACCEPTED:
		head, err := chain.Wait(ctx, 0)
		if err != nil {
			return nil, err
		}
		if head.Height <= known.Deadline {
			return r.follow(ctx, id[:], known.Attempt-1, nil)
		}
	}
	sent, err := r.request(ctx, records)
	if err != nil {
		return nil, err
	}
	return r.follow(ctx, id[:], known.Attempt, &sent)
}

// request posts the request with fresh evidence.
func (r *run) request(ctx context.Context, records tkms.Records) (tkms.Sent, error) {
	evidence, err := r.m.cfg.Prover.Gather(ctx, records.HostChain, r.batch)
	if err != nil {
		return tkms.Sent{}, err
	}
	r.e.note(func(j *Job) { j.step(StepProven, time.Now().UTC(), int64(evidence.Height)) })
	requester := r.m.cfg.Chain.Address().String()
	msg := &kmstypes.MsgRequestPublicDecryption{
		Requester: requester, HostChainId: r.m.cfg.HostChainID, KeyId: records.Key.Id, Proof: evidence.Proof, MaxFee: r.m.cfg.MaxFee,
	}
	for i := range r.batch {
		msg.Handles = append(msg.Handles, r.batch[i][:])
	}
	msgs := []sdk.Msg{msg}
	if evidence.NewValidators {
		// TKMS takes the new set over when it sees the header that carries it.
		header := &acltypes.MsgSubmitHeader{Sender: requester, HostChainId: r.m.cfg.HostChainID, Header: evidence.Proof.Header}
		msgs = []sdk.Msg{header, msg}
		r.m.cfg.Chain.Forget()
	}
	sent, err := r.m.cfg.Chain.Send(ctx, r.gasFactor*gasFor(msgs, len(r.batch)), msgs...)
	if err != nil {
		return tkms.Sent{}, err
	}
	r.e.note(func(j *Job) { j.step(StepSent, time.Now().UTC(), 0) })
	return sent, nil
}

// Gas of a request: for the request as such, a handle, and a byte of the messages. One
// handle under a key of four parties takes 170 000 to 195 000.
const (
	gasRequest = 250_000
	gasHandle  = 40_000
	gasByte    = 20
)

// gasFor is enough gas for a request. What is not used is paid all the same.
func gasFor(msgs []sdk.Msg, count int) uint64 {
	size := 0
	for _, msg := range msgs {
		if sized, ok := msg.(interface{ Size() int }); ok {
			size += sized.Size()
		}
	}
	return gasRequest + gasHandle*uint64(count) + gasByte*uint64(size)
}

// follow waits for the result of an attempt after the given one. sent is the
// transaction that asked for it, nil if somebody else's did.
func (r *run) follow(ctx context.Context, id []byte, after uint32, sent *tkms.Sent) (*Result, error) {
	chain := r.m.cfg.Chain
	head := tkms.Head{}
	for {
		// The height first: a record read after it is at least as new.
		var err error
		if head, err = chain.Wait(ctx, head.Height); err != nil {
			return nil, err
		}
		record, err := chain.Request(ctx, id)
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return nil, err
		}
		switch {
		case err != nil || record.Attempt <= after:
			if sent == nil {
				return nil, retry(labelOldRecords, errors.New("the request's record is gone"))
			}
			if err := r.included(ctx, sent, head); err != nil {
				return nil, err
			}
		case record.Status == kmstypes.REQUEST_STATUS_FULFILLED:
			return resultOf(record), nil
		case record.Status == kmstypes.REQUEST_STATUS_EXPIRED, head.Height > record.Deadline:
			r.paid++
			return nil, retry(LabelTimeout, fmt.Errorf("the parties did not answer attempt %d before block %d; the fee was returned", record.Attempt, record.Deadline))
		}
	}
}

// included looks what became of a transaction that had no effect yet.
func (r *run) included(ctx context.Context, sent *tkms.Sent, head tkms.Head) error {
	included, err := r.m.cfg.Chain.Included(ctx, sent.Hash)
	if err != nil {
		if included {
			r.paid++
		}
		return err
	}
	if !included && head.Time.After(sent.Timeout) {
		return retry(labelTransactions, errors.New("the transaction timed out before it got into a block"))
	}
	return nil
}

// resultOf takes the result out of a fulfilled request.
func resultOf(record *kmstypes.Request) *Result {
	result := &Result{
		RequestID: hex.EncodeToString(record.Id), Attempt: record.Attempt, KeyID: hex.EncodeToString(record.KeyId),
		Plaintext: record.Plaintext, Height: record.FulfilledHeight, Simulated: record.Simulated,
	}
	for _, c := range record.Ciphertexts {
		result.Handles = append(result.Handles, common.BytesToHash(c.Handle))
	}
	for _, c := range record.Contributions {
		if c.Agrees {
			result.Signatures = append(result.Signatures, c.Signature)
		}
	}
	return result
}

// Signed returns a result as contracts read it.
func (r *Result) Signed() hostchain.Result {
	out := hostchain.Result{Plaintext: r.Plaintext, Signatures: r.Signatures}
	for _, h := range r.Handles {
		out.Handles = append(out.Handles, handles.Handle(h))
	}
	return out
}
