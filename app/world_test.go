package app_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/acl/acltest"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmskeeper "github.com/tkms-network/tkms/x/kms/keeper"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

const (
	hostID  = 31337
	otherID = 31338

	keyFee        = 1003
	absenceBlocks = 10
	readyBlocks   = 3
)

var (
	alice = apptest.NewAccount("a user called alice")
	bob   = apptest.NewAccount("a user called bob")
)

// world is the whole application with four registered parties and what stands outside of it: the parties'
// keys and a host chain. What it does to the chain it does by signed transactions.
type world struct {
	*apptest.Chain
	t        testing.TB
	enclaves apptest.Enclaves
	parties  []*apptest.Party
	epoch    uint64
	host     *acltest.Chain
	key      []byte
	// height of the host chain, and a number for its next handle.
	height, number uint64
}

// emptyWorld has the genesis and nothing else.
func emptyWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, enclaves: apptest.NewEnclaves("world"), host: acltest.New(hostID, 4, "host chain"), height: 10}
	accounts := []apptest.Account{alice, bob}
	for _, name := range []string{"p1", "p2", "p3", "p4"} {
		p := apptest.NewParty(name)
		w.parties = append(w.parties, p)
		accounts = append(accounts, p.Operator)
	}
	w.Chain = apptest.New(t, apptest.Options{
		Accounts: accounts,
		Modules: func(cdc codec.JSONCodec, state genesis.State) error {
			err := w.enclaves.Allow(cdc, state, func(p *partiestypes.Params) {
				p.AbsenceBlocks, p.ReportWindowBlocks, p.ReadyBlocks = absenceBlocks, 30, readyBlocks
			})
			if err != nil {
				return err
			}
			return genesis.Edit(cdc, state, kmstypes.ModuleName, func(s *kmstypes.GenesisState) error {
				s.Params.KeyFee = keyFee
				return nil
			})
		},
	})
	return w
}

// newWorld has an active committee, a host chain and its active key.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := emptyWorld(t)
	w.acceptImage()
	w.Register(w.enclaves, w.parties...)
	w.epoch = w.Form(w.parties...)
	w.SetUp(w.epoch, w.parties...)
	w.registerHost(w.host)
	w.key = w.activeKey(w.host.ID)
	return w
}

func (w *world) acceptImage() {
	w.t.Helper()
	w.MustGovern(&partiestypes.MsgSetMeasurement{Authority: w.Authority(), Measurement: w.enclaves.Measurement()})
}

func (w *world) registerHost(host *acltest.Chain) {
	w.t.Helper()
	w.MustGovern(&acltypes.MsgRegisterHostChain{Authority: w.Authority(), HostChain: apptest.HostChainRecord(host)})
}

// activeKey has alice ask for a key and the parties generate it.
func (w *world) activeKey(host uint64) []byte {
	w.t.Helper()
	var response kmstypes.MsgRequestKeyResponse
	w.Response(w.MustDeliver(alice, &kmstypes.MsgRequestKey{Requester: alice.Address().String(), HostChainId: host, Params: kmstypes.ProductionPKE}), &response)
	require.True(w.t, response.Created)
	w.EachParty(w.parties, func(p *apptest.Party) sdk.Msg { return w.echo(response.KeyId, p) })
	w.EachParty(w.parties, func(p *apptest.Party) sdk.Msg { return w.keyPost(response.KeyId, p) })
	require.Equal(w.t, kmstypes.KEY_STATUS_ACTIVE, w.keyRecord(response.KeyId).Status)
	return response.KeyId
}

func (w *world) echo(key []byte, p *apptest.Party) sdk.Msg {
	return &kmstypes.MsgCommitKeyEcho{
		Account: p.Address().String(), KeyId: key, Attempt: w.keyRecord(key).Attempt, Digest: bytes.Repeat([]byte{9}, 32),
	}
}

func (w *world) progress(key []byte, p *apptest.Party) sdk.Msg {
	return &kmstypes.MsgPostKeyProgress{
		Account: p.Address().String(), KeyId: key, Attempt: w.keyRecord(key).Attempt, Stage: kmstypes.KEY_STAGE_NOISE, Done: 1, Total: 3,
	}
}

// keyPost is a party's signed word on generated material.
func (w *world) keyPost(id []byte, p *apptest.Party) *kmstypes.MsgPostKey {
	w.t.Helper()
	key := w.keyRecord(id)
	material := kmstypes.KeyMaterial{
		Seed: id[:16], PublicKeyDigest: crypto.Keccak256(id, []byte{1}), PublicKeyKeccak: crypto.Keccak256(id, []byte{2}),
		PublicKeySize: 33018, TestDecryptionOk: true, Tested: []string{kmstypes.FormCompactList},
	}
	signature, err := eip712.Sign(eip712.KeyGeneration(w.ChainID, key.SignedKey(material)), p.SigningKey())
	require.NoError(w.t, err)
	return &kmstypes.MsgPostKey{Account: p.Address().String(), KeyId: id, Attempt: key.Attempt, Material: material, Signature: signature}
}

func (w *world) keyRecord(id []byte) kmstypes.Key {
	w.t.Helper()
	key, err := w.App.KMS.Keys.Get(w.Ctx(), id)
	require.NoError(w.t, err)
	return key
}

// disclosed returns new handles of the types that are bound to bytes and publicly decryptable.
func (w *world) disclosed(host *acltest.Chain, types ...handles.Type) []common.Hash {
	out := make([]common.Hash, len(types))
	for i, t := range types {
		w.number++
		out[i] = host.Handle(w.number, byte(t))
		host.Allow(out[i])
		host.Bind(out[i], digestOf(out[i]))
	}
	return out
}

func digestOf(handle common.Hash) common.Hash {
	return crypto.Keccak256Hash([]byte("ciphertext"), handle[:])
}

// sealed is a new header of a host chain's present state.
func (w *world) sealed(host *acltest.Chain) []byte {
	w.height++
	return host.Sealed(w.height, uint64(w.Now.Unix()))
}

// request asks for plaintexts of the first host chain under a new header.
func (w *world) request(from apptest.Account, batch ...common.Hash) *kmstypes.MsgRequestPublicDecryption {
	return w.requestOn(w.host, w.key, from, batch...)
}

func (w *world) requestOn(host *acltest.Chain, key []byte, from apptest.Account, batch ...common.Hash) *kmstypes.MsgRequestPublicDecryption {
	msg := &kmstypes.MsgRequestPublicDecryption{
		Requester: from.Address().String(), HostChainId: host.ID, KeyId: key, MaxFee: 1_000_000,
		Proof: host.PublicProof(w.sealed(host), batch...),
	}
	for _, h := range batch {
		msg.Handles = append(msg.Handles, h.Bytes())
	}
	return msg
}

// ask delivers a request that must be taken.
func (w *world) ask(from apptest.Account, msg *kmstypes.MsgRequestPublicDecryption) kmstypes.MsgRequestPublicDecryptionResponse {
	w.t.Helper()
	var response kmstypes.MsgRequestPublicDecryptionResponse
	w.Response(w.MustDeliver(from, msg), &response)
	return response
}

func (w *world) record(id []byte) kmstypes.Request {
	w.t.Helper()
	r, err := w.App.KMS.Requests.Get(w.Ctx(), id)
	require.NoError(w.t, err)
	return r
}

// plaintext encodes one value a handle of the request.
func (w *world) plaintext(id []byte, values ...int64) []byte {
	w.t.Helper()
	list, err := w.record(id).HandleList()
	require.NoError(w.t, err)
	var words []byte
	for i, v := range values {
		words, err = handles.AppendValue(words, list[i].Type(), big.NewInt(v))
		require.NoError(w.t, err)
	}
	return words
}

// result is a party's signed answer to a request.
func (w *world) result(id []byte, p *apptest.Party, plaintext []byte) kmstypes.Result {
	w.t.Helper()
	r := w.record(id)
	list, err := r.HandleList()
	require.NoError(w.t, err)
	digest, err := r.SigningDigest(list, plaintext)
	require.NoError(w.t, err)
	signature, err := eip712.Sign(digest, p.SigningKey())
	require.NoError(w.t, err)
	return kmstypes.Result{RequestId: id, Attempt: r.Attempt, EpochId: r.EpochId, Plaintext: plaintext, Signature: signature}
}

func results(p *apptest.Party, list ...kmstypes.Result) sdk.Msg {
	return &kmstypes.MsgPostResults{Account: p.Address().String(), Results: list}
}

// answer has parties post the plaintext, all in one block.
func (w *world) answer(id, plaintext []byte, parties ...*apptest.Party) {
	w.t.Helper()
	w.EachParty(parties, func(p *apptest.Party) sdk.Msg { return results(p, w.result(id, p, plaintext)) })
}

func (w *world) totals() kmstypes.Totals {
	w.t.Helper()
	response, err := kmskeeper.NewQueryServer(w.App.KMS).Totals(w.Ctx(), &kmstypes.QueryTotalsRequest{})
	require.NoError(w.t, err)
	return response.Totals
}

func (w *world) certificate(id []byte) kmstypes.Certificate {
	w.t.Helper()
	response, err := kmskeeper.NewQueryServer(w.App.KMS).Certificate(w.Ctx(), &kmstypes.QueryCertificateRequest{Id: common.Bytes2Hex(id)})
	require.NoError(w.t, err)
	return response.Certificate
}

func (w *world) balance(account sdk.AccAddress) int64 {
	return w.App.Bank.GetBalance(w.Ctx(), account, params.Denom).Amount.Int64()
}

// state is what the modules of decryption would export: all that they hold but headers.
func (w *world) state() string {
	w.t.Helper()
	kms, err := w.App.KMS.ExportGenesis(w.Ctx())
	require.NoError(w.t, err)
	acl, err := w.App.ACL.ExportGenesis(w.Ctx())
	require.NoError(w.t, err)
	return string(w.App.Codec().MustMarshalJSON(kms)) + string(w.App.Codec().MustMarshalJSON(acl))
}

// refusedFor delivers a message that must be refused with the code, leave no trace in the state and cost
// its sender nothing but gas.
func (w *world) refusedFor(want *errorsmod.Error, from apptest.Account, msg sdk.Msg) {
	w.t.Helper()
	totals, state, balance := w.totals(), w.state(), w.balance(from.Address())
	requireRefused(w.t, want, w.Deliver(from, msg))
	require.Equal(w.t, totals, w.totals(), "requests and escrow")
	require.Equal(w.t, state, w.state())
	require.Equal(w.t, balance-apptest.DefaultGas/1000, w.balance(from.Address()), "only gas is paid")
}
