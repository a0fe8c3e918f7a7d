package keeper

import (
	"context"
	"errors"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

// SetWork tells the keeper whom epochs work for: x/kms, which is made after it. Without
// it no epoch holds keys or has work.
func (k *Keeper) SetWork(work types.Work) { k.work = work }

// origin returns what a rotation takes over from.
func (k *Keeper) origin(ctx context.Context, epoch *types.Epoch) (types.Origin, error) {
	if epoch.From == 0 || !epoch.InTheMaking() {
		return types.Origin{}, nil
	}
	from, err := k.EpochByID(ctx, epoch.From)
	if err != nil || k.work == nil {
		return types.Origin{Epoch: &from}, err
	}
	keys, err := k.work.HeldKeys(ctx, from.Id)
	return types.Origin{Epoch: &from, Keys: keys}, err
}

// takeOver ends the epoch before one that has just become active: it drains, its keys are
// the next one's, and those who handed over what was none of them are convicted.
func (k *Keeper) takeOver(ctx context.Context, epoch *types.Epoch, params types.Params) error {
	from, err := k.EpochByID(ctx, epoch.From)
	if err != nil {
		return err
	}
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	from.Drain(height, params)
	changes := []types.Change{{}}
	verdict, _ := epoch.Verdict()
	for _, index := range verdict.Wrong {
		_, err := k.convict(ctx, types.Evidence{
			EpochId: from.Id, Index: index, PartyId: from.Members[index-1].PartyId, Kind: types.EVIDENCE_KIND_WRONG_RESHARING,
		})
		if err != nil && !errors.Is(err, types.ErrKnownEvidence) {
			return err
		}
		changes = append(changes, from.Convict(index, height)...)
	}
	if err := k.setEpoch(ctx, from); err != nil {
		return err
	}
	if err := emitChanges(ctx, &from, changes); err != nil {
		return err
	}
	if k.work == nil {
		return nil
	}
	return k.work.TakeOver(ctx, from.Id, epoch.Id)
}

// retireIdle ends the draining of an epoch that has nothing left to do, or no time.
func (k *Keeper) retireIdle(ctx context.Context) error {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	var retired []uint64
	err := k.eachLiveEpoch(ctx, func(epoch *types.Epoch) (bool, error) {
		if epoch.Status != types.EPOCH_STATUS_DRAINING {
			return false, nil
		}
		if height < epoch.DrainDeadline && k.work != nil {
			if busy, err := k.work.HasWork(ctx, epoch.Id); busy || err != nil {
				return false, err
			}
		}
		epoch.Retire(height)
		retired = append(retired, epoch.Id)
		return true, emitChanges(ctx, epoch, []types.Change{{}})
	})
	if err != nil {
		return err
	}
	for _, id := range retired {
		if err := k.ended(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// ended does what waited for the end of an epoch: what its successor rejects is no longer
// accepted.
func (k *Keeper) ended(ctx context.Context, id uint64) error {
	active, err := k.ActiveEpoch(ctx)
	if err != nil {
		return err
	}
	if active.From == id && len(active.Rejects) > 0 {
		params, err := k.Params.Get(ctx)
		if err != nil {
			return err
		}
		for _, measurement := range active.Rejects {
			without, err := params.WithMeasurement(measurement, true)
			if errors.Is(err, types.ErrUnknownMeasurement) {
				continue // governance was faster
			}
			if err != nil {
				return err
			}
			params = without
		}
		if err := k.Params.Set(ctx, params); err != nil {
			return err
		}
	}
	if k.work == nil {
		return nil
	}
	return k.work.Ended(ctx, id)
}

// refresh proposes the active committee anew once its shares are refresh_blocks old, or a
// rotation failed as long ago. It waits for a rotation under way, for the epoch before to
// end, and until none of the members is removed and n−t are in standing.
func (k *Keeper) refresh(ctx context.Context, params types.Params) error {
	if params.RefreshBlocks == 0 {
		return nil
	}
	mark, err := valueOrZero(k.RefreshMark.Get(ctx))
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	if err != nil || mark == 0 || sdkCtx.BlockHeight() < mark+int64(params.RefreshBlocks) {
		return err
	}
	active, err := k.ActiveEpoch(ctx)
	if err != nil {
		return err
	}
	parties, err := k.EpochParties(ctx, active)
	if err != nil {
		return err
	}
	standing := 0
	for _, party := range parties {
		switch err := party.InStanding(sdkCtx.BlockTime()); {
		case errors.Is(err, types.ErrPartyRemoved):
			return nil
		case err == nil:
			standing++
		}
	}
	if standing < active.Quorum() {
		return nil
	}
	_, err = k.propose(ctx, &active, parties, types.Terms{T: active.T})
	if errors.Is(err, types.ErrRotating) {
		return nil
	}
	return err
}
