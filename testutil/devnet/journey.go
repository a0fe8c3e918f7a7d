package devnet

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// Journey is a value's way from the dApp's transaction to the plaintext in the
// dApp, by the relayer.
type Journey struct {
	Request kmstypes.Request
	// Got is what the dApp stored.
	Got *big.Int
	// TKMS is from the request with the relayer, which fetches header and proofs and
	// broadcasts at once, to the fulfilment committed on another node.
	TKMS time.Duration
	// Host is from the dApp's transaction to the block with checkSignatures.
	Host time.Duration
}

// Travel has a user disclose a handle, the relayer ask for it and carry the result
// back, and waits for the plaintext in the dApp. The plaintext on TKMS and in the
// dApp must be equal.
func (u *User) Travel(ctx context.Context, handle fhevm.Handle) (*Journey, error) {
	d := u.devnet
	id, err := d.RequestID(handle)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := u.Disclose(ctx, handle); err != nil {
		return nil, err
	}
	posted := time.Now()
	job, err := d.Relay(ctx, handle)
	if err != nil {
		return nil, err
	}
	// A job that failed leaves nothing to wait for.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go d.watchJob(ctx, job, cancel)
	out := new(Journey)
	if out.Request, err = d.WaitFulfilled(ctx, id, 0); err != nil {
		return nil, err
	}
	out.TKMS = time.Since(posted)
	for {
		if out.Got, err = d.HostClient.Plaintext(ctx, handle); err == nil {
			break
		}
		if !fhevm.IsRevert(err, "NotDisclosed") && ctx.Err() == nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("plaintext in the dApp: %w", context.Cause(ctx))
		case <-time.After(pollPause):
		}
	}
	out.Host = time.Since(start)
	words, err := fhevm.EncodeCleartext(handle.Type(), out.Got)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(words, out.Request.Plaintext) {
		return nil, fmt.Errorf("the dApp stored %x, TKMS certified %x", words, out.Request.Plaintext)
	}
	return out, nil
}

// watchJob gives up the wait for a job that failed.
func (d *Devnet) watchJob(ctx context.Context, job string, giveUp context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		if err := d.RelayFailure(ctx, job); err != nil && ctx.Err() == nil {
			giveUp(fmt.Errorf("%w; see %s", err, d.Relayer.Log))
			return
		}
	}
}

// Engines returns, for every party that answers, how a request fared there, once
// as many as the request's threshold have opened it.
func (d *Devnet) Engines(ctx context.Context, request kmstypes.Request) ([]status.Request, error) {
	for {
		var all []status.Request
		opened := uint32(0)
		for _, p := range d.Parties {
			r, err := d.RequestAt(ctx, p, request.Id)
			if err != nil || r.Attempt != request.Attempt {
				continue
			}
			if r.EngineMicros > 0 {
				opened++
			}
			all = append(all, r)
		}
		if opened >= request.Threshold {
			return slices.DeleteFunc(all, func(r status.Request) bool { return r.EngineMicros == 0 }), nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("parties' status of request %s: %w", hex.EncodeToString(request.Id), context.Cause(ctx))
		case <-time.After(pollPause):
		}
	}
}
