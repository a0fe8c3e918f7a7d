package party

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"cosmossdk.io/collections"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/eip712"
	kmskeeper "github.com/tkms-network/tkms/x/kms/keeper"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// user is who reads.
type user struct {
	wallet  *ecdsa.PrivateKey
	address [20]byte
	key     *reencrypt.PrivateKey
}

var dapp = bytes.Repeat([]byte{0xda}, 20)

func newUser(t testing.TB) *user {
	t.Helper()
	wallet, err := crypto.GenerateKey()
	require.NoError(t, err)
	key, err := reencrypt.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return &user{wallet: wallet, address: crypto.PubkeyToAddress(wallet.PublicKey), key: key}
}

// authorize is what a user signs for the dapp.
func (w *world) authorize(u *user) kmstypes.UserAuthorization {
	w.t.Helper()
	a := kmstypes.UserAuthorization{
		User: u.address[:], PublicKey: u.key.Public().Bytes(), Contracts: [][]byte{dapp},
		StartTimestamp: uint64(time.Now().Unix()) - 60, DurationDays: 1, // #nosec G115 -- after 1970
	}
	digest, err := a.Digest(hostChainID, w.chain.host.VerifierDomain)
	require.NoError(w.t, err)
	a.Signature, err = eip712.Sign(digest, u.wallet)
	require.NoError(w.t, err)
	return a
}

// userDecrypt asks for shares of plaintexts and returns the request's id.
func (w *world) userDecrypt(key []byte, u *user, list ...[]byte) (id []byte) {
	w.t.Helper()
	msg := &kmstypes.MsgRequestUserDecryption{
		Requester: w.chain.kms.Authority(), HostChainId: hostChainID, KeyId: key, Authorization: w.authorize(u), MaxFee: 1 << 40,
	}
	for _, handle := range list {
		msg.Handles = append(msg.Handles, kmstypes.HandleContract{Handle: handle, Contract: dapp})
	}
	w.chain.do(func(ctx context.Context) error {
		response, err := kmskeeper.NewMsgServer(w.chain.kms).RequestUserDecryption(ctx, msg)
		if err == nil {
			id = response.RequestId
		}
		return err
	})
	return id
}

// payloads returns what the chain keeps for the user, by party.
func (w *world) payloads(id []byte) map[int][]byte {
	out := map[int][]byte{}
	w.chain.view(func(ctx context.Context) {
		for i := 1; i < len(w.nodes); i++ {
			share, err := w.chain.kms.Shares.Get(ctx, collections.Join(id, uint32(i)))
			if err == nil {
				out[i] = share.Payload
			}
		}
	})
	return out
}

// read puts the shares together that the chain keeps, as the user's client does, and
// returns the values with the parties whose shares are wrong.
func (w *world) read(u *user, id []byte) (values []*big.Int, wrong []int, err error) {
	w.t.Helper()
	request := w.request(id)
	list, err := request.HandleList()
	require.NoError(w.t, err)
	link, err := request.Link(list)
	require.NoError(w.t, err)
	shares, packing := make([]map[int][]byte, len(list)), make([]int, len(list))
	for i := range shares {
		shares[i] = map[int][]byte{}
	}
	for party, raw := range w.payloads(id) {
		payload, err := reencrypt.DecodePayload(raw, len(list))
		require.NoError(w.t, err)
		signer, err := crypto.DecompressPubkey(payload.Signer[:])
		require.NoError(w.t, err)
		for i, entry := range payload.Entries {
			shares[i][party], err = u.key.Open(entry.Signcrypted, signer, u.address, link, entry.Type)
			require.NoError(w.t, err)
			packing[i] = int(entry.Packing)
		}
	}
	n := len(w.nodes) - 1
	for i, handle := range list {
		layout, err := reencrypt.NewLayout(handle.Type().Bits(), packing[i], sharing.Threshold(n))
		require.NoError(w.t, err)
		value, liars, err := layout.Reconstruct(n, shares[i])
		if err != nil {
			return nil, nil, err
		}
		values, wrong = append(values, value), append(wrong, liars...)
	}
	slices.Sort(wrong)
	return values, slices.Compact(wrong), nil
}

// requireShares waits until the chain has the shares of so many parties.
func (w *world) requireShares(id []byte, count int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d shares", count), func() bool { return len(w.payloads(id)) == count })
}

func (w *world) requireRead(u *user, id []byte, wrong []int, want ...*big.Int) {
	w.t.Helper()
	require.Equal(w.t, kmstypes.REQUEST_STATUS_FULFILLED, w.request(id).Status)
	got, liars, err := w.read(u, id)
	require.NoError(w.t, err)
	require.Equal(w.t, wrong, liars)
	require.Len(w.t, got, len(want))
	for i := range want {
		require.Zero(w.t, got[i].Cmp(want[i]), "value %d is %s, not %s", i, got[i], want[i])
	}
}

func TestAUserReadsWhatPartiesDecryptForHer(t *testing.T) {
	for _, n := range []int{1, 4} {
		w := newWorld(t, n, nil)
		w.activeEpoch()
		key := w.activeKey()
		public, alice := w.publicKey(key), newUser(t)
		wide := new(big.Int).Lsh(number(0xabcdef), 200)
		list := [][]byte{
			w.encrypt(public, tfhe.EUint64, number(1<<40+3)), w.encryptUnpacked(public, tfhe.EBool, number(1)), w.encryptUnpacked(public, tfhe.EUint256, wide),
			w.encrypt(public, tfhe.EBool, number(1)), w.encryptUnpacked(public, tfhe.EUint8, number(200)), w.encryptUnpacked(public, tfhe.EUint4, number(9)),
		}
		id := w.userDecrypt(key, alice, list...)
		w.requireShares(id, n)
		w.requireRead(alice, id, nil, number(1<<40+3), number(1), wide, number(1), number(200), number(9))
		// Again for everybody, under another request: the items are others.
		w.requireValues(w.decrypt(key, list...), number(1<<40+3), number(1), wide, number(1), number(200), number(9))
		for i := 1; i <= n; i++ {
			w.eventually("it shows", func() bool { return w.at(i, id).State == status.StateFulfilled })
			require.Equal(t, status.KindUser, w.at(i, id).Kind)
		}
		// Another user gets shares of her own, which the first cannot open.
		bob := newUser(t)
		other := w.userDecrypt(key, bob, list[1])
		require.NotEqual(t, id, other)
		w.requireShares(other, n)
		w.requireRead(bob, other, nil, number(1))
	}
}

// encryptUnpacked is encrypt with one block in each LWE ciphertext.
func (w *world) encryptUnpacked(key *tfhe.CompactPublicKey, typ tfhe.Type, value *big.Int) []byte {
	w.t.Helper()
	list, err := key.Encrypt(rand.Reader, typ, value, false)
	require.NoError(w.t, err)
	raw, err := list.MarshalBinary()
	require.NoError(w.t, err)
	return w.handle(typ, w.blobs.put(raw))
}

func TestAUserReadsDespiteASilentParty(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	public, alice := w.publicKey(key), newUser(t)
	for _, n := range w.nodes[1:] {
		w.eventually("stock", func() bool { return n.board.Party().Main().StockItems > 0 })
	}
	w.stop(3)
	id := w.userDecrypt(key, alice, w.encryptUnpacked(public, tfhe.EUint64, number(1<<50)), w.encryptUnpacked(public, tfhe.EUint8, number(7)))
	w.requireShares(id, 3)
	w.requireRead(alice, id, nil, number(1<<50), number(7))
	// It is back before the deadline: its share is taken, too, since it may be needed.
	w.start(3)
	w.requireShares(id, 4)
	w.requireRead(alice, id, nil, number(1<<50), number(7))
}

// misleading is a decryption that ends with a wrong share and is honest otherwise.
type misleading struct {
	*decrypt.Machine
	done bool
}

// Receive implements mpc.Machine.
func (m *misleading) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	out, err := m.Machine.Receive(from, round, payload)
	if shares := m.Shares(); len(shares) > 0 && !m.done {
		shares[len(shares)-4] ^= 4
		m.done = true
	}
	return out, err
}

func TestAWrongShareIsTheUsersToFind(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.nodes[2].wrap = func(_ mpc.Digest, _ sharing.Parties, _ *mpc.Identity, machine mpc.Machine) mpc.Machine {
		if m, ok := machine.(*decrypt.Machine); ok {
			return &misleading{Machine: m}
		}
		return machine
	}
	w.activeEpoch()
	key := w.activeKey()
	public, alice := w.publicKey(key), newUser(t)
	id := w.userDecrypt(key, alice, w.encryptUnpacked(public, tfhe.EUint64, number(12345)), w.encryptUnpacked(public, tfhe.EUint128, number(6)))
	w.requireShares(id, 4)
	w.requireRead(alice, id, []int{2}, number(12345), number(6))
}

// Two parties compute, and wait for a third. One of them is restarted; it then makes the
// same share as before, in another encryption.
func TestAPartyRestartedInTheMiddleOfAUserDecryptionAnswers(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	public, alice := w.publicKey(key), newUser(t)
	for _, n := range w.nodes[1:] {
		w.eventually("stock", func() bool { return n.board.Party().Main().StockItems >= 512 })
	}
	w.stop(3)
	w.stop(4)
	id := w.userDecrypt(key, alice, w.encryptUnpacked(public, tfhe.EUint64, number(11)), w.encryptUnpacked(public, tfhe.EUint64, number(12)))
	for _, i := range []int{1, 2} {
		w.eventually("two parties compute", func() bool { return w.at(i, id).State == status.StateComputing })
	}
	w.wait(10)
	w.stop(2)
	w.start(2, 3)
	w.requireShares(id, 3)
	w.requireRead(alice, id, nil, number(11), number(12))
}

// The shares of a party that lost its answer before the chain had it go with those that
// others posted long ago.
func TestSharesThatAreLostAreMadeAgain(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	alice := newUser(t)
	lost := w.record(w.nodes[2]).Account
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if posted, ok := msg.(*kmstypes.MsgPostResults); ok && posted.Account == lost {
			return nil
		}
		return msg
	})
	id := w.userDecrypt(key, alice, w.encryptUnpacked(w.publicKey(key), tfhe.EUint32, number(77)))
	w.requireShares(id, 3)
	w.eventually("posted in vain", func() bool { return w.at(2, id).State == status.StatePosted })
	w.stop(2)
	w.chain.setAlter(nil)
	w.start(2)
	w.requireShares(id, 4)
	w.requireRead(alice, id, nil, number(77))
}

// A request that takes a whole batch: its items go when nobody needs them any more, at
// once if all have answered, and a while later if a member has not.
func TestWhatIsKeptForSlowMembersIsErased(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	public, alice := w.publicKey(key), newUser(t)
	for _, n := range w.nodes[1:] {
		w.eventually("stock", func() bool { return w.hasBatch(n.index) })
	}
	w.stop(4)
	var list [][]byte
	for range 4 {
		list = append(list, w.encryptUnpacked(public, tfhe.EUint256, number(3)))
	}
	id := w.userDecrypt(key, alice, list...)
	w.requireShares(id, 3)
	w.wait(lateShares / 2)
	require.True(t, w.hasBatch(1), "party 4 may still come")
	for i := 1; i <= 3; i++ {
		w.eventually("the spent batch is erased", func() bool { return !w.hasBatch(i) })
		require.Equal(t, status.StateFulfilled, w.at(i, id).State)
	}
}

// The chain counts the gas: as much as a party is granted must be enough for a request
// of as many handles as there may be.
func TestTheLargestShareFitsIntoATransaction(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	alice := newUser(t)
	first := w.encryptUnpacked(w.publicKey(key), tfhe.EUint8, number(250))
	list, values := [][]byte{first}, []*big.Int{number(250)}
	for len(list) < acltypes.MaxHandles {
		list = append(list, w.handle(tfhe.EUint8, w.chain.digests[[32]byte(first)]))
		values = append(values, number(250))
	}
	id := w.userDecrypt(key, alice, list...)
	w.requireShares(id, 4)
	w.requireRead(alice, id, nil, values...)
	require.Greater(t, len(w.payloads(id)[1]), 270_000)
}

func TestAUserIsShownNoCarries(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	params := testSet
	blocks := make([]tfhe.Block, 4)
	for i := range blocks {
		blocks[i] = tfhe.Block{Data: make(tfhe.Words, 8*(params.ComputeDimension()+1)), Degree: 3, NoiseLevel: 1}
	}
	blocks[2].Degree = 4
	raw, err := tfhe.NewFheUint(params, blocks).MarshalBinary()
	require.NoError(t, err)
	handle := w.handle(tfhe.EUint8, w.blobs.put(raw))
	id := w.userDecrypt(key, newUser(t), w.encryptUnpacked(w.publicKey(key), tfhe.EUint8, number(5)), handle)
	w.requireReason(id, status.ReasonCarries)
	w.wait(20)
	require.Empty(t, w.payloads(id))
	w.requireSilence(id)
	// Everybody may see them: the value is made of the blocks and their carries.
	w.requireValues(w.decrypt(key, handle), number(0))
}

func TestUserDecryptionsThatMustNotBeAnsweredAreRefused(t *testing.T) {
	alice := newUser(t)
	good := func() *kmstypes.Request {
		handle := append(append([]byte{1}, make([]byte, 29)...), 2, 0)
		return &kmstypes.Request{
			Id: make([]byte, 32), KeyId: make([]byte, 32), Kind: kmstypes.REQUEST_KIND_USER_DECRYPTION, HostChainId: hostChainID,
			Domain:      acltypes.VerifierDomain{VerifyingContract: make([]byte, 20)},
			Ciphertexts: []kmstypes.Ciphertext{{Handle: handle, Digest: make([]byte, 32), Blocks: 4, FirstItem: 14, Contract: dapp}},
			AuthorizedBy: &kmstypes.UserAuthorization{
				User: alice.address[:], PublicKey: alice.key.Public().Bytes(), Contracts: [][]byte{dapp}, DurationDays: 1,
			},
		}
	}
	require.NoError(t, checkRequest(good(), 13))
	require.ErrorIs(t, checkRequest(good(), 16), errRequest)
	for name, spoil := range map[string]func(*kmstypes.Request){
		"no user":                  func(r *kmstypes.Request) { r.AuthorizedBy = nil },
		"a public one with a user": func(r *kmstypes.Request) { r.Kind = kmstypes.REQUEST_KIND_PUBLIC_DECRYPTION },
		"short user":               func(r *kmstypes.Request) { r.AuthorizedBy.User = r.AuthorizedBy.User[1:] },
		"short key":                func(r *kmstypes.Request) { r.AuthorizedBy.PublicKey = r.AuthorizedBy.PublicKey[1:] },
		"foreign key":              func(r *kmstypes.Request) { r.AuthorizedBy.PublicKey[3] ^= 1 },
		"no contracts":             func(r *kmstypes.Request) { r.AuthorizedBy.Contracts = nil },
		"another contract":         func(r *kmstypes.Request) { r.Ciphertexts[0].Contract = alice.address[:] },
		"no contract":              func(r *kmstypes.Request) { r.Ciphertexts[0].Contract = nil },
		"other number of blocks":   func(r *kmstypes.Request) { r.Ciphertexts[0].Blocks = 3 },
	} {
		r := good()
		spoil(r)
		require.ErrorIs(t, checkRequest(r, 13), errRequest, name)
	}
}
