package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// repeat is step 7: a request that exists is found, whoever asks and however it
// is proven, and costs nothing but gas.
func (r *run) repeat(ctx context.Context) error {
	handle := r.items[0].handle
	for _, c := range []struct{ name, account string }{
		{"the same request again: the same id, nothing created, nothing charged", devnet.DAppAccount},
		{"by another sender and with another header: the same", devnet.OperatorAccount},
	} {
		err := r.step(ctx, stepRepeat, c.name, func(ctx context.Context) (string, error) { return r.repeatAs(ctx, c.account, handle) })
		if err != nil {
			return err
		}
	}
	return r.step(ctx, stepRepeat, "by the relayer again: the same job", func(ctx context.Context) (string, error) {
		first, err := r.net.Relay(ctx, handle)
		if err != nil {
			return "", err
		}
		second, err := r.net.Relay(ctx, handle)
		if err != nil {
			return "", err
		}
		if first != second {
			return "", fmt.Errorf("jobs %s and %s", first, second)
		}
		return "job " + shortText(first), nil
	})
}

func (r *run) repeatAs(ctx context.Context, account string, handle fhevm.Handle) (string, error) {
	if err := r.settle(ctx); err != nil {
		return "", err
	}
	id, err := r.net.RequestID(handle)
	if err != nil {
		return "", err
	}
	sender, err := r.net.Sender(ctx, account)
	if err != nil {
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
	if err := r.nextHostBlock(ctx); err != nil {
		return "", err
	}
	proof, err := r.net.Proof(ctx, nil, handle)
	if err != nil {
		return "", err
	}
	answer, _, err := r.net.Post(ctx, sender, r.net.Message(sender, proof, handle))
	if err != nil {
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
	case answer.Created:
		return "", errors.New("it created a request")
	case !bytes.Equal(answer.RequestId, id):
		return "", fmt.Errorf("its id is %x, that of the first %x", answer.RequestId, id)
	case after != before:
		return "", fmt.Errorf("totals went from %v to %v", before, after)
	case !funds.Sub(left).Equal(devnet.RequestGasFee()):
		return "", fmt.Errorf("it cost %s utkms, want the gas of %s alone", funds.Sub(left), devnet.RequestGasFee())
	}
	return fmt.Sprintf("id %x…", id[:6]), nil
}

// nextHostBlock waits for a block that no request named yet.
func (r *run) nextHostBlock(ctx context.Context) error {
	eth := r.net.HostClient.Eth()
	now, err := eth.BlockNumber(ctx)
	if err != nil {
		return err
	}
	for {
		head, err := eth.BlockNumber(ctx)
		if err != nil || head > now {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func shortText(s string) string {
	if len(s) <= 12 {
		return s
	}
	return s[:12] + "…"
}
