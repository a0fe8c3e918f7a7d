package party

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/runtime"
	"github.com/cosmos/cosmos-sdk/store/v2"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authcodec "github.com/cosmos/cosmos-sdk/x/auth/codec"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	moduletestutil "github.com/cosmos/cosmos-sdk/types/module/testutil"

	"github.com/tkms-network/tkms/enclave/tfhe/noise"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmskeeper "github.com/tkms-network/tkms/x/kms/keeper"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	parties "github.com/tkms-network/tkms/x/parties"
	partieskeeper "github.com/tkms-network/tkms/x/parties/keeper"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

const (
	testChainID = "tkms-test-1"
	hostChainID = 31337
	blockTime   = 50 * time.Millisecond
)

// ledger is the chain without consensus: the real keepers of x/parties and x/kms
// over memory, a block every blockTime, and the state after each block kept for
// proofs. Host chains prove whatever the test says.
type ledger struct {
	t        testing.TB
	parties  *partieskeeper.Keeper
	kms      kmskeeper.Keeper
	accounts authkeeper.AccountKeeper
	stores   map[string]storetypes.StoreKey
	static   map[string][]byte // records of x/acl
	host     acltypes.HostChain
	digests  map[[32]byte][32]byte // by handle, as the host chain's state binds them

	mu        sync.Mutex
	ctx       sdk.Context
	snapshots map[int64]map[string][]byte
	height    int64 // newest committed
	first     int64 // what followers begin with, 0 for the newest; nothing before is proven
	times     map[int64]time.Time
	mempool   []delivered
	changed   chan struct{}
	results   map[string]map[string]bool // by request and account: the results that were sent
	sent      []sdk.Msg
	alter     func(sdk.Msg) sdk.Msg // what the network makes of a message, nil drops it
	failing   error                 // what every call answers
}

type delivered struct {
	account sdk.AccAddress
	msg     sdk.Msg
	gas     uint64 // limit
}

type noBank struct{}

func (noBank) SendCoinsFromAccountToModule(context.Context, sdk.AccAddress, string, sdk.Coins) error {
	return nil
}
func (noBank) SendCoins(context.Context, sdk.AccAddress, sdk.AccAddress, sdk.Coins) error { return nil }
func (noBank) BurnCoins(context.Context, string, sdk.Coins) error                         { return nil }
func (noBank) GetBalance(_ context.Context, _ sdk.AccAddress, denom string) sdk.Coin {
	return sdk.NewInt64Coin(denom, 1<<40)
}

func (l *ledger) HostChain(context.Context, uint64) (acltypes.HostChain, error) { return l.host, nil }

func (l *ledger) VerifyPublicDecryption(_ context.Context, _ uint64, _ acltypes.DecryptionProof, wanted, _ [][32]byte) (acltypes.Verified, error) {
	return l.verified(wanted), nil
}

func (l *ledger) VerifyUserDecryption(_ context.Context, _ uint64, _ acltypes.DecryptionProof, access acltypes.UserAccess) (acltypes.Verified, error) {
	return l.verified(access.Handles), nil
}

func (l *ledger) VerifySigners(context.Context, uint64, acltypes.SignersProof, [][20]byte, uint32) (uint64, error) {
	return 1, nil
}

func (l *ledger) verified(wanted [][32]byte) (v acltypes.Verified) {
	for _, handle := range wanted {
		v.Digests = append(v.Digests, l.digests[handle])
	}
	return v
}

func newLedger(t testing.TB, change func(*partiestypes.Params)) *ledger {
	t.Helper()
	l := &ledger{
		t: t, stores: map[string]storetypes.StoreKey{}, static: map[string][]byte{}, digests: map[[32]byte][32]byte{},
		snapshots: map[int64]map[string][]byte{}, times: map[int64]time.Time{}, changed: make(chan struct{}), results: map[string]map[string]bool{},
	}
	cms := store.NewCommitMultiStore(dbm.NewMemDB(), log.NewNopLogger())
	mount := func(name string) *storetypes.KVStoreKey {
		key := storetypes.NewKVStoreKey(name)
		cms.MountStoreWithDB(key, storetypes.StoreTypeDB, nil)
		l.stores[name] = key
		return key
	}
	partiesKey, kmsKey, authKey := mount(partiestypes.StoreKey), mount(kmstypes.StoreKey), mount(authtypes.StoreKey)
	require.NoError(t, cms.LoadLatestVersion())
	encoding := moduletestutil.MakeTestEncodingConfig(auth.AppModuleBasic{}, parties.AppModule{})
	prefix := sdk.GetConfig().GetBech32AccountAddrPrefix()
	authority := sdk.AccAddress(make([]byte, 20)).String()
	l.accounts = authkeeper.NewAccountKeeper(encoding.Codec, runtime.NewKVStoreService(authKey), authtypes.ProtoBaseAccount,
		nil, authcodec.NewBech32Codec(prefix), prefix, authority)
	l.parties = partieskeeper.NewKeeper(encoding.Codec, runtime.NewKVStoreService(partiesKey), authority, l.accounts, noBank{})
	l.kms = kmskeeper.NewKeeper(codec.NewProtoCodec(codectypes.NewInterfaceRegistry()), runtime.NewKVStoreService(kmsKey), authority, noBank{}, l, l.parties, noise.Milli)
	l.parties.SetWork(l.kms)
	l.ctx = sdk.NewContext(cms, cmtproto.Header{ChainID: testChainID, Height: 1, Time: time.Now().UTC()}, false, log.NewNopLogger())

	params := partiestypes.DefaultParams()
	params.AbsenceBlocks, params.ReportWindowBlocks, params.ReadyBlocks = 60, 400, 3
	params.SetupCommitBlocks, params.SetupConfirmBlocks = 2000, 2000
	params.PartyTxsPerWindow = 1000
	if change != nil {
		change(&params)
	}
	require.NoError(t, l.parties.InitGenesis(l.ctx, partiestypes.GenesisState{Params: params}))
	genesis := kmstypes.DefaultGenesis()
	genesis.Params.ParameterSets = []string{testSet.Name, smallSet.Name}
	require.NoError(t, l.kms.InitGenesis(l.ctx, *genesis))
	return l
}

// setHost registers the host chain.
func (l *ledger) setHost(endpoints ...string) {
	l.host = acltypes.HostChain{
		Id:             hostChainID,
		VerifierDomain: acltypes.VerifierDomain{Name: "Decryption", Version: "1", ChainId: 1, VerifyingContract: make([]byte, 20)},
		Limits:         acltypes.Limits{MaxHandlesPerRequest: 256, MaxBlocksPerRequest: 4096, MaxUserDecryptionBits: 2048, MaxBlocksPerWindow: 1 << 20, WindowBlocks: 1000, DeadlineBlocks: 100_000},
		BlobEndpoints:  endpoints,
	}
	raw, err := l.host.Marshal()
	require.NoError(l.t, err)
	l.static[acltypes.StoreKey+"/"+string(acltypes.StoreKeyOfHostChain(hostChainID))] = raw
}

// start makes blocks until the test ends.
func (l *ledger) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			l.block()
			pause(ctx, blockTime)
		}
	}()
	l.t.Cleanup(func() { cancel(); <-done })
}

// block ends the block in progress with what is in the mempool.
func (l *ledger) block() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tx := range l.mempool {
		cached, write := l.ctx.CacheContext()
		if err := l.parties.PartyTxAllowed(cached, tx.account); err != nil {
			continue
		}
		if l.applyWithin(cached, tx) == nil {
			write()
		}
	}
	l.mempool = nil
	if err := errors.Join(l.parties.EndBlock(l.ctx), l.kms.EndBlock(l.ctx)); err != nil {
		l.t.Error(err)
	}
	height := l.ctx.BlockHeight()
	state := maps.Clone(l.static)
	for name, key := range l.stores {
		iterator := l.ctx.KVStore(key).Iterator(nil, nil)
		for ; iterator.Valid(); iterator.Next() {
			state[name+"/"+string(iterator.Key())] = iterator.Value()
		}
		_ = iterator.Close()
	}
	l.snapshots[height], l.times[height], l.height = state, l.ctx.BlockTime(), height
	l.ctx = l.ctx.WithBlockHeight(height + 1).WithBlockTime(time.Now().UTC()).WithEventManager(sdk.NewEventManager())
	if err := l.parties.BeginBlock(l.ctx); err != nil {
		l.t.Error(err)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// applyWithin applies a message within its gas, which is to be enough.
func (l *ledger) applyWithin(ctx sdk.Context, tx delivered) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%T with %d gas: %v", tx.msg, tx.gas, r)
			l.t.Error(err)
		}
	}()
	ctx = ctx.WithGasMeter(storetypes.NewGasMeter(tx.gas))
	ctx.GasMeter().ConsumeGas(authtypes.DefaultTxSizeCostPerByte*uint64(proto.Size(tx.msg)), "size")
	return l.apply(ctx, tx.msg)
}

func (l *ledger) apply(ctx context.Context, msg sdk.Msg) (err error) {
	parties, kms := partieskeeper.NewMsgServer(l.parties), kmskeeper.NewMsgServer(l.kms)
	switch m := msg.(type) {
	case *partiestypes.MsgCommitSetup:
		_, err = parties.CommitSetup(ctx, m)
	case *partiestypes.MsgConfirmSetup:
		_, err = parties.ConfirmSetup(ctx, m)
	case *partiestypes.MsgComplainSetup:
		_, err = parties.ComplainSetup(ctx, m)
	case *partiestypes.MsgAnswerComplaint:
		_, err = parties.AnswerComplaint(ctx, m)
	case *partiestypes.MsgRevealComplaint:
		_, err = parties.RevealComplaint(ctx, m)
	case *partiestypes.MsgReportAbsent:
		_, err = parties.ReportAbsent(ctx, m)
	case *partiestypes.MsgSubmitEvidence:
		_, err = parties.SubmitEvidence(ctx, m)
	case *partiestypes.MsgReady:
		_, err = parties.Ready(ctx, m)
	case *partiestypes.MsgCommitResharing:
		_, err = parties.CommitResharing(ctx, m)
	case *partiestypes.MsgReceiveResharing:
		_, err = parties.ReceiveResharing(ctx, m)
	case *partiestypes.MsgConfirmResharing:
		_, err = parties.ConfirmResharing(ctx, m)
	case *partiestypes.MsgCertifyEpoch:
		_, err = parties.CertifyEpoch(ctx, m)
	case *kmstypes.MsgCommitKeyEcho:
		_, err = kms.CommitKeyEcho(ctx, m)
	case *kmstypes.MsgPostKey:
		_, err = kms.PostKey(ctx, m)
	case *kmstypes.MsgPostResults:
		_, err = kms.PostResults(ctx, m)
	default:
		err = errors.New("no party message")
	}
	return err
}

// do runs act as a transaction of somebody else in the block in progress.
func (l *ledger) do(act func(ctx context.Context) error) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	cached, write := l.ctx.CacheContext()
	require.NoError(l.t, act(cached))
	write()
}

// view runs look on the state of the block in progress.
func (l *ledger) view(look func(ctx context.Context)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	look(l.ctx)
}

func (l *ledger) setAlter(alter func(sdk.Msg) sdk.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alter = alter
}

func (l *ledger) setFailing(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = err
}

// setFirst has who follows from now on begin with a height, as light clients do with
// the latest one that they kept. Nothing before can be proven.
func (l *ledger) setFirst(height int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first = height
}

// Follow implements Chain: the newest header first, then each.
func (l *ledger) Follow(ctx context.Context, f func(Header) error) error {
	var last int64
	for {
		l.mu.Lock()
		height, changed := l.height, l.changed
		if last == 0 && l.first != 0 {
			height = l.first
		} else if last != 0 && last < height {
			height = last + 1
		}
		header := Header{Height: height, Time: l.times[height]}
		l.mu.Unlock()
		if height > last && height > 1 {
			if err := f(header); err != nil {
				return err
			}
			last = height
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// Prove implements Chain.
func (l *ledger) Prove(_ context.Context, store string, key []byte, height int64) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing != nil {
		return nil, l.failing
	}
	if height >= l.height || height < l.first-1 || l.snapshots[height] == nil {
		return nil, errors.New("no verified header proves this height")
	}
	return l.snapshots[height][store+"/"+string(key)], nil
}

// Query implements Chain.
func (l *ledger) Query(_ context.Context, path string, request []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	parties, kms := partieskeeper.NewQueryServer(l.parties), kmskeeper.NewQueryServer(l.kms)
	var response proto.Message
	var err error
	switch path {
	case "/tkms.parties.v1.Query/Parties":
		response, err = parties.Parties(l.ctx, &partiestypes.QueryPartiesRequest{})
	case "/tkms.parties.v1.Query/Epochs":
		response, err = parties.Epochs(l.ctx, &partiestypes.QueryEpochsRequest{})
	case "/tkms.kms.v1.Query/Keys":
		response, err = kms.Keys(l.ctx, &kmstypes.QueryKeysRequest{})
	case "/tkms.kms.v1.Query/OpenWork":
		var r kmstypes.QueryOpenWorkRequest
		if err = proto.Unmarshal(request, &r); err == nil {
			response, err = kms.OpenWork(l.ctx, &r)
		}
	case "/cosmos.auth.v1beta1.Query/AccountInfo":
		response = &authtypes.QueryAccountInfoResponse{Info: &authtypes.BaseAccount{AccountNumber: 7}}
	default:
		err = errors.New("unknown path " + path)
	}
	if err != nil {
		return nil, err
	}
	return proto.Marshal(response)
}

// BroadcastTx implements Chain.
func (l *ledger) BroadcastTx(_ context.Context, tx []byte) error {
	var raw txtypes.TxRaw
	var body txtypes.TxBody
	var auth txtypes.AuthInfo
	if err := errors.Join(proto.Unmarshal(tx, &raw), proto.Unmarshal(raw.BodyBytes, &body), proto.Unmarshal(raw.AuthInfoBytes, &auth)); err != nil {
		return err
	}
	for _, packed := range body.Messages {
		kind := proto.MessageType(strings.TrimPrefix(packed.TypeUrl, "/"))
		if kind == nil {
			return errors.New("unknown message " + packed.TypeUrl)
		}
		msg := reflect.New(kind.Elem()).Interface().(sdk.Msg)
		if err := proto.Unmarshal(packed.Value, msg); err != nil {
			return err
		}
		l.accept(msg, auth.Fee.GasLimit)
	}
	return nil
}

func (l *ledger) accept(msg sdk.Msg, gas uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alter != nil {
		if msg = l.alter(msg); msg == nil {
			return
		}
	}
	l.sent = append(l.sent, msg)
	if posted, ok := msg.(*kmstypes.MsgPostResults); ok {
		for _, r := range posted.Results {
			raw, err := r.Marshal()
			if err != nil {
				l.t.Error(err)
			}
			who := string(r.RequestId) + "/" + posted.Account
			if l.results[who] == nil {
				l.results[who] = map[string]bool{}
			}
			l.results[who][string(raw)] = true
		}
	}
	account, err := sdk.AccAddressFromBech32(reflect.ValueOf(msg).Elem().FieldByName("Account").String())
	if err != nil {
		l.t.Error(err)
	}
	l.mempool = append(l.mempool, delivered{account, msg, gas})
}
