package app_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/acl/wallets"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

func TestAUserReadsHerValuesAlthoughOneShareIsWrong(t *testing.T) {
	w := newWorld(t)
	batch := w.carols(handles.Uint64, handles.Bool)
	paid := w.balance(alice.Address())
	response := w.askUser(w.userRequest(batch...))
	require.True(t, response.Created)
	require.Equal(t, paid-7-33*20-apptest.DefaultGas/1000, w.balance(alice.Address()))
	id := response.RequestId
	shares := w.sharesFor(id, 987654321, 1)
	shares[1] = w.spoiled(id, w.parties[1], shares[1])

	w.postShares(shares, w.parties[:2]...)
	require.Equal(t, kmstypes.REQUEST_STATUS_ACCEPTED, w.record(id).Status)
	w.postShares(shares, w.parties[3])
	require.Equal(t, kmstypes.REQUEST_STATUS_FULFILLED, w.record(id).Status)
	w.Blocks(10)
	require.NotZero(t, w.record(id).PaidHeight)
	w.postShares(shares, w.parties[2])
	values, wrong := w.read(id)
	require.EqualValues(t, 987654321, values[0].Int64())
	require.EqualValues(t, 1, values[1].Int64())
	require.Equal(t, []int{2}, slices.Compact(wrong))

	certificate := w.certificate(id)
	counted, err := certificate.Verify()
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 2, 3, 4}, counted)
	again := w.askUser(w.userRequestOf(id))
	require.False(t, again.Created)
	require.Equal(t, id, again.RequestId)
}

// userRequestOf asks for what a record has, without a proof.
func (w *world) userRequestOf(id []byte) *kmstypes.MsgRequestUserDecryption {
	r := w.record(id)
	msg := &kmstypes.MsgRequestUserDecryption{
		Requester: alice.Address().String(), HostChainId: r.HostChainId, KeyId: r.KeyId, Authorization: *r.AuthorizedBy,
	}
	for _, c := range r.Ciphertexts {
		msg.Handles = append(msg.Handles, kmstypes.HandleContract{Handle: c.Handle, Contract: c.Contract})
	}
	return msg
}

func TestSharesSurviveAnExport(t *testing.T) {
	w := newWorld(t)
	id := w.askUser(w.userRequest(w.carols(handles.Uint8)...)).RequestId
	w.postShares(w.sharesFor(id, 200), w.parties[:3]...)
	exported, err := w.App.Export(false, nil)
	require.NoError(t, err)
	want := w.sharesOf(id)
	require.Len(t, want, 3)
	w.Chain = apptest.Import(t, w.Chain, exported)
	require.Equal(t, want, w.sharesOf(id))
	values, wrong := w.read(id)
	require.EqualValues(t, 200, values[0].Int64())
	require.Empty(t, wrong)
}

func TestADelegateAndAContractWalletRead(t *testing.T) {
	w := newWorld(t)
	owner := acltest.Address(dave)
	davesOwn := w.granted([]common.Address{owner, dapp}, handles.Uint8)
	w.host.Delegate(owner, acltest.Address(carol), dapp, slots.Delegation{Expires: uint64(w.Now.Unix()) + 3600, LastBlock: 1, Counter: 1})
	id := w.askUser(w.delegated(w.userRequest(davesOwn...))).RequestId
	w.postShares(w.sharesFor(id, 7), w.parties[1:]...)
	values, _ := w.read(id)
	require.EqualValues(t, 7, values[0].Int64())

	safe := w.safe()
	msg := w.byWallet(safe, w.granted([]common.Address{safe, dapp}, handles.Uint8)...)
	w.approve(safe, msg)
	require.True(t, w.askUser(w.withProof(msg)).Created)
}

// sign is carol's signature.
func sign(t *testing.T, digest [32]byte) []byte {
	t.Helper()
	signature, err := eip712.Sign(digest, carol)
	require.NoError(t, err)
	return signature
}

// delegated turns carol's request into one for dave's handles.
func (w *world) delegated(msg *kmstypes.MsgRequestUserDecryption) *kmstypes.MsgRequestUserDecryption {
	w.t.Helper()
	msg.Authorization.Delegator = acltest.Address(dave).Bytes()
	w.signed(msg, carol)
	return w.withProof(msg)
}

var (
	walletCode     = []byte("code of a wallet's proxy")
	implementation = common.HexToAddress("0x5afe")
)

// safe is a wallet on the host chain under a rule of it.
func (w *world) safe() common.Address {
	w.t.Helper()
	record := apptest.HostChainRecord(w.host)
	record.Wallets = []acltypes.WalletRule{{
		Kind: acltypes.WALLET_KIND_SAFE_SIGNED_MESSAGE, CodeHash: crypto.Keccak256(walletCode), Implementation: implementation.Bytes(),
	}}
	w.MustGovern(&acltypes.MsgUpdateHostChain{Authority: w.Authority(), HostChain: record})
	safe := common.HexToAddress("0x3a11e7")
	w.host.Deploy(safe, walletCode)
	w.host.Set(safe, common.Hash{}, common.BytesToHash(implementation.Bytes()))
	return safe
}

// byWallet is a wallet's request, which nobody signed.
func (w *world) byWallet(wallet common.Address, batch ...common.Hash) *kmstypes.MsgRequestUserDecryption {
	w.t.Helper()
	msg := w.userRequest(batch...)
	msg.Authorization.User, msg.Authorization.Signature = wallet.Bytes(), nil
	return w.withProof(msg)
}

func (w *world) approve(safe common.Address, msg *kmstypes.MsgRequestUserDecryption) {
	w.t.Helper()
	approval, err := wallets.Slots(wallets.SafeSignedMessage, w.host.ID, safe, w.authorization(msg))
	require.NoError(w.t, err)
	w.host.Set(safe, approval[1], common.Hash{31: 1})
}

// TestWhatMustFailOfUserDecryptionFailsInConsensusWithItsOwnCode has the reasons that users are told about,
// each with a code of its own, against the real x/acl.
func TestWhatMustFailOfUserDecryptionFailsInConsensusWithItsOwnCode(t *testing.T) {
	w := newWorld(t)
	safe := w.safe()
	owner, reader := acltest.Address(dave), acltest.Address(carol)
	batch := w.carols(handles.Uint64, handles.Uint8)
	dappsOnly := w.granted([]common.Address{dapp}, handles.Uint8)
	carolsOnly := w.granted([]common.Address{reader}, handles.Uint8)
	davesOwn := w.granted([]common.Address{owner, dapp, exchange}, handles.Uint8)
	safesOwn := w.granted([]common.Address{safe, dapp}, handles.Uint8)
	w.Wait(time.Hour)
	w.Blocks(1)
	now := uint64(w.Now.Unix())
	delegation := func(expires uint64) {
		w.host.Delegate(owner, reader, dapp, slots.Delegation{Expires: expires, LastBlock: 9, Counter: 2})
	}
	type request = kmstypes.MsgRequestUserDecryption
	with := func(change func(*request)) func() *request {
		return func() *request {
			msg := w.userRequest(batch...)
			change(msg)
			return msg
		}
	}
	signed := func(change func(*request)) func() *request {
		return with(func(m *request) { change(m); w.signed(m, carol) })
	}
	stranger, err := reencrypt.GenerateKey(coins("eve"))
	require.NoError(t, err)

	cases := []struct {
		name string
		make func() *request
		want *errorsmod.Error
	}{
		{"expired window", signed(func(m *request) { m.Authorization.StartTimestamp, m.Authorization.DurationDays = now-86500, 1 }), kmstypes.ErrNoLongerValid},
		{"window that has not begun", signed(func(m *request) { m.Authorization.StartTimestamp = now + 60 }), kmstypes.ErrNotYetValid},
		{"signature by another key", with(func(m *request) { w.signed(m, dave) }), kmstypes.ErrNotSignedByUser},
		{"handle not allowed for the user", func() *request { return w.userRequest(dappsOnly...) }, acltypes.ErrOwnerNotAllowed},
		{"handle not allowed for the contract", func() *request { return w.userRequest(carolsOnly...) }, acltypes.ErrContractNotAllowed},
		{"revoked delegation", func() *request { delegation(0); return w.delegated(w.userRequest(davesOwn...)) }, acltypes.ErrDelegationRevoked},
		{"expired delegation", func() *request { delegation(now - 1); return w.delegated(w.userRequest(davesOwn...)) }, acltypes.ErrDelegationExpired},
		{"header too old for a delegation", func() *request {
			delegation(now + 3600)
			return w.withProofAt(w.delegated(w.userRequest(davesOwn...)), w.host.Sealed(500, now-40))
		}, acltypes.ErrStaleDelegation},
		{"contract that the authorization does not name", signed(func(m *request) { m.Authorization.Contracts = [][]byte{exchange.Bytes()} }), kmstypes.ErrContractNotAuthorized},
		{"public key that is not on the format", signed(func(m *request) { m.Authorization.PublicKey[3]++ }), kmstypes.ErrInvalidPublicKey},
		{"more handles than allowed", func() *request {
			return w.userRequest(w.carols(slices.Repeat([]handles.Type{handles.Bool}, 9)...)...)
		}, kmstypes.ErrTooManyHandles},
		{"wallet that approved nothing", func() *request { return w.byWallet(safe, safesOwn...) }, acltypes.ErrNotApproved},
		{"wallet of an unknown kind", func() *request {
			other := common.HexToAddress("0x07e4")
			w.host.Deploy(other, []byte("code of another wallet"))
			return w.byWallet(other, w.granted([]common.Address{other, dapp}, handles.Uint8)...)
		}, acltypes.ErrUnknownWallet},

		{"delegation for another contract", func() *request {
			delegation(now + 3600)
			m := w.userRequest(davesOwn...)
			m.Handles[0].Contract = exchange.Bytes()
			return w.delegated(m)
		}, acltypes.ErrNoDelegation},
		{"own handles of a delegate", func() *request { delegation(now + 3600); return w.userRequest(davesOwn...) }, acltypes.ErrOwnerNotAllowed},
		{"public key of wrong length", signed(func(m *request) { m.Authorization.PublicKey = m.Authorization.PublicKey[:868] }), kmstypes.ErrInvalidPublicKey},
		{"signature for another chain id", with(func(m *request) {
			digest, err := m.Authorization.Digest(otherID, apptest.HostChainRecord(w.host).VerifierDomain)
			require.NoError(t, err)
			m.Authorization.Signature = sign(t, digest)
		}), kmstypes.ErrNotSignedByUser},
		{"signature for another verifier contract", with(func(m *request) {
			domain := apptest.HostChainRecord(w.host).VerifierDomain
			domain.VerifyingContract = exchange.Bytes()
			digest, err := m.Authorization.Digest(w.host.ID, domain)
			require.NoError(t, err)
			m.Authorization.Signature = sign(t, digest)
		}), kmstypes.ErrNotSignedByUser},
		{"authorization of another public key", with(func(m *request) { m.Authorization.PublicKey = stranger.Public().Bytes() }), kmstypes.ErrNotSignedByUser},
		{"authorization of other contracts", with(func(m *request) { m.Authorization.Contracts[1] = owner.Bytes() }), kmstypes.ErrNotSignedByUser},
		{"proof for other handles", with(func(m *request) { m.Handles[0].Handle = w.carols(handles.Uint64)[0].Bytes() }), acltypes.ErrBadStorageProof},
		{"more bits than allowed", func() *request { return w.userRequest(w.carols(handles.Uint2048, handles.Bool)...) }, kmstypes.ErrTooManyBits},
	}
	codes := map[string]string{}
	for _, c := range cases[:13] {
		code := fmt.Sprintf("%s/%d", c.want.Codespace(), c.want.ABCICode())
		require.Empty(t, codes[code], "%s and %s share a code", c.name, codes[code])
		codes[code] = c.name
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			w.refusedFor(c.want, alice, c.make())
		})
	}
	w.t = t
	require.True(t, w.askUser(w.userRequest(batch...)).Created, "what the cases changed was good")
}

func TestALargeShareFitsIntoAPartysTransaction(t *testing.T) {
	w := newWorld(t)
	record := apptest.HostChainRecord(w.host)
	record.Limits.MaxHandlesPerRequest = 256
	w.MustGovern(&acltypes.MsgUpdateHostChain{Authority: w.Authority(), HostChain: record})
	msg := w.userRequest(w.carols(slices.Repeat([]handles.Type{handles.Uint8}, 100)...)...)
	id := w.askUser(msg).RequestId
	w.postShares(w.sharesFor(id, slices.Repeat([]uint64{255}, 100)...), w.parties...)
	require.Len(t, w.sharesOf(id), 4)
}
