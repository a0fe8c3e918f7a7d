package keeper_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/runtime"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/testutil"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/keeper"
	"github.com/tkms-network/tkms/x/acl/slots"
	"github.com/tkms-network/tkms/x/acl/types"
)

// now is the block time of the fixture, in seconds since the epoch.
const now = 1_800_000_000

var (
	governance = sdk.AccAddress("governance__________").String()
	alice      = sdk.AccAddress("alice_______________").String()
)

// fixture is a keeper on a memory store with one registered host chain.
type fixture struct {
	t       testing.TB
	ctx     sdk.Context
	key     *storetypes.KVStoreKey
	keeper  keeper.Keeper
	msgs    types.MsgServer
	queries types.QueryServer
	// chain has handles one and two permitted and bound.
	chain    *acltest.Chain
	one, two common.Hash
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := emptyFixture(t)
	f.chain = acltest.New(31337, 4, "host chain")
	f.one, f.two = f.chain.Handle(1, 5), f.chain.Handle(2, 2)
	f.chain.Allow(f.one, f.two)
	f.chain.Bind(f.one, digestOf("one"))
	f.chain.Bind(f.two, digestOf("two"))
	f.register(f.chain)
	return f
}

func emptyFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, key: storetypes.NewKVStoreKey(types.StoreKey)}
	f.ctx = testutil.DefaultContextWithDB(t, f.key, storetypes.NewTransientStoreKey("transient")).Ctx.
		WithBlockTime(time.Unix(now, 0)).WithGasMeter(storetypes.NewInfiniteGasMeter())
	cdc := codec.NewProtoCodec(codectypes.NewInterfaceRegistry())
	f.keeper = keeper.NewKeeper(cdc, runtime.NewKVStoreService(f.key), governance)
	f.msgs, f.queries = keeper.NewMsgServer(f.keeper), keeper.NewQueryServer(f.keeper)
	require.NoError(t, f.keeper.InitGenesis(f.ctx, *types.DefaultGenesis()))
	return f
}

func digestOf(text string) common.Hash { return crypto.Keccak256Hash([]byte("ciphertext " + text)) }

// recordOf is a valid record of a test chain.
func recordOf(chain *acltest.Chain) types.HostChain {
	validators := make([][]byte, len(chain.Validators))
	for i, a := range acltest.Addresses(chain.Validators) {
		validators[i] = a.Bytes()
	}
	return types.HostChain{
		Id:               chain.ID,
		Name:             "test chain",
		HeaderKind:       types.HEADER_KIND_QBFT,
		Validators:       validators,
		ValidatorsHeight: 10,
		AclLayout:        slots.LayoutFhevm010,
		Acl:              types.Contract{Address: chain.ACL.Bytes(), CodeHash: crypto.Keccak256(chain.ACLCode)},
		BindingRule:      types.BINDING_RULE_REGISTRY,
		Registry:         types.Contract{Address: chain.Registry.Bytes(), CodeHash: crypto.Keccak256(chain.RegistryCode)},
		RegistrySlot:     chain.RegistryBase.Bytes(),
		VerifierDomain: types.VerifierDomain{
			Name: "Decryption", Version: "1", ChainId: 10901,
			VerifyingContract: common.BigToAddress(new(common.Address).Big().SetUint64(chain.ID)).Bytes(),
		},
		Fees: types.Fees{PublicDecryptionPerBlock: 10, UserDecryptionPerBlock: 20, PerRequest: 100},
		Limits: types.Limits{
			MaxHandlesPerRequest: 8, MaxBlocksPerRequest: 1024, MaxBlocksPerWindow: 10240, WindowBlocks: 100, DeadlineBlocks: 50,
			MaxUserDecryptionBits: 2048,
		},
		Freshness:     types.Freshness{MaxAgeSeconds: 60, MaxAheadSeconds: 5, DelegationMaxAgeSeconds: 30},
		BlobEndpoints: []string{"http://127.0.0.1:8080/blobs"},
		Simulated:     []string{"coprocessor"},
		Wallets: []types.WalletRule{{
			Kind: types.WALLET_KIND_SAFE_SIGNED_MESSAGE, CodeHash: crypto.Keccak256(walletCode), Implementation: safe.Bytes(),
		}},
		Verifier:       &types.Contract{Address: chain.Verifier.Bytes(), CodeHash: crypto.Keccak256(chain.VerifierCode)},
		VerifierLayout: slots.LayoutFhevm010,
	}
}

// Code of a wallet's account, and the implementation that it names.
var (
	walletCode = []byte("code of a Safe's proxy")
	safe       = common.HexToAddress("0x5afe")
)

func (f *fixture) register(chain *acltest.Chain) {
	f.t.Helper()
	_, err := f.msgs.RegisterHostChain(f.ctx, &types.MsgRegisterHostChain{Authority: governance, HostChain: recordOf(chain)})
	require.NoError(f.t, err)
}

// stored is the record in the store.
func (f *fixture) stored() types.HostChain {
	f.t.Helper()
	chain, err := f.keeper.HostChain(f.ctx, f.chain.ID)
	require.NoError(f.t, err)
	return chain
}

// fresh is a proof under a header of this moment.
func (f *fixture) fresh(height uint64, handles ...common.Hash) types.DecryptionProof {
	return f.chain.PublicProof(f.chain.Sealed(height, now), handles...)
}

func words(handles ...common.Hash) [][32]byte {
	out := make([][32]byte, len(handles))
	for i, h := range handles {
		out[i] = h
	}
	return out
}

// state is everything in the module's store.
func (f *fixture) state() map[string]string {
	out := map[string]string{}
	iterator := f.ctx.KVStore(f.key).Iterator(nil, nil)
	defer func() { require.NoError(f.t, iterator.Close()) }()
	for ; iterator.Valid(); iterator.Next() {
		out[string(iterator.Key())] = string(iterator.Value())
	}
	return out
}

// submit shows a header as anybody may.
func (f *fixture) submit(header []byte) (*types.MsgSubmitHeaderResponse, error) {
	return f.msgs.SubmitHeader(f.ctx, &types.MsgSubmitHeader{Sender: alice, HostChainId: f.chain.ID, Header: header})
}
