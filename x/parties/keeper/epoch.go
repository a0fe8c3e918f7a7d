package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

// EpochByID returns an epoch or ErrUnknownEpoch.
func (k *Keeper) EpochByID(ctx context.Context, id uint64) (types.Epoch, error) {
	epoch, err := k.Epochs.Get(ctx, id)
	return known(epoch, err, types.ErrUnknownEpoch)
}

// ActiveEpoch returns the epoch that new requests are pinned to, or ErrUnknownEpoch.
func (k *Keeper) ActiveEpoch(ctx context.Context) (types.Epoch, error) {
	id, err := k.ActiveEpochID.Get(ctx)
	if id, err = known(id, err, types.ErrUnknownEpoch.Wrap("no epoch is active")); err != nil {
		return types.Epoch{}, err
	}
	return k.EpochByID(ctx, id)
}

// MemberByAccount returns who the account is in an epoch. It returns
// ErrUnknownParty, ErrPartyRemoved, ErrAttestationLapsed, ErrUnknownEpoch or
// ErrNotMember. Members excluded as absent are members: what they sign counts.
func (k *Keeper) MemberByAccount(ctx context.Context, epochID uint64, account sdk.AccAddress) (types.Member, types.Party, error) {
	party, err := k.PartyByAccount(ctx, account)
	if err != nil {
		return types.Member{}, types.Party{}, err
	}
	if err := party.InStanding(sdk.UnwrapSDKContext(ctx).BlockTime()); err != nil {
		return types.Member{}, types.Party{}, err
	}
	epoch, err := k.EpochByID(ctx, epochID)
	if err != nil {
		return types.Member{}, types.Party{}, err
	}
	member, ok := epoch.MemberOf(party.Id)
	if !ok {
		return types.Member{}, types.Party{}, types.ErrNotMember
	}
	return member, party, nil
}

// EpochParties returns the parties of an epoch's members in the order of their index.
func (k *Keeper) EpochParties(ctx context.Context, epoch types.Epoch) ([]types.Party, error) {
	parties := make([]types.Party, len(epoch.Members))
	for i, member := range epoch.Members {
		party, err := k.PartyByID(ctx, member.PartyId)
		if err != nil {
			return nil, err
		}
		parties[i] = party
	}
	return parties, nil
}

// eachLiveEpoch calls change on every live epoch in the order of ids and stores
// those for which it returns true. Answers to complaints go with their attempt.
func (k *Keeper) eachLiveEpoch(ctx context.Context, change func(*types.Epoch) (bool, error)) error {
	iterator, err := k.LiveEpochs.Iterate(ctx, nil)
	if err != nil {
		return err
	}
	// Keys closes the iterator: nothing is written under it.
	ids, err := iterator.Keys()
	if err != nil {
		return err
	}
	for _, id := range ids {
		epoch, err := k.EpochByID(ctx, id)
		if err != nil {
			return err
		}
		held := epoch.HoldsAnswers()
		changed, err := change(&epoch)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		if err := k.setEpoch(ctx, epoch); err != nil {
			return err
		}
		if held && !epoch.HoldsAnswers() {
			if err := k.dropAnswers(ctx, epoch.Id); err != nil {
				return err
			}
		}
	}
	return nil
}

// setEpoch stores an epoch and what follows from its status.
func (k *Keeper) setEpoch(ctx context.Context, epoch types.Epoch) error {
	if err := k.Epochs.Set(ctx, epoch.Id, epoch); err != nil {
		return err
	}
	if epoch.Status == types.EPOCH_STATUS_ACTIVE {
		if err := k.ActiveEpochID.Set(ctx, epoch.Id); err != nil {
			return err
		}
	}
	mark, err := valueOrZero(k.RefreshMark.Get(ctx))
	if err != nil {
		return err
	}
	if later := epoch.RefreshMark(); later > mark {
		if err := k.RefreshMark.Set(ctx, later); err != nil {
			return err
		}
	}
	if epoch.Live() {
		return k.LiveEpochs.Set(ctx, epoch.Id)
	}
	if err := k.endSeats(ctx, epoch); err != nil {
		return err
	}
	return k.LiveEpochs.Remove(ctx, epoch.Id)
}

// withMember runs a member's message on its epoch and stores the outcome.
func (k *Keeper) withMember(ctx context.Context, account string, epochID uint64, act func(*types.Epoch, types.Member) error) error {
	address, err := k.addresses.StringToBytes(account)
	if err != nil {
		return types.ErrInvalidMessage.Wrap("account is no address")
	}
	member, party, err := k.MemberByAccount(ctx, epochID, address)
	if err != nil {
		return err
	}
	epoch, err := k.EpochByID(ctx, epochID)
	if err != nil {
		return err
	}
	if err := act(&epoch, member); err != nil {
		return err
	}
	if err := k.setEpoch(ctx, epoch); err != nil {
		return err
	}
	return k.seen(ctx, party.Id)
}

// BeginBlock remembers the hash of this block for registrations that name it.
func (k *Keeper) BeginBlock(ctx context.Context) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	height := sdkCtx.BlockHeight()
	// Without consensus (a replay in a test harness) there is no hash to name.
	if hash := sdkCtx.HeaderHash(); len(hash) > 0 {
		if err := k.RecentBlocks.Set(ctx, height, hash); err != nil {
			return err
		}
	}
	stale := new(collections.Range[int64]).EndInclusive(height - int64(params.RecentBlocks))
	return k.RecentBlocks.Clear(ctx, stale)
}

// EndBlock ends epochs that have nothing left to do, moves every live one on, and
// proposes a refresh that is due. An epoch drains for a block at least, so that its
// parties see it.
func (k *Keeper) EndBlock(ctx context.Context) error {
	if err := k.retireIdle(ctx); err != nil {
		return err
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	var successor *types.Epoch
	err = k.eachLiveEpoch(ctx, func(epoch *types.Epoch) (bool, error) {
		origin, err := k.origin(ctx, epoch)
		if err != nil {
			return false, err
		}
		changes, dirty := epoch.Advance(height, params, origin)
		if origin.Epoch != nil && epoch.Status == types.EPOCH_STATUS_ACTIVE {
			successor = epoch
		}
		return dirty, emitChanges(ctx, epoch, changes)
	})
	if err != nil {
		return err
	}
	if successor != nil {
		if err := k.takeOver(ctx, successor, params); err != nil {
			return err
		}
	}
	return k.refresh(ctx, params)
}

func emitChanges(ctx context.Context, epoch *types.Epoch, changes []types.Change) error {
	for _, change := range changes {
		var err error
		switch {
		case change.Index == 0:
			err = emitStatus(ctx, epoch)
		case change.Excluded:
			err = emit(ctx, &types.EventMemberExcluded{EpochId: epoch.Id, Index: change.Index, Generation: epoch.Generation})
		default:
			err = emit(ctx, &types.EventMemberReadmitted{EpochId: epoch.Id, Index: change.Index, Generation: epoch.Generation})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func emitStatus(ctx context.Context, epoch *types.Epoch) error {
	if epoch.Status == types.EPOCH_STATUS_CONCLUDING && len(epoch.Dropped) > 0 {
		event := &types.EventContributionsDropped{EpochId: epoch.Id, Attempt: epoch.Attempt, Dropped: epoch.Dropped}
		if err := emit(ctx, event); err != nil {
			return err
		}
	}
	attempt := epoch.Attempt
	if epoch.HandsOver() {
		attempt = epoch.Resharing.Attempt
	}
	return emit(ctx, &types.EventEpochStatus{EpochId: epoch.Id, Status: epoch.Status, Attempt: attempt})
}
