package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// patience is for how many seconds more than TKMS allows a user's clock may be
// ahead: that long an authorization is waited for.
const patience = 10

// vetNow tells what is wrong with a request before a job is made of it. While TKMS
// does not answer, or does not know the host chain, nothing is known to be wrong.
func (m *Manager) vetNow(ctx context.Context, d *userDecryption) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	records, err := m.cfg.Chain.Records(ctx, m.cfg.HostChainID)
	if err != nil {
		return nil
	}
	head, err := m.cfg.Chain.Wait(ctx, 0)
	if err != nil {
		return nil
	}
	err = d.vet(records, head.Time)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kmstypes.ErrNotYetValid) && d.soon(records, head.Time):
		return nil // the job waits for it
	case errors.Is(err, kmstypes.ErrNoLongerValid) && d.known(ctx, records):
		return nil // TKMS took it while it was valid, and serves it
	}
	var failed *Failure
	var again *setback
	if err = classify(err); errors.As(err, &again) {
		failed = &again.Failure
	} else if !errors.As(err, &failed) {
		return err
	}
	return failed
}

// known tells whether TKMS has the request.
func (d *userDecryption) known(ctx context.Context, records tkms.Records) bool {
	id, err := d.id(records)
	if err != nil {
		return false
	}
	_, err = d.m.cfg.Chain.Request(ctx, id)
	return !errors.Is(err, client.ErrNotFound)
}

// soon tells whether an authorization that does not hold yet will in a moment.
func (d *userDecryption) soon(records tkms.Records, now time.Time) bool {
	ahead := records.HostChain.Freshness.MaxAheadSeconds + patience
	return d.user.Authorization.CheckWindow(seconds(now), ahead) == nil
}

// vet tells what TKMS would refuse, with its own checks, so that it costs nothing.
// now is TKMS's block time.
func (d *userDecryption) vet(records tkms.Records, now time.Time) error {
	host, authorization := records.HostChain, &d.user.Authorization
	if err := d.vetLimits(records); err != nil {
		return err
	}
	if err := d.question(records).Check(); err != nil {
		return err
	}
	if len(authorization.Signature) == 0 && len(host.Wallets) == 0 {
		return failure(ReasonUnknownWallet, "there is no signature, and the host chain has no rule for contract wallets")
	}
	if len(authorization.Signature) != 0 {
		digest, err := authorization.Digest(host.Id, host.VerifierDomain)
		if err != nil {
			return err
		}
		if err := authorization.CheckSignature(digest); err != nil {
			return err
		}
	}
	return authorization.CheckWindow(seconds(now), host.Freshness.MaxAheadSeconds)
}

func (d *userDecryption) vetLimits(records tkms.Records) error {
	host, limits := records.HostChain, records.HostChain.Limits
	delegated := len(d.user.Authorization.Delegator) != 0
	switch bits := handles.Bits(d.batch); {
	case limits.MaxUserDecryptionBits == 0:
		return failure(ReasonNoUserDecryption, "the host chain has no user decryption")
	case delegated && host.Freshness.DelegationMaxAgeSeconds == 0:
		return failure(ReasonDelegationOff, "the host chain has no delegated decryption")
	case bits > uint64(limits.MaxUserDecryptionBits):
		return failure(ReasonTooMuch, "%d bits, at most %d", bits, limits.MaxUserDecryptionBits)
	case len(d.batch) > int(limits.MaxHandlesPerRequest):
		return failure(ReasonTooMuch, "%d handles, at most %d", len(d.batch), limits.MaxHandlesPerRequest)
	case handles.Blocks(d.batch) > uint64(limits.MaxBlocksPerRequest):
		return failure(ReasonTooMuch, "%d blocks of ciphertext, at most %d", handles.Blocks(d.batch), limits.MaxBlocksPerRequest)
	}
	return nil
}

// seconds since the epoch, as x/kms counts them.
func seconds(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }
