package keeper_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/stretchr/testify/require"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"
	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/runtime"
	"github.com/cosmos/cosmos-sdk/store/v2"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	moduletestutil "github.com/cosmos/cosmos-sdk/types/module/testutil"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authcodec "github.com/cosmos/cosmos-sdk/x/auth/codec"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/enclave/attest"
	"github.com/tkms-network/tkms/enclave/attest/devnitro"
	"github.com/tkms-network/tkms/enclave/attest/nsm"
	"github.com/tkms-network/tkms/x/parties"
	"github.com/tkms-network/tkms/x/parties/keeper"
	"github.com/tkms-network/tkms/x/parties/types"
)

const (
	chainID = "tkms-test-1"
	prefix  = "tkms"
)

var genesisTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixture is the module on a memory database with the real x/auth keeper and
// the simulated enclave device.
type fixture struct {
	t        testing.TB
	ctx      sdk.Context
	cms      store.CommitMultiStore
	key      storetypes.StoreKey
	codec    codec.Codec
	keeper   *keeper.Keeper
	accounts authkeeper.AccountKeeper
	bank     *bank
	messages types.MsgServer
	queries  types.QueryServer

	root  *devnitro.Root
	image attest.Measurement
	// deviceTime is what enclaves stamp on documents; block time if zero.
	deviceTime time.Time
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := newEmptyFixture(t)
	params := types.DefaultParams()
	params.DevNitroRoot = f.root.DER()
	params.Measurements = []types.Measurement{accepted(types.TEETypeDevNitro, f.image)}
	params.SetupCommitBlocks, params.SetupConfirmBlocks = 5, 5
	params.SetupAnswerBlocks, params.SetupRevealBlocks = 4, 4
	params.AbsenceBlocks, params.ReportWindowBlocks, params.ReadyBlocks = 10, 30, 3
	params.RecentBlocks = 20
	params.PartyTxsPerWindow, params.PartyWindowBlocks = 4, 5
	require.NoError(t, params.Validate())
	require.NoError(t, f.keeper.InitGenesis(f.ctx, types.GenesisState{Params: params}))
	f.blocks(3)
	return f
}

// newEmptyFixture has no genesis state.
func newEmptyFixture(t testing.TB) *fixture {
	t.Helper()
	encoding := moduletestutil.MakeTestEncodingConfig(auth.AppModuleBasic{}, parties.AppModule{})
	key, authKey := storetypes.NewKVStoreKey(types.StoreKey), storetypes.NewKVStoreKey(authtypes.StoreKey)
	db := dbm.NewMemDB()
	cms := store.NewCommitMultiStore(db, log.NewNopLogger())
	cms.MountStoreWithDB(key, storetypes.StoreTypeIAVL, nil)
	cms.MountStoreWithDB(authKey, storetypes.StoreTypeIAVL, nil)
	require.NoError(t, cms.LoadLatestVersion())

	addresses := authcodec.NewBech32Codec(prefix)
	accounts := authkeeper.NewAccountKeeper(encoding.Codec, runtime.NewKVStoreService(authKey), authtypes.ProtoBaseAccount,
		nil, addresses, prefix, address(t, "authority"))
	coins := &bank{balances: map[string]math.Int{}}
	k := keeper.NewKeeper(encoding.Codec, runtime.NewKVStoreService(key), address(t, "authority"), accounts, coins)

	root, err := devnitro.NewRoot(bytes.Repeat([]byte{7}, devnitro.SeedSize))
	require.NoError(t, err)
	image, err := devnitro.Measure(bytes.NewReader([]byte("tkms-party")))
	require.NoError(t, err)
	f := &fixture{
		t: t, cms: cms, key: key, codec: encoding.Codec, keeper: k, accounts: accounts, bank: coins,
		messages: keeper.NewMsgServer(k), queries: keeper.NewQueryServer(k),
		root: root, image: image,
	}
	f.ctx = sdk.NewContext(cms, cmtproto.Header{ChainID: chainID, Height: 1, Time: genesisTime}, false, log.NewNopLogger()).
		WithHeaderHash(blockHash(1))
	return f
}

func address(t testing.TB, name string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(name))
	text, err := authcodec.NewBech32Codec(prefix).BytesToString(sum[:20])
	require.NoError(t, err)
	return text
}

func accepted(teeType string, m attest.Measurement) types.Measurement {
	return types.Measurement{TeeType: teeType, Pcr0: m[0][:], Pcr1: m[1][:], Pcr2: m[2][:]}
}

func blockHash(height int64) []byte {
	sum := sha256.Sum256([]byte{'b', byte(height >> 16), byte(height >> 8), byte(height)})
	return sum[:]
}

// blocks ends the current block and begins the next, count times; a block takes a second.
func (f *fixture) blocks(count int) {
	f.t.Helper()
	for range count {
		require.NoError(f.t, f.keeper.EndBlock(f.ctx))
		height := f.ctx.BlockHeight() + 1
		f.ctx = f.ctx.WithBlockHeight(height).WithBlockTime(f.ctx.BlockTime().Add(time.Second)).
			WithHeaderHash(blockHash(height)).WithEventManager(sdk.NewEventManager())
		require.NoError(f.t, f.keeper.BeginBlock(f.ctx))
	}
}

func (f *fixture) secret(name, use string) []byte {
	sum := sha256.Sum256([]byte(name + "/" + use))
	return sum[:]
}

func (f *fixture) sessionKey(name string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(f.secret(name, "session"))
}

// message returns a registration of the named party, attested as a party would.
func (f *fixture) message(name string) *types.MsgRegisterParty {
	f.t.Helper()
	height := f.ctx.BlockHeight()
	message := &types.MsgRegisterParty{
		Operator: address(f.t, name), Moniker: name,
		SigningKey:    secp256k1.PrivKeyFromBytes(f.secret(name, "signing")).PubKey().SerializeCompressed(),
		SessionKey:    f.sessionKey(name).Public().(ed25519.PublicKey),
		TlsKeyHash:    f.secret(name, "tls"),
		EncryptionKey: f.secret(name, "encryption"),
		PeerAddress:   name + ".example:7700", VaultUrl: "https://" + name + ".example",
		TeeType: types.TEETypeDevNitro, SealPolicyHash: f.secret("", "policy"),
		TrustedHeight: height - 1, TrustedHash: blockHash(height - 1),
		RecentHeight: height, RecentHash: blockHash(height),
	}
	f.attest(message)
	return message
}

// attest asks a simulated device for a document about the message.
func (f *fixture) attest(message *types.MsgRegisterParty) {
	f.t.Helper()
	digest := message.Binding(chainID).Digest()
	message.Evidence = f.document(digest[:])
}

func (f *fixture) document(userData []byte) []byte {
	f.t.Helper()
	now := f.deviceTime
	if now.IsZero() {
		now = f.ctx.BlockTime()
	}
	device, err := devnitro.New(devnitro.Config{
		Root: f.root, Measurement: f.image, Instance: "i-test", Now: func() time.Time { return now },
	})
	require.NoError(f.t, err)
	document, err := nsm.Attest(device, userData)
	require.NoError(f.t, err)
	return document
}

func (f *fixture) register(names ...string) []types.Party {
	f.t.Helper()
	registered := make([]types.Party, len(names))
	for i, name := range names {
		response, err := f.messages.RegisterParty(f.ctx, f.message(name))
		require.NoError(f.t, err)
		registered[i], err = f.keeper.PartyByID(f.ctx, response.Id)
		require.NoError(f.t, err)
	}
	return registered
}

func (f *fixture) form(ids ...uint64) uint64 {
	f.t.Helper()
	response, err := f.messages.FormCommittee(f.ctx, &types.MsgFormCommittee{Authority: address(f.t, "authority"), PartyIds: ids})
	require.NoError(f.t, err)
	return response.EpochId
}

func (f *fixture) epoch(id uint64) types.Epoch {
	f.t.Helper()
	epoch, err := f.keeper.EpochByID(f.ctx, id)
	require.NoError(f.t, err)
	return epoch
}

func (f *fixture) commit(party types.Party, epoch uint64, attempt uint32) error {
	_, err := f.messages.CommitSetup(f.ctx, &types.MsgCommitSetup{
		Account: party.Account, EpochId: epoch, Attempt: attempt, Root: f.secret(party.Moniker, "root"),
	})
	return err
}

func (f *fixture) confirm(party types.Party, epoch uint64, attempt uint32) error {
	_, err := f.messages.ConfirmSetup(f.ctx, &types.MsgConfirmSetup{
		Account: party.Account, EpochId: epoch, Attempt: attempt, Transcript: f.secret("", "transcript"),
	})
	return err
}

// activeCommittee registers alice, bob, carol and dave and takes their epoch to ACTIVE.
func (f *fixture) activeCommittee() ([]types.Party, uint64) {
	f.t.Helper()
	members := f.register("alice", "bob", "carol", "dave")
	epoch := f.form(1, 2, 3, 4)
	for _, member := range members {
		require.NoError(f.t, f.commit(member, epoch, 1))
	}
	f.blocks(1)
	for _, member := range members {
		require.NoError(f.t, f.confirm(member, epoch, 1))
	}
	f.blocks(1)
	require.Equal(f.t, types.EPOCH_STATUS_ACTIVE, f.epoch(epoch).Status)
	return members, epoch
}

func (f *fixture) report(reporter types.Party, epoch uint64, indices ...uint32) error {
	_, err := f.messages.ReportAbsent(f.ctx, &types.MsgReportAbsent{
		Account: reporter.Account, EpochId: epoch, Generation: f.epoch(epoch).Generation, Indices: indices,
	})
	return err
}

func (f *fixture) ready(member types.Party, epoch uint64) error {
	digest := types.ReadyDigest(f.secret("", "transcript"), f.epoch(epoch).Generation)
	_, err := f.messages.Ready(f.ctx, &types.MsgReady{Account: member.Account, EpochId: epoch, Digest: digest[:]})
	return err
}

// export returns the whole state, for comparison.
func (f *fixture) export() string {
	f.t.Helper()
	genesis, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(f.t, err)
	return string(f.codec.MustMarshalJSON(genesis))
}
