package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// errAccepted reports an attack that went through.
var errAccepted = errors.New("it was accepted")

// refuse runs one attack and checks that it is refused with a code and leaves the
// number of requests and the escrow as they were.
func (r *run) refuse(ctx context.Context, step int, name, want string, attack func(context.Context) (code string, err error)) error {
	return r.step(ctx, step, name, func(ctx context.Context) (string, error) {
		before, err := r.net.Totals(ctx)
		if err != nil {
			return "", err
		}
		code, err := attack(ctx)
		if err != nil {
			return "", err
		}
		after, err := r.net.Totals(ctx)
		if err != nil {
			return "", err
		}
		r.report.Rejections = append(r.report.Rejections, Rejection{Case: name, Code: code})
		if code != want {
			return "", fmt.Errorf("refused with %s, want %s", code, want)
		}
		if after != before {
			return "", fmt.Errorf("refused, but requests or escrow changed from %v to %v", before, after)
		}
		return code, nil
	})
}

// refusedInBlock sends a request straight to a validator and returns the code
// with which a block refused it.
func (r *run) refusedInBlock(ctx context.Context, msg sdk.Msg) (string, error) {
	sender, err := r.net.Sender(ctx, devnet.DAppAccount)
	if err != nil {
		return "", err
	}
	hash, err := sender.Broadcast(ctx, devnet.RequestGas, msg)
	if err != nil {
		return "", fmt.Errorf("it reached no block: %w", err)
	}
	result, err := r.net.TKMS.Wait(ctx, hash)
	var refused *client.TxError
	switch {
	case err == nil:
		return "", errAccepted
	case !errors.As(err, &refused) || result == nil || result.Height == 0:
		return "", err
	}
	return refused.Name(), nil
}

// message is a request of the dApp's account with genuine proofs at the head.
func (r *run) message(ctx context.Context, handle fhevm.Handle) (*kmstypes.MsgRequestPublicDecryption, error) {
	sender, err := r.net.Sender(ctx, devnet.DAppAccount)
	if err != nil {
		return nil, err
	}
	proof, err := r.net.Proof(ctx, nil, handle)
	if err != nil {
		return nil, err
	}
	return r.net.Message(sender, proof, handle), nil
}

// altered is an attack that changes one thing in an otherwise genuine request.
func (r *run) altered(handle fhevm.Handle, change func(context.Context, *kmstypes.MsgRequestPublicDecryption) error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		msg, err := r.message(ctx, handle)
		if err != nil {
			return "", err
		}
		if err := change(ctx, msg); err != nil {
			return "", err
		}
		return r.refusedInBlock(ctx, msg)
	}
}

// settle waits until nothing is open and all is paid, so that what changes after
// it is the attack's doing.
func (r *run) settle(ctx context.Context) error {
	for {
		totals, err := r.net.Totals(ctx)
		if err == nil && totals.Open == 0 && totals.Escrow == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("requests are open, or fees unpaid: %v: %w", totals, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
