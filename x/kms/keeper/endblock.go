package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/kms/types"
)

// retryBlocks is the pause after an item of a queue could not be handled.
const retryBlocks = 100

// EndBlock ends attempts of key generation that lost a member and requests whose epoch
// is retired, and handles what is due by height: attempts, expiries, pay-outs and the end of retention, of each at
// most max_end_block_items. What is over waits for the next block, oldest first. It
// returns an error only if the store fails: an item that cannot be handled is tried
// again later.
func (k Keeper) EndBlock(ctx context.Context) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	if err := k.endInterrupted(ctx, params); err != nil {
		return err
	}
	if err := k.endRequests(ctx, params.MaxEndBlockItems); err != nil {
		return err
	}
	for _, queue := range []struct {
		name   string
		due    collections.KeySet[dueKey]
		handle func(context.Context, []byte) error
	}{
		{"key attempt", k.keyChecks, func(ctx context.Context, id []byte) error { return k.keyDue(ctx, params, id) }},
		{"expiry", k.expiries, k.expiryDue},
		{"pay-out", k.payouts, k.payoutDue},
		{"key pay-out", k.keyPayouts, k.keyPayoutDue},
		{"retention", k.prunes, func(ctx context.Context, id []byte) error { return k.pruneDue(ctx, params, id) }},
	} {
		if err := k.workOff(ctx, queue.name, queue.due, params.MaxEndBlockItems, queue.handle); err != nil {
			return err
		}
	}
	if height := heightOf(ctx); height > uint64(params.WorkWindowBlocks) {
		return k.Work.Remove(ctx, height-uint64(params.WorkWindowBlocks))
	}
	return nil
}

// workOff takes at most limit due entries from the front of a queue.
func (k Keeper) workOff(ctx context.Context, name string, queue collections.KeySet[dueKey], limit uint32, handle func(context.Context, []byte) error) error {
	height := heightOf(ctx)
	var due []dueKey
	err := queue.Walk(ctx, nil, func(key dueKey) (bool, error) {
		if key.K1() > height {
			return true, nil
		}
		due = append(due, key)
		return uint32(len(due)) >= limit, nil
	})
	if err != nil {
		return err
	}
	for _, key := range due {
		if err := queue.Remove(ctx, key); err != nil {
			return err
		}
		if handled(ctx, name, key.K2(), handle) {
			continue
		}
		if err := queue.Set(ctx, collections.Join(height+retryBlocks, key.K2())); err != nil {
			return err
		}
	}
	return nil
}

// handled handles an item and reports whether it could; if not, nothing is written.
func handled(ctx context.Context, name string, id []byte, handle func(context.Context, []byte) error) bool {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	cached, write := sdkCtx.CacheContext()
	if err := handle(cached, id); err != nil {
		sdkCtx.Logger().Error("kms: item could not be handled", "queue", name, "id", hexID(id), "error", err)
		return false
	}
	write()
	return true
}

// endInterrupted ends the attempts of key generation one of whose members was
// excluded since they began: their offline stage would wait for it until the
// deadline. It looks at the first max_end_block_items open keys; any other ends at
// its deadline.
func (k Keeper) endInterrupted(ctx context.Context, params types.Params) error {
	var open []dueKey
	err := k.OpenKeys.Walk(ctx, nil, func(key dueKey) (bool, error) {
		open = append(open, key)
		return uint32(len(open)) >= params.MaxEndBlockItems, nil
	})
	if err != nil {
		return err
	}
	for _, key := range open {
		handled(ctx, "interrupted key attempt", key.K2(), func(ctx context.Context, id []byte) error {
			return k.endIfInterrupted(ctx, params, id)
		})
	}
	return nil
}

func (k Keeper) keyDue(ctx context.Context, params types.Params, id []byte) error {
	key, err := k.key(ctx, id)
	if err != nil {
		return err
	}
	return k.checkKey(ctx, params, key)
}

func (k Keeper) expiryDue(ctx context.Context, id []byte) error {
	r, err := k.request(ctx, id)
	if err != nil {
		return err
	}
	// An entry that was put off may belong to an earlier attempt.
	if r.Status != types.REQUEST_STATUS_ACCEPTED || sdk.UnwrapSDKContext(ctx).BlockHeight() < r.Deadline {
		return nil
	}
	return k.expire(ctx, &r)
}

func (k Keeper) payoutDue(ctx context.Context, id []byte) error {
	r, err := k.request(ctx, id)
	if err != nil {
		return err
	}
	if r.Status != types.REQUEST_STATUS_FULFILLED || r.PaidHeight != 0 {
		return nil
	}
	return k.pay(ctx, r)
}

func (k Keeper) keyPayoutDue(ctx context.Context, id []byte) error {
	key, err := k.key(ctx, id)
	if err != nil {
		return err
	}
	if key.Material == nil || key.PaidHeight != 0 {
		return nil
	}
	return k.payKey(ctx, key)
}

// pruneDue drops the record of a request that was closed long enough ago, with its
// shares. Its attempt is remembered, so that asking again never repeats a session.
func (k Keeper) pruneDue(ctx context.Context, params types.Params, id []byte) error {
	r, err := orZero(k.Requests.Get(ctx, id))
	if err != nil {
		return err
	}
	closed := uint64(r.ClosedHeight())
	if closed == 0 || params.RetentionBlocks == 0 {
		return nil
	}
	if until := closed + params.RetentionBlocks; until > heightOf(ctx) {
		// A later attempt was closed since, or governance prolonged the retention.
		return k.prunes.Set(ctx, collections.Join(until, id))
	}
	if err := k.Attempts.Set(ctx, id, r.Attempt); err != nil {
		return err
	}
	if err := k.dropShares(ctx, r); err != nil {
		return err
	}
	return k.Requests.Remove(ctx, id)
}
