package keeper

import (
	"context"

	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/types"
)

// putHostChain stores a record with its validators in ascending order.
func (k Keeper) putHostChain(ctx context.Context, chain types.HostChain) error {
	set, err := chain.ValidatorSet()
	if err != nil {
		return err
	}
	chain.Validators = set.Bytes()
	return k.HostChains.Set(ctx, chain.Id, chain)
}

// checkApart fails if the record could be taken for another host chain's.
func (k Keeper) checkApart(ctx context.Context, chain types.HostChain) error {
	return k.HostChains.Walk(ctx, nil, func(id uint64, other types.HostChain) (bool, error) {
		if id == chain.Id {
			return false, nil
		}
		return false, chain.ApartFrom(other)
	})
}

// register adds a host chain.
func (k Keeper) register(ctx context.Context, chain types.HostChain) error {
	if err := chain.Validate(); err != nil {
		return err
	}
	known, err := k.HostChains.Has(ctx, chain.Id)
	if err != nil {
		return err
	}
	if known {
		return types.ErrHostChainExists.Wrapf("%d", chain.Id)
	}
	if err := k.checkApart(ctx, chain); err != nil {
		return err
	}
	return k.putHostChain(ctx, chain)
}

// update replaces the record of a host chain, but for the pause switch, which has a message of its own.
//
// A proposal is written long before it is voted, and the host chain may meanwhile change its validators or
// fork. A record that would go back to an older set is refused, and so is another set for the height that is
// known; and what clears frozen must name a height that nobody could know before the fork.
func (k Keeper) update(ctx context.Context, chain types.HostChain) error {
	if err := chain.Validate(); err != nil {
		return err
	}
	current, err := k.HostChain(ctx, chain.Id)
	if err != nil {
		return err
	}
	same, err := sameValidators(current, chain)
	if err != nil {
		return err
	}
	if chain.ValidatorsHeight < current.ValidatorsHeight || (chain.ValidatorsHeight == current.ValidatorsHeight && !same) {
		return types.ErrInvalidHostChain.Wrapf("the validators are known from height %d; other ones need a higher validators_height", current.ValidatorsHeight)
	}
	if current.Frozen && !chain.Frozen {
		latest, err := k.latestHeight(ctx, current)
		if err != nil {
			return err
		}
		if chain.ValidatorsHeight <= latest {
			return types.ErrInvalidHostChain.Wrapf("clearing frozen needs a validators_height over %d", latest)
		}
	}
	if err := k.checkApart(ctx, chain); err != nil {
		return err
	}
	chain.Paused = current.Paused
	// What was verified under another set, kind of header or before a fork is believed no longer.
	if !same || chain.HeaderKind != current.HeaderKind || current.Frozen || chain.Frozen {
		if err := k.forgetHeaders(ctx, chain.Id); err != nil {
			return err
		}
	}
	return k.putHostChain(ctx, chain)
}

func sameValidators(a, b types.HostChain) (bool, error) {
	setA, err := a.ValidatorSet()
	if err != nil {
		return false, err
	}
	setB, err := b.ValidatorSet()
	if err != nil {
		return false, err
	}
	return setA.Equal(setB), nil
}

// succeed makes a set, carried by a header that may succeed, the current one.
func (k Keeper) succeed(ctx context.Context, chain types.HostChain, set qbft.ValidatorSet, height uint64) error {
	chain.Validators = set.Bytes()
	chain.ValidatorsHeight = height
	if err := k.checkApart(ctx, chain); err != nil {
		return err
	}
	if err := k.forgetHeaders(ctx, chain.Id); err != nil {
		return err
	}
	return k.putHostChain(ctx, chain)
}

// freeze stops a host chain, which forked at a height, until governance decides which fork is the chain.
func (k Keeper) freeze(ctx context.Context, chain types.HostChain, height uint64) error {
	chain.Frozen = true
	if err := k.raiseLatest(ctx, chain.Id, height); err != nil {
		return err
	}
	if err := k.forgetHeaders(ctx, chain.Id); err != nil {
		return err
	}
	return k.putHostChain(ctx, chain)
}
