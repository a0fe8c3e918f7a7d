package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// patience is how long before its start an authorization is taken: a user's clock
// may be ahead, and block time is behind.
const patience = 10 * time.Second

const secondsOfDay = 24 * 60 * 60

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
	var failed *Failure
	if !errors.As(err, &failed) {
		return nil // what only has to be waited for is the job's business
	}
	if failed.Reason == ReasonNoLongerValid && d.known(ctx, records) {
		return nil // TKMS took it while it was valid, and serves it
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

// vet tells what TKMS would refuse, so that it costs nothing: a *Failure, or a
// *setback for an authorization that is about to begin. now is TKMS's block time.
func (d *userDecryption) vet(records tkms.Records, now time.Time) error {
	if err := d.vetLimits(records); err != nil {
		return err
	}
	if err := d.vetSignature(records); err != nil {
		return err
	}
	return d.vetWindow(records, now)
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

// vetSignature checks an account's signature. A contract wallet's approval is for
// the host chain to show.
func (d *userDecryption) vetSignature(records tkms.Records) error {
	authorization := &d.user.Authorization
	if len(authorization.Signature) == 0 {
		if len(records.HostChain.Wallets) == 0 {
			return failure(ReasonUnknownWallet, "there is no signature, and the host chain has no rule for contract wallets")
		}
		return nil
	}
	digest, err := authorization.Digest(d.m.cfg.HostChainID, records.HostChain.VerifierDomain)
	if err != nil {
		return failure(ReasonAuthorization, "%s", err)
	}
	user, err := authorization.UserAddress()
	if err != nil {
		return failure(ReasonAuthorization, "%s", err)
	}
	if err := eip712.Verify(digest, authorization.Signature, user); err != nil {
		return failure(ReasonSignature, "%s", err)
	}
	return nil
}

func (d *userDecryption) vetWindow(records tkms.Records, now time.Time) error {
	authorization := &d.user.Authorization
	start, seconds := authorization.StartTimestamp, uint64(max(now.Unix(), 0))
	ahead := uint64(records.HostChain.Freshness.MaxAheadSeconds)
	switch {
	case start > seconds+ahead+uint64(patience/time.Second):
		return failure(ReasonNotYetValid, "the authorization begins at %d, it is %d", start, seconds)
	case start > seconds+ahead:
		return retry(ReasonNotYetValid, fmt.Errorf("the authorization begins at %d, it is %d", start, seconds))
	// Compared without a sum, which a start far ahead would overflow.
	case seconds > start && seconds-start > uint64(authorization.DurationDays)*secondsOfDay:
		return failure(ReasonNoLongerValid, "the authorization of %d ended after %d days", start, authorization.DurationDays)
	}
	return nil
}
