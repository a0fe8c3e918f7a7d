package party

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/tfhe"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// prepareRequest returns the key and the host chain of a request. What is missing
// now may come: a node that answers, a share that is rebuilt.
func (p *Party) prepareRequest(ctx context.Context, s *seat, request *kmstypes.Request) (*heldKey, *acltypes.HostChain, error) {
	for {
		held, err := p.holdKey(ctx, s, request.KeyId)
		if err == nil {
			err = s.openStocks(held)
		}
		if err == nil {
			var host *acltypes.HostChain
			if host, err = p.hostOf(ctx, request); err == nil {
				return held, host, nil
			}
			p.waitFor(request, status.ReasonUnavailable, err)
		} else if ctx.Err() == nil {
			p.waitFor(request, status.ReasonUnknownKey, err)
		}
		if !pause(ctx, retryPause) {
			return nil, nil, context.Cause(ctx)
		}
	}
}

// hosts are the newest proven records of host chains.
type hosts struct {
	mu    sync.Mutex
	known map[uint64]provenHost
}

type provenHost struct {
	record *acltypes.HostChain
	height int64
}

// hostOf returns the record of a request's host chain, no older than the request: all
// requests of a block share one proof.
func (p *Party) hostOf(ctx context.Context, request *kmstypes.Request) (*acltypes.HostChain, error) {
	// Held while the record is proven: who comes meanwhile needs the same.
	p.hosts.mu.Lock()
	defer p.hosts.mu.Unlock()
	id, height := request.HostChainId, p.heightNow()
	if known := p.hosts.known[id]; known.record != nil && known.height >= request.AcceptedHeight {
		return known.record, nil
	}
	host, err := hostChain(ctx, p.cfg.Chain, id, height)
	if err != nil {
		return nil, err
	}
	p.hosts.known[id] = provenHost{host, height}
	return host, nil
}

// pause waits and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// fetch takes the ciphertexts in, all of them or none: a party without one sends
// nothing for the request, so that no mask meets two inputs.
func (p *Party) fetch(ctx context.Context, request *kmstypes.Request, endpoints []string, held *heldKey) ([]*intake, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := make([]*intake, len(request.Ciphertexts))
	failures := make([]error, len(out))
	var fetching sync.WaitGroup
	for i, c := range request.Ciphertexts {
		fetching.Go(func() {
			// One that is refused for good settles the request: the others need not
			// be waited for.
			if out[i], failures[i] = p.fetchOne(ctx, request, endpoints, c, held); failures[i] != nil {
				cancel()
			}
		})
	}
	fetching.Wait()
	return out, errors.Join(failures...)
}

// fetchOne asks the stores until one of them has the bytes.
func (p *Party) fetchOne(ctx context.Context, request *kmstypes.Request, endpoints []string, c kmstypes.Ciphertext, held *heldKey) (*intake, error) {
	handle, err := handles.Parse(c.Handle)
	if err != nil {
		return nil, &refusal{status.ReasonMalformed, err}
	}
	for {
		ciphertext, err := p.download(ctx, endpoints, c, tfhe.Type(handle.Type()), held, forUser(request))
		var refused *refusal
		if err == nil || ctx.Err() != nil || errors.As(err, &refused) {
			return ciphertext, err
		}
		reason := status.ReasonUnavailable
		switch {
		case errors.Is(err, blob.ErrDigest):
			reason = status.ReasonDigest
		case errors.Is(err, blob.ErrTooLarge):
			reason = status.ReasonTooLarge
		}
		p.waitFor(request, reason, err)
		if !pause(ctx, retryPause) {
			return nil, context.Cause(ctx)
		}
	}
}

// download asks the stores once and reads, hashes and switches what comes, once. A
// slot bounds the bytes under way; it is held neither while a store is waited for to come to its senses nor while peers are:
// parties whose slots are taken by different requests would wait for each other. For a
// user a ciphertext must be clean: what she gets are its blocks, carries and all.
func (p *Party) download(ctx context.Context, endpoints []string, c kmstypes.Ciphertext, typ tfhe.Type, held *heldKey, clean bool) (*intake, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	data, err := p.blobs.Fetch(ctx, endpoints, [32]byte(c.Digest), maxBytes(typ, held.parameters))
	if err != nil {
		return nil, err
	}
	ciphertext, err := tfhe.Decode(data, typ, held.parameters)
	if err == nil && ciphertext.Len() > int(c.Blocks) {
		err = fmt.Errorf("%d LWE ciphertexts, the chain assigned %d items", ciphertext.Len(), c.Blocks)
	}
	if err != nil {
		return nil, &refusal{status.ReasonMalformed, err}
	}
	if clean && !ciphertext.CarryClean() {
		return nil, &refusal{status.ReasonCarries, errCarries}
	}
	in, err := held.take(ciphertext, clean)
	if err != nil {
		return nil, &refusal{status.ReasonMalformed, err}
	}
	p.metrics.CiphertextBytes.WithLabelValues(ciphertext.Key().String()).Observe(float64(len(data)))
	in.bytes = int64(len(data))
	return in, nil
}
