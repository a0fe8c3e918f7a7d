package devnet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/tkms-network/tkms/x/kms/eip712"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// ownerPatience is how long the host chain's owner waits for a moment without open
// requests: results that come after the change are asked for again, which costs a fee.
const ownerPatience = 10 * time.Second

// ErrNotCertified reports signers that those of the verifier did not certify.
var ErrNotCertified = errors.New("the verifier's signers did not certify those that are to follow")

// handover is what the relayer gives the owner of the host chain's verifier, as far as the
// owner needs it.
type handover struct {
	Network string `json:"tkmsChainId"`
	Epoch   uint64 `json:"epoch"`
	Steps   []step `json:"steps"`
}

// step certifies the signers of an epoch.
type step struct {
	Epoch     uint64           `json:"epoch"`
	Signers   []common.Address `json:"signers"`
	Threshold uint32           `json:"threshold"`
	Vouchers  []voucher        `json:"vouchers"`
}

type voucher struct {
	Signature hexutil.Bytes `json:"signature"`
}

// HandOver does what the owner of the host chain's KMSVerifier has to do for an active
// epoch, and returns once TKMS has the proof of it. If the signers are the same there is
// nothing to do.
func (d *Devnet) HandOver(ctx context.Context, epoch partiestypes.Epoch) error {
	var due handover
	var begun time.Time // of the owner's wait
	for {
		host, err := d.HostEpoch(ctx)
		switch {
		case err != nil: // a node may be down for a while
		case host.EpochId >= epoch.Id:
			return nil
		case due.Epoch != epoch.Id:
			if code, err := getAnyJSON(ctx, d.RelayerURL+"/v1/handover", 0, &due); err != nil || code != http.StatusOK || len(due.Steps) == 0 {
				due = handover{}
			}
			begun = time.Now()
		case host.Open == 0 || time.Since(begun) > ownerPatience:
			if err := d.defineContext(ctx, due); err != nil {
				return err
			}
			return d.waitHostEpoch(ctx, epoch.Id)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// defineContext has the verifier take the new signers, unless it does already, if those
// that it takes now certified them.
func (d *Devnet) defineContext(ctx context.Context, due handover) error {
	info, err := d.HostClient.FetchInfo(ctx)
	if err != nil {
		return err
	}
	if last := due.Steps[len(due.Steps)-1]; slices.Equal(last.Signers, info.KMS.Signers) && uint64(last.Threshold) == info.KMS.Threshold {
		return nil
	}
	signers, threshold, err := due.follow(info.KMS.Signers, info.KMS.Threshold)
	if err != nil {
		return err
	}
	return d.HostClient.SetKMSContext(ctx, signers, threshold)
}

// follow goes through the steps from the signers that a verifier takes, and returns those
// at the end. Each step needs the words of a threshold of the signers before it.
func (h *handover) follow(signers []common.Address, threshold uint64) ([]common.Address, uint64, error) {
	for _, step := range h.Steps {
		next := make([][20]byte, len(step.Signers))
		for i, s := range step.Signers {
			next[i] = s
		}
		digest := eip712.EpochVerification(h.Network, step.Epoch, next, step.Threshold)
		words := uint64(0)
		for _, s := range signers {
			if slices.ContainsFunc(step.Vouchers, func(v voucher) bool { return eip712.Verify(digest, v.Signature, s) == nil }) {
				words++
			}
		}
		if words < threshold {
			return nil, 0, fmt.Errorf("%w: %d of %d did for epoch %d", ErrNotCertified, words, threshold, step.Epoch)
		}
		signers, threshold = step.Signers, uint64(step.Threshold)
	}
	return signers, threshold, nil
}

// HostEpoch tells which epoch serves the host chain.
func (d *Devnet) HostEpoch(ctx context.Context) (*kmstypes.QueryHostEpochResponse, error) {
	response := new(kmstypes.QueryHostEpochResponse)
	err := d.TKMS.Query(ctx, "/tkms.kms.v1.Query/HostEpoch", &kmstypes.QueryHostEpochRequest{HostChainId: d.HostClient.Info().ChainID}, response)
	return response, err
}

func (d *Devnet) waitHostEpoch(ctx context.Context, id uint64) error {
	for {
		if host, err := d.HostEpoch(ctx); err == nil && host.EpochId >= id {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the relayer has not shown TKMS the new signers: %w", context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
