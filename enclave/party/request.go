package party

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

const (
	// onlineLinger is how long a finished decryption goes on checking late shares.
	onlineLinger = 3 * time.Second
	// fetchRetry is the pause before a store is asked again for bytes that were
	// missing or wrong.
	fetchRetry = 500 * time.Millisecond
)

// refusal is a final reason why this party will not answer.
type refusal struct {
	reason status.Reason
	err    error
}

func (r *refusal) Error() string { return string(r.reason) + ": " + r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// startRequest begins to work on an open request of this epoch.
func (p *Party) startRequest(s *seat, request *kmstypes.Request) {
	if request.Status != kmstypes.REQUEST_STATUS_ACCEPTED || request.EpochId != s.epochID() || s.answered(request) {
		return
	}
	t := &task{id: requestTask(request), request: request}
	ctx, fresh := p.add(s, t)
	if !fresh {
		return
	}
	since := time.Now()
	s.running.Go(func() {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		result, err := p.answer(ctx, s, t, since)
		<-p.slots
		var refused *refusal
		switch {
		case err == nil:
			p.postUntilRecorded(ctx, request, result)
		case ctx.Err() != nil:
		case errors.As(err, &refused):
			p.refuse(request, refused)
		default:
			p.refuse(request, &refusal{status.ReasonProtocol, err})
		}
	})
}

func (p *Party) refuse(request *kmstypes.Request, r *refusal) {
	p.cfg.Log.Warn("request refused", "request", hex.EncodeToString(request.Id), "reason", r.reason, "err", r.err)
	p.metrics.Requests.WithLabelValues(string(r.reason)).Inc()
	p.progress(request, func(s *status.Request) {
		s.State, s.Reason, s.Detail = status.StateRefused, r.reason, r.err.Error()
	})
}

func (p *Party) progress(request *kmstypes.Request, change func(*status.Request)) {
	p.board.Request(hex.EncodeToString(request.Id), func(s *status.Request) {
		s.Attempt = request.Attempt
		change(s)
	})
}

// answered reports whether the own result is recorded.
func (s *seat) answered(request *kmstypes.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range request.Contributions {
		if int(c.Index) == s.committee.Self {
			return true
		}
	}
	return false
}

// answer decrypts a request and signs the result.
func (p *Party) answer(ctx context.Context, s *seat, t *task, since time.Time) (kmstypes.Result, error) {
	var none kmstypes.Result
	request := t.request
	held, err := s.holdKey(ctx, request.KeyId)
	if err != nil {
		return none, &refusal{status.ReasonUnknownKey, err}
	}
	st, err := s.stock(held.shape)
	if err != nil {
		return none, &refusal{status.ReasonUnknownKey, err}
	}
	first, end := extent(request)
	st.Hold(t.id, first, end)
	p.progress(request, func(r *status.Request) { r.State, r.Reason, r.Detail = status.StateFetching, "", "" })
	ciphertexts, err := p.fetch(ctx, request, held.parameters)
	if err != nil {
		return none, err
	}
	values, err := p.decrypt(ctx, s, t.request, held, ciphertexts)
	if err != nil {
		return none, err
	}
	elapsed := time.Since(since)
	p.metrics.Engine.Observe(elapsed.Seconds())
	p.metrics.Requests.WithLabelValues("decrypted").Inc()
	p.progress(request, func(r *status.Request) { r.EngineMicros = elapsed.Microseconds() })
	return p.sign(request, values)
}

// extent returns the range of offline items that the chain assigned.
func extent(request *kmstypes.Request) (first, end uint64) {
	first = request.Ciphertexts[0].FirstItem
	for _, c := range request.Ciphertexts {
		first, end = min(first, c.FirstItem), max(end, c.FirstItem+uint64(c.Blocks))
	}
	return first, end
}

// fetch gets and reads the ciphertexts, all of them or none: a party without
// one sends nothing for the request, so that no mask meets two inputs.
func (p *Party) fetch(ctx context.Context, request *kmstypes.Request, parameters tfhe.Parameters) ([]*tfhe.Ciphertext, error) {
	p.mu.Lock()
	height := p.height
	p.mu.Unlock()
	host, err := hostChain(ctx, p.cfg.Chain, request.HostChainId, height)
	if err != nil {
		return nil, err
	}
	out := make([]*tfhe.Ciphertext, len(request.Ciphertexts))
	failures := make([]error, len(out))
	var fetching sync.WaitGroup
	for i, c := range request.Ciphertexts {
		fetching.Go(func() {
			out[i], failures[i] = p.fetchOne(ctx, request, host.BlobEndpoints, c, parameters)
		})
	}
	fetching.Wait()
	return out, errors.Join(failures...)
}

func (p *Party) fetchOne(ctx context.Context, request *kmstypes.Request, endpoints []string, c kmstypes.Ciphertext, parameters tfhe.Parameters) (*tfhe.Ciphertext, error) {
	handle, err := handles.Parse(c.Handle)
	if err != nil {
		return nil, &refusal{status.ReasonMalformed, err}
	}
	typ := tfhe.Type(handle.Type())
	var data []byte
	for {
		if data, err = p.blobs.Fetch(ctx, endpoints, [32]byte(c.Digest), maxBytes(typ, parameters)); err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil, err
		}
		reason := status.ReasonUnavailable
		switch {
		case errors.Is(err, blob.ErrDigest):
			reason = status.ReasonDigest
		case errors.Is(err, blob.ErrTooLarge):
			reason = status.ReasonTooLarge
		}
		p.progress(request, func(r *status.Request) {
			r.State, r.Reason, r.Detail = status.StateRefused, reason, err.Error()
		})
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(fetchRetry):
		}
	}
	ciphertext, err := tfhe.Decode(data, typ, parameters)
	if err == nil && ciphertext.Len() > int(c.Blocks) {
		err = fmt.Errorf("%d LWE ciphertexts, the chain assigned %d items", ciphertext.Len(), c.Blocks)
	}
	if err != nil {
		return nil, &refusal{status.ReasonMalformed, err}
	}
	return ciphertext, nil
}

// maxBytes bounds the encoding of a ciphertext: one LWE ciphertext a block in
// 64-bit words with its metadata, the larger of both kinds of key.
func maxBytes(t tfhe.Type, p tfhe.Parameters) int64 {
	dimension := max(p.ComputeDimension(), p.PKEDimension)
	return int64(t.Blocks(p)+1)*int64(8*(dimension+1)+256) + 4096
}

// group is the part of a request that is under one secret key.
type group struct {
	kind    tfhe.KeyKind
	members []int // positions in the request
	blocks  joined
}

// joined presents several ciphertexts as one run of blocks.
type joined struct {
	parts []*tfhe.Ciphertext
	owner []int // part of each block
	start []int // first block of each part
}

func (j *joined) add(c *tfhe.Ciphertext) {
	j.start = append(j.start, len(j.owner))
	for range c.Len() {
		j.owner = append(j.owner, len(j.parts))
	}
	j.parts = append(j.parts, c)
}

// Len implements decrypt.Blocks.
func (j *joined) Len() int { return len(j.owner) }

// Dimension implements decrypt.Blocks.
func (j *joined) Dimension() int { return j.parts[0].Dimension() }

// SwitchedLWE implements decrypt.Blocks.
func (j *joined) SwitchedLWE(i int, k uint, dst []uint32) {
	part := j.owner[i]
	j.parts[part].SwitchedLWE(i-j.start[part], k, dst)
}

// decrypt runs the online phase and returns the values in the request's order.
func (p *Party) decrypt(ctx context.Context, s *seat, request *kmstypes.Request, held *heldKey, ciphertexts []*tfhe.Ciphertext) ([]*big.Int, error) {
	var groups []*group
	for i, c := range ciphertexts {
		var g *group
		for _, known := range groups {
			if known.kind == c.Key() {
				g = known
			}
		}
		if g == nil {
			g = &group{kind: c.Key()}
			groups = append(groups, g)
		}
		g.members = append(g.members, i)
		g.blocks.add(c)
	}
	values := make([]*big.Int, len(ciphertexts))
	for _, g := range groups {
		stocked, err := p.items(ctx, s, request, held, ciphertexts, g)
		if err != nil {
			return nil, err
		}
		plain, err := p.online(ctx, s, request, held, g, stocked)
		if err != nil {
			return nil, err
		}
		for k, member := range g.members {
			c := ciphertexts[member]
			start := g.blocks.start[k]
			if values[member], err = c.Recompose(plain[start : start+c.Len()]); err != nil {
				return nil, fmt.Errorf("recompose %s: %w", c.Type(), err)
			}
		}
	}
	return values, nil
}

// items takes the offline items of a group, waiting for them if they are yet to
// be made.
func (p *Party) items(ctx context.Context, s *seat, request *kmstypes.Request, held *heldKey, ciphertexts []*tfhe.Ciphertext, g *group) ([]*preproc.Batch, error) {
	if s.code.N() == 1 {
		return nil, nil
	}
	st, err := s.stock(held.shape)
	if err != nil {
		return nil, err
	}
	p.progress(request, func(r *status.Request) { r.State, r.Reason, r.Detail = status.StateWaiting, "", "" })
	var all []*preproc.Batch
	fromStock := true
	for _, member := range g.members {
		pieces, atOnce, err := st.Take(ctx, request.Ciphertexts[member].FirstItem, ciphertexts[member].Len())
		if err != nil {
			return nil, err
		}
		all = append(all, pieces...)
		fromStock = fromStock && atOnce
	}
	p.progress(request, func(r *status.Request) { r.FromStock = fromStock })
	return all, nil
}

// online runs the online phase of a group with all members: who is absent does
// not matter, and who is excluded may be back.
func (p *Party) online(ctx context.Context, s *seat, request *kmstypes.Request, held *heldKey, g *group, stocked []*preproc.Batch) ([]uint64, error) {
	digests := make([]mpc.Digest, len(request.Ciphertexts))
	for i, c := range request.Ciphertexts {
		digests[i] = mpc.Digest(c.Digest)
	}
	id := mpc.Session{
		ChainID: p.cfg.ChainID, Subject: request.Id, Ciphertexts: digests, Parameters: held.parameters.Name, Epoch: request.EpochId,
		Attempt: request.Attempt, Protocol: "decrypt/" + g.kind.String(), Parties: sharing.AllParties(s.code.N()), T: s.code.T(),
	}.ID()
	machine, err := decrypt.New(decrypt.Config{Code: s.code, Self: s.identity.Self(), Key: held.keys[g.kind], Blocks: &g.blocks, Stock: stocked})
	if err != nil {
		return nil, err
	}
	p.progress(request, func(r *status.Request) { r.State = status.StateComputing })
	var values []uint64
	err = s.router.Run(ctx, session.ID(id), machine, session.WithLinger(onlineLinger,
		func() { values = machine.Values() },
		func() { p.name(request, machine.Culprits()) }))
	return values, err
}

// name records who sent wrong shares.
func (p *Party) name(request *kmstypes.Request, culprits sharing.Parties) {
	if culprits == 0 {
		return
	}
	p.cfg.Log.Warn("wrong shares", "request", hex.EncodeToString(request.Id), "culprits", culprits.String())
	for _, i := range culprits.List() {
		p.metrics.Culprits.WithLabelValues(fmt.Sprint(i)).Inc()
	}
	p.progress(request, func(r *status.Request) { r.Culprits = culprits.List() })
}

// sign encodes the values as the host chain's contracts decode them and signs.
func (p *Party) sign(request *kmstypes.Request, values []*big.Int) (kmstypes.Result, error) {
	list := make([]handles.Handle, len(values))
	var plaintext []byte
	for i, value := range values {
		var err error
		if list[i], err = handles.Parse(request.Ciphertexts[i].Handle); err != nil {
			return kmstypes.Result{}, err
		}
		if plaintext, err = handles.AppendValue(plaintext, list[i].Type(), value); err != nil {
			return kmstypes.Result{}, err
		}
	}
	key, err := crypto.ToECDSA(p.cfg.Identity.Signing.Key)
	if err != nil {
		return kmstypes.Result{}, err
	}
	domain := eip712.Domain{
		Name: request.Domain.Name, Version: request.Domain.Version, ChainID: request.Domain.ChainId,
		VerifyingContract: [20]byte(request.Domain.VerifyingContract),
	}
	signature, err := eip712.Sign(eip712.PublicDecryption(domain, list, plaintext), key)
	if err != nil {
		return kmstypes.Result{}, err
	}
	return kmstypes.Result{RequestId: request.Id, EpochId: request.EpochId, Attempt: request.Attempt, Plaintext: plaintext, Signature: signature}, nil
}

// postUntilRecorded posts a result, again every few blocks, until the task ends
// because the request is closed.
func (p *Party) postUntilRecorded(ctx context.Context, request *kmstypes.Request, result kmstypes.Result) {
	p.progress(request, func(r *status.Request) { r.State = status.StatePosted })
	for {
		p.poster.Result(result)
		wait := p.heightNow() + repostAfter
		for p.heightNow() < wait {
			select {
			case <-ctx.Done():
				return
			case <-time.After(fetchRetry):
			}
		}
	}
}

func (p *Party) heightNow() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.height
}

func (s *seat) epochID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committee.Epoch.Id
}

// release tells the stocks that a request is closed.
func (s *seat) release(task string) {
	if !strings.HasPrefix(task, "request ") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.stocks {
		go st.Release(task)
	}
}
