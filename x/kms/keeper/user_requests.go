package keeper

import (
	"context"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// userQuestion is what a user decryption has besides.
type userQuestion struct {
	authorization types.UserAuthorization
	user          [types.AddressSize]byte
	delegator     *[types.AddressSize]byte
	// contracts, one a handle.
	contracts [][types.AddressSize]byte
	// digest is what the user signs; known once the host chain is.
	digest [32]byte
}

// RequestUserDecryption records a request for shares that only a user can open, or
// finds the one that is recorded: see take. The user's signature, if there is one, is
// checked in both cases. Who leaves it out finds a record all the same, since records
// are public and nothing more is said, but a new one needs her approval in the
// storage of her wallet.
func (k Keeper) RequestUserDecryption(ctx context.Context, msg *types.MsgRequestUserDecryption) (id []byte, created bool, err error) {
	if len(msg.Handles) > types.MaxHandles {
		return nil, false, types.ErrTooManyHandles.Wrapf("%d, at most %d", len(msg.Handles), types.MaxHandles)
	}
	batch := make([][]byte, len(msg.Handles))
	for i, h := range msg.Handles {
		batch[i] = h.Handle
	}
	q, err := newQuestion(msg.Requester, msg.HostChainId, msg.KeyId, batch, msg.Digests)
	if err != nil {
		return nil, false, err
	}
	if q.user, err = newUserQuestion(msg); err != nil {
		return nil, false, err
	}
	q.kind, q.proof, q.maxFee = types.REQUEST_KIND_USER_DECRYPTION, msg.Proof, msg.MaxFee
	return k.take(ctx, q)
}

func newUserQuestion(msg *types.MsgRequestUserDecryption) (*userQuestion, error) {
	u := &userQuestion{authorization: msg.Authorization}
	if err := u.authorization.Validate(); err != nil {
		return nil, err
	}
	var err error
	if u.user, err = u.authorization.UserAddress(); err != nil {
		return nil, err
	}
	if u.delegator, err = u.authorization.DelegatorAddress(); err != nil {
		return nil, err
	}
	for _, h := range msg.Handles {
		if err := u.authorization.CheckContract(h.Contract); err != nil {
			return nil, err
		}
		u.contracts = append(u.contracts, [types.AddressSize]byte(h.Contract))
	}
	return u, nil
}

// identifyUser notes what the user signs on the host chain and returns the id, which
// depends on it.
func (q question) identifyUser(host acltypes.HostChain) ([]byte, error) {
	var err error
	if q.user.digest, err = q.user.authorization.Digest(host.Id, host.VerifierDomain); err != nil {
		return nil, err
	}
	id := handles.UserRequestID(q.hostChainID, q.keyID, q.batch, q.user.contracts, q.user.user, q.user.digest)
	return id[:], nil
}

// checkTime refuses a user's request outside the time for which she authorized it,
// and any on a host chain that has no user decryption.
func (q question) checkTime(ctx context.Context, host acltypes.HostChain) error {
	if q.user == nil {
		return nil
	}
	if host.Limits.MaxUserDecryptionBits == 0 {
		return types.ErrNoUserDecryption.Wrapf("%d", host.Id)
	}
	now := sdk.UnwrapSDKContext(ctx).BlockTime().Unix()
	return q.user.authorization.CheckWindow(uint64(max(now, 0)), host.Freshness.MaxAheadSeconds)
}

// checkUserLimits refuses what clients could not read and parties not post.
func (q question) checkUserLimits(limits acltypes.Limits, epoch partiestypes.Epoch) error {
	if bits := handles.Bits(q.batch); bits > uint64(limits.MaxUserDecryptionBits) {
		return types.ErrTooManyBits.Wrapf("%d, at most %d", bits, limits.MaxUserDecryptionBits)
	}
	// Clients know the number of signers only, and take the degree of sharings from it.
	// Where randomness is dealt there is none for the masks of shares.
	if n := len(epoch.Members); n > reencrypt.MaxParties || int(epoch.T) != (n-1)/3 || epoch.Dealt {
		return types.ErrCommitteeTooLarge.Wrapf("%d members, %d of them corrupt at most", n, epoch.T)
	}
	size, err := types.ShareSize(q.batch, epoch.T)
	if err != nil {
		return types.ErrCommitteeTooLarge.Wrap(err.Error())
	}
	if size > types.MaxShareSize {
		return types.ErrTooManyHandles.Wrapf("a share would have %d bytes, at most %d", size, types.MaxShareSize)
	}
	return nil
}

// checkSignature refuses a signature that is not the user's. Without one her
// approval is x/acl's to find: see access.
func (q question) checkSignature(ctx context.Context) error {
	if q.user == nil || len(q.user.authorization.Signature) == 0 {
		return nil
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerSignature, "user signature")
	return q.user.authorization.CheckSignature(q.user.digest)
}

// access is what the host chain's ACL must permit.
func (q question) access() acltypes.UserAccess {
	access := acltypes.UserAccess{
		Handles: q.wanted(), Contracts: q.user.contracts, User: q.user.user, Delegator: q.user.delegator, Claimed: q.claimed,
	}
	if len(q.user.authorization.Signature) == 0 {
		access.Approval = &q.user.digest
	}
	return access
}

// describe adds to a record what a user's request has besides.
func (q question) describe(r *types.Request) {
	if q.user == nil {
		return
	}
	r.AuthorizedBy = &q.user.authorization
	for i := range r.Ciphertexts {
		r.Ciphertexts[i].Contract = slices.Clone(q.user.contracts[i][:])
	}
}
