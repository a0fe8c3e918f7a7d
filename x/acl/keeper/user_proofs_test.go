package keeper_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/slots"
	"github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/acl/wallets"
)

// Accounts on the host chain.
var (
	carol = common.HexToAddress("0xca401")
	dave  = common.HexToAddress("0xda7e")
	token = common.HexToAddress("0x70ce9")
	vault = common.HexToAddress("0x7a017")
	// message is the digest that wallets approve.
	message = crypto.Keccak256Hash([]byte("an authorization"))
)

// newUserFixture has handle one allowed to carol and the token, handle two to carol and the vault, and both
// delegated to dave for an hour; dave's account is a wallet that approved the message.
func newUserFixture(t testing.TB) *fixture {
	f := newFixture(t)
	f.chain.Grant(f.one, carol, token)
	f.chain.Grant(f.two, carol, vault)
	for _, contract := range []common.Address{token, vault} {
		f.chain.Delegate(carol, dave, contract, slots.Delegation{Expires: now + 3600, LastBlock: 3, Counter: 1})
	}
	f.chain.Deploy(dave, walletCode)
	approval, err := wallets.Slots(wallets.SafeSignedMessage, f.chain.ID, dave, message)
	require.NoError(t, err)
	f.chain.Set(dave, approval[0], common.BytesToHash(safe[:]))
	f.chain.Set(dave, approval[1], common.Hash{31: 1})
	return f
}

// change has governance replace the record.
func (f *fixture) change(change func(record *types.HostChain)) {
	f.t.Helper()
	record := f.stored()
	change(&record)
	_, err := f.msgs.UpdateHostChain(f.ctx, &types.MsgUpdateHostChain{Authority: governance, HostChain: record})
	require.NoError(f.t, err)
}

// reading is carol's own access to both handles.
func (f *fixture) reading() types.UserAccess {
	return types.UserAccess{Handles: words(f.one, f.two), Contracts: [][20]byte{token, vault}, User: carol}
}

// delegated is dave's access to carol's handles, by a signature.
func (f *fixture) delegated() types.UserAccess {
	access := f.reading()
	delegator := [20]byte(carol)
	access.User, access.Delegator = dave, &delegator
	return access
}

// approved is dave's access to carol's handles, by an approval of his wallet.
func (f *fixture) approved() types.UserAccess {
	access := f.delegated()
	digest := [32]byte(message)
	access.Approval = &digest
	return access
}

// shown is a proof of an access under a header of this moment.
func (f *fixture) shown(access types.UserAccess) types.DecryptionProof {
	return f.chain.UserProof(f.chain.Sealed(20, now), access)
}

func TestAUserReadsWhatIsAllowedToHerAndToTheContract(t *testing.T) {
	f := newUserFixture(t)
	for name, access := range map[string]types.UserAccess{
		"her own": f.reading(), "delegated": f.delegated(), "approved by a wallet": f.approved(),
	} {
		proof := f.shown(access)
		verified, err := f.keeper.VerifyUserDecryption(f.ctx, 31337, proof, access)
		require.NoError(t, err, name)
		header, err := qbft.DecodeHeader(proof.Header)
		require.NoError(t, err)
		require.Equal(t, types.Verified{
			HeaderHash: header.BlockHash(), Height: 20, Timestamp: now, Digests: words(digestOf("one"), digestOf("two")),
		}, verified, name)

		access.Claimed = words(digestOf("one"), digestOf("two"))
		_, err = f.keeper.VerifyUserDecryption(f.ctx, 31337, proof, access)
		require.NoError(t, err, "%s, with the right digests claimed", name)
	}
}

func TestADelegationForOneContractIsShownOnce(t *testing.T) {
	f := newUserFixture(t)
	f.chain.Grant(f.two, token)
	access := f.delegated()
	access.Contracts = [][20]byte{token, token}
	proof := f.shown(access)
	require.Len(t, proof.Acl.Storage, 5)
	_, err := f.keeper.VerifyUserDecryption(f.ctx, 31337, proof, access)
	require.NoError(t, err)
	proof.Acl.Storage = append(proof.Acl.Storage, proof.Acl.Storage[4])
	_, err = f.keeper.VerifyUserDecryption(f.ctx, 31337, proof, access)
	require.ErrorIs(t, err, types.ErrMalformedProof)
}

// userAttack changes what would pass: the state that is proven, what is asked, or the proof of it.
type userAttack struct {
	name string
	// base is what is asked before the change; carol's own reading if nil.
	base   func(f *fixture) types.UserAccess
	state  func(f *fixture)
	access func(f *fixture, a *types.UserAccess)
	proof  func(f *fixture, p *types.DecryptionProof)
	want   error
}

func (a userAttack) run(t *testing.T) {
	f := newUserFixture(t)
	base := f.reading
	if a.base != nil {
		base = func() types.UserAccess { return a.base(f) }
	}
	if a.state != nil {
		a.state(f)
	}
	access := base()
	proof := f.shown(access)
	if a.access != nil {
		a.access(f, &access)
	}
	if len(access.Contracts) == len(access.Handles) {
		proof = f.shown(access)
	}
	if a.proof != nil {
		a.proof(f, &proof)
	}
	before := f.state()
	verified, err := f.keeper.VerifyUserDecryption(f.ctx, 31337, proof, access)
	require.ErrorIs(t, err, a.want)
	require.Zero(t, verified)
	require.Equal(t, before, f.state())
}

func TestWhatTheACLDoesNotAllowTheUserIsRefused(t *testing.T) {
	for _, attack := range []userAttack{
		{name: "no handles", access: func(_ *fixture, a *types.UserAccess) { a.Handles, a.Contracts = nil, nil }, want: types.ErrMalformedProof},
		{name: "a handle twice", access: func(f *fixture, a *types.UserAccess) { a.Handles[1] = f.one }, want: types.ErrMalformedProof},
		{name: "more handles than allowed", access: func(f *fixture, a *types.UserAccess) {
			for i := range uint64(7) {
				a.Handles, a.Contracts = append(a.Handles, f.chain.Handle(50+i, 5)), append(a.Contracts, token)
			}
		}, want: types.ErrMalformedProof},
		{name: "a contract too few", access: func(_ *fixture, a *types.UserAccess) { a.Contracts = a.Contracts[:1] }, want: types.ErrMalformedProof},
		{name: "a digest too few", access: func(_ *fixture, a *types.UserAccess) { a.Claimed = words(digestOf("one")) }, want: types.ErrMalformedProof},
		{name: "a handle of another chain", access: func(_ *fixture, a *types.UserAccess) { a.Handles[1][29]++ }, want: types.ErrForeignHandle},
		{name: "an unknown handle version", access: func(_ *fixture, a *types.UserAccess) { a.Handles[1][31] = 1 }, want: types.ErrUnknownHandleVersion},
		{name: "the user herself for a contract", access: func(_ *fixture, a *types.UserAccess) { a.Contracts[1] = carol }, want: types.ErrContractIsOwner},
		{name: "another user", access: func(_ *fixture, a *types.UserAccess) { a.User = dave }, want: types.ErrOwnerNotAllowed},
		{name: "another contract", access: func(_ *fixture, a *types.UserAccess) { a.Contracts[1] = token }, want: types.ErrContractNotAllowed},
		{name: "contracts in another order", access: func(_ *fixture, a *types.UserAccess) { slices.Reverse(a.Contracts) }, want: types.ErrContractNotAllowed},
		{name: "public, but not hers", access: func(f *fixture, a *types.UserAccess) {
			f.chain.Allow(f.two)
			a.User = token
		}, want: types.ErrContractIsOwner},
		{name: "a permission that is no boolean", state: func(f *fixture) {
			f.chain.Set(f.chain.ACL, acltest.Layout().Persisted(f.two, carol), common.Hash{31: 2})
		}, want: types.ErrBadStorageProof},
		{name: "no ciphertext registered", state: func(f *fixture) { f.chain.Bind(f.two, common.Hash{}) }, want: types.ErrNoDigest},
		{name: "another ciphertext claimed", access: func(_ *fixture, a *types.UserAccess) {
			a.Claimed = words(digestOf("one"), digestOf("one"))
		}, want: types.ErrDigestMismatch},
		{name: "leave for the public instead", proof: func(f *fixture, p *types.DecryptionProof) {
			*p = f.fresh(20, f.one, f.two)
		}, want: types.ErrMalformedProof},
		{name: "a storage proof too few", proof: func(_ *fixture, p *types.DecryptionProof) { p.Acl.Storage = p.Acl.Storage[:3] }, want: types.ErrMalformedProof},
		{name: "a storage proof too many", proof: func(_ *fixture, p *types.DecryptionProof) {
			p.Acl.Storage = append(p.Acl.Storage, types.StorageProof{})
		}, want: types.ErrMalformedProof},
		{name: "no digest shown", proof: func(_ *fixture, p *types.DecryptionProof) { p.Registry.Storage = nil }, want: types.ErrMalformedProof},
		{name: "slots in another order", proof: func(_ *fixture, p *types.DecryptionProof) {
			p.Acl.Storage[0], p.Acl.Storage[1] = p.Acl.Storage[1], p.Acl.Storage[0]
		}, want: types.ErrBadStorageProof},
		{name: "handles in another order", proof: func(_ *fixture, p *types.DecryptionProof) { slices.Reverse(p.Acl.Storage) }, want: types.ErrBadStorageProof},
		{name: "another user's slot", proof: func(f *fixture, p *types.DecryptionProof) {
			f.chain.Grant(f.one, dave)
			other := f.reading()
			other.User = dave
			*p = f.shown(other)
		}, want: types.ErrBadStorageProof},
		{name: "an unused node", proof: func(_ *fixture, p *types.DecryptionProof) {
			p.Acl.Storage[3].Nodes = append(p.Acl.Storage[3].Nodes, []byte{0xc0})
		}, want: types.ErrMalformedProof},
		{name: "a tampered node", proof: func(_ *fixture, p *types.DecryptionProof) { flip(p.Acl.Storage[3].Nodes) }, want: types.ErrBadStorageProof},
		{name: "an old header", proof: func(f *fixture, p *types.DecryptionProof) { p.Header = f.chain.Sealed(20, now-61) }, want: types.ErrStaleHeader},
		{name: "a wallet where no approval is asked for", proof: func(f *fixture, p *types.DecryptionProof) {
			p.Wallet = f.shown(f.approved()).Wallet
		}, want: types.ErrMalformedProof},
	} {
		t.Run(attack.name, attack.run)
	}
}

func TestADelegationThatDoesNotHoldIsRefused(t *testing.T) {
	delegate := func(contract common.Address, d slots.Delegation) func(f *fixture) {
		return func(f *fixture) { f.chain.Delegate(carol, dave, contract, d) }
	}
	delegated := (*fixture).delegated
	for _, attack := range []userAttack{
		{name: "no delegation", state: delegate(vault, slots.Delegation{}), want: types.ErrNoDelegation},
		{name: "a revoked one", state: delegate(vault, slots.Delegation{LastBlock: 9, Counter: 2}), want: types.ErrDelegationRevoked},
		{name: "one that expired a second ago", state: delegate(vault, slots.Delegation{Expires: now - 1, Counter: 1}), want: types.ErrDelegationExpired},
		{name: "one that is no delegation", state: func(f *fixture) {
			f.chain.Set(f.chain.ACL, acltest.Layout().Delegation(carol, dave, vault), common.Hash{0: 1, 31: 255})
		}, want: types.ErrBadStorageProof},
		{name: "to another delegate", access: func(_ *fixture, a *types.UserAccess) { a.User = common.Address{1} }, want: types.ErrNoDelegation},
		{name: "of another delegator", access: func(_ *fixture, a *types.UserAccess) { a.Delegator = &[20]byte{1} }, want: types.ErrOwnerNotAllowed},
		{name: "the delegator for a contract", access: func(_ *fixture, a *types.UserAccess) { a.Contracts[1] = carol }, want: types.ErrContractIsOwner},
		{name: "for another contract", state: func(f *fixture) { f.chain.Grant(f.two, common.Address{7}) },
			access: func(_ *fixture, a *types.UserAccess) { a.Contracts[1] = common.Address{7} }, want: types.ErrNoDelegation},
		{name: "the other way round", access: func(_ *fixture, a *types.UserAccess) {
			a.User, a.Delegator = carol, (*[20]byte)(&dave)
		}, want: types.ErrOwnerNotAllowed},
		{name: "the owner is not allowed", state: func(f *fixture) {
			f.chain.Set(f.chain.ACL, acltest.Layout().Persisted(f.one, carol), common.Hash{})
		}, want: types.ErrOwnerNotAllowed},
		{name: "a header too old for delegations", proof: func(f *fixture, p *types.DecryptionProof) {
			p.Header = f.chain.Sealed(20, now-31)
		}, want: types.ErrStaleDelegation},
		{name: "delegations not shown", proof: func(f *fixture, p *types.DecryptionProof) { *p = f.shown(f.reading()) }, want: types.ErrMalformedProof},
		{name: "delegations in another order", proof: func(_ *fixture, p *types.DecryptionProof) { slices.Reverse(p.Acl.Storage[4:]) }, want: types.ErrBadStorageProof},
		{name: "switched off", state: func(f *fixture) {
			f.change(func(record *types.HostChain) { record.Freshness.DelegationMaxAgeSeconds = 0 })
		}, want: types.ErrDelegationOff},
	} {
		attack.base = delegated
		t.Run(attack.name, attack.run)
	}
}

func TestADelegationMustHoldAtTheHeaderAndAtBlockTime(t *testing.T) {
	f := newUserFixture(t)
	access := f.delegated()
	for _, test := range []struct {
		expires, header uint64
		want            error
	}{
		{now, now, nil},
		{now, now - 30, nil},
		{now - 1, now - 30, types.ErrDelegationExpired},
		{now, now + 1, types.ErrDelegationExpired},
		{now + 5, now + 5, nil},
		{now + 5, now - 31, types.ErrStaleDelegation},
	} {
		f.chain.Delegate(carol, dave, token, slots.Delegation{Expires: test.expires, Counter: 1})
		ctx, _ := f.ctx.CacheContext()
		_, err := f.keeper.VerifyUserDecryption(ctx, 31337, f.chain.UserProof(f.chain.Sealed(20, test.header), access), access)
		require.ErrorIs(t, err, test.want, "expires %d, header %d", int(test.expires)-now, int(test.header)-now)
	}
	own := f.reading()
	_, err := f.keeper.VerifyUserDecryption(f.ctx, 31337, f.chain.UserProof(f.chain.Sealed(20, now-60), own), own)
	require.NoError(t, err, "what cannot be taken back may be shown by an older header")
}

func TestAWalletThatDidNotApproveIsRefused(t *testing.T) {
	for _, attack := range []userAttack{
		{name: "another message", access: func(_ *fixture, a *types.UserAccess) { a.Approval = &[32]byte{1} }, want: types.ErrNotApproved},
		{name: "another implementation", state: func(f *fixture) { f.chain.Set(dave, common.Hash{}, common.Hash{31: 1}) }, want: types.ErrUnknownWallet},
		{name: "an implementation that is no address", state: func(f *fixture) {
			word := common.BytesToHash(safe[:])
			word[0] = 1
			f.chain.Set(dave, common.Hash{}, word)
		}, want: types.ErrUnknownWallet},
		{name: "other code", state: func(f *fixture) { f.chain.Deploy(dave, []byte("code of another wallet")) }, want: types.ErrUnknownWallet},
		{name: "no rule for it", state: func(f *fixture) {
			f.change(func(record *types.HostChain) { record.Wallets[0].CodeHash[0]++ })
		}, want: types.ErrUnknownWallet},
		{name: "no rule for any", state: func(f *fixture) {
			f.change(func(record *types.HostChain) { record.Wallets = nil })
		}, want: types.ErrUnknownWallet},
		{name: "not shown", proof: func(_ *fixture, p *types.DecryptionProof) { p.Wallet = nil }, want: types.ErrNotApproved},
		{name: "a slot too few", proof: func(_ *fixture, p *types.DecryptionProof) { p.Wallet.Storage = p.Wallet.Storage[:1] }, want: types.ErrMalformedProof},
		{name: "a slot too many", proof: func(_ *fixture, p *types.DecryptionProof) {
			p.Wallet.Storage = append(p.Wallet.Storage, p.Wallet.Storage[0])
		}, want: types.ErrMalformedProof},
		{name: "slots in another order", proof: func(_ *fixture, p *types.DecryptionProof) { slices.Reverse(p.Wallet.Storage) }, want: types.ErrBadStorageProof},
		{name: "a tampered account", proof: func(_ *fixture, p *types.DecryptionProof) { flip(p.Wallet.AccountNodes) }, want: types.ErrBadAccountProof},
		{name: "another contract's account", proof: func(_ *fixture, p *types.DecryptionProof) { p.Wallet.AccountNodes = p.Acl.AccountNodes }, want: types.ErrBadAccountProof},
	} {
		attack.base = (*fixture).approved
		t.Run(attack.name, attack.run)
	}
}

func TestAnAccountWithoutCodeIsNoWallet(t *testing.T) {
	f := newUserFixture(t)
	own, access := f.reading(), f.approved()
	access.Delegator, access.User = nil, carol
	proof := f.shown(own)
	proof.Wallet = &types.AccountProof{AccountNodes: f.chain.AccountProof(carol)}
	_, err := f.keeper.VerifyUserDecryption(f.ctx, 31337, proof, access)
	require.ErrorIs(t, err, types.ErrBadAccountProof, "carol has no account at all")

	f.chain.Deploy(carol, nil)
	proof = f.shown(own)
	proof.Wallet = &types.AccountProof{AccountNodes: f.chain.AccountProof(carol)}
	_, err = f.keeper.VerifyUserDecryption(f.ctx, 31337, proof, access)
	require.ErrorIs(t, err, types.ErrUnknownWallet)
}

func TestAPausedOrFrozenHostChainServesNoUser(t *testing.T) {
	f := newUserFixture(t)
	access := f.reading()
	_, err := f.keeper.VerifyUserDecryption(f.ctx, 1, f.shown(access), access)
	require.ErrorIs(t, err, types.ErrUnknownHostChain)
	_, err = f.msgs.SetHostChainPaused(f.ctx, &types.MsgSetHostChainPaused{Authority: governance, HostChainId: 31337, Paused: true})
	require.NoError(t, err)
	_, err = f.keeper.VerifyUserDecryption(f.ctx, 31337, f.shown(access), access)
	require.ErrorIs(t, err, types.ErrHostChainPaused)
	_, err = f.msgs.SubmitForkEvidence(f.ctx, &types.MsgSubmitForkEvidence{
		Sender: alice, HostChainId: 31337, HeaderA: f.chain.Sealed(20, now), HeaderB: f.chain.Sealed(20, now+1),
	})
	require.NoError(t, err)
	_, err = f.keeper.VerifyUserDecryption(f.ctx, 31337, f.shown(access), access)
	require.ErrorIs(t, err, types.ErrHostChainFrozen)
}

func TestADelegationShownInTimeGrowsStale(t *testing.T) {
	f := newUserFixture(t)
	access := f.delegated()
	proof := f.shown(access)
	_, err := f.keeper.VerifyUserDecryption(f.ctx, 31337, proof, access)
	require.NoError(t, err)
	_, err = f.keeper.VerifyUserDecryption(f.ctx.WithBlockTime(time.Unix(now+31, 0)), 31337, proof, access)
	require.ErrorIs(t, err, types.ErrStaleDelegation, "though its header is remembered")
}

func TestAWalletsNodesAreBoundedAndPaidForLikeOthers(t *testing.T) {
	f := newUserFixture(t)
	access := f.approved()
	proof := f.shown(access)
	size, nodes := len(proof.Header), 0
	for _, account := range []types.AccountProof{proof.Acl, proof.Registry, *proof.Wallet} {
		lists := [][][]byte{account.AccountNodes}
		for _, storage := range account.Storage {
			lists = append(lists, storage.Nodes)
		}
		for _, node := range slices.Concat(lists...) {
			size, nodes = size+len(node), nodes+1
		}
	}
	params := types.DefaultParams()
	params.GasPerSeal, params.GasPerProofNode, params.MaxProofBytes = 0, 1_000_000_000, uint32(size)
	require.NoError(t, f.keeper.Params.Set(f.ctx, params))
	verify := func(gas storetypes.Gas) error {
		_, err := f.keeper.VerifyUserDecryption(f.ctx.WithGasMeter(storetypes.NewGasMeter(gas)), 31337, proof, access)
		return err
	}
	price := storetypes.Gas(nodes) * params.GasPerProofNode
	require.NoError(t, verify(price+500_000_000))
	require.Panics(t, func() { _ = verify(price - 1) })

	params.MaxProofBytes--
	require.NoError(t, f.keeper.Params.Set(f.ctx, params))
	require.ErrorIs(t, verify(price+500_000_000), types.ErrMalformedProof)
}
