package keeper

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"cosmossdk.io/collections"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

var _ partiestypes.Work = Keeper{}

// serving returns the epoch to which new requests of a host chain are pinned: the one
// whose signatures its verifier takes, as long as its parties are there, else the active
// one. It fails with ErrNoEpoch if none is active.
func (k Keeper) serving(ctx context.Context, host acltypes.HostChain) (partiestypes.Epoch, error) {
	active, err := k.parties.ActiveEpoch(ctx)
	if err != nil {
		return active, types.ErrNoEpoch.Wrap(err.Error())
	}
	if host.Verifier == nil {
		return active, nil
	}
	known, err := orZero(k.HostEpochs.Get(ctx, host.Id))
	if err != nil || known.EpochId == 0 || known.EpochId == active.Id {
		return active, err
	}
	epoch, err := k.parties.EpochByID(ctx, known.EpochId)
	if err != nil {
		return epoch, err
	}
	if epoch.Status != partiestypes.EPOCH_STATUS_DRAINING {
		return active, nil
	}
	return epoch, nil
}

// signersOf returns the signing addresses of an epoch's members in index order.
func (k Keeper) signersOf(ctx context.Context, epoch partiestypes.Epoch) ([][types.AddressSize]byte, error) {
	parties, err := k.parties.EpochParties(ctx, epoch)
	if err != nil {
		return nil, err
	}
	signers := make([][types.AddressSize]byte, len(parties))
	for i, p := range parties {
		if len(p.SigningAddress) != types.AddressSize {
			return nil, types.ErrMalformed.Wrapf("party %d has no signing address", p.Id)
		}
		signers[i] = [types.AddressSize]byte(p.SigningAddress)
	}
	return signers, nil
}

// interchangeable tells whether whoever takes the signatures of one epoch takes those of
// the other: the signers are the same, in the same order, and as many make a result.
func (k Keeper) interchangeable(ctx context.Context, a, b partiestypes.Epoch) (bool, error) {
	if a.Id == b.Id {
		return true, nil
	}
	signersA, err := k.signersOf(ctx, a)
	if err != nil {
		return false, err
	}
	signersB, err := k.signersOf(ctx, b)
	if err != nil {
		return false, err
	}
	return threshold(a) == threshold(b) && slices.Equal(signersA, signersB), nil
}

// superseded tells whether the host chain no longer takes the signatures under a
// fulfilled request, so that it may be asked again. Until the parties are paid for it,
// it may not.
func (k Keeper) superseded(ctx context.Context, host acltypes.HostChain, r types.Request) (bool, error) {
	if r.Status != types.REQUEST_STATUS_FULFILLED || r.PaidHeight == 0 {
		return false, nil
	}
	epoch, err := k.serving(ctx, host)
	if errors.Is(err, types.ErrNoEpoch) || err == nil && epoch.Id == r.EpochId {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	earlier, err := k.parties.EpochByID(ctx, r.EpochId)
	if err != nil {
		return false, err
	}
	same, err := k.interchangeable(ctx, earlier, epoch)
	return !same, err
}

// HeldKeys implements partiestypes.Work.
func (k Keeper) HeldKeys(ctx context.Context, epochID uint64) (ids [][]byte, err error) {
	err = k.heldKeys.Walk(ctx, collections.NewPrefixedPairRange[uint64, []byte](epochID), func(key dueKey) (bool, error) {
		ids = append(ids, bytes.Clone(key.K2()))
		return false, nil
	})
	return ids, err
}

// HasWork implements partiestypes.Work.
func (k Keeper) HasWork(ctx context.Context, epochID uint64) (found bool, err error) {
	err = k.OpenRequests.Walk(ctx, collections.NewPrefixedTripleRange[uint64, uint64, []byte](epochID), func(openKey) (bool, error) {
		found = true
		return true, nil
	})
	if err != nil || found {
		return found, err
	}
	err = k.HostEpochs.Walk(ctx, nil, func(id uint64, h types.HostEpoch) (bool, error) {
		if h.EpochId != epochID {
			return false, nil
		}
		host, err := k.acl.HostChain(ctx, id)
		found = err == nil && host.Verifier != nil
		return found, err
	})
	return found, err
}

// TakeOver implements partiestypes.Work. Host chains whose verifier does not take the
// signatures of the new epoch stay with the old one; attempts to generate a key begin
// anew.
func (k Keeper) TakeOver(ctx context.Context, from, to uint64) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	next, err := k.parties.EpochByID(ctx, to)
	if err != nil {
		return err
	}
	held, err := k.HeldKeys(ctx, from)
	if err != nil {
		return err
	}
	begun, err := k.begunKeys(ctx, from)
	if err != nil {
		return err
	}
	for _, id := range slices.Concat(held, begun) {
		if err := k.keepHostEpoch(ctx, id, from); err != nil {
			return err
		}
	}
	if err := k.moveHostChains(ctx, next); err != nil {
		return err
	}
	vaults, err := k.vaultsOf(ctx, next)
	if err != nil {
		return err
	}
	for _, id := range held {
		if err := k.moveKey(ctx, id, from, to, vaults); err != nil {
			return err
		}
	}
	for _, id := range begun {
		handled(ctx, "key attempt of another epoch", id, func(ctx context.Context, id []byte) error { return k.restart(ctx, params, id) })
	}
	return nil
}

// begunKeys are those that an epoch generates.
func (k Keeper) begunKeys(ctx context.Context, epochID uint64) (ids [][]byte, err error) {
	err = k.OpenKeys.Walk(ctx, collections.NewPrefixedPairRange[uint64, []byte](epochID), func(key dueKey) (bool, error) {
		ids = append(ids, bytes.Clone(key.K2()))
		return false, nil
	})
	return ids, err
}

// keepHostEpoch notes that the epoch served a key's host chain so far, unless it is known
// which one did.
func (k Keeper) keepHostEpoch(ctx context.Context, keyID []byte, epochID uint64) error {
	key, err := k.key(ctx, keyID)
	if err != nil {
		return err
	}
	known, err := k.HostEpochs.Has(ctx, key.HostChainId)
	if err != nil || known {
		return err
	}
	return k.HostEpochs.Set(ctx, key.HostChainId, types.HostEpoch{HostChainId: key.HostChainId, EpochId: epochID})
}

// moveHostChains lets follow the epoch all host chains that take its signatures already,
// or have no verifier that would have to.
func (k Keeper) moveHostChains(ctx context.Context, next partiestypes.Epoch) error {
	list, err := export(ctx, k.HostEpochs, func(_ uint64, h types.HostEpoch) types.HostEpoch { return h })
	if err != nil {
		return err
	}
	for _, h := range list {
		follows, err := k.follows(ctx, h, next)
		if err != nil {
			return err
		}
		if !follows {
			continue
		}
		if err := k.forgetHostEpoch(ctx, h.HostChainId, next.Id); err != nil {
			return err
		}
	}
	return nil
}

func (k Keeper) follows(ctx context.Context, h types.HostEpoch, next partiestypes.Epoch) (bool, error) {
	host, err := k.acl.HostChain(ctx, h.HostChainId)
	if err != nil || host.Verifier == nil {
		return err == nil, err
	}
	taken, err := k.parties.EpochByID(ctx, h.EpochId)
	if err != nil {
		return false, err
	}
	return k.interchangeable(ctx, taken, next)
}

// forgetHostEpoch leaves a host chain to the active epoch.
func (k Keeper) forgetHostEpoch(ctx context.Context, hostChainID, active uint64) error {
	if err := k.HostEpochs.Remove(ctx, hostChainID); err != nil {
		return err
	}
	return emit(ctx, &types.EventHostEpoch{HostChainId: hostChainID, EpochId: active})
}

// moveKey gives an active key to another epoch. What was said of it when it was generated
// stays: members, noise and failures are those of the epoch that did.
func (k Keeper) moveKey(ctx context.Context, id []byte, from, to uint64, vaults []string) error {
	key, err := k.key(ctx, id)
	if err != nil {
		return err
	}
	key.GeneratedEpochId, key.EpochId, key.Vaults = key.Generator(), to, vaults
	if err := k.heldKeys.Remove(ctx, collections.Join(from, id)); err != nil {
		return err
	}
	if err := k.heldKeys.Set(ctx, collections.Join(to, id)); err != nil {
		return err
	}
	return k.saveKey(ctx, key)
}

// vaultsOf returns where the members of an epoch serve the files of keys.
func (k Keeper) vaultsOf(ctx context.Context, epoch partiestypes.Epoch) ([]string, error) {
	members, err := k.parties.EpochParties(ctx, epoch)
	if err != nil {
		return nil, err
	}
	var vaults []string
	for _, party := range members {
		if !party.Removed && party.VaultUrl != "" {
			vaults = append(vaults, party.VaultUrl)
		}
	}
	return vaults, nil
}

// Ended implements partiestypes.Work: the epoch's host chains go to the active one, and
// the next blocks end its open requests.
func (k Keeper) Ended(ctx context.Context, epochID uint64) error {
	active, err := k.parties.ActiveEpoch(ctx)
	if err != nil {
		return err
	}
	list, err := export(ctx, k.HostEpochs, func(_ uint64, h types.HostEpoch) types.HostEpoch { return h })
	if err != nil {
		return err
	}
	for _, h := range list {
		if h.EpochId != epochID {
			continue
		}
		if err := k.forgetHostEpoch(ctx, h.HostChainId, active.Id); err != nil {
			return err
		}
	}
	return k.endedEpochs.Set(ctx, epochID)
}

// endRequests ends open requests of retired epochs, at most limit.
func (k Keeper) endRequests(ctx context.Context, limit uint32) error {
	ended, err := k.endedEpochs.Iterate(ctx, nil)
	if err != nil {
		return err
	}
	epochs, err := ended.Keys()
	if err != nil {
		return err
	}
	for _, epochID := range epochs {
		var open []openKey
		err := k.OpenRequests.Walk(ctx, collections.NewPrefixedTripleRange[uint64, uint64, []byte](epochID), func(key openKey) (bool, error) {
			open = append(open, key)
			return uint32(len(open)) >= limit, nil
		})
		if err != nil {
			return err
		}
		for _, key := range open {
			handled(ctx, "request of a retired epoch", key.K3(), k.endRequest)
		}
		if limit -= uint32(len(open)); limit == 0 {
			return nil
		}
		if err := k.endedEpochs.Remove(ctx, epochID); err != nil {
			return err
		}
	}
	return nil
}

func (k Keeper) endRequest(ctx context.Context, id []byte) error {
	r, err := k.request(ctx, id)
	if err != nil {
		return err
	}
	return k.expire(ctx, &r)
}

// ProveSigners has the active epoch serve a host chain whose verifier is shown to take
// its signatures.
func (k Keeper) ProveSigners(ctx context.Context, msg *types.MsgProveSigners) error {
	host, err := k.acl.HostChain(ctx, msg.HostChainId)
	if err != nil {
		return types.ErrUnknownHostChain.Wrapf("%d: %s", msg.HostChainId, err)
	}
	active, err := k.parties.ActiveEpoch(ctx)
	if err != nil {
		return types.ErrNoEpoch.Wrap(err.Error())
	}
	if active.Id != msg.EpochId {
		return types.ErrEpochNotActive.Wrapf("%d", active.Id)
	}
	signers, err := k.signersOf(ctx, active)
	if err != nil {
		return err
	}
	height, err := k.acl.VerifySigners(ctx, host.Id, msg.Proof, signers, threshold(active))
	if err != nil {
		return err
	}
	if err := k.HostEpochs.Set(ctx, host.Id, types.HostEpoch{HostChainId: host.Id, EpochId: active.Id, HeaderHeight: height}); err != nil {
		return err
	}
	return emit(ctx, &types.EventHostEpoch{HostChainId: host.Id, EpochId: active.Id, HeaderHeight: height})
}
