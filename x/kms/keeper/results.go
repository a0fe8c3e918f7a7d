package keeper

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// gasPerSignature is charged for each signature recovered: three times what x/auth
// charges for verifying one.
const gasPerSignature = 3000

// PostResults records the signed results of one party. Each stands alone: one
// that is refused leaves the others untouched, and its code says why. If none was
// recorded the first one's error is returned, and nothing was written.
func (k Keeper) PostResults(ctx context.Context, msg *types.MsgPostResults) ([]uint32, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if params.PauseResults {
		return nil, types.ErrPaused
	}
	if len(msg.Results) == 0 || len(msg.Results) > types.MaxResults {
		return nil, types.ErrMalformed.Wrapf("1 to %d results", types.MaxResults)
	}
	codes := make([]uint32, len(msg.Results))
	var first error
	recorded := false
	for i, result := range msg.Results {
		// A cached store makes each result all or nothing.
		cached, write := sdk.UnwrapSDKContext(ctx).CacheContext()
		err := k.postResult(cached, params, msg.Account, result)
		switch code := types.CodeOf(err); {
		case err == nil:
			write()
			recorded = true
		case code == 1:
			// Not a refusal but a failure of the chain's own state.
			return nil, err
		default:
			codes[i] = code
			if first == nil {
				first = err
			}
		}
	}
	if !recorded {
		return nil, first
	}
	return codes, nil
}

// postResult checks and records one result.
func (k Keeper) postResult(ctx context.Context, params types.Params, account string, result types.Result) error {
	r, err := k.request(ctx, result.RequestId)
	if err != nil {
		return err
	}
	if result.Attempt != r.Attempt {
		return types.ErrWrongAttempt.Wrapf("%d", r.Attempt)
	}
	if result.EpochId != r.EpochId {
		return types.ErrWrongEpoch.Wrapf("%d", r.EpochId)
	}
	index, party, err := k.member(ctx, r.EpochId, account)
	if err != nil {
		return err
	}
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	if !r.TakesResults(height) {
		return types.ErrClosed
	}
	at, in := slices.BinarySearchFunc(r.Contributions, index, func(c types.Contribution, index uint32) int { return cmp.Compare(c.Index, index) })
	if in {
		return types.ErrDuplicate
	}
	contribution := types.Contribution{Index: index, Plaintext: result.Plaintext, Signature: result.Signature, Height: height}
	if r.Kind == types.REQUEST_KIND_USER_DECRYPTION {
		err = k.takeShare(ctx, r, &contribution, result, party)
	} else {
		err = checkPlaintext(ctx, r, &contribution, result, party)
	}
	if err != nil {
		return err
	}
	r.Contributions = slices.Insert(r.Contributions, at, contribution)
	if err := emit(ctx, &types.EventResultPosted{RequestId: hexID(r.Id), Attempt: r.Attempt, Index: index}); err != nil {
		return err
	}
	if err := k.parties.RecordResult(ctx, party.Id, uint64(height-r.AcceptedHeight)); err != nil {
		return err
	}
	if r.Status == types.REQUEST_STATUS_ACCEPTED && agreeing(r, result.Plaintext) >= int(r.Threshold) {
		return k.fulfil(ctx, params, r, result.Plaintext)
	}
	return k.Requests.Set(ctx, r.Id, r)
}

// checkPlaintext accepts a plaintext of the request's types with its party's signature.
func checkPlaintext(ctx context.Context, r types.Request, c *types.Contribution, result types.Result, party partiestypes.Party) error {
	if len(result.Share) != 0 {
		return types.ErrWrongKind.Wrap("a share")
	}
	list, err := r.HandleList()
	if err != nil {
		return err
	}
	if err := handles.CheckPlaintext(list, result.Plaintext); err != nil {
		return types.ErrInvalidPlaintext.Wrap(err.Error())
	}
	digest, err := r.SigningDigest(list, result.Plaintext)
	if err != nil {
		return err
	}
	if err := checkSignature(ctx, digest, result.Signature, party); err != nil {
		return err
	}
	if r.Status == types.REQUEST_STATUS_FULFILLED && bytes.Equal(result.Plaintext, r.Plaintext) {
		c.Plaintext, c.Agrees = nil, true
	}
	return nil
}

// takeShare accepts and keeps a share of the form that the user's client reads, with
// its party's signature. Nobody here can tell whether it is right: that is why as many
// are kept as come until the deadline. Each counts as agreeing, on an empty plaintext.
func (k Keeper) takeShare(ctx context.Context, r types.Request, c *types.Contribution, result types.Result, party partiestypes.Party) error {
	if len(result.Plaintext) != 0 {
		return types.ErrWrongKind.Wrap("a plaintext")
	}
	list, err := r.HandleList()
	if err != nil {
		return err
	}
	if err := r.CheckShare(list, result.Share, c.Index, [types.AddressSize]byte(party.SigningAddress)); err != nil {
		return err
	}
	digest, err := r.ShareDigest(list, result.Share)
	if err != nil {
		return err
	}
	if err := checkSignature(ctx, digest, result.Signature, party); err != nil {
		return err
	}
	c.Agrees, c.ShareDigest = true, crypto.Keccak256(result.Share)
	return k.Shares.Set(ctx, collections.Join(r.Id, c.Index), types.Share{
		Index: c.Index, Payload: result.Share, Signature: result.Signature, Height: c.Height,
	})
}

// sharesOf lists the shares of a request by index.
func (k Keeper) sharesOf(ctx context.Context, id []byte) (shares []types.Share, err error) {
	err = k.Shares.Walk(ctx, collections.NewPrefixedPairRange[[]byte, uint32](id), func(_ shareKey, s types.Share) (bool, error) {
		shares = append(shares, s)
		return false, nil
	})
	return shares, err
}

// dropShares removes the shares of a request, at most one a member of its epoch.
func (k Keeper) dropShares(ctx context.Context, r types.Request) error {
	if r.Kind != types.REQUEST_KIND_USER_DECRYPTION {
		return nil
	}
	return k.Shares.Clear(ctx, collections.NewPrefixedPairRange[[]byte, uint32](r.Id))
}

// checkSignature charges for a party's signature and checks it.
func checkSignature(ctx context.Context, digest [32]byte, signature []byte, party partiestypes.Party) error {
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerSignature, "result signature")
	if err := eip712.Verify(digest, signature, [types.AddressSize]byte(party.SigningAddress)); err != nil {
		return types.ErrInvalidSignature.Wrap(err.Error())
	}
	return nil
}

func agreeing(r types.Request, plaintext []byte) int {
	count := 0
	for _, c := range r.Contributions {
		if bytes.Equal(c.Plaintext, plaintext) {
			count++
		}
	}
	return count
}

// fulfil closes the question and starts the delay in which further parties may
// still bring the same plaintext, or their share, and be paid.
func (k Keeper) fulfil(ctx context.Context, params types.Params, r types.Request, plaintext []byte) error {
	r.Status = types.REQUEST_STATUS_FULFILLED
	r.Plaintext = plaintext
	r.FulfilledHeight = sdk.UnwrapSDKContext(ctx).BlockHeight()
	var disagree []uint32
	for i, c := range r.Contributions {
		if bytes.Equal(c.Plaintext, plaintext) {
			r.Contributions[i].Plaintext, r.Contributions[i].Agrees = nil, true
		} else {
			disagree = append(disagree, c.Index)
		}
	}
	if err := k.Requests.Set(ctx, r.Id, r); err != nil {
		return err
	}
	if err := k.unindex(ctx, r); err != nil {
		return err
	}
	if err := k.payouts.Set(ctx, collections.Join(heightOf(ctx)+uint64(params.PayoutDelayBlocks), r.Id)); err != nil {
		return err
	}
	return emit(ctx, &types.EventRequestFulfilled{
		RequestId: hexID(r.Id), HostChainId: r.HostChainId, Attempt: r.Attempt,
		Contributions: uint32(len(r.Contributions)), Disagree: disagree,
	})
}

// unindex removes a request that no longer waits for its result.
func (k Keeper) unindex(ctx context.Context, r types.Request) error {
	if err := k.OpenRequests.Remove(ctx, openKeyOf(r)); err != nil {
		return err
	}
	if err := k.expiries.Remove(ctx, collections.Join(uint64(r.Deadline), r.Id)); err != nil {
		return err
	}
	return k.changeTotals(ctx, func(t *types.Totals) { t.Open-- })
}

// expire gives up a request, returns its fee and drops its shares.
func (k Keeper) expire(ctx context.Context, r *types.Request) error {
	if err := k.release(ctx, r.Requester, r.Fee); err != nil {
		return err
	}
	if err := k.unindex(ctx, *r); err != nil {
		return err
	}
	if err := k.dropShares(ctx, *r); err != nil {
		return err
	}
	if err := k.recordMissed(ctx, *r); err != nil {
		return err
	}
	r.Status = types.REQUEST_STATUS_EXPIRED
	r.ExpiredHeight = sdk.UnwrapSDKContext(ctx).BlockHeight()
	if err := k.Requests.Set(ctx, r.Id, *r); err != nil {
		return err
	}
	if err := k.retain(ctx, *r); err != nil {
		return err
	}
	return emit(ctx, &types.EventRequestExpired{RequestId: hexID(r.Id), HostChainId: r.HostChainId, Attempt: r.Attempt})
}

// pay splits the fee among all whose valid result with the fulfilled plaintext, or
// valid share, is in.
func (k Keeper) pay(ctx context.Context, r types.Request) error {
	var indices []uint32
	for _, c := range r.Contributions {
		if c.Agrees {
			indices = append(indices, c.Index)
		}
	}
	if err := k.split(ctx, r.EpochId, r.Fee, indices); err != nil {
		return err
	}
	if err := k.recordMissed(ctx, r); err != nil {
		return err
	}
	r.PaidHeight = sdk.UnwrapSDKContext(ctx).BlockHeight()
	if err := k.Requests.Set(ctx, r.Id, r); err != nil {
		return err
	}
	if err := k.retain(ctx, r); err != nil {
		return err
	}
	return emit(ctx, &types.EventRequestPaid{RequestId: hexID(r.Id), Fee: r.Fee, Indices: indices})
}

// recordMissed notes which members have brought no result to a request.
func (k Keeper) recordMissed(ctx context.Context, r types.Request) error {
	epoch, err := k.parties.EpochByID(ctx, r.EpochId)
	if err != nil {
		return err
	}
	for _, member := range epoch.Members {
		brought := slices.ContainsFunc(r.Contributions, func(c types.Contribution) bool { return c.Index == member.Index })
		if brought || member.Removed {
			continue
		}
		if err := k.parties.RecordMissed(ctx, member.PartyId); err != nil {
			return err
		}
	}
	return nil
}

// retain queues a closed request for the end of its retention, if it has one.
func (k Keeper) retain(ctx context.Context, r types.Request) error {
	params, err := k.Params.Get(ctx)
	if err != nil || params.RetentionBlocks == 0 {
		return err
	}
	return k.prunes.Set(ctx, collections.Join(uint64(r.ClosedHeight())+params.RetentionBlocks, r.Id))
}
