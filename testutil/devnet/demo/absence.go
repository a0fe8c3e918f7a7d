package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/devnet/console"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

const (
	// largeType is a type whose values take the most offline items.
	largeType = tfhe.EUint2048
	// largeValues are enough that requests for all their subsets use up any stock of
	// this demo: 12 values' worth for 3 of them.
	largeValues = 3
	// smallValues are for requests while a party is away and once it is back; those
	// for all subsets of all but one are what it may miss before the demo calls it
	// absent.
	smallValues = 6
)

// absence is step 8: one party dies and comes back.
func (r *run) absence(ctx context.Context) error {
	lost := r.net.Parties[len(r.net.Parties)-1]
	var small, large []*item
	err := r.step(ctx, stepAbsence, "values for it are encrypted, taken by the dApp and disclosed", func(ctx context.Context) (_ string, err error) {
		if small, err = r.disclosed(ctx, tfhe.EUint64, smallValues); err != nil {
			return "", err
		}
		large, err = r.disclosed(ctx, largeType, largeValues)
		return fmt.Sprintf("%d of %s, %d of %s", len(small), tfhe.EUint64, len(large), largeType), err
	})
	if err != nil {
		return err
	}
	index, err := r.indexOf(ctx, lost)
	if err != nil {
		return err
	}
	if err := r.step(ctx, stepAbsence, lost.Moniker+" is SIGKILLed", func(context.Context) (string, error) {
		return fmt.Sprintf("index %d", index), lost.Kill()
	}); err != nil {
		return err
	}
	killed := time.Now()
	err = r.step(ctx, stepAbsence, "the next decryption succeeds at once, from stock", func(ctx context.Context) (string, error) {
		return r.withoutParty(ctx, small[0], index)
	})
	if err != nil {
		return err
	}
	if err := r.useUp(ctx, large, lost, index, killed); err != nil {
		return err
	}
	return r.comeBack(ctx, small[1:], lost, index)
}

// disclosed makes values that may be decrypted.
func (r *run) disclosed(ctx context.Context, t tfhe.Type, count int) ([]*item, error) {
	items := make([]*item, count)
	for i := range items {
		r.console.Progress("%s %d of %d", t, i+1, count)
		e, err := devnet.Encrypt(r.net.Public, t, r.random(t))
		if err != nil {
			return nil, err
		}
		if err := r.net.Store(ctx, e); err != nil {
			return nil, err
		}
		items[i] = &item{Encrypted: e}
	}
	if err := submitAll(ctx, r.user, items); err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, it := range items {
		group.Go(func() error { return r.user.Disclose(ctx, it.handle) })
	}
	return items, group.Wait()
}

// indexOf returns a party's index in the epoch.
func (r *run) indexOf(ctx context.Context, p *devnet.Party) (uint32, error) {
	epoch, err := r.net.ActiveEpoch(ctx)
	if err != nil {
		return 0, err
	}
	for _, m := range epoch.Members {
		if m.PartyId == p.ID {
			return m.Index, nil
		}
	}
	return 0, fmt.Errorf("%s is no member of epoch %d", p.Moniker, epoch.Id)
}

// withoutParty decrypts a value and checks that the others did it, from stock.
func (r *run) withoutParty(ctx context.Context, it *item, index uint32) (string, error) {
	outcome, err := r.net.Decrypt(ctx, it.handle)
	if err != nil {
		return "", err
	}
	if err := it.check(outcome.Request); err != nil {
		return "", err
	}
	if contributed(outcome.Request, index) {
		return "", fmt.Errorf("party %d, which was killed, contributed", index)
	}
	engines, err := r.net.Engines(ctx, outcome.Request)
	if err != nil {
		return "", err
	}
	for _, s := range engines {
		if !s.FromStock {
			return "", errors.New("a party had to make offline items for it")
		}
	}
	return fmt.Sprintf("by %d parties in %s", len(outcome.Request.Contributions), console.Duration(outcome.Latency)), nil
}

func contributed(request kmstypes.Request, index uint32) bool {
	return slices.ContainsFunc(request.Contributions, func(c kmstypes.Contribution) bool { return c.Index == index && c.Agrees })
}

// useUp asks for more than the stock holds, at once, so that the last requests
// need items that can be made only without the absent party.
func (r *run) useUp(ctx context.Context, large []*item, lost *devnet.Party, index uint32, killed time.Time) error {
	var last kmstypes.Request
	err := r.step(ctx, stepAbsence, "with the stock used up it succeeds once the chain excluded "+lost.Moniker, func(ctx context.Context) (string, error) {
		stock := 0
		for _, p := range r.net.Parties {
			if s, err := r.net.StatusOf(ctx, p); err == nil {
				stock = max(stock, s.Main().StockItems)
			}
		}
		group, groupCtx := errgroup.WithContext(ctx)
		var excluded partiestypes.Absence
		group.Go(func() (err error) {
			excluded, err = r.waitAbsence(groupCtx, index, true)
			return err
		})
		wanted := 0
		var requests []*kmstypes.Request
		for _, subset := range subsets(large) {
			request := new(kmstypes.Request)
			requests = append(requests, request)
			group.Go(func() (err error) { *request, err = r.decryptBatch(groupCtx, subset); return err })
			if wanted += len(subset) * largeType.Blocks(tfhe.Production()); wanted > stock+largeType.Blocks(tfhe.Production()) {
				break
			}
		}
		r.console.Progress("%d items in stock, %d wanted", stock, wanted)
		if err := group.Wait(); err != nil {
			return "", err
		}
		for _, request := range requests {
			if request.FulfilledHeight > last.FulfilledHeight {
				last = *request
			}
		}
		if last.FulfilledHeight <= excluded.ExcludedHeight {
			return "", fmt.Errorf("%d items were there before height %d, at which the chain excluded party %d", wanted, excluded.ExcludedHeight, index)
		}
		if contributed(last, index) {
			return "", fmt.Errorf("party %d, which was killed, contributed", index)
		}
		return fmt.Sprintf("excluded at height %d, done at %d, %s after the kill", excluded.ExcludedHeight, last.FulfilledHeight, console.Duration(time.Since(killed))), nil
	})
	return err
}

// subsets returns all subsets of values but the empty one, the largest first. Each
// makes a request of its own.
func subsets(items []*item) [][]*item {
	var all [][]*item
	for mask := 1; mask < 1<<len(items); mask++ {
		var subset []*item
		for i, it := range items {
			if mask>>i&1 == 1 {
				subset = append(subset, it)
			}
		}
		all = append(all, subset)
	}
	slices.SortStableFunc(all, func(a, b []*item) int { return len(b) - len(a) })
	return all
}

// decryptBatch decrypts values by one request and checks them.
func (r *run) decryptBatch(ctx context.Context, items []*item) (kmstypes.Request, error) {
	var list []fhevm.Handle
	var want []byte
	for _, it := range items {
		words, err := fhevm.EncodeCleartext(it.handle.Type(), it.Value)
		if err != nil {
			return kmstypes.Request{}, err
		}
		list, want = append(list, it.handle), append(want, words...)
	}
	outcome, err := r.net.Decrypt(ctx, list...)
	if err != nil {
		return kmstypes.Request{}, err
	}
	if !slices.Equal(outcome.Request.Plaintext, want) {
		return outcome.Request, fmt.Errorf("the parties signed %x, encrypted was %x", outcome.Request.Plaintext, want)
	}
	return outcome.Request, nil
}

// waitAbsence waits until the chain excludes a member, or until it does no more.
func (r *run) waitAbsence(ctx context.Context, index uint32, excluded bool) (partiestypes.Absence, error) {
	var found partiestypes.Absence
	_, err := r.net.WaitEpoch(ctx, devnet.FirstEpoch, func(epoch partiestypes.Epoch) bool {
		at := slices.IndexFunc(epoch.Absences, func(a partiestypes.Absence) bool { return a.Index == index })
		if at >= 0 {
			found = epoch.Absences[at]
		}
		return found.Excluded == excluded
	})
	return found, err
}

// comeBack starts the party again and waits until it is one of those that decrypt.
func (r *run) comeBack(ctx context.Context, items []*item, lost *devnet.Party, index uint32) error {
	err := r.step(ctx, stepAbsence, lost.Moniker+" starts again and is re-admitted without help", func(ctx context.Context) (string, error) {
		if err := lost.Start(); err != nil {
			return "", err
		}
		absence, err := r.waitAbsence(ctx, index, false)
		return fmt.Sprintf("exclusions in this epoch: %d", absence.Exclusions), err
	})
	if err != nil {
		return err
	}
	return r.step(ctx, stepAbsence, "its signature is in a later result", func(ctx context.Context) (string, error) {
		return r.signsAgain(ctx, items, lost, index)
	})
}

// signsAgain asks until a result has the party's signature. A party that is back
// first rebuilds what was made without it, so it may miss the first requests.
func (r *run) signsAgain(ctx context.Context, items []*item, lost *devnet.Party, index uint32) (string, error) {
	var state string
	batches := subsets(items)
	slices.Reverse(batches)
	for i, batch := range batches {
		request, err := r.decryptBatch(ctx, batch)
		if err != nil {
			return "", err
		}
		signed, err := r.waitSignature(ctx, request.Id, index)
		if err != nil {
			return "", err
		}
		if signed {
			return fmt.Sprintf("of request %d after its return", i+1), nil
		}
		if s, err := r.net.RequestAt(ctx, lost, request.Id); err == nil {
			state = fmt.Sprintf("%s %s", s.State, s.Reason)
		} else {
			state = err.Error()
		}
		r.console.Progress("missed %d, the last one there: %s", i+1, state)
	}
	return "", fmt.Errorf("party %d signed none of %d results, of the last one it says %q; see %s", index, len(batches), state, lost.Log)
}

// waitSignature reports whether a party's result is in before the request is paid.
func (r *run) waitSignature(ctx context.Context, id []byte, index uint32) (bool, error) {
	for {
		request, err := r.net.Request(ctx, id)
		if err == nil && contributed(request, index) {
			return true, nil
		}
		if err == nil && request.PaidHeight != 0 {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
