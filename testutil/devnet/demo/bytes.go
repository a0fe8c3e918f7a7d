package demo

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// lyingDeadline is how many blocks a request may take whose bytes are wrong: long
// enough for every party to look, short enough to wait for.
const lyingDeadline = 30

// refuseBytes gives out bytes that are not those of the digest. The chain sees
// digests only: the request is accepted, refused by every party, and expires.
func (r *run) refuseBytes(ctx context.Context, v victims) error {
	err := r.refuse(ctx, stepRefuse, "bytes whose digest differs: the relayer's store refuses", "relayer/digest_mismatch", func(ctx context.Context) (string, error) {
		return r.putWrongBytes(ctx, v)
	})
	if err != nil {
		return err
	}
	host, err := r.net.TKMS.HostChain(ctx, r.net.HostClient.Info().ChainID)
	if err != nil {
		return err
	}
	lying, stop, err := lyingStore(v.other.Bytes)
	if err != nil {
		return err
	}
	defer stop()
	update := func(title string, record acltypes.HostChain) error {
		return r.step(ctx, stepRefuse, title, func(ctx context.Context) (string, error) {
			return record.BlobEndpoints[0], r.net.Govern(ctx, title, &acltypes.MsgUpdateHostChain{Authority: devnet.Authority(), HostChain: record})
		})
	}
	deceived := *host
	deceived.BlobEndpoints, deceived.Limits.DeadlineBlocks = []string{lying}, lyingDeadline
	if err := update("governance names a store that lies", deceived); err != nil {
		return err
	}
	attempt, err := r.expireByDigest(ctx, v.public)
	if err != nil {
		return err
	}
	if err := update("governance names the relayer's store again", *host); err != nil {
		return err
	}
	return r.step(ctx, stepRefuse, "asked again, with the right bytes, it decrypts", func(ctx context.Context) (string, error) {
		outcome, err := r.net.Decrypt(ctx, v.public.handle)
		if err != nil {
			return "", err
		}
		if outcome.Request.Attempt != attempt+1 {
			return "", fmt.Errorf("attempt %d, want %d", outcome.Request.Attempt, attempt+1)
		}
		return fmt.Sprintf("attempt %d", outcome.Request.Attempt), v.public.check(outcome.Request)
	})
}

// check compares a fulfilled request for this value alone with what was encrypted.
func (it *item) check(request kmstypes.Request) error {
	want, err := fhevm.EncodeCleartext(it.handle.Type(), it.Value)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, request.Plaintext) {
		return fmt.Errorf("the parties signed %x, encrypted was %x", request.Plaintext, want)
	}
	return nil
}

// putWrongBytes stores one value's bytes under another's digest.
func (r *run) putWrongBytes(ctx context.Context, v victims) (string, error) {
	url := r.net.BlobURL + "/" + hex.EncodeToString(v.public.Digest[:])
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(v.other.Bytes))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode/100 == 2 {
		return "", errAccepted
	}
	var refusal struct{ Error struct{ Label string } }
	if err := json.NewDecoder(response.Body).Decode(&refusal); err != nil {
		return "", fmt.Errorf("%s: %w", response.Status, err)
	}
	return "relayer/" + refusal.Error.Label, nil
}

// lyingStore serves the same bytes under every digest.
func lyingStore(lie []byte) (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(lie)
	})}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// expireByDigest asks for a value whose bytes the parties cannot get, and checks
// that all of them refuse, that it expires, and that the fee comes back. It returns
// the attempt that expired.
func (r *run) expireByDigest(ctx context.Context, it *item) (attempt uint32, err error) {
	const title = "bytes whose digest differs: every party refuses, the fee comes back"
	err = r.step(ctx, stepRefuse, title, func(ctx context.Context) (string, error) {
		sender, err := r.net.Sender(ctx, devnet.DAppAccount)
		if err != nil {
			return "", err
		}
		if err := r.settle(ctx); err != nil {
			return "", err
		}
		before, err := r.net.Totals(ctx)
		if err != nil {
			return "", err
		}
		funds, err := r.net.Balance(ctx, sender.Address())
		if err != nil {
			return "", err
		}
		msg, err := r.message(ctx, it.handle)
		if err != nil {
			return "", err
		}
		answer, height, err := r.net.Post(ctx, sender, msg)
		if err != nil {
			return "", err
		}
		if err := r.allRefuse(ctx, answer.RequestId, status.ReasonDigest); err != nil {
			return "", err
		}
		r.console.Progress("all parties refuse; waiting for the deadline")
		request, err := r.net.WaitFulfilled(ctx, answer.RequestId, height)
		if !errors.Is(err, devnet.ErrExpired) {
			return "", fmt.Errorf("the request is %s, want it expired: %w", request.Status, errors.Join(err, errAccepted))
		}
		attempt = request.Attempt
		// The other node may be a block ahead of the one that is asked below.
		if err := r.settle(ctx); err != nil {
			return "", err
		}
		after, err := r.net.Totals(ctx)
		if err != nil {
			return "", err
		}
		left, err := r.net.Balance(ctx, sender.Address())
		if err != nil {
			return "", err
		}
		switch {
		case len(request.Contributions) != 0 || request.FulfilledHeight != 0:
			return "", errAccepted
		case after.Requests != before.Requests+1 || after.Open != before.Open || after.Escrow != before.Escrow:
			return "", fmt.Errorf("totals went from %v to %v", before, after)
		case !funds.Sub(left).Equal(devnet.RequestGasFee()):
			return "", fmt.Errorf("it cost %s utkms, want the gas of %s alone", funds.Sub(left), devnet.RequestGasFee())
		}
		code := "party/" + string(status.ReasonDigest)
		r.report.Rejections = append(r.report.Rejections, Rejection{Case: title, Code: code})
		return code, nil
	})
	return attempt, err
}

// allRefuse waits until every party says that it refuses a request for a reason.
func (r *run) allRefuse(ctx context.Context, id []byte, reason status.Reason) error {
	for {
		refusing := 0
		for _, p := range r.net.Parties {
			if s, err := r.net.RequestAt(ctx, p, id); err == nil && s.State == status.StateRefused && s.Reason == reason {
				refusing++
			}
		}
		if refusing == len(r.net.Parties) {
			return nil
		}
		r.console.Progress("%d of %d parties refuse", refusing, len(r.net.Parties))
		if request, err := r.net.Request(ctx, id); err == nil && request.Status != kmstypes.REQUEST_STATUS_ACCEPTED {
			return fmt.Errorf("it is %s, and only %d of %d parties refused it as %s", request.Status, refusing, len(r.net.Parties), reason)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
