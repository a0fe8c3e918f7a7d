package keeper_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha3"
	"io"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
)

var (
	// bob reads, carol's handles are delegated to him.
	bobsKey, bob     = wallet("bob")
	carolsKey, carol = wallet("carol")
	dapp, otherDapp  = address("dapp"), address("another dapp")
)

// coins is a stream of randomness that is the same in every run.
func coins(seed string) io.Reader {
	h := sha3.NewSHAKE256()
	_, _ = h.Write([]byte(seed))
	return h
}

// wallet is an account of the host chain.
func wallet(name string) (*ecdsa.PrivateKey, []byte) {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		panic(err)
	}
	return key, crypto.PubkeyToAddress(key.PublicKey).Bytes()
}

func address(name string) []byte { return crypto.Keccak256([]byte(name))[:20] }

func userKey(t testing.TB, seed string) *reencrypt.PrivateKey {
	t.Helper()
	key, err := reencrypt.GenerateKey(coins(seed))
	require.NoError(t, err)
	return key
}

// userDecryption is bob's request for handles that dapp uses, signed.
func (f *fixture) userDecryption(batch ...[]byte) *types.MsgRequestUserDecryption {
	f.Helper()
	msg := &types.MsgRequestUserDecryption{
		Requester: f.alice.String(), HostChainId: hostChain, KeyId: f.keyID, MaxFee: startFunds,
		Authorization: types.UserAuthorization{
			User: bob, PublicKey: userKey(f, "bob").Public().Bytes(), Contracts: [][]byte{dapp, otherDapp},
			StartTimestamp: now - 60, DurationDays: 1, ExtraData: []byte{0},
		},
		Proof: acltypes.DecryptionProof{Header: []byte("header")},
	}
	for _, h := range batch {
		msg.Handles = append(msg.Handles, types.HandleContract{Handle: h, Contract: dapp})
	}
	f.sign(msg, bobsKey)
	return msg
}

// sign has a key sign the authorization of a message for its host chain.
func (f *fixture) sign(msg *types.MsgRequestUserDecryption, key *ecdsa.PrivateKey) {
	f.Helper()
	f.signFor(msg, key, hostChain)
}

func (f *fixture) signFor(msg *types.MsgRequestUserDecryption, key *ecdsa.PrivateKey, chain uint64) {
	f.Helper()
	digest, err := msg.Authorization.Digest(chain, f.acl.hosts[hostChain].VerifierDomain)
	require.NoError(f, err)
	msg.Authorization.Signature, err = eip712.Sign(digest, key)
	require.NoError(f, err)
}

func (f *fixture) sendUser(msg *types.MsgRequestUserDecryption) (id []byte, created bool, err error) {
	f.Helper()
	err = f.do(func(ctx context.Context) error {
		response, err := f.msgs.RequestUserDecryption(ctx, msg)
		if err == nil {
			id, created = response.RequestId, response.Created
		}
		return err
	})
	return id, created, err
}

func (f *fixture) acceptedUser(batch ...[]byte) []byte {
	f.Helper()
	id, created, err := f.sendUser(f.userDecryption(batch...))
	require.NoError(f, err)
	require.True(f, created)
	return id
}

// payload is what an honest party with a share of zeros makes.
func (f *fixture) payload(id []byte, index int) *reencrypt.Payload {
	f.Helper()
	r := f.request(id)
	list, err := r.HandleList()
	require.NoError(f, err)
	link, err := r.Link(list)
	require.NoError(f, err)
	public, err := reencrypt.ParsePublicKey(r.AuthorizedBy.PublicKey)
	require.NoError(f, err)
	of := f.parties.of(r.EpochId)
	key := of.keys[index-1]
	p := &reencrypt.Payload{
		Signer: [33]byte(crypto.CompressPubkey(&key.PublicKey)), Link: link, Party: uint32(index), Degree: of.epoch.T,
	}
	to := reencrypt.Recipient{Key: public, User: [20]byte(r.AuthorizedBy.User), Link: link}
	for _, h := range list {
		layout, err := types.ShareLayout(h.Type(), r.Degree())
		require.NoError(f, err)
		sealed, err := to.Signcrypt(coins("share"), key, uint32(h.Type()), layout, make([]uint64, layout.Coefficients()))
		require.NoError(f, err)
		p.Entries = append(p.Entries, reencrypt.Entry{Type: uint32(h.Type()), Handle: h, Packing: 1, Signcrypted: sealed})
	}
	return p
}

// share is the result that a party posts of a payload.
func (f *fixture) share(id []byte, index int, payload []byte) types.Result {
	f.Helper()
	r := f.request(id)
	list, err := r.HandleList()
	require.NoError(f, err)
	digest, err := r.ShareDigest(list, payload)
	require.NoError(f, err)
	signature, err := eip712.Sign(digest, f.parties.of(r.EpochId).keys[index-1])
	require.NoError(f, err)
	return types.Result{RequestId: id, Attempt: r.Attempt, EpochId: r.EpochId, Share: payload, Signature: signature}
}

// answerUser has parties post their shares.
func (f *fixture) answerUser(id []byte, indices ...int) {
	f.Helper()
	for _, i := range indices {
		codes, err := f.post(i, f.share(id, i, f.payload(id, i).Encode()))
		require.NoError(f, err)
		require.Equal(f, []uint32{0}, codes)
	}
}

func (f *fixture) shares(id []byte) []types.Share {
	f.Helper()
	response, err := f.queries.Shares(f.ctx, &types.QuerySharesRequest{Id: hexOf(id)})
	require.NoError(f, err)
	require.Equal(f, f.request(id), response.Request)
	return response.Shares
}

// delegated turns bob's request into one for carol's handles.
func (f *fixture) delegated(msg *types.MsgRequestUserDecryption) *types.MsgRequestUserDecryption {
	f.Helper()
	msg.Authorization.Delegator = bytes.Clone(carol)
	f.sign(msg, bobsKey)
	return msg
}

func u64(seed byte) []byte { return handle(seed, handles.Uint64) }
