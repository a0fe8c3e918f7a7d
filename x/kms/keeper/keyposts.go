package keeper

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// CommitKeyEcho records a party's digest of the offline stage. Its first word
// stands: a second digest is refused, as a party that says two things is no witness.
func (k Keeper) CommitKeyEcho(ctx context.Context, msg *types.MsgCommitKeyEcho) error {
	if len(msg.Digest) != types.DigestSize {
		return types.ErrMalformed.Wrapf("a digest has %d bytes", types.DigestSize)
	}
	key, index, party, err := k.keyPost(ctx, msg.KeyId, msg.Attempt, msg.Account)
	if err != nil {
		return err
	}
	if key.Status != types.KEY_STATUS_GENERATING {
		return types.ErrClosed.Wrap(key.Status.String())
	}
	at, in := slices.BinarySearchFunc(key.Echoes, index, func(e types.EchoCommitment, index uint32) int { return cmp.Compare(e.Index, index) })
	if in {
		return types.ErrDuplicate
	}
	key.Echoes = slices.Insert(key.Echoes, at, types.EchoCommitment{Index: index, Digest: msg.Digest})
	equal := 0
	for _, e := range key.Echoes {
		if bytes.Equal(e.Digest, msg.Digest) {
			equal++
		}
	}
	if len(key.EchoDigest) == 0 && equal >= int(key.Threshold) {
		key.EchoDigest = msg.Digest
		if err := emit(ctx, &types.EventKeyEchoAgreed{KeyId: hexID(key.Id), Attempt: key.Attempt, Digest: hexID(msg.Digest)}); err != nil {
			return err
		}
	}
	if err := k.parties.RecordContribution(ctx, party.Id); err != nil {
		return err
	}
	return k.Keys.Set(ctx, key.Id, key)
}

// PostKeyProgress records how far a party says it is, in place of what it said
// before. Nothing depends on it, so that it is worth no more than one write in
// progress_blocks blocks.
func (k Keeper) PostKeyProgress(ctx context.Context, msg *types.MsgPostKeyProgress) error {
	key, index, _, err := k.keyPost(ctx, msg.KeyId, msg.Attempt, msg.Account)
	if err != nil {
		return err
	}
	if key.Status != types.KEY_STATUS_GENERATING {
		return types.ErrClosed.Wrap(key.Status.String())
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	progress := types.KeyProgress{
		Index: index, Stage: msg.Stage, Done: msg.Done, Total: msg.Total, Height: sdk.UnwrapSDKContext(ctx).BlockHeight(),
	}
	if err := progress.Validate(); err != nil {
		return err
	}
	at, in := slices.BinarySearchFunc(key.Progress, index, func(p types.KeyProgress, index uint32) int { return cmp.Compare(p.Index, index) })
	switch {
	case !in:
		key.Progress = slices.Insert(key.Progress, at, progress)
	case progress.Height < key.Progress[at].Height+int64(params.ProgressBlocks):
		return types.ErrTooSoon.Wrapf("one in %d blocks", params.ProgressBlocks)
	default:
		key.Progress[at] = progress
	}
	if err := k.Keys.Set(ctx, key.Id, key); err != nil {
		return err
	}
	return emit(ctx, &types.EventKeyProgress{
		KeyId: hexID(key.Id), Attempt: key.Attempt, Index: index, Stage: msg.Stage.String(), Done: msg.Done, Total: msg.Total,
	})
}

// PostKey records a party's signed word on the generated material. 2t+1 equal
// ones, with a test decryption that succeeded, activate the key; when that has
// become impossible the attempt ends at once.
func (k Keeper) PostKey(ctx context.Context, msg *types.MsgPostKey) error {
	key, index, party, err := k.keyPost(ctx, msg.KeyId, msg.Attempt, msg.Account)
	if err != nil {
		return err
	}
	if err := msg.Material.Validate(key.Params); err != nil {
		return err
	}
	if len(key.EchoDigest) == 0 {
		return types.ErrNoEchoQuorum
	}
	at, in := slices.BinarySearchFunc(key.Contributions, index, func(c types.KeyContribution, index uint32) int { return cmp.Compare(c.Index, index) })
	if in {
		return types.ErrDuplicate
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	sdkCtx.GasMeter().ConsumeGas(gasPerSignature, "key signature")
	digest := eip712.KeyGeneration(sdkCtx.ChainID(), key.SignedKey(msg.Material))
	if err := eip712.Verify(digest, msg.Signature, [20]byte(party.SigningAddress)); err != nil {
		return types.ErrInvalidSignature.Wrap(err.Error())
	}
	key.Contributions = slices.Insert(key.Contributions, at, types.KeyContribution{
		Index: index, Material: msg.Material, Signature: msg.Signature, VaultUrl: party.VaultUrl, Height: sdkCtx.BlockHeight(),
	})
	if err := k.parties.RecordContribution(ctx, party.Id); err != nil {
		return err
	}
	if key.Status == types.KEY_STATUS_GENERATING {
		return k.tallyKey(ctx, key)
	}
	return k.Keys.Set(ctx, key.Id, key)
}

// keyPost finds the key and the party that a message about a generation means. A
// key that is active takes further words until it is paid for.
func (k Keeper) keyPost(ctx context.Context, id []byte, attempt uint32, account string) (types.Key, uint32, partiestypes.Party, error) {
	var none partiestypes.Party
	params, err := k.Params.Get(ctx)
	if err != nil {
		return types.Key{}, 0, none, err
	}
	if params.PauseKeyPosts {
		return types.Key{}, 0, none, types.ErrPaused
	}
	key, err := k.key(ctx, id)
	if err != nil {
		return key, 0, none, err
	}
	open := key.Status == types.KEY_STATUS_GENERATING && sdk.UnwrapSDKContext(ctx).BlockHeight() <= key.Deadline ||
		key.Status == types.KEY_STATUS_ACTIVE && key.PaidHeight == 0
	if !open {
		return key, 0, none, types.ErrClosed.Wrap(key.Status.String())
	}
	if attempt != key.Attempt {
		return key, 0, none, types.ErrWrongAttempt.Wrapf("%d", key.Attempt)
	}
	index, party, err := k.member(ctx, key.Generator(), account)
	return key, index, party, err
}

// tallyKey activates the key, ends the attempt, or waits for more.
func (k Keeper) tallyKey(ctx context.Context, key types.Key) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	best, most := -1, 0
	for i, c := range key.Contributions {
		if !c.Material.TestDecryptionOk {
			continue
		}
		if count := len(agreeingOn(key, c.Material)); count > most {
			best, most = i, count
		}
	}
	if most >= int(key.Threshold) {
		return k.activate(ctx, params, key, key.Contributions[best].Material)
	}
	epoch, err := k.parties.EpochByID(ctx, key.EpochId)
	if err != nil {
		return err
	}
	if missing := len(epoch.Members) - len(key.Contributions); most+missing < int(key.Threshold) {
		return k.endAttempt(ctx, params, key, types.KEY_FAILURE_DISAGREEMENT)
	}
	return k.Keys.Set(ctx, key.Id, key)
}

// agreeingOn returns the indices of the parties that posted this material, ascending.
func agreeingOn(key types.Key, material types.KeyMaterial) []uint32 {
	var indices []uint32
	for _, c := range key.Contributions {
		if c.Material.Equal(material) {
			indices = append(indices, c.Index)
		}
	}
	return indices
}

// activate opens the key for requests and makes it the host chain's.
func (k Keeper) activate(ctx context.Context, params types.Params, key types.Key, material types.KeyMaterial) error {
	if err := k.stopWork(ctx, key); err != nil {
		return err
	}
	key.Status = types.KEY_STATUS_ACTIVE
	key.Progress = nil
	key.Material = &material
	key.ActiveHeight = sdk.UnwrapSDKContext(ctx).BlockHeight()
	if err := k.HostKeys.Set(ctx, key.HostChainId, key.Id); err != nil {
		return err
	}
	if err := k.heldKeys.Set(ctx, collections.Join(key.EpochId, key.Id)); err != nil {
		return err
	}
	if err := k.keyPayouts.Set(ctx, collections.Join(heightOf(ctx)+uint64(params.PayoutDelayBlocks), key.Id)); err != nil {
		return err
	}
	return k.saveKey(ctx, key)
}

// payKey splits a key's fee among all that posted its material.
func (k Keeper) payKey(ctx context.Context, key types.Key) error {
	indices := agreeingOn(key, *key.Material)
	if err := k.split(ctx, key.Generator(), key.Fee, indices); err != nil {
		return err
	}
	key.PaidHeight = sdk.UnwrapSDKContext(ctx).BlockHeight()
	if err := k.Keys.Set(ctx, key.Id, key); err != nil {
		return err
	}
	return emit(ctx, &types.EventKeyPaid{KeyId: hexID(key.Id), Fee: key.Fee, Indices: indices})
}
