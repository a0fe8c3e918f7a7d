package jobs

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	aclclient "github.com/tkms-network/tkms/x/acl/client"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

const (
	// userReadiness is how long the host chain may take to show what a user asks for:
	// clients look themselves before they ask, so only a node that lags is waited for.
	userReadiness = 3 * time.Second
	// refreshTimeout bounds the look for shares that came after a job's result.
	refreshTimeout = 2 * time.Second
)

// userDecryption is a user's wish for shares that she can open.
type userDecryption struct {
	m     *Manager
	batch []handles.Handle
	user  *UserRequest
}

// question is the wish as TKMS is asked it.
func (d *userDecryption) question(records tkms.Records) client.UserQuestion {
	q := client.UserQuestion{
		HostChain: records.HostChain, KeyID: [kmstypes.IDSize]byte(records.Key.Id), Handles: d.batch, Authorization: d.user.Authorization,
	}
	for _, c := range d.user.Contracts {
		q.Contracts = append(q.Contracts, c)
	}
	return q
}

func (d *userDecryption) id(records tkms.Records) ([]byte, error) {
	id, err := d.question(records).ID()
	return id[:], err
}

func (d *userDecryption) gather(ctx context.Context, records tkms.Records) (*aclclient.Evidence, error) {
	head, err := d.m.cfg.Chain.Wait(ctx, 0)
	if err != nil {
		return nil, err
	}
	// The window counts when TKMS takes the request, so that it is looked at last.
	if err := d.vet(records, head.Time); err != nil {
		return nil, err
	}
	access, err := d.question(records).Access()
	if err != nil {
		return nil, err
	}
	return d.m.cfg.Prover.GatherUser(ctx, records.HostChain, access)
}

func (d *userDecryption) message(requester sdk.AccAddress, records tkms.Records, evidence *aclclient.Evidence) sdk.Msg {
	return d.question(records).Message(requester, evidence.Proof, d.m.cfg.MaxFee)
}

// result returns the shares of a fulfilled request: all, or those that are in some
// blocks after it was usable. A client that meets a wrong share needs more of them
// than make a request usable.
func (d *userDecryption) result(ctx context.Context, record *kmstypes.Request) (*Result, error) {
	chain := d.m.cfg.Chain
	head := tkms.Head{}
	for {
		var err error
		if head, err = chain.Wait(ctx, head.Height); err != nil {
			return nil, err
		}
		result, err := d.m.shares(ctx, record.Id)
		if err != nil {
			return nil, err
		}
		if result.Complete || head.Height >= record.FulfilledHeight+d.m.cfg.Grace {
			return result, nil
		}
	}
}

// shares reads what is in of a fulfilled request, and tells whether more is to be
// expected: whoever was excluded or removed from the epoch is not waited for.
func (m *Manager) shares(ctx context.Context, id []byte) (*Result, error) {
	answer, err := m.cfg.Chain.Shares(ctx, id)
	if err != nil {
		return nil, err
	}
	present, err := m.cfg.Chain.Present(ctx, answer.Request.EpochId)
	if err != nil {
		return nil, err
	}
	result := resultOf(&answer.Request)
	for _, s := range answer.Shares {
		result.Shares = append(result.Shares, Share{s.Index, s.Payload, s.Signature})
	}
	result.Complete = answer.Request.ClosedHeight() != 0 || !slices.ContainsFunc(present, func(index uint32) bool {
		return !slices.ContainsFunc(result.Shares, func(s Share) bool { return s.Index == index })
	})
	return result, nil
}

// SubmitUser returns the job of a user's request, which it makes or starts anew if there
// is none, it failed, or clients no longer read its shares. handles and contracts are in the order in which the
// shares are wanted. What is wrong with a request by itself is a *Failure; other
// errors: ErrBusy, ErrClosed.
func (m *Manager) SubmitUser(ctx context.Context, batch []handles.Handle, request *UserRequest) (*Job, error) {
	id, err := userID(m.cfg.HostChainID, batch, request)
	if err != nil {
		return nil, err
	}
	known, err := m.Get(id)
	if err == nil && known.State != Failed && m.stale(id) == nil {
		return m.refreshed(ctx, known), nil
	}
	if err := m.vetNow(ctx, &userDecryption{m, batch, request}); err != nil {
		return nil, err
	}
	return m.submit(&Job{ID: id, Kind: request.kind(), Handles: hashes(batch), User: request}, nil)
}

// refreshed looks for shares that came after a job's result. Without an answer in
// time the job is what it was.
func (m *Manager) refreshed(ctx context.Context, job *Job) *Job {
	if job.State != Succeeded || job.Result == nil || job.Result.Complete {
		return job
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	var result *Result
	id, err := hex.DecodeString(job.Result.RequestID)
	if err == nil {
		result, err = m.shares(ctx, id)
	}
	if err != nil || result.Attempt != job.Result.Attempt || len(result.Shares) < len(job.Result.Shares) {
		m.cfg.Log.Debug("late shares were not looked for", "job", job.ID, "err", err)
		return job
	}
	job.Result, job.Updated = result, time.Now().UTC()
	if err := m.shelf.put(job); err != nil {
		m.cfg.Log.Error("late shares were not kept", "job", job.ID, "err", err)
	}
	return job
}
