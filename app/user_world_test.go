package app_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha3"
	"io"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/testutil/dealer"
	"github.com/tkms-network/tkms/x/acl/acltest"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmskeeper "github.com/tkms-network/tkms/x/kms/keeper"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// Users and contracts of the host chain. carol reads; dave may delegate to her.
var (
	carol, dave    = acltest.Key("carol"), acltest.Key("dave")
	dapp, exchange = common.HexToAddress("0xda99"), common.HexToAddress("0xe8c4")
)

// coins is a stream of randomness that is the same in every run.
func coins(seed string) io.Reader {
	h := sha3.NewSHAKE256()
	_, _ = h.Write([]byte(seed))
	return h
}

// carolsKey is to which shares are encrypted.
func carolsKey() *reencrypt.PrivateKey {
	key, err := reencrypt.GenerateKey(coins("carol"))
	if err != nil {
		panic(err)
	}
	return key
}

// granted returns new handles of the types, bound to bytes, that the ACL lets the accounts use.
func (w *world) granted(accounts []common.Address, types ...handles.Type) []common.Hash {
	out := make([]common.Hash, len(types))
	for i, t := range types {
		w.number++
		out[i] = w.host.Handle(w.number, byte(t))
		w.host.Grant(out[i], accounts...)
		w.host.Bind(out[i], digestOf(out[i]))
	}
	return out
}

// carols are new handles that carol and the dapp may use.
func (w *world) carols(types ...handles.Type) []common.Hash {
	return w.granted([]common.Address{acltest.Address(carol), dapp}, types...)
}

// userRequest is carol's authorized question for handles of the dapp, which alice pays.
func (w *world) userRequest(batch ...common.Hash) *kmstypes.MsgRequestUserDecryption {
	w.t.Helper()
	msg := &kmstypes.MsgRequestUserDecryption{
		Requester: alice.Address().String(), HostChainId: w.host.ID, KeyId: w.key, MaxFee: 1_000_000,
		Authorization: kmstypes.UserAuthorization{
			User: acltest.Address(carol).Bytes(), PublicKey: carolsKey().Public().Bytes(),
			Contracts: [][]byte{dapp.Bytes(), exchange.Bytes()}, StartTimestamp: uint64(w.Now.Unix()), DurationDays: 7, ExtraData: []byte{0},
		},
	}
	for _, h := range batch {
		msg.Handles = append(msg.Handles, kmstypes.HandleContract{Handle: h.Bytes(), Contract: dapp.Bytes()})
	}
	w.signed(msg, carol)
	return w.withProof(msg)
}

// signed has a key sign what the message authorizes.
func (w *world) signed(msg *kmstypes.MsgRequestUserDecryption, key *ecdsa.PrivateKey) {
	w.t.Helper()
	signature, err := eip712.Sign(w.authorization(msg), key)
	require.NoError(w.t, err)
	msg.Authorization.Signature = signature
}

func (w *world) authorization(msg *kmstypes.MsgRequestUserDecryption) [32]byte {
	w.t.Helper()
	digest, err := msg.Authorization.Digest(w.host.ID, apptest.HostChainRecord(w.host).VerifierDomain)
	require.NoError(w.t, err)
	return digest
}

// withProof puts a proof of the host chain's present state into the message.
func (w *world) withProof(msg *kmstypes.MsgRequestUserDecryption) *kmstypes.MsgRequestUserDecryption {
	w.t.Helper()
	return w.withProofAt(msg, w.sealed(w.host))
}

func (w *world) withProofAt(msg *kmstypes.MsgRequestUserDecryption, header []byte) *kmstypes.MsgRequestUserDecryption {
	w.t.Helper()
	a := msg.Authorization
	access := acltypes.UserAccess{User: [20]byte(a.User)}
	for _, h := range msg.Handles {
		access.Handles = append(access.Handles, [32]byte(h.Handle))
		access.Contracts = append(access.Contracts, [20]byte(h.Contract))
	}
	if len(a.Delegator) != 0 {
		access.Delegator = (*[20]byte)(a.Delegator)
	}
	if len(a.Signature) == 0 {
		digest := w.authorization(msg)
		access.Approval = &digest
	}
	msg.Proof = w.host.UserProof(header, access)
	return msg
}

func (w *world) askUser(msg *kmstypes.MsgRequestUserDecryption) kmstypes.MsgRequestUserDecryptionResponse {
	w.t.Helper()
	var response kmstypes.MsgRequestUserDecryptionResponse
	w.Response(w.MustDeliver(alice, msg), &response)
	return response
}

// sharesFor are the shares of values that the parties would have after the protocol, signed and encrypted.
func (w *world) sharesFor(id []byte, values ...uint64) []kmstypes.Result {
	w.t.Helper()
	r := w.record(id)
	list, err := r.HandleList()
	require.NoError(w.t, err)
	require.Len(w.t, list, len(values))
	link, err := r.Link(list)
	require.NoError(w.t, err)
	public, err := reencrypt.ParsePublicKey(r.AuthorizedBy.PublicKey)
	require.NoError(w.t, err)
	to := reencrypt.Recipient{Key: public, User: [20]byte(r.AuthorizedBy.User), Link: link}
	payloads := make([]reencrypt.Payload, len(w.parties))
	for i, h := range list {
		layout, err := kmstypes.ShareLayout(h.Type(), r.Degree())
		require.NoError(w.t, err)
		blocks := make([]uint64, layout.Blocks())
		for j := range blocks {
			if j < 32 {
				blocks[j] = values[i] >> (2 * j) & 3
			}
		}
		shares, err := dealer.BlockShares(coins("shares"), len(w.parties), int(r.Degree()), blocks)
		require.NoError(w.t, err)
		for j, p := range w.parties {
			sealed, err := to.Signcrypt(coins(p.Name), p.SigningKey(), uint32(h.Type()), layout, shares[j])
			require.NoError(w.t, err)
			payloads[j].Entries = append(payloads[j].Entries, reencrypt.Entry{
				Type: uint32(h.Type()), Handle: h, Packing: uint32(layout.Packing()), Signcrypted: sealed,
			})
		}
	}
	results := make([]kmstypes.Result, len(w.parties))
	for i, p := range w.parties {
		payload := &payloads[i]
		payload.Signer, payload.Link = [33]byte(crypto.CompressPubkey(&p.SigningKey().PublicKey)), link
		payload.Party, payload.Degree = p.Index, r.Degree()
		results[i] = w.signedShare(r, p, payload.Encode())
	}
	return results
}

func (w *world) signedShare(r kmstypes.Request, p *apptest.Party, payload []byte) kmstypes.Result {
	w.t.Helper()
	list, err := r.HandleList()
	require.NoError(w.t, err)
	digest, err := r.ShareDigest(list, payload)
	require.NoError(w.t, err)
	signature, err := eip712.Sign(digest, p.SigningKey())
	require.NoError(w.t, err)
	return kmstypes.Result{RequestId: r.Id, Attempt: r.Attempt, EpochId: r.EpochId, Share: payload, Signature: signature}
}

// postShares has parties post theirs, all in one block.
func (w *world) postShares(shares []kmstypes.Result, parties ...*apptest.Party) {
	w.t.Helper()
	w.EachParty(parties, func(p *apptest.Party) sdk.Msg { return results(p, shares[p.Index-1]) })
}

func (w *world) sharesOf(id []byte) []kmstypes.Share {
	w.t.Helper()
	response, err := kmskeeper.NewQueryServer(w.App.KMS).Shares(w.Ctx(), &kmstypes.QuerySharesRequest{Id: common.Bytes2Hex(id)})
	require.NoError(w.t, err)
	return response.Shares
}

// read is what carol makes of the shares on the chain: the values, and whose shares were wrong.
func (w *world) read(id []byte) (values []*big.Int, wrong []int) {
	w.t.Helper()
	r := w.record(id)
	list, err := r.HandleList()
	require.NoError(w.t, err)
	link, err := r.Link(list)
	require.NoError(w.t, err)
	for i, h := range list {
		opened := map[int][]byte{}
		for _, share := range w.sharesOf(id) {
			payload, err := reencrypt.DecodePayload(share.Payload, len(list))
			require.NoError(w.t, err)
			signer := &w.parties[share.Index-1].SigningKey().PublicKey
			element, err := carolsKey().Open(payload.Entries[i].Signcrypted, signer, [20]byte(r.AuthorizedBy.User), link, uint32(h.Type()))
			if err != nil {
				wrong = append(wrong, int(share.Index))
				continue
			}
			opened[int(share.Index)] = element
		}
		layout, err := kmstypes.ShareLayout(h.Type(), r.Degree())
		require.NoError(w.t, err)
		value, liars, err := layout.Reconstruct(len(w.parties), opened)
		require.NoError(w.t, err)
		values, wrong = append(values, value), append(wrong, liars...)
	}
	return values, wrong
}

// spoiled is a party's share with other bytes in the place of those that are encrypted, signed all the same.
func (w *world) spoiled(id []byte, p *apptest.Party, share kmstypes.Result) kmstypes.Result {
	w.t.Helper()
	payload := bytes.Clone(share.Share)
	payload[len(payload)-60] ^= 1 // the end of the last ciphertext
	return w.signedShare(w.record(id), p, payload)
}
