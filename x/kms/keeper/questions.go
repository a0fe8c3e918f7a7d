package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// question is a request as it was asked, of either kind. All that needs no state was
// checked when it was made.
type question struct {
	kind        types.RequestKind
	requester   sdk.AccAddress
	hostChainID uint64
	keyID       [types.IDSize]byte
	batch       []handles.Handle
	// claimed is empty or one digest a handle.
	claimed [][types.DigestSize]byte
	proof   acltypes.DecryptionProof
	maxFee  uint64
	// user is nil if the plaintexts are for everybody.
	user *userQuestion
}

// RequestPublicDecryption records a request for plaintexts that a host chain made
// public, or finds the one that is recorded: see take.
func (k Keeper) RequestPublicDecryption(ctx context.Context, msg *types.MsgRequestPublicDecryption) (id []byte, created bool, err error) {
	q, err := newQuestion(msg.Requester, msg.HostChainId, msg.KeyId, msg.Handles, msg.Digests)
	if err != nil {
		return nil, false, err
	}
	q.kind, q.proof, q.maxFee = types.REQUEST_KIND_PUBLIC_DECRYPTION, msg.Proof, msg.MaxFee
	return k.take(ctx, q)
}

// newQuestion checks what both kinds of requests have.
func newQuestion(requester string, hostChainID uint64, keyID []byte, batch, digests [][]byte) (q question, err error) {
	q.hostChainID = hostChainID
	if q.requester, err = sdk.AccAddressFromBech32(requester); err != nil {
		return q, types.ErrMalformed.Wrap("requester is no account")
	}
	if len(keyID) != types.IDSize {
		return q, types.ErrMalformed.Wrapf("a key id has %d bytes", types.IDSize)
	}
	q.keyID = [types.IDSize]byte(keyID)
	if len(batch) > types.MaxHandles {
		return q, types.ErrTooManyHandles.Wrapf("%d, at most %d", len(batch), types.MaxHandles)
	}
	if q.batch, err = handles.ParseBatch(hostChainID, batch); err != nil {
		return q, types.ErrInvalidHandle.Wrap(err.Error())
	}
	if len(digests) != 0 && len(digests) != len(batch) {
		return q, types.ErrMalformed.Wrap("digests: none, or one a handle")
	}
	for _, digest := range digests {
		if len(digest) != types.DigestSize {
			return q, types.ErrMalformed.Wrapf("a digest has %d bytes", types.DigestSize)
		}
		q.claimed = append(q.claimed, [types.DigestSize]byte(digest))
	}
	return q, nil
}

// identify returns the id of the request.
func (q question) identify(host acltypes.HostChain) ([]byte, error) {
	if q.user != nil {
		return q.identifyUser(host)
	}
	id := handles.RequestID(q.hostChainID, handles.KindPublicDecryption, q.keyID, q.batch)
	return id[:], nil
}

func (q question) paused(params types.Params) bool {
	if q.user != nil {
		return params.PauseUserDecryption
	}
	return params.PausePublicDecryption
}

// checkLimits applies the host chain's limits on one request.
func (q question) checkLimits(limits acltypes.Limits, epoch partiestypes.Epoch) error {
	if count := len(q.batch); uint64(count) > uint64(limits.MaxHandlesPerRequest) {
		return types.ErrTooManyHandles.Wrapf("%d, at most %d", count, limits.MaxHandlesPerRequest)
	}
	if blocks := handles.Blocks(q.batch); blocks > uint64(limits.MaxBlocksPerRequest) {
		return types.ErrTooManyBlocks.Wrapf("%d, at most %d", blocks, limits.MaxBlocksPerRequest)
	}
	if q.user != nil {
		return q.checkUserLimits(limits, epoch)
	}
	return nil
}

func (q question) price(fees acltypes.Fees) (uint64, error) {
	perBlock := fees.PublicDecryptionPerBlock
	if q.user != nil {
		perBlock = fees.UserDecryptionPerBlock
	}
	return price(fees.PerRequest, perBlock, handles.Blocks(q.batch))
}

// wanted returns the handles as x/acl takes them.
func (q question) wanted() [][handles.Size]byte {
	list := make([][handles.Size]byte, len(q.batch))
	for i, h := range q.batch {
		list[i] = h
	}
	return list
}
