package keeper

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

const (
	// keyTag separates ids of keys from every other hash.
	keyTag = "tkms/v1/kms/key"
	// epochPollBlocks is how often a requested key looks for an active epoch.
	epochPollBlocks = 5
)

// RequestKey records a key for a host chain, or finds the one it has. It returns
// the key's id and whether this call created it.
func (k Keeper) RequestKey(ctx context.Context, msg *types.MsgRequestKey) (id []byte, created bool, err error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, false, err
	}
	requester, err := sdk.AccAddressFromBech32(msg.Requester)
	if err != nil {
		return nil, false, types.ErrMalformed.Wrap("requester is no account")
	}
	governance := msg.Requester == k.authority
	if !governance && len(params.KeyRequesters) > 0 && !slices.Contains(params.KeyRequesters, msg.Requester) {
		return nil, false, types.ErrUnauthorized.Wrap("the account may not request keys")
	}
	if msg.Additional && !governance {
		return nil, false, types.ErrUnauthorized.Wrap("only governance may ask for an additional key")
	}
	if !slices.Contains(params.ParameterSets, msg.Params) {
		return nil, false, types.ErrUnknownParams.Wrapf("%q", msg.Params)
	}
	want, err := wanted(msg, governance)
	if err != nil {
		return nil, false, err
	}
	host, err := k.acl.HostChain(ctx, msg.HostChainId)
	if err != nil {
		return nil, false, types.ErrUnknownHostChain.Wrapf("%d: %s", msg.HostChainId, err)
	}
	held, err := orZero(k.HostKeys.Get(ctx, host.Id))
	if err != nil {
		return nil, false, err
	}
	if len(held) != 0 && !msg.Additional {
		return k.heldKey(ctx, held, want)
	}
	if params.PauseKeyRequests {
		return nil, false, types.ErrPaused
	}
	fee := params.KeyFee
	if governance {
		fee = 0
	}
	key, err := k.createKey(ctx, params, want, requester, fee)
	if err != nil {
		return nil, false, err
	}
	if len(held) == 0 {
		if err := k.HostKeys.Set(ctx, host.Id, key.Id); err != nil {
			return nil, false, err
		}
	}
	return key.Id, true, nil
}

// wanted is the key that a message asks for, before it has an id.
func wanted(msg *types.MsgRequestKey, governance bool) (types.Key, error) {
	set, known := types.ParameterSetByName(msg.Params)
	if !known {
		return types.Key{}, types.ErrUnknownParams.Wrapf("%q", msg.Params)
	}
	key := types.Key{
		HostChainId: msg.HostChainId, Params: msg.Params, Noise: msg.Noise, Requester: msg.Requester,
		MaxLog2FailureMilli: msg.MaxLog2FailureMilli,
	}
	switch key.Noise {
	case "":
		key.Noise = types.NoiseExact
	case types.NoiseExact, types.NoisePRSS:
	default:
		return key, types.ErrMalformed.Wrapf("noise is %q or %q", types.NoiseExact, types.NoisePRSS)
	}
	if key.MaxLog2FailureMilli > 0 {
		return key, types.ErrMalformed.Wrap("the logarithm of a probability is not above 0")
	}
	if set.Insecure {
		return key, nil // 0 bounds nothing
	}
	if key.MaxLog2FailureMilli == 0 {
		key.MaxLog2FailureMilli = types.SecureFailureMilli
	}
	if key.MaxLog2FailureMilli > types.SecureFailureMilli && !governance {
		return key, types.ErrUnauthorized.Wrap("only governance may accept more failures than 2^-128")
	}
	return key, nil
}

// heldKey answers a request for a key that the host chain has already.
func (k Keeper) heldKey(ctx context.Context, id []byte, want types.Key) ([]byte, bool, error) {
	key, err := k.key(ctx, id)
	if err != nil {
		return nil, false, err
	}
	if key.Params != want.Params || key.Noise != want.Noise || key.MaxLog2FailureMilli > want.MaxLog2FailureMilli {
		return nil, false, types.ErrHostChainHasKey.Wrapf("parameter set %q, noise %q, failures up to 2^(%d/1000)", key.Params, key.Noise, key.MaxLog2FailureMilli)
	}
	return id, false, nil
}

func (k Keeper) createKey(ctx context.Context, params types.Params, key types.Key, requester sdk.AccAddress, fee uint64) (types.Key, error) {
	sequence, err := orZero(k.KeySequence.Get(ctx))
	if err != nil {
		return types.Key{}, err
	}
	if err := k.KeySequence.Set(ctx, sequence+1); err != nil {
		return types.Key{}, err
	}
	if err := k.escrow(ctx, requester, fee); err != nil {
		return types.Key{}, err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	key.Id = keyID(sdkCtx.ChainID(), key.HostChainId, key.Params, sequence)
	key.Fee, key.RequestedHeight = fee, sdkCtx.BlockHeight()
	return key, k.beginAttempt(ctx, params, &key)
}

// keyID is SHA-256 of the tag, the TKMS chain's id, both behind their length
// (u8, u32), host chain u64, name of the parameter set (length u32) and the number
// of keys requested before (u64), integers big endian.
func keyID(chainID string, hostChainID uint64, params string, sequence uint64) []byte {
	b := append([]byte{byte(len(keyTag))}, keyTag...)
	for _, s := range []string{chainID, params} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint64(b, hostChainID)
	b = binary.BigEndian.AppendUint64(b, sequence)
	sum := sha256.Sum256(b)
	return sum[:]
}

// failureMilli is the probability of failures under a key that the epoch's parties
// generate. Errors: ErrUnsupportedNoise, and ErrFailureTooLikely if it is more than
// the requester accepts.
func (k Keeper) failureMilli(key types.Key, epoch partiestypes.Epoch) (int32, error) {
	milli, ok := k.noise(key.Params, key.Noise, len(epoch.Members))
	if !ok {
		return 0, types.ErrUnsupportedNoise.Wrapf("%s, %s, %d parties", key.Params, key.Noise, len(epoch.Members))
	}
	if milli > key.MaxLog2FailureMilli {
		return 0, types.ErrFailureTooLikely.Wrapf("2^(%d/1000), accepted are 2^(%d/1000)", milli, key.MaxLog2FailureMilli)
	}
	return milli, nil
}

// beginAttempt starts the next attempt with the active epoch, or leaves the key
// waiting for one until its deadline. With an epoch of too many parties for the
// noise that its requester accepts, the key fails; a new one is refused.
func (k Keeper) beginAttempt(ctx context.Context, params types.Params, key *types.Key) error {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	waiting := key.Status == types.KEY_STATUS_REQUESTED
	if !waiting {
		key.Deadline = height + int64(params.KeyDeadlineBlocks)
	}
	created := key.Status == types.KEY_STATUS_UNSPECIFIED
	earlier := *key
	key.Echoes, key.EchoDigest, key.Contributions, key.Without, key.Progress = nil, nil, nil, nil, nil
	epoch, err := k.parties.ActiveEpoch(ctx)
	if err != nil {
		key.Status, key.EpochId, key.Threshold = types.KEY_STATUS_REQUESTED, 0, 0
		next := min(height+epochPollBlocks, key.Deadline)
		if err := k.keyChecks.Set(ctx, collections.Join(uint64(next), key.Id)); err != nil {
			return err
		}
		if waiting {
			return k.Keys.Set(ctx, key.Id, *key)
		}
		return k.saveKey(ctx, *key)
	}
	key.Log2FailureMilli, err = k.failureMilli(*key, epoch)
	if err != nil {
		if created {
			return err
		}
		return k.failKey(ctx, *key, types.KEY_FAILURE_NOISE)
	}
	key.Status, key.EpochId, key.Threshold = types.KEY_STATUS_GENERATING, epoch.Id, threshold(epoch)
	key.Without = without(epoch, earlier)
	key.Attempt++
	key.StartedHeight, key.Deadline = height, height+int64(params.KeyDeadlineBlocks)
	if key.Simulated, err = k.standIns(ctx, standInsOf(key.Params), nil, epoch); err != nil {
		return err
	}
	if err := k.keyChecks.Set(ctx, collections.Join(uint64(key.Deadline), key.Id)); err != nil {
		return err
	}
	if err := k.OpenKeys.Set(ctx, collections.Join(key.EpochId, key.Id)); err != nil {
		return err
	}
	if err := k.addWork(ctx, func(w *types.Work) { w.KeyIds = append(w.KeyIds, key.Id) }); err != nil {
		return err
	}
	return k.saveKey(ctx, *key)
}

// without returns the members that take no part in the next attempt: those that are
// excluded, and those that earlier attempts in the epoch did without, as long as they are
// t together. Members that are silent in turns, and back in between, would keep a key
// from being generated else.
func without(epoch partiestypes.Epoch, earlier types.Key) []uint32 {
	out := epoch.Excluded()
	if earlier.EpochId != epoch.Id {
		return out
	}
	all := slices.Concat(out, earlier.Without)
	slices.Sort(all)
	if all = slices.Compact(all); len(all) <= int(epoch.T) {
		return all
	}
	return out
}

// saveKey stores a key whose status or attempt changed and says so.
func (k Keeper) saveKey(ctx context.Context, key types.Key) error {
	if err := k.Keys.Set(ctx, key.Id, key); err != nil {
		return err
	}
	return emit(ctx, &types.EventKeyStatus{
		KeyId: hexID(key.Id), HostChainId: key.HostChainId, Status: key.Status.String(), Attempt: key.Attempt, EpochId: key.EpochId,
		Failure: key.Failure.String(),
	})
}

// stopWork removes the key from the work of its epoch.
func (k Keeper) stopWork(ctx context.Context, key types.Key) error {
	if err := k.OpenKeys.Remove(ctx, collections.Join(key.EpochId, key.Id)); err != nil {
		return err
	}
	return k.keyChecks.Remove(ctx, collections.Join(uint64(key.Deadline), key.Id))
}

// endAttempt follows a failed attempt with the next, or gives the key up after
// the last one allowed.
func (k Keeper) endAttempt(ctx context.Context, params types.Params, key types.Key, why types.KeyFailure) error {
	if err := k.stopWork(ctx, key); err != nil {
		return err
	}
	if key.Attempt >= params.MaxKeyAttempts {
		return k.failKey(ctx, key, why)
	}
	key.Failure = why
	return k.beginAttempt(ctx, params, &key)
}

// restart follows an attempt whose epoch is over with one of the active epoch. No party
// is to blame, so that the number of attempts is no bound here.
func (k Keeper) restart(ctx context.Context, params types.Params, id []byte) error {
	key, err := k.key(ctx, id)
	if err != nil {
		return err
	}
	if err := k.stopWork(ctx, key); err != nil {
		return err
	}
	key.Failure = types.KEY_FAILURE_EPOCH_OVER
	return k.beginAttempt(ctx, params, &key)
}

// endIfInterrupted ends the attempt if a member that it began with is excluded now.
func (k Keeper) endIfInterrupted(ctx context.Context, params types.Params, id []byte) error {
	key, err := k.key(ctx, id)
	if err != nil {
		return err
	}
	epoch, err := k.parties.EpochByID(ctx, key.EpochId)
	if err != nil {
		return err
	}
	for _, index := range epoch.Excluded() {
		if !slices.Contains(key.Without, index) {
			return k.endAttempt(ctx, params, key, types.KEY_FAILURE_MEMBER_EXCLUDED)
		}
	}
	return nil
}

// failKey returns the fee; the host chain may be given another key.
func (k Keeper) failKey(ctx context.Context, key types.Key, why types.KeyFailure) error {
	if err := k.release(ctx, key.Requester, key.Fee); err != nil {
		return err
	}
	key.Status, key.Failure = types.KEY_STATUS_FAILED, why
	key.ClosedHeight = sdk.UnwrapSDKContext(ctx).BlockHeight()
	if err := k.unbind(ctx, key); err != nil {
		return err
	}
	return k.saveKey(ctx, key)
}

// unbind frees the host chain of a key that it will not use.
func (k Keeper) unbind(ctx context.Context, key types.Key) error {
	held, err := orZero(k.HostKeys.Get(ctx, key.HostChainId))
	if err != nil || !slices.Equal(held, key.Id) {
		return err
	}
	return k.HostKeys.Remove(ctx, key.HostChainId)
}

// checkKey looks at a key whose deadline, or next look for an epoch, has come.
func (k Keeper) checkKey(ctx context.Context, params types.Params, key types.Key) error {
	due := sdk.UnwrapSDKContext(ctx).BlockHeight() >= key.Deadline
	switch key.Status {
	case types.KEY_STATUS_REQUESTED:
		if due {
			return k.failKey(ctx, key, types.KEY_FAILURE_NO_EPOCH)
		}
		return k.beginAttempt(ctx, params, &key)
	case types.KEY_STATUS_GENERATING:
		if due {
			return k.endAttempt(ctx, params, key, types.KEY_FAILURE_DEADLINE)
		}
	}
	return nil
}

// RetireKey withdraws an active key or gives up one that is being generated.
// Requests that are open stay open: they were authorized.
func (k Keeper) RetireKey(ctx context.Context, msg *types.MsgRetireKey) error {
	if err := k.authorize(msg.Authority); err != nil {
		return err
	}
	key, err := k.key(ctx, msg.KeyId)
	if err != nil {
		return err
	}
	switch key.Status {
	case types.KEY_STATUS_REQUESTED:
		return k.failKey(ctx, key, types.KEY_FAILURE_WITHDRAWN)
	case types.KEY_STATUS_GENERATING:
		if err := k.stopWork(ctx, key); err != nil {
			return err
		}
		return k.failKey(ctx, key, types.KEY_FAILURE_WITHDRAWN)
	case types.KEY_STATUS_ACTIVE:
		key.Status = types.KEY_STATUS_RETIRED
		key.ClosedHeight = sdk.UnwrapSDKContext(ctx).BlockHeight()
		if err := k.heldKeys.Remove(ctx, collections.Join(key.EpochId, key.Id)); err != nil {
			return err
		}
		if err := k.unbind(ctx, key); err != nil {
			return err
		}
		return k.saveKey(ctx, key)
	}
	return types.ErrClosed.Wrap(key.Status.String())
}
