package party

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// retryPause is the pause before something is tried again that failed for want of
// a node, a peer or a store.
const retryPause = 500 * time.Millisecond

// errRequest reports a record that this party does not know how to answer.
var errRequest = errors.New("party: not a request that this party answers")

// refusal is a final reason why this party will not answer.
type refusal struct {
	reason status.Reason
	err    error
}

func (r *refusal) Error() string { return string(r.reason) + ": " + r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// checkRequest refuses what the parties of an epoch must never answer, and records
// out of form, which would make later steps panic. That one item masks two blocks of
// a request is refused whatever the chain says.
func checkRequest(r *kmstypes.Request, parties int) error {
	if !forUser(r) && (r.Kind != kmstypes.REQUEST_KIND_PUBLIC_DECRYPTION || r.AuthorizedBy != nil) {
		return fmt.Errorf("%w: kind %s", errRequest, r.Kind)
	}
	if len(r.Id) != kmstypes.IDSize || len(r.KeyId) != kmstypes.IDSize || len(r.Domain.VerifyingContract) != 20 {
		return fmt.Errorf("%w: the record is out of form", errRequest)
	}
	if len(r.Ciphertexts) == 0 || len(r.Ciphertexts) > kmstypes.MaxHandles {
		return fmt.Errorf("%w: %d ciphertexts", errRequest, len(r.Ciphertexts))
	}
	byItem := slices.Clone(r.Ciphertexts)
	slices.SortFunc(byItem, func(a, b kmstypes.Ciphertext) int {
		switch {
		case a.FirstItem < b.FirstItem:
			return -1
		case a.FirstItem > b.FirstItem:
			return 1
		}
		return 0
	})
	var next uint64
	for _, c := range byItem {
		handle, err := handles.Parse(c.Handle)
		if err != nil {
			return fmt.Errorf("%w: %w", errRequest, err)
		}
		end := c.FirstItem + uint64(c.Blocks)
		if len(c.Digest) != kmstypes.DigestSize || int(c.Blocks) != handle.Type().Blocks() || end < c.FirstItem || c.FirstItem < next {
			return fmt.Errorf("%w: ciphertext %s with items from %d", errRequest, handle, c.FirstItem)
		}
		next = end
	}
	if forUser(r) {
		return checkUser(r, parties)
	}
	return nil
}

// startRequest begins to work on an open request of this epoch. An answered one is
// worked on too: members that lost their part of the session need the messages.
func (p *Party) startRequest(s *seat, request *kmstypes.Request) {
	if request.EpochId != s.epochID() {
		return
	}
	late := takesShares(request, s.code.N(), p.heightNow()) && !s.answered(request)
	if request.Status != kmstypes.REQUEST_STATUS_ACCEPTED && !late {
		// Answered: its items are spent, whether by this party or not.
		if len(request.Ciphertexts) > 0 {
			_, end := extent(request)
			s.assigned(end)
		}
		return
	}
	t := &task{id: requestTask(request), request: request, recorded: s.answered(request), look: p.heightNow() + firstLook}
	ctx, fresh := p.add(s, t)
	if !fresh {
		return
	}
	if err := checkRequest(request, s.code.N()); err != nil {
		p.refuse(t, &refusal{status.ReasonUnsupported, err})
		return
	}
	first, end := extent(request)
	s.hold(t.id, first, end)
	since := time.Now()
	s.running.Go(func() {
		result, err := p.answer(ctx, s, t, since)
		var refused *refusal
		switch {
		case ctx.Err() != nil:
		case err == nil:
			p.postResult(t, result)
		case errors.As(err, &refused):
			p.refuse(t, refused)
		default:
			p.refuse(t, &refusal{status.ReasonProtocol, err})
		}
	})
}

func (p *Party) refuse(t *task, r *refusal) {
	p.cfg.Log.Warn("request refused", "request", hex.EncodeToString(t.request.Id), "reason", r.reason, "err", r.err)
	p.metrics.Requests.WithLabelValues(kindOf(t.request), string(r.reason)).Inc()
	p.waitFor(t.request, r.reason, r.err)
	p.mu.Lock()
	defer p.mu.Unlock()
	t.refused = true
}

// kindOf names the kind of a request in metrics and status.
func kindOf(r *kmstypes.Request) string {
	if forUser(r) {
		return status.KindUser
	}
	return status.KindPublic
}

// waitFor shows why there is no answer, for now or for good.
func (p *Party) waitFor(request *kmstypes.Request, reason status.Reason, err error) {
	p.progress(request, func(s *status.Request) {
		s.State, s.Reason, s.Detail = status.StateRefused, reason, err.Error()
	})
}

func (p *Party) progress(request *kmstypes.Request, change func(*status.Request)) {
	p.board.Request(hex.EncodeToString(request.Id), func(s *status.Request) {
		if s.Attempt != request.Attempt {
			*s = status.Request{ID: s.ID, Attempt: request.Attempt, Kind: kindOf(request)}
		}
		change(s)
	})
}

// answered reports whether the own result is recorded.
func (s *seat) answered(request *kmstypes.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(request.Contributions, func(c kmstypes.Contribution) bool { return int(c.Index) == s.committee.Self })
}

// answer decrypts a request and signs the result.
func (p *Party) answer(ctx context.Context, s *seat, t *task, since time.Time) (*kmstypes.Result, error) {
	request := t.request
	p.progress(request, func(r *status.Request) { r.State, r.Reason, r.Detail = status.StateFetching, "", "" })
	held, host, err := p.prepareRequest(ctx, s, request)
	if err != nil {
		return nil, err
	}
	taken, err := p.fetch(ctx, request, host.BlobEndpoints, held)
	if err != nil {
		return nil, err
	}
	parts, err := p.decrypt(ctx, s, t, held, taken)
	var size int64
	for _, c := range taken {
		c.zero()
		size += c.bytes
	}
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(since)
	p.metrics.Engine.WithLabelValues(kindOf(request)).Observe(elapsed.Seconds())
	p.metrics.Requests.WithLabelValues(kindOf(request), "decrypted").Inc()
	p.progress(request, func(r *status.Request) { r.EngineMicros, r.CiphertextBytes = elapsed.Microseconds(), size })
	if !forUser(request) {
		return p.signValues(request, taken, parts)
	}
	defer func() {
		for _, share := range parts {
			clear(share)
		}
	}()
	return p.signShares(s, request, taken, parts)
}

// extent returns the range of offline items that the chain assigned.
func extent(request *kmstypes.Request) (first, end uint64) {
	first = request.Ciphertexts[0].FirstItem
	for _, c := range request.Ciphertexts {
		first, end = min(first, c.FirstItem), max(end, c.FirstItem+uint64(c.Blocks))
	}
	return first, end
}

// signValues makes the values of the blocks, encodes them as the host chain's
// contracts decode them and signs. The signature is a function of the plaintext: a
// party that answers again after a restart posts the same bytes.
func (p *Party) signValues(request *kmstypes.Request, taken []*intake, blocks [][]uint64) (*kmstypes.Result, error) {
	list, err := request.HandleList()
	if err != nil {
		return nil, err
	}
	result := resultOf(request)
	for i, handle := range list {
		value, err := taken[i].outline.Recompose(blocks[i])
		if err != nil {
			return nil, fmt.Errorf("recompose %s: %w", handle.Type(), err)
		}
		if result.Plaintext, err = handles.AppendValue(result.Plaintext, handle.Type(), value); err != nil {
			return nil, err
		}
	}
	key, err := crypto.ToECDSA(p.cfg.Identity.Signing.Key)
	if err != nil {
		return nil, err
	}
	digest, err := request.SigningDigest(list, result.Plaintext)
	if err != nil {
		return nil, err
	}
	result.Signature, err = eip712.Sign(digest, key)
	return result, err
}

// resultOf is an answer to a request, without what is answered.
func resultOf(r *kmstypes.Request) *kmstypes.Result {
	return &kmstypes.Result{RequestId: r.Id, EpochId: r.EpochId, Attempt: r.Attempt}
}

// postResult posts an answer unless the chain has it.
func (p *Party) postResult(t *task, result *kmstypes.Result) {
	p.mu.Lock()
	t.result, t.posted, t.look = result, p.height, p.height+firstLook
	recorded := t.recorded
	p.mu.Unlock()
	p.progress(t.request, func(r *status.Request) { r.State = status.StatePosted })
	if !recorded {
		p.poster.Result(*result)
	}
}

// postAgain posts an answer once more if it has not shown for some blocks.
func (p *Party) postAgain(t *task, recorded bool) {
	p.mu.Lock()
	t.recorded = t.recorded || recorded
	due := t.result != nil && !t.recorded && p.height >= t.posted+repostAfter
	if due {
		t.posted = p.height
	}
	p.mu.Unlock()
	if due {
		p.poster.Result(*t.result)
	}
}

func (p *Party) heightNow() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.height
}
