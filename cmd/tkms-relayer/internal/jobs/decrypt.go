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
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// decryption is what public and user decryptions differ in.
type decryption interface {
	// id of the request on TKMS.
	id(records tkms.Records) ([]byte, error)
	// gather fetches the evidence for a request that TKMS does not know yet.
	gather(ctx context.Context, records tkms.Records) (*aclclient.Evidence, error)
	// message asks for it.
	message(requester sdk.AccAddress, records tkms.Records, evidence *aclclient.Evidence) sdk.Msg
	// result takes the result of a fulfilled request.
	result(ctx context.Context, record *kmstypes.Request) (*Result, error)
}

// publicDecryption is the wish for plaintexts that a host chain made public.
type publicDecryption struct {
	m     *Manager
	batch []handles.Handle
}

func (d *publicDecryption) id(records tkms.Records) ([]byte, error) {
	id := handles.RequestID(d.m.cfg.HostChainID, handles.KindPublicDecryption, [32]byte(records.Key.Id), d.batch)
	return id[:], nil
}

func (d *publicDecryption) gather(ctx context.Context, records tkms.Records) (*aclclient.Evidence, error) {
	return d.m.cfg.Prover.Gather(ctx, records.HostChain, d.batch)
}

func (d *publicDecryption) message(requester sdk.AccAddress, records tkms.Records, evidence *aclclient.Evidence) sdk.Msg {
	msg := &kmstypes.MsgRequestPublicDecryption{
		Requester: requester.String(), HostChainId: d.m.cfg.HostChainID, KeyId: records.Key.Id, Proof: evidence.Proof, MaxFee: d.m.cfg.MaxFee,
	}
	for i := range d.batch {
		msg.Handles = append(msg.Handles, d.batch[i][:])
	}
	return msg
}

func (d *publicDecryption) result(_ context.Context, record *kmstypes.Request) (*Result, error) {
	result := resultOf(record)
	result.Plaintext = record.Plaintext
	for _, c := range record.Contributions {
		if c.Agrees {
			result.Signatures = append(result.Signatures, c.Signature)
		}
	}
	return result, nil
}

// resultOf takes what both kinds of requests have.
func resultOf(record *kmstypes.Request) *Result {
	result := &Result{
		RequestID: hex.EncodeToString(record.Id), Attempt: record.Attempt, KeyID: hex.EncodeToString(record.KeyId),
		EpochID: record.EpochId, Height: record.FulfilledHeight, Simulated: record.Simulated,
	}
	for _, c := range record.Ciphertexts {
		result.Handles = append(result.Handles, common.BytesToHash(c.Handle))
	}
	return result
}

// Signed returns a public result as contracts read it.
func (r *Result) Signed() hostchain.Result {
	out := hostchain.Result{Plaintext: r.Plaintext, Signatures: r.Signatures}
	for _, h := range r.Handles {
		out.Handles = append(out.Handles, handles.Handle(h))
	}
	return out
}

// decrypt finds the request on TKMS, or makes it, and follows it to its result.
func (r *run) decrypt(ctx context.Context, d decryption) (outcome, error) {
	record, err := r.fulfilled(ctx, d)
	if err != nil {
		return nil, err
	}
	result, err := d.result(ctx, record)
	if err != nil {
		return nil, err
	}
	return func(j *Job) {
		j.Result = result
		j.step(StepFulfilled, time.Now().UTC(), result.Height)
	}, nil
}

// fulfilled returns the request's record once it has a result.
func (r *run) fulfilled(ctx context.Context, d decryption) (*kmstypes.Request, error) {
	chain := r.m.cfg.Chain
	records, err := chain.Records(ctx, r.m.cfg.HostChainID)
	if err != nil {
		return nil, err
	}
	if records.Key.Status != kmstypes.KEY_STATUS_ACTIVE {
		return nil, await(ReasonHostChain, fmt.Errorf("the host chain's key is %s", records.Key.Status))
	}
	id, err := d.id(records)
	if err != nil {
		return nil, err
	}
	known, err := chain.Request(ctx, id)
	switch {
	case errors.Is(err, client.ErrNotFound):
		known = &kmstypes.Request{Id: id}
	case err != nil:
		return nil, err
	case known.Status == kmstypes.REQUEST_STATUS_FULFILLED:
		if r.m.taken(ctx, known.EpochId) {
			return known, nil
		}
		if known.PaidHeight == 0 {
			return nil, retry(reasonOldSigners, errors.New("the host chain no longer takes the result, and TKMS has not paid for it yet"))
		}
	case known.Status == kmstypes.REQUEST_STATUS_ACCEPTED:
		head, err := chain.Wait(ctx, 0)
		if err != nil {
			return nil, err
		}
		if head.Height <= known.Deadline {
			return r.follow(ctx, id, known.Attempt-1, nil)
		}
	}
	sent, err := r.request(ctx, d, records)
	if err != nil {
		return nil, err
	}
	return r.follow(ctx, id, known.Attempt, &sent)
}

// request posts the request with fresh evidence.
func (r *run) request(ctx context.Context, d decryption, records tkms.Records) (tkms.Sent, error) {
	evidence, err := d.gather(ctx, records)
	if err != nil {
		return tkms.Sent{}, err
	}
	r.e.note(func(j *Job) { j.step(StepProven, time.Now().UTC(), int64(evidence.Height)) })
	requester := r.m.cfg.Chain.Address()
	msgs := []sdk.Msg{d.message(requester, records, evidence)}
	if evidence.NewValidators {
		// TKMS takes the new set over when it sees the header that carries it.
		header := &acltypes.MsgSubmitHeader{Sender: requester.String(), HostChainId: r.m.cfg.HostChainID, Header: evidence.Proof.Header}
		msgs = append([]sdk.Msg{header}, msgs...)
		r.m.cfg.Chain.Forget()
	}
	sent, err := r.m.cfg.Chain.Send(ctx, r.gasFactor*gasFor(msgs, len(evidence.Digests)), msgs...)
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

// earliest is after how many blocks a transaction can have its answer: the next block
// takes it, parties prove it under the header of the one after that, and post.
const earliest = 3

// patientBlocks is after how many blocks without effect a transaction is looked for.
const patientBlocks = 3

// follow waits for the result of an attempt after the given one. sent is the
// transaction that asked for it, nil if somebody else's did.
func (r *run) follow(ctx context.Context, id []byte, after uint32, sent *tkms.Sent) (*kmstypes.Request, error) {
	chain := r.m.cfg.Chain
	head, err := chain.Wait(ctx, 0)
	if err != nil {
		return nil, err
	}
	for began := head.Height; ; {
		// The height first: a record read after it is at least as new.
		if head, err = chain.Wait(ctx, head.Height); err != nil {
			return nil, err
		}
		if sent != nil && head.Height < began+earliest {
			continue
		}
		record, err := chain.Request(ctx, id)
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return nil, err
		}
		switch {
		case err != nil || record.Attempt <= after:
			if sent == nil {
				return nil, retry(reasonOldRecords, errors.New("the request's record is gone"))
			}
			if head.Height < began+patientBlocks {
				continue
			}
			if err := r.included(ctx, sent, head); err != nil {
				return nil, err
			}
		case record.Status == kmstypes.REQUEST_STATUS_FULFILLED:
			return record, nil
		case record.Status == kmstypes.REQUEST_STATUS_EXPIRED, head.Height > record.Deadline:
			r.paid++
			return nil, retry(ReasonTimeout, fmt.Errorf("the parties did not answer attempt %d before block %d; the fee was returned", record.Attempt, record.Deadline))
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
		return retry(reasonTransactions, errors.New("the transaction timed out before it got into a block"))
	}
	return nil
}
