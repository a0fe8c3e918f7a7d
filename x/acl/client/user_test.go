package client_test

import (
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/acl/wallets"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// bob is whom nobody knows.
var bob = common.Address{0xb0, 0xb0}

// reads is what alice asks for: handles for the dApp.
func (f *fixture) reads(batch ...handles.Handle) acltypes.UserAccess {
	access := acltypes.UserAccess{User: f.Alice.Address()}
	for _, h := range batch {
		access.Handles, access.Contracts = append(access.Handles, h), append(access.Contracts, f.DApp())
	}
	return access
}

// private gives the dApp a value that alice may read.
func (f *fixture) private(ciphertext string) handles.Handle {
	f.Helper()
	handle := f.Submit(ciphertext, false)
	f.Allow(handle, f.Alice.Address())
	return handle
}

// named is how an error names a handle.
func named(h handles.Handle) string { return fmt.Sprintf("%X", h[:]) }

func TestEvidenceForAUserHasTwoPermissionsAHandle(t *testing.T) {
	f := setUp(t)
	access := f.reads(f.private("one"), f.private("two"))
	access.Claimed = [][32]byte{crypto.Keccak256Hash([]byte("one")), crypto.Keccak256Hash([]byte("two"))}
	evidence, err := f.node.GatherUser(f.Context, f.Record, access)
	require.NoError(t, err)
	require.Equal(t, f.Chain.Head().Number.Uint64(), evidence.Height)
	require.Equal(t, access.Claimed, evidence.Digests)
	require.Len(t, evidence.Proof.Acl.Storage, 4)
	require.Len(t, evidence.Proof.Registry.Storage, 2)
	require.Nil(t, evidence.Proof.Wallet)
}

func TestWhatTheACLDoesNotAllowIsNamed(t *testing.T) {
	f := setUp(t)
	mine, hers := f.private("mine"), f.Submit("not mine yet", false)
	unbound := mine
	unbound[0]++
	for name, c := range map[string]struct {
		change func(*acltypes.UserAccess)
		want   error
		names  string
	}{
		"a handle not allowed to the user":     {func(a *acltypes.UserAccess) { *a = f.reads(mine, hers) }, client.ErrOwnerNotAllowed, named(hers)},
		"another user":                         {func(a *acltypes.UserAccess) { a.User = bob }, client.ErrOwnerNotAllowed, named(mine)},
		"a handle not allowed to the contract": {func(a *acltypes.UserAccess) { a.Contracts[0] = bob }, client.ErrContractNotAllowed, named(mine)},
		"the owner as contract":                {func(a *acltypes.UserAccess) { a.Contracts[0] = a.User }, client.ErrContractNotAllowed, named(mine)},
		"no contract":                          {func(a *acltypes.UserAccess) { a.Contracts = nil }, client.ErrContractNotAllowed, "0 contracts"},
		"a handle that nobody has":             {func(a *acltypes.UserAccess) { *a = f.reads(unbound) }, client.ErrNotAllowed, named(unbound)},
		"another ciphertext":                   {func(a *acltypes.UserAccess) { a.Claimed = [][32]byte{{1}} }, client.ErrOtherDigest, named(mine)},
	} {
		t.Run(name, func(t *testing.T) {
			access := f.reads(mine)
			c.change(&access)
			_, err := f.node.GatherUser(f.Context, f.Record, access)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.names)
		})
	}
	stranger, err := f.Client.DeployRegistry(f.Context, f.Alice.Address())
	require.NoError(t, err)
	f.Record.Registry = acltypes.Contract{Address: stranger[:]}
	_, err = f.node.GatherUser(f.Context, f.Record, f.reads(mine))
	require.ErrorIs(t, err, client.ErrNoDigest)
}

func TestADelegateNeedsADelegationForEachContract(t *testing.T) {
	f := setUp(t)
	first, second := f.private("one"), f.private("two")
	carol := f.Account()
	f.Allow(second, carol.Address())
	delegator := [20]byte(f.Alice.Address())
	access := acltypes.UserAccess{
		User: bob, Delegator: &delegator, Handles: [][32]byte{first, second}, Contracts: [][20]byte{f.DApp(), carol.Address()},
	}
	_, err := f.node.GatherUser(f.Context, f.Record, access)
	require.ErrorIs(t, err, client.ErrNoDelegation)
	expires := f.Chain.Head().Time + 2*3600
	f.Delegate(f.Alice, bob, f.DApp(), expires)
	_, err = f.node.GatherUser(f.Context, f.Record, access)
	require.ErrorIs(t, err, client.ErrNoDelegation)
	require.ErrorContains(t, err, fmt.Sprintf("%X", carol.Address()), "the other contract's is there")
	f.Delegate(f.Alice, bob, carol.Address(), expires)
	evidence, err := f.node.GatherUser(f.Context, f.Record, access)
	require.NoError(t, err)
	require.Len(t, evidence.Proof.Acl.Storage, 6)

	f.Revoke(f.Alice, bob, f.DApp())
	_, err = f.node.GatherUser(f.Context, f.Record, access)
	require.ErrorIs(t, err, client.ErrNoDelegation)
	require.ErrorIs(t, err, client.ErrDelegation)
	require.ErrorIs(t, err, acltypes.ErrDelegationRevoked)

	f.Record.Freshness.DelegationMaxAgeSeconds = 0
	_, err = f.node.GatherUser(f.Context, f.Record, access)
	require.ErrorIs(t, err, client.ErrDelegationOff)
}

func TestADelegationHoldsUntilTheHeadIsPastItsEnd(t *testing.T) {
	f := setUp(t)
	handle := f.private("one")
	f.Delegate(f.Alice, bob, f.DApp(), f.Chain.Head().Time+2*3600)
	delegator := [20]byte(f.Alice.Address())
	access := acltypes.UserAccess{User: bob, Delegator: &delegator, Handles: [][32]byte{handle}, Contracts: [][20]byte{f.DApp()}}
	head, err := f.node.Head(f.Context)
	require.NoError(t, err)
	_, err = f.node.GatherUserAt(f.Context, f.Record, head, access)
	require.NoError(t, err)
	f.Record.Freshness = acltypes.Freshness{MaxAgeSeconds: 3 * 3600, DelegationMaxAgeSeconds: 3 * 3600}
	head.Time += 2*3600 + 60
	_, err = f.node.GatherUserAt(f.Context, f.Record, head, access)
	require.ErrorIs(t, err, client.ErrDelegationExpired)
	require.ErrorIs(t, err, client.ErrDelegation)
}

func TestAWalletIsReadUnderTheRuleOfItsCode(t *testing.T) {
	f := setUp(t)
	safe, digest := common.Address{0x5a, 0xfe}, [32]byte{1, 2, 3}
	stop := crypto.Keccak256([]byte{0})
	other := acltypes.WalletRule{Kind: acltypes.WALLET_KIND_SAFE_SIGNED_MESSAGE, CodeHash: make([]byte, 32), Implementation: safe[:]}
	rule := acltypes.WalletRule{Kind: acltypes.WALLET_KIND_SAFE_SIGNED_MESSAGE, CodeHash: stop, Implementation: safe[:]}
	wallet := f.Install(func(contract common.Address) map[common.Hash]common.Hash {
		asked, err := wallets.Slots(wallets.SafeSignedMessage, f.Record.Id, contract, digest)
		require.NoError(t, err)
		return map[common.Hash]common.Hash{asked[0]: common.BytesToHash(safe[:]), asked[1]: {31: 1}}
	})
	handle := f.Submit("the wallet's", false)
	f.Allow(handle, wallet)
	access := f.reads(handle)
	access.User, access.Approval = wallet, &digest

	f.Record.Wallets = []acltypes.WalletRule{other, rule}
	evidence, err := f.node.GatherUser(f.Context, f.Record, access)
	require.NoError(t, err)
	require.Len(t, evidence.Proof.Wallet.Storage, 2)

	stranger := rule
	stranger.Implementation = bob[:]
	for name, c := range map[string]struct {
		rules  []acltypes.WalletRule
		change func(*acltypes.UserAccess)
		want   error
	}{
		"no rules":               {nil, func(*acltypes.UserAccess) {}, client.ErrUnknownWallet},
		"other code":             {[]acltypes.WalletRule{other}, func(*acltypes.UserAccess) {}, client.ErrUnknownWallet},
		"another implementation": {[]acltypes.WalletRule{stranger}, func(*acltypes.UserAccess) {}, client.ErrUnknownWallet},
		"another message":        {[]acltypes.WalletRule{rule}, func(a *acltypes.UserAccess) { a.Approval = &[32]byte{9} }, client.ErrNotApproved},
		"nobody's address":       {[]acltypes.WalletRule{rule}, func(a *acltypes.UserAccess) { a.User = bob }, client.ErrUnknownWallet},
		"no contract":            {[]acltypes.WalletRule{rule}, func(a *acltypes.UserAccess) { a.User = f.Alice.Address() }, client.ErrUnknownWallet},
	} {
		t.Run(name, func(t *testing.T) {
			f.Record.Wallets = c.rules
			access := access
			c.change(&access)
			f.Allow(handle, access.User)
			_, err := f.node.GatherUser(f.Context, f.Record, access)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestALieAboutAUsersPermissionsIsFoundOut(t *testing.T) {
	f := setUp(t)
	access := f.reads(f.private("one"))
	node := f.dial(f.Proxy(shortened))
	_, err := node.GatherUser(f.Context, f.Record, access)
	require.ErrorIs(t, err, client.ErrBadAnswer)
}
