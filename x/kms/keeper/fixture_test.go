package keeper_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/runtime"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/testutil"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/keeper"
	"github.com/tkms-network/tkms/x/kms/types"
)

const (
	hostChain  = 31337
	otherChain = 31338
	chainID    = "tkms-test"
	epochID    = 7
	startFunds = 1_000_000
	// now is the time of the first block, in seconds.
	now = 1_800_000_000
)

var (
	moduleAccount = authtypes.NewModuleAddress(types.ModuleName)
	errProof      = errors.New("the proof does not hold")
)

func account(name string) sdk.AccAddress {
	sum := sha256.Sum256([]byte(name))
	return sum[:20]
}

// bank keeps balances of utkms.
type bank struct {
	balances map[string]math.Int
	refuse   map[string]bool
}

func (b *bank) balance(a sdk.AccAddress) math.Int {
	if v, ok := b.balances[string(a)]; ok {
		return v
	}
	return math.ZeroInt()
}

func (b *bank) SendCoins(_ context.Context, from, to sdk.AccAddress, amount sdk.Coins) error {
	value := amount.AmountOf(types.FeeDenom)
	if b.refuse[string(to)] {
		return errors.New("the recipient is restricted")
	}
	if b.balance(from).LT(value) {
		return errors.New("insufficient funds")
	}
	b.balances[string(from)] = b.balance(from).Sub(value)
	b.balances[string(to)] = b.balance(to).Add(value)
	return nil
}

func (b *bank) SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amount sdk.Coins) error {
	return b.SendCoins(ctx, from, authtypes.NewModuleAddress(module), amount)
}

func (b *bank) GetBalance(_ context.Context, a sdk.AccAddress, denom string) sdk.Coin {
	return sdk.NewCoin(denom, b.balance(a))
}

// acl accepts every proof but one with the header "bad", and binds no digest
// under the header "empty".
type acl struct {
	hosts    map[uint64]acltypes.HostChain
	verified int
	// access was asked for last.
	access acltypes.UserAccess
	// signers are those that the verifiers take, threshold how many make a result.
	signers   [][20]byte
	threshold uint32
}

func digestOf(handle []byte) []byte { return crypto.Keccak256([]byte("ciphertext"), handle) }

func (a *acl) HostChain(_ context.Context, id uint64) (acltypes.HostChain, error) {
	host, ok := a.hosts[id]
	if !ok {
		return host, errors.New("unknown host chain")
	}
	return host, nil
}

func (a *acl) VerifyPublicDecryption(_ context.Context, id uint64, proof acltypes.DecryptionProof, wanted, _ [][32]byte) (acltypes.Verified, error) {
	a.verified++
	if string(proof.Header) == "bad" {
		return acltypes.Verified{}, errProof
	}
	v := acltypes.Verified{HeaderHash: [32]byte{byte(id)}, Height: 55, Timestamp: 1_700_000_000}
	if string(proof.Header) == "empty" {
		wanted = nil
	}
	for _, h := range wanted {
		v.Digests = append(v.Digests, [32]byte(digestOf(h[:])))
	}
	return v, nil
}

func (a *acl) VerifyUserDecryption(ctx context.Context, id uint64, proof acltypes.DecryptionProof, access acltypes.UserAccess) (acltypes.Verified, error) {
	a.access = access
	return a.VerifyPublicDecryption(ctx, id, proof, access.Handles, access.Claimed)
}

// VerifySigners shows the signers at height 77 of the host chain.
func (a *acl) VerifySigners(_ context.Context, _ uint64, proof acltypes.SignersProof, signers [][20]byte, threshold uint32) (uint64, error) {
	if string(proof.Header) == "bad" {
		return 0, errProof
	}
	if !slices.Equal(signers, a.signers) || threshold != a.threshold {
		return 0, acltypes.ErrOtherSigners
	}
	return 77, nil
}

// fixture is a keeper on a memory store with an active key.
type fixture struct {
	testing.TB
	ctx     sdk.Context
	keeper  keeper.Keeper
	msgs    types.MsgServer
	queries types.QueryServer
	bank    *bank
	acl     *acl
	parties *committee
	alice   sdk.AccAddress
	keyID   []byte
}

// noiseModel has what is at most as likely as 2^-128 for four parties, and keys with
// noise "prss" for seven parties only.
func noiseModel(set, noise string, parties int) (int32, bool) {
	switch {
	case set == types.TestParameters:
		return -40_000, true
	case noise == types.NoiseExact:
		return -129_580, true
	case parties == 7:
		return -115_300, true
	}
	return 0, false
}

// newStore is a fixture of n parties without keys.
func newStore(t testing.TB, n int) *fixture {
	t.Helper()
	f := &fixture{TB: t, alice: account("alice"), parties: newCommittee(t, epochID, n, 1)}
	f.bank = &bank{balances: map[string]math.Int{string(f.alice): math.NewInt(startFunds)}, refuse: map[string]bool{}}
	f.acl = &acl{hosts: map[uint64]acltypes.HostChain{}}
	for i, id := range []uint64{hostChain, otherChain} {
		f.acl.hosts[id] = acltypes.HostChain{
			Id:             id,
			VerifierDomain: acltypes.VerifierDomain{Name: "Decryption", Version: "1", ChainId: id + 1000, VerifyingContract: bytes.Repeat([]byte{byte(i + 1)}, 20)},
			Fees:           acltypes.Fees{PublicDecryptionPerBlock: 10, PerRequest: 7, UserDecryptionPerBlock: 20},
			Limits: acltypes.Limits{
				MaxHandlesPerRequest: 4, MaxBlocksPerRequest: 2000, MaxBlocksPerWindow: 3000, WindowBlocks: 1000, DeadlineBlocks: 20,
				MaxUserDecryptionBits: 2048,
			},
			Freshness: acltypes.Freshness{MaxAheadSeconds: 30},
			Simulated: []string{"coprocessor"},
		}
	}
	storeKey := storetypes.NewKVStoreKey(types.StoreKey)
	f.ctx = testutil.DefaultContextWithDB(t, storeKey, storetypes.NewTransientStoreKey("transient")).Ctx.
		WithChainID(chainID).WithBlockHeight(100).WithBlockTime(time.Unix(now, 0))
	cdc := codec.NewProtoCodec(codectypes.NewInterfaceRegistry())
	f.keeper = keeper.NewKeeper(cdc, runtime.NewKVStoreService(storeKey), account("gov").String(), f.bank, f.acl, f.parties, noiseModel)
	f.msgs, f.queries = keeper.NewMsgServer(f.keeper), keeper.NewQueryServer(f.keeper)
	require.NoError(t, f.keeper.InitGenesis(f.ctx, *types.DefaultGenesis()))
	return f
}

// newFixture has an active key of hostChain.
func newFixture(t testing.TB, n int) *fixture {
	t.Helper()
	f := newStore(t, n)
	f.keyID = f.activeKey(hostChain)
	return f
}

// do runs a message as a transaction does: what it wrote is kept on success only.
func (f *fixture) do(act func(context.Context) error) error {
	f.Helper()
	cached, write := f.ctx.CacheContext()
	balances := map[string]math.Int{}
	for a, v := range f.bank.balances {
		balances[a] = v
	}
	if err := act(cached); err != nil {
		f.bank.balances = balances
		return err
	}
	write()
	f.checkInvariants()
	return nil
}

// endBlocks runs EndBlock up to and including the height, and moves to the next.
func (f *fixture) endBlocks(until int64) {
	f.Helper()
	for f.ctx.BlockHeight() <= until {
		require.NoError(f, f.keeper.EndBlock(f.ctx))
		f.checkInvariants()
		f.ctx = f.ctx.WithBlockHeight(f.ctx.BlockHeight() + 1)
	}
}

// checkInvariants holds the module's balance, the totals and the records against each other.
func (f *fixture) checkInvariants() {
	f.Helper()
	g, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(f, err)
	require.NoError(f, g.Validate())
	escrow, err := g.Escrow()
	require.NoError(f, err)
	totals := f.totals()
	require.Equal(f, escrow, totals.Escrow, "escrow of the records and of the totals")
	require.Equal(f, escrow, f.bank.balance(moduleAccount).Uint64(), "escrow and the module's balance")
	open := uint64(0)
	for _, r := range g.Requests {
		if r.Status == types.REQUEST_STATUS_ACCEPTED {
			open++
		}
	}
	require.Equal(f, open, totals.Open)
}

func (f *fixture) totals() types.Totals {
	f.Helper()
	response, err := f.queries.Totals(f.ctx, &types.QueryTotalsRequest{})
	require.NoError(f, err)
	return response.Totals
}

func (f *fixture) setParams(change func(*types.Params)) {
	f.Helper()
	params, err := f.keeper.Params.Get(f.ctx)
	require.NoError(f, err)
	change(&params)
	require.NoError(f, f.do(func(ctx context.Context) error {
		_, err := f.msgs.UpdateParams(ctx, &types.MsgUpdateParams{Authority: f.keeper.Authority(), Params: params})
		return err
	}))
}

func material() types.KeyMaterial {
	return types.KeyMaterial{
		Seed: bytes.Repeat([]byte{1}, 16), PublicKeyDigest: bytes.Repeat([]byte{2}, 32), PublicKeyKeccak: bytes.Repeat([]byte{3}, 32),
		PublicKeySize: 33018, TestDecryptionOk: true, Tested: []string{types.FormCompactList},
	}
}

// materialOf is material that a key of the parameter set can have.
func materialOf(params string) types.KeyMaterial {
	m := material()
	set, _ := types.ParameterSetByName(params)
	m.Tested = set.Tested
	for i, kind := range set.Objects {
		m.Objects = append(m.Objects, types.KeyObject{Kind: kind, Digest: bytes.Repeat([]byte{byte(20 + i)}, 32), ByteSize: 60_293_973})
	}
	return m
}

func (f *fixture) requestKey(host uint64) ([]byte, bool, error) {
	f.Helper()
	return f.requestKeyAs(&types.MsgRequestKey{Requester: f.alice.String(), HostChainId: host, Params: types.ProductionPKE})
}

func (f *fixture) requestKeyAs(msg *types.MsgRequestKey) (id []byte, created bool, err error) {
	f.Helper()
	err = f.do(func(ctx context.Context) error {
		response, err := f.msgs.RequestKey(ctx, msg)
		if err == nil {
			id, created = response.KeyId, response.Created
		}
		return err
	})
	return id, created, err
}

func (f *fixture) key(id []byte) types.Key {
	f.Helper()
	key, err := f.keeper.Keys.Get(f.ctx, id)
	require.NoError(f, err)
	return key
}

func (f *fixture) echo(id []byte, index int, digest byte) error {
	f.Helper()
	return f.do(func(ctx context.Context) error {
		_, err := f.msgs.CommitKeyEcho(ctx, &types.MsgCommitKeyEcho{
			Account: f.parties.of(f.key(id).EpochId).parties[index-1].Account, KeyId: id, Attempt: f.key(id).Attempt, Digest: bytes.Repeat([]byte{digest}, 32),
		})
		return err
	})
}

func (f *fixture) keyPost(id []byte, index int, m types.KeyMaterial) *types.MsgPostKey {
	f.Helper()
	key := f.key(id)
	of := f.parties.of(key.Generator())
	signature, err := eip712.Sign(eip712.KeyGeneration(chainID, key.SignedKey(m)), of.keys[index-1])
	require.NoError(f, err)
	return &types.MsgPostKey{Account: of.parties[index-1].Account, KeyId: id, Attempt: key.Attempt, Material: m, Signature: signature}
}

func (f *fixture) postKey(msg *types.MsgPostKey) error {
	f.Helper()
	return f.do(func(ctx context.Context) error {
		_, err := f.msgs.PostKey(ctx, msg)
		return err
	})
}

func (f *fixture) quorum() int { return 2*int(f.parties.epoch.T) + 1 }

func (f *fixture) activeKey(host uint64) []byte {
	f.Helper()
	id, created, err := f.requestKey(host)
	require.NoError(f, err)
	require.True(f, created)
	for i := 1; i <= f.quorum(); i++ {
		require.NoError(f, f.echo(id, i, 9))
	}
	for i := 1; i <= f.quorum(); i++ {
		require.NoError(f, f.postKey(f.keyPost(id, i, material())))
	}
	require.Equal(f, types.KEY_STATUS_ACTIVE, f.key(id).Status)
	return id
}

func handle(seed byte, t handles.Type) []byte { return handleOn(hostChain, seed, t) }

func handleOn(host uint64, seed byte, t handles.Type) []byte {
	h := bytes.Repeat([]byte{seed}, 32)
	binary.BigEndian.PutUint64(h[22:], host)
	h[30], h[31] = byte(t), 0
	return h
}

func (f *fixture) decryption(batch ...[]byte) *types.MsgRequestPublicDecryption {
	return &types.MsgRequestPublicDecryption{
		Requester: f.alice.String(), HostChainId: hostChain, KeyId: f.keyID, Handles: batch, MaxFee: startFunds,
		Proof: acltypes.DecryptionProof{Header: []byte("header")},
	}
}

func (f *fixture) send(msg *types.MsgRequestPublicDecryption) (id []byte, created bool, err error) {
	f.Helper()
	err = f.do(func(ctx context.Context) error {
		response, err := f.msgs.RequestPublicDecryption(ctx, msg)
		if err == nil {
			id, created = response.RequestId, response.Created
		}
		return err
	})
	return id, created, err
}

func (f *fixture) accepted(batch ...[]byte) []byte {
	f.Helper()
	id, created, err := f.send(f.decryption(batch...))
	require.NoError(f, err)
	require.True(f, created)
	return id
}

func (f *fixture) request(id []byte) types.Request {
	f.Helper()
	r, err := f.keeper.Requests.Get(f.ctx, id)
	require.NoError(f, err)
	return r
}

// plaintext encodes one value a handle.
func (f *fixture) plaintext(id []byte, values ...int64) []byte {
	f.Helper()
	list, err := f.request(id).HandleList()
	require.NoError(f, err)
	var words []byte
	for i, v := range values {
		words, err = handles.AppendValue(words, list[i].Type(), big.NewInt(v))
		require.NoError(f, err)
	}
	return words
}

// result is what an honest party would post.
func (f *fixture) result(id []byte, index int, plaintext []byte) types.Result {
	f.Helper()
	r := f.request(id)
	list, err := r.HandleList()
	require.NoError(f, err)
	digest, err := r.SigningDigest(list, plaintext)
	require.NoError(f, err)
	signature, err := eip712.Sign(digest, f.parties.of(r.EpochId).keys[index-1])
	require.NoError(f, err)
	return types.Result{RequestId: id, Attempt: r.Attempt, EpochId: r.EpochId, Plaintext: plaintext, Signature: signature}
}

// post has the party post results, as a member of the epoch that the first one names.
func (f *fixture) post(index int, results ...types.Result) (codes []uint32, err error) {
	f.Helper()
	account := partyAccount(index).String()
	if len(results) != 0 {
		if of := f.parties.of(results[0].EpochId); of != nil && index <= len(of.parties) {
			account = of.parties[index-1].Account
		}
	}
	err = f.do(func(ctx context.Context) error {
		response, err := f.msgs.PostResults(ctx, &types.MsgPostResults{Account: account, Results: results})
		if err == nil {
			codes = response.Codes
		}
		return err
	})
	return codes, err
}

// answer has the parties with the given indices post the plaintext.
func (f *fixture) answer(id, plaintext []byte, indices ...int) {
	f.Helper()
	for _, i := range indices {
		codes, err := f.post(i, f.result(id, i, plaintext))
		require.NoError(f, err)
		require.Equal(f, []uint32{0}, codes)
	}
}
