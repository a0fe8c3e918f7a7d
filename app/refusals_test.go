package app_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/acl/acltest"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

func TestWhatMustFailFailsInConsensusWithItsOwnCode(t *testing.T) {
	w := newWorld(t)
	w.Blocks(10)
	batch := w.disclosed(w.host, handles.Uint64, handles.Uint8)
	other := w.disclosed(w.host, handles.Uint64)[0]
	secret, unbound := w.host.Handle(1001, byte(handles.Uint64)), w.host.Handle(1002, byte(handles.Uint64))
	w.host.Bind(secret, digestOf(secret))
	w.host.Allow(unbound)
	now := func() uint64 { return uint64(w.Now.Unix()) }
	good := func() *kmstypes.MsgRequestPublicDecryption { return w.request(alice, batch...) }
	with := func(change func(*kmstypes.MsgRequestPublicDecryption)) func() *kmstypes.MsgRequestPublicDecryption {
		return func() *kmstypes.MsgRequestPublicDecryption { msg := good(); change(msg); return msg }
	}
	type request = kmstypes.MsgRequestPublicDecryption
	flip := func(nodes [][]byte) {
		last := nodes[len(nodes)-1]
		last[len(last)-1] ^= 1
	}
	// The same chain where a stranger's contract stands in the registry's place.
	usurped := acltest.New(hostID, 4, "host chain")
	usurped.RegistryCode = []byte("code of a registry that anybody may write")
	usurped.Allow(batch...)
	for _, h := range batch {
		usurped.Bind(h, digestOf(other))
	}
	stranger := common.HexToAddress("0x5742a96e7")
	w.host.Set(stranger, common.Hash{}, common.Hash{1})

	cases := []struct {
		name string
		make func() *request
		want *errorsmod.Error
	}{
		{"no ACL permission", func() *request { return w.request(alice, secret) }, acltypes.ErrNotPermitted},
		{"header sealed by fewer than a quorum", with(func(m *request) {
			m.Proof.Header = acltest.Seal(w.host.Header(100, now()), 0, w.host.Validators, w.host.Validators[:2])
		}), acltypes.ErrNoQuorum},
		{"header sealed by keys that are no validators", with(func(m *request) {
			m.Proof.Header = acltest.Seal(w.host.Header(100, now()), 0, w.host.Validators, acltest.Keys(4, "strangers"))
		}), acltypes.ErrStranger},
		{"tampered account proof", with(func(m *request) { flip(m.Proof.Acl.AccountNodes) }), acltypes.ErrBadAccountProof},
		{"tampered storage proof", with(func(m *request) { flip(m.Proof.Registry.Storage[1].Nodes) }), acltypes.ErrBadStorageProof},
		{"digest written by a stranger's code in the registry's place", func() *request {
			return w.requestOn(usurped, w.key, alice, batch...)
		}, acltypes.ErrForeignCode},
		// The registry refuses to bind bytes twice, so the second handle has none.
		{"ciphertext already bound to another handle", func() *request { return w.request(alice, unbound) }, acltypes.ErrNoDigest},
		{"bytes whose digest differs", with(func(m *request) {
			m.Digests = [][]byte{digestOf(batch[0]).Bytes(), digestOf(other).Bytes()}
		}), acltypes.ErrDigestMismatch},
		{"stale header", with(func(m *request) { m.Proof.Header = w.host.Sealed(100, now()-70) }), acltypes.ErrStaleHeader},
		{"unknown key", with(func(m *request) { m.KeyId = digestOf(other).Bytes() }), kmstypes.ErrUnknownKey},
		{"fee too low", with(func(m *request) { m.MaxFee = 36*10 + 7 - 1 }), kmstypes.ErrFeeTooLow},

		{"header from the future", with(func(m *request) { m.Proof.Header = w.host.Sealed(100, now()+60) }), acltypes.ErrFutureHeader},
		{"header that is none", with(func(m *request) { m.Proof.Header = m.Proof.Header[1:] }), acltypes.ErrMalformedHeader},
		{"header from before the validators are known", with(func(m *request) { m.Proof.Header = w.host.Sealed(0, now()) }), acltypes.ErrHeightTooLow},
		{"header that carries other validators", with(func(m *request) {
			m.Proof.Header = acltest.Seal(w.host.Header(100, now()), 0, w.host.Validators[:3], w.host.Validators[:3])
		}), acltypes.ErrForeignValidators},
		{"a node that proves nothing", with(func(m *request) {
			m.Proof.Acl.Storage[0].Nodes = append(m.Proof.Acl.Storage[0].Nodes, []byte{0x80})
		}), acltypes.ErrMalformedProof},
		{"a handle of another chain", with(func(m *request) { m.Handles[0] = acltest.New(otherID, 4, "x").Handle(1, 5).Bytes() }), kmstypes.ErrInvalidHandle},
		{"no handles", with(func(m *request) { m.Handles = nil }), kmstypes.ErrInvalidHandle},
		{"an id that is none", with(func(m *request) { m.KeyId = m.KeyId[1:] }), kmstypes.ErrMalformed},
		{"more handles than the host chain may ask for", func() *request {
			return w.request(alice, w.disclosed(w.host, slices.Repeat([]handles.Type{handles.Bool}, 9)...)...)
		}, kmstypes.ErrTooManyHandles},
		{"more blocks than the host chain may ask for", func() *request {
			return w.request(alice, w.disclosed(w.host, handles.Uint2048, handles.Uint256)...)
		}, kmstypes.ErrTooManyBlocks},
	}
	// Each of the first eleven, which users are told about, has a code of its own.
	codes := map[string]string{}
	for _, c := range cases[:11] {
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

	// Not even a stranger's storage under the right root can be put in the registry's place.
	msg := good()
	msg.Proof.Registry.AccountNodes = w.host.AccountProof(stranger)
	w.refusedFor(acltypes.ErrBadAccountProof, alice, msg)
	// Who cannot pay the price is refused by the bank.
	poor := apptest.NewAccount("party/p1") // has no coins
	unpaid := w.request(poor, batch...)
	requireRefused(t, sdkerrors.ErrInsufficientFunds, w.Deliver(poor, unpaid))

	require.True(t, w.ask(alice, good()).Created, "what the cases changed was good")
}

func TestPausedFrozenAndExhaustedHostChainsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.Blocks(10)
	batch := w.disclosed(w.host, handles.Uint64)
	pause := func(paused bool) {
		w.MustGovern(&acltypes.MsgSetHostChainPaused{Authority: w.Authority(), HostChainId: hostID, Paused: paused})
	}
	pause(true)
	w.refusedFor(acltypes.ErrHostChainPaused, alice, w.request(alice, batch...))
	pause(false)
	kmsParams, err := w.App.KMS.Params.Get(w.Ctx())
	require.NoError(t, err)
	kmsParams.PausePublicDecryption = true
	w.MustGovern(&kmstypes.MsgUpdateParams{Authority: w.Authority(), Params: kmsParams})
	w.refusedFor(kmstypes.ErrPaused, alice, w.request(alice, batch...))
	kmsParams.PausePublicDecryption = false
	w.MustGovern(&kmstypes.MsgUpdateParams{Authority: w.Authority(), Params: kmsParams})

	// Whoever is not governance changes nothing.
	requireRefused(t, acltypes.ErrUnauthorized, w.Deliver(alice, &acltypes.MsgSetHostChainPaused{Authority: alice.Address().String(), HostChainId: hostID, Paused: true}))
	requireRefused(t, kmstypes.ErrUnauthorized, w.Deliver(alice, &kmstypes.MsgUpdateParams{Authority: alice.Address().String(), Params: kmsParams}))

	for w.totals().Requests*1024+1024 <= 5000 {
		require.True(t, w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint2048)...)).Created)
	}
	w.refusedFor(kmstypes.ErrRateLimited, alice, w.request(alice, w.disclosed(w.host, handles.Uint2048)...))

	// Two blocks of one height freeze the host chain, whoever shows them.
	first, second := w.sealed(w.host), w.host.Sealed(w.height, uint64(w.Now.Unix())+1)
	w.MustDeliver(bob, &acltypes.MsgSubmitForkEvidence{Sender: bob.Address().String(), HostChainId: hostID, HeaderA: first, HeaderB: second})
	w.refusedFor(acltypes.ErrHostChainFrozen, alice, w.request(alice, batch...))

	w.MustGovern(&kmstypes.MsgRetireKey{Authority: w.Authority(), KeyId: w.key})
	w.refusedFor(kmstypes.ErrKeyNotActive, alice, w.request(alice, batch...))
}

func TestOneHostChainsProofsAndSignaturesAreNoGoodForAnother(t *testing.T) {
	w := newWorld(t)
	other := acltest.New(otherID, 4, "another host chain")
	w.registerHost(other)
	otherKey := w.activeKey(otherID)
	w.Blocks(10)
	mine, theirs := w.disclosed(w.host, handles.Uint64), w.disclosed(other, handles.Uint64)

	// A chain with the validators, or the verifier, of this one could be taken for it.
	twin := apptest.HostChainRecord(acltest.New(5, 4, "host chain"))
	proposal := w.Govern(&acltypes.MsgRegisterHostChain{Authority: w.Authority(), HostChain: twin})
	require.Contains(t, proposal.FailedReason, "validator set shares a quorum")
	twin = apptest.HostChainRecord(acltest.New(5, 4, "a third host chain"))
	twin.VerifierDomain = apptest.HostChainRecord(w.host).VerifierDomain
	proposal = w.Govern(&acltypes.MsgRegisterHostChain{Authority: w.Authority(), HostChain: twin})
	require.Contains(t, proposal.FailedReason, "verifier domain belongs to another")

	whole := w.requestOn(w.host, w.key, alice, mine...)
	whole.HostChainId, whole.KeyId = otherID, otherKey
	w.refusedFor(kmstypes.ErrInvalidHandle, alice, whole)

	// The other chain's handle, permitted and bound in a state that the first chain sealed.
	w.host.Allow(theirs...)
	w.host.Bind(theirs[0], digestOf(theirs[0]))
	smuggled := w.requestOn(w.host, otherKey, alice, theirs...)
	smuggled.HostChainId = otherID
	w.refusedFor(acltypes.ErrStranger, alice, smuggled)
	mixed := w.requestOn(other, otherKey, alice, theirs...)
	mixed.Proof.Acl = w.requestOn(w.host, otherKey, alice, theirs...).Proof.Acl
	w.refusedFor(acltypes.ErrBadAccountProof, alice, mixed)

	w.refusedFor(kmstypes.ErrKeyOfOther, alice, w.requestOn(other, w.key, alice, theirs...))
	w.refusedFor(kmstypes.ErrKeyOfOther, alice, w.requestOn(w.host, otherKey, alice, mine...))

	// Both are served; a signature in one's domain is none in the other's.
	a := w.ask(alice, w.requestOn(w.host, w.key, alice, mine...)).RequestId
	b := w.ask(alice, w.requestOn(other, otherKey, alice, theirs...)).RequestId
	p := w.parties[0]
	plaintext := w.plaintext(a, 7)
	wrong := w.result(a, p, plaintext)
	wrong.RequestId = b
	requireRefused(t, kmstypes.ErrInvalidSignature, w.DeliverParty(p.Account, results(p, wrong)))
	w.answer(a, plaintext, w.parties...)
	w.answer(b, w.plaintext(b, 8), w.parties...)
	for _, id := range [][]byte{a, b} {
		_, err := w.certificate(id).Verify()
		require.NoError(t, err)
	}
	swapped := w.certificate(a)
	swapped.Request.Domain = w.record(b).Domain
	_, err := swapped.Verify()
	require.ErrorIs(t, err, kmstypes.ErrInvalidCertificate)
	_, firstCount := w.record(a).Items()
	second, _ := w.record(b).Items()
	first, _ := w.record(a).Items()
	require.Equal(t, first+firstCount, second, "no offline item is given to two requests, of whichever chain")
}
