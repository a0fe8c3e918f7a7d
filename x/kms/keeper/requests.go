package keeper

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// take finds the request that was asked for, or records it. It returns the request's
// id and whether this call created it. A request that exists, is not expired, and whose
// result the host chain takes, costs nothing and is found before proof, pause, window,
// limits and fee are looked at. On error nothing may be kept of what was written: the
// message's transaction sees to it.
func (k Keeper) take(ctx context.Context, q question) (id []byte, created bool, err error) {
	host, err := k.acl.HostChain(ctx, q.hostChainID)
	if err != nil {
		return nil, false, types.ErrUnknownHostChain.Wrapf("%d: %s", q.hostChainID, err)
	}
	if id, err = q.identify(host); err != nil {
		return nil, false, err
	}
	earlier, err := k.Requests.Get(ctx, id)
	switch {
	case errors.Is(err, collections.ErrNotFound):
	case err != nil:
		return nil, false, err
	default:
		// The queue of expiries may lag behind; the deadline counts.
		overdue := earlier.Status == types.REQUEST_STATUS_ACCEPTED && sdk.UnwrapSDKContext(ctx).BlockHeight() > earlier.Deadline
		superseded, err := k.superseded(ctx, host, earlier)
		if err != nil {
			return nil, false, err
		}
		if earlier.Status != types.REQUEST_STATUS_EXPIRED && !overdue && !superseded {
			if err := q.checkSignature(ctx); err != nil {
				return nil, false, err
			}
			return id, false, matchDigests(earlier, q)
		}
		if overdue {
			if err := k.expire(ctx, &earlier); err != nil {
				return nil, false, err
			}
		}
		if superseded {
			if err := k.dropShares(ctx, earlier); err != nil {
				return nil, false, err
			}
		}
	}
	return id, true, k.accept(ctx, host, q, id)
}

// matchDigests compares the digests that a caller claims with those on record, whose
// handles are the caller's because the id covers them in their order.
func matchDigests(r types.Request, q question) error {
	for i, digest := range q.claimed {
		if !slices.Equal(r.Ciphertexts[i].Digest, digest[:]) {
			return types.ErrDigestMismatch.Wrapf("handle %d", i)
		}
	}
	return nil
}

// accept checks a new request, or a new attempt, against the state and records it.
// What costs little is looked at first.
func (k Keeper) accept(ctx context.Context, host acltypes.HostChain, q question, id []byte) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	if q.paused(params) {
		return types.ErrPaused
	}
	if err := q.checkTime(ctx, host); err != nil {
		return err
	}
	key, epoch, err := k.usableKey(ctx, q.keyID[:], host)
	if err != nil {
		return err
	}
	if err := q.checkLimits(host.Limits, epoch); err != nil {
		return err
	}
	window, err := k.countInWindow(ctx, host, handles.Blocks(q.batch))
	if err != nil {
		return err
	}
	fee, err := q.price(host.Fees)
	if err != nil {
		return err
	}
	if q.maxFee < fee {
		return types.ErrFeeTooLow.Wrapf("price %d, max_fee %d", fee, q.maxFee)
	}
	if err := q.checkSignature(ctx); err != nil {
		return err
	}
	verified, err := k.verify(ctx, q)
	if err != nil {
		return err
	}
	authorization, err := authorizationOf(verified, q.proof)
	if err != nil {
		return err
	}
	if err := k.escrow(ctx, q.requester, fee); err != nil {
		return err
	}
	if err := k.Windows.Set(ctx, host.Id, window); err != nil {
		return err
	}
	simulated, err := k.standIns(ctx, key.Simulated, host.Simulated, epoch)
	if err != nil {
		return err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	r := types.Request{
		Id: id, Kind: q.kind, HostChainId: host.Id, KeyId: key.Id, EpochId: epoch.Id,
		Status: types.REQUEST_STATUS_ACCEPTED, Threshold: threshold(epoch), Requester: q.requester.String(),
		Domain: host.VerifierDomain, Authorization: authorization, Fee: fee,
		AcceptedHeight: sdkCtx.BlockHeight(), Deadline: sdkCtx.BlockHeight() + int64(host.Limits.DeadlineBlocks),
		Simulated: simulated,
	}
	if r.Ciphertexts, err = k.assignItems(ctx, epoch.Id, q.batch, verified.Digests); err != nil {
		return err
	}
	q.describe(&r)
	if err := k.nextAttempt(ctx, &r); err != nil {
		return err
	}
	return k.record(ctx, r)
}

// usableKey returns an active key of the host chain and the epoch that serves it, which
// holds the key's shares.
func (k Keeper) usableKey(ctx context.Context, id []byte, host acltypes.HostChain) (types.Key, partiestypes.Epoch, error) {
	var none partiestypes.Epoch
	key, err := k.key(ctx, id)
	if err != nil {
		return key, none, err
	}
	if key.HostChainId != host.Id {
		return key, none, types.ErrKeyOfOther.Wrapf("host chain %d", key.HostChainId)
	}
	if key.Status != types.KEY_STATUS_ACTIVE {
		return key, none, types.ErrKeyNotActive.Wrap(key.Status.String())
	}
	epoch, err := k.parties.EpochByID(ctx, key.EpochId)
	if err != nil {
		return key, none, types.ErrNoEpoch.Wrap(err.Error())
	}
	if epoch.Status != partiestypes.EPOCH_STATUS_ACTIVE {
		return key, none, types.ErrNoEpoch.Wrapf("epoch %d is %s", epoch.Id, epoch.Status)
	}
	if epoch, err = k.serving(ctx, host); err != nil {
		return key, none, err
	}
	if key.Generator() > epoch.Id {
		return key, none, types.ErrNoEpoch.Wrapf("the host chain takes the signatures of epoch %d, epoch %d generated the key", epoch.Id, key.Generator())
	}
	return key, epoch, nil
}

// countInWindow returns the host chain's rate window with so many more blocks counted.
func (k Keeper) countInWindow(ctx context.Context, host acltypes.HostChain, blocks uint64) (types.RateWindow, error) {
	limits := host.Limits
	if limits.WindowBlocks == 0 {
		return types.RateWindow{}, types.ErrRateLimited.Wrap("the host chain's window has no length")
	}
	window, err := orZero(k.Windows.Get(ctx, host.Id))
	if err != nil {
		return window, err
	}
	if now := heightOf(ctx) / uint64(limits.WindowBlocks); now != window.Window {
		window = types.RateWindow{Window: now}
	}
	// Both are far below 2^63: the sum of two cannot wrap.
	if window.Blocks+blocks > limits.MaxBlocksPerWindow {
		return window, types.ErrRateLimited.Wrapf("%d of %d used, %d wanted", window.Blocks, limits.MaxBlocksPerWindow, blocks)
	}
	window.Blocks += blocks
	return window, nil
}

// verify has x/acl check the proof; its errors keep their own codes.
func (k Keeper) verify(ctx context.Context, q question) (verified acltypes.Verified, err error) {
	if q.user != nil {
		verified, err = k.acl.VerifyUserDecryption(ctx, q.hostChainID, q.proof, q.access())
	} else {
		verified, err = k.acl.VerifyPublicDecryption(ctx, q.hostChainID, q.proof, q.wanted(), q.claimed)
	}
	if err != nil {
		return verified, err
	}
	if len(verified.Digests) != len(q.batch) {
		return verified, types.ErrMalformed.Wrap("the proof binds another number of digests")
	}
	for i := range q.claimed {
		if q.claimed[i] != verified.Digests[i] {
			return verified, types.ErrDigestMismatch.Wrapf("handle %d", i)
		}
	}
	return verified, nil
}

func authorizationOf(v acltypes.Verified, proof acltypes.DecryptionProof) (types.Authorization, error) {
	raw, err := proof.Marshal()
	if err != nil {
		return types.Authorization{}, err
	}
	digest := sha256.Sum256(raw)
	return types.Authorization{
		HeaderHash: v.HeaderHash[:], HeaderHeight: v.Height, HeaderTimestamp: v.Timestamp, ProofDigest: digest[:],
	}, nil
}

// assignItems gives the handles one contiguous range of the epoch's offline
// items, an item a block. No item is ever given twice: two ciphertexts under one
// mask would show their difference.
func (k Keeper) assignItems(ctx context.Context, epochID uint64, batch []handles.Handle, digests [][32]byte) ([]types.Ciphertext, error) {
	next, err := orZero(k.ItemCounters.Get(ctx, epochID))
	if err != nil {
		return nil, err
	}
	ciphertexts := make([]types.Ciphertext, len(batch))
	for i, h := range batch {
		blocks := uint32(h.Type().Blocks())
		ciphertexts[i] = types.Ciphertext{Handle: slices.Clone(h[:]), Digest: slices.Clone(digests[i][:]), Blocks: blocks, FirstItem: next}
		next += uint64(blocks)
	}
	return ciphertexts, k.ItemCounters.Set(ctx, epochID, next)
}

// nextAttempt numbers the request after the last one of its id, whose record may
// have been dropped.
func (k Keeper) nextAttempt(ctx context.Context, r *types.Request) error {
	r.Attempt, r.RequestedHeight = 1, r.AcceptedHeight
	earlier, err := k.Requests.Get(ctx, r.Id)
	if err == nil {
		r.Attempt, r.RequestedHeight = earlier.Attempt+1, earlier.RequestedHeight
		return nil
	}
	if !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	dropped, err := orZero(k.Attempts.Get(ctx, r.Id))
	if err != nil {
		return err
	}
	r.Attempt = dropped + 1
	return k.Attempts.Remove(ctx, r.Id)
}

// record stores an accepted request with its indexes.
func (k Keeper) record(ctx context.Context, r types.Request) error {
	if err := k.Requests.Set(ctx, r.Id, r); err != nil {
		return err
	}
	if err := k.index(ctx, r); err != nil {
		return err
	}
	if err := k.addWork(ctx, func(w *types.Work) { w.RequestIds = append(w.RequestIds, r.Id) }); err != nil {
		return err
	}
	if err := k.changeTotals(ctx, func(t *types.Totals) { t.Requests++; t.Open++ }); err != nil {
		return err
	}
	return emit(ctx, &types.EventRequestAccepted{
		RequestId: hexID(r.Id), HostChainId: r.HostChainId, KeyId: hexID(r.KeyId), EpochId: r.EpochId,
		Attempt: r.Attempt, Handles: uint32(len(r.Ciphertexts)), Fee: r.Fee, Kind: r.Kind.String(),
	})
}

// index enters an accepted request where it is looked for.
func (k Keeper) index(ctx context.Context, r types.Request) error {
	if err := k.OpenRequests.Set(ctx, openKeyOf(r)); err != nil {
		return err
	}
	return k.expiries.Set(ctx, collections.Join(uint64(r.Deadline), r.Id))
}

func openKeyOf(r types.Request) openKey {
	return collections.Join3(r.EpochId, uint64(r.AcceptedHeight), r.Id)
}
