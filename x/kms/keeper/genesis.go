package keeper

import (
	"context"

	"cosmossdk.io/collections"
	"cosmossdk.io/math"

	"github.com/tkms-network/tkms/x/kms/types"
)

// InitGenesis stores an exported state and rebuilds what follows from it. The
// module's account must hold the escrow already. Which epochs were retired a block ago is
// not in it: what is open under them expires at its deadline.
func (k Keeper) InitGenesis(ctx context.Context, g types.GenesisState) error {
	if err := g.Validate(); err != nil {
		return err
	}
	escrow, err := g.Escrow()
	if err != nil {
		return err
	}
	if balance := k.bank.GetBalance(ctx, k.account, types.FeeDenom); balance.Amount.LT(math.NewIntFromUint64(escrow)) {
		return types.ErrInvalidGenesis.Wrapf("the module holds %s of an escrow of %d", balance, escrow)
	}
	if err := k.Params.Set(ctx, g.Params); err != nil {
		return err
	}
	if err := k.fence.Set(ctx, true); err != nil {
		return err
	}
	for _, key := range g.Keys {
		if err := k.importKey(ctx, g.Params, key); err != nil {
			return err
		}
	}
	open := uint64(0)
	for _, r := range g.Requests {
		if r.Status == types.REQUEST_STATUS_ACCEPTED {
			open++
		}
		if err := k.importRequest(ctx, g.Params, r); err != nil {
			return err
		}
	}
	if err := k.importTables(ctx, g); err != nil {
		return err
	}
	return k.Totals.Set(ctx, types.Totals{Requests: g.TotalRequests, Open: open, Escrow: escrow})
}

func (k Keeper) importKey(ctx context.Context, params types.Params, key types.Key) error {
	if err := k.Keys.Set(ctx, key.Id, key); err != nil {
		return err
	}
	switch key.Status {
	case types.KEY_STATUS_REQUESTED:
		return k.keyChecks.Set(ctx, collections.Join(uint64(0), key.Id))
	case types.KEY_STATUS_GENERATING:
		if err := k.OpenKeys.Set(ctx, collections.Join(key.EpochId, key.Id)); err != nil {
			return err
		}
		return k.keyChecks.Set(ctx, collections.Join(uint64(key.Deadline), key.Id))
	case types.KEY_STATUS_ACTIVE, types.KEY_STATUS_RETIRED:
		if key.Status == types.KEY_STATUS_ACTIVE {
			if err := k.heldKeys.Set(ctx, collections.Join(key.EpochId, key.Id)); err != nil {
				return err
			}
		}
		if key.PaidHeight == 0 {
			return k.keyPayouts.Set(ctx, collections.Join(uint64(key.ActiveHeight)+uint64(params.PayoutDelayBlocks), key.Id))
		}
	}
	return nil
}

func (k Keeper) importRequest(ctx context.Context, params types.Params, r types.Request) error {
	if err := k.Requests.Set(ctx, r.Id, r); err != nil {
		return err
	}
	switch {
	case r.Status == types.REQUEST_STATUS_ACCEPTED:
		return k.index(ctx, r)
	case r.Status == types.REQUEST_STATUS_FULFILLED && r.PaidHeight == 0:
		return k.payouts.Set(ctx, collections.Join(uint64(r.FulfilledHeight)+uint64(params.PayoutDelayBlocks), r.Id))
	}
	return k.retain(ctx, r)
}

func (k Keeper) importTables(ctx context.Context, g types.GenesisState) error {
	for _, c := range g.ItemCounters {
		if err := k.ItemCounters.Set(ctx, c.EpochId, c.Next); err != nil {
			return err
		}
	}
	for _, h := range g.HostKeys {
		if err := k.HostKeys.Set(ctx, h.HostChainId, h.KeyId); err != nil {
			return err
		}
	}
	for _, w := range g.Windows {
		if err := k.Windows.Set(ctx, w.HostChainId, w.Window); err != nil {
			return err
		}
	}
	for _, of := range g.Shares {
		for _, share := range of.Shares {
			if err := k.Shares.Set(ctx, collections.Join(of.RequestId, share.Index), share); err != nil {
				return err
			}
		}
	}
	for _, a := range g.Attempts {
		if err := k.Attempts.Set(ctx, a.RequestId, a.Attempt); err != nil {
			return err
		}
	}
	for _, h := range g.HostEpochs {
		if err := k.HostEpochs.Set(ctx, h.HostChainId, h); err != nil {
			return err
		}
	}
	for _, w := range g.Work {
		if err := k.Work.Set(ctx, w.Height, w.Work); err != nil {
			return err
		}
	}
	return k.KeySequence.Set(ctx, g.KeySequence)
}

// ExportGenesis returns the whole state, in the order of the store.
func (k Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	g := &types.GenesisState{}
	var err error
	if g.Params, err = k.Params.Get(ctx); err != nil {
		return nil, err
	}
	if g.KeySequence, err = orZero(k.KeySequence.Get(ctx)); err != nil {
		return nil, err
	}
	totals, err := orZero(k.Totals.Get(ctx))
	if err != nil {
		return nil, err
	}
	g.TotalRequests = totals.Requests
	if g.Keys, err = export(ctx, k.Keys, func(_ []byte, key types.Key) types.Key { return key }); err != nil {
		return nil, err
	}
	if g.Requests, err = export(ctx, k.Requests, func(_ []byte, r types.Request) types.Request { return r }); err != nil {
		return nil, err
	}
	if g.ItemCounters, err = export(ctx, k.ItemCounters, func(epoch, next uint64) types.ItemCounter {
		return types.ItemCounter{EpochId: epoch, Next: next}
	}); err != nil {
		return nil, err
	}
	if g.HostKeys, err = export(ctx, k.HostKeys, func(host uint64, id []byte) types.HostKey {
		return types.HostKey{HostChainId: host, KeyId: id}
	}); err != nil {
		return nil, err
	}
	if g.Windows, err = export(ctx, k.Windows, func(host uint64, w types.RateWindow) types.HostWindow {
		return types.HostWindow{HostChainId: host, Window: w}
	}); err != nil {
		return nil, err
	}
	if g.Attempts, err = export(ctx, k.Attempts, func(id []byte, attempt uint32) types.Attempts {
		return types.Attempts{RequestId: id, Attempt: attempt}
	}); err != nil {
		return nil, err
	}
	if g.HostEpochs, err = export(ctx, k.HostEpochs, func(_ uint64, h types.HostEpoch) types.HostEpoch { return h }); err != nil {
		return nil, err
	}
	for _, r := range g.Requests {
		shares, err := k.sharesOf(ctx, r.Id)
		if err != nil {
			return nil, err
		}
		if len(shares) != 0 {
			g.Shares = append(g.Shares, types.RequestShares{RequestId: r.Id, Shares: shares})
		}
	}
	g.Work, err = export(ctx, k.Work, func(height uint64, w types.Work) types.HeightWork {
		return types.HeightWork{Height: height, Work: w}
	})
	return g, err
}

// export lists a table in the order of its keys.
func export[K, V, R any](ctx context.Context, table collections.Map[K, V], row func(K, V) R) ([]R, error) {
	var rows []R
	err := table.Walk(ctx, nil, func(key K, value V) (bool, error) {
		rows = append(rows, row(key, value))
		return false, nil
	})
	return rows, err
}
