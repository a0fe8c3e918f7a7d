// Package apptest runs the whole application on a memory database, block by block, without a node: genesis,
// FinalizeBlock and Commit with really signed transactions. It is what tests of keepers, of the ante
// handler and of modules working together stand on. Time and heights are the caller's.
package apptest

import (
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/app/params"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

// BlockTime passes between two blocks unless Wait is used.
const BlockTime = 200 * time.Millisecond

// Account can sign.
type Account struct {
	Name string
	Key  *secp256k1.PrivKey
}

// NewAccount derives a key from the name: the same in every run.
func NewAccount(name string) Account {
	return Account{Name: name, Key: secp256k1.GenPrivKeyFromSecret([]byte("apptest/" + name))}
}

// Address of the account.
func (a Account) Address() sdk.AccAddress { return sdk.AccAddress(a.Key.PubKey().Address()) }

// Validator is an operator's account with a consensus key.
type Validator struct {
	Account
	Consensus *ed25519.PrivKey
}

// Options of a chain; the zero value gives four validators of power 10 and no further accounts.
type Options struct {
	// Powers of the validators alice, bob, carol, …
	Powers []int64
	// Accounts hold Funds at genesis besides the validators.
	Accounts []Account
	// Funds of each account; 1000 tkms if zero.
	Funds sdk.Coins
	// Governance periods; those of a devnet if zero.
	Governance genesis.Governance
	// Modules changes the genesis state of modules.
	Modules func(codec.JSONCodec, genesis.State) error
	// BaseApp options, e.g. another chain id.
	BaseApp []func(*baseapp.BaseApp)
	// DB holds the state; in memory if nil.
	DB dbm.DB
}

var names = []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"}

// Chain is a running application.
type Chain struct {
	t          testing.TB
	App        *app.App
	DB         dbm.DB
	ChainID    string
	Validators []Validator
	// Now is the time of the last block, Height its height.
	Now    time.Time
	Height int64
	// Absent are validators, by moniker, that do not sign.
	Absent map[string]bool
	// Evidence goes into the next block.
	Evidence []abci.Misbehavior
	// Updates are the validator updates of the last block.
	Updates []abci.ValidatorUpdate
	// AppHash follows from the last block: what the next header carries.
	AppHash []byte
	// Genesis is what the chain began with.
	Genesis *genutiltypes.AppGenesis
	// lastTimeout makes each unordered transaction's time-out its own.
	lastTimeout time.Time
	// began and blocks are what the application was told and answered, for Replay.
	began  *abci.RequestInitChain
	blocks []executed
}

type executed struct {
	request  *abci.RequestFinalizeBlock
	response *abci.ResponseFinalizeBlock
}

// New starts a chain and runs its first block.
func New(t testing.TB, o Options) *Chain {
	t.Helper()
	params.SetAddressPrefixes()
	if len(o.Powers) == 0 {
		o.Powers = []int64{10, 10, 10, 10}
	}
	if o.Funds.IsZero() {
		o.Funds = sdk.NewCoins(sdk.NewInt64Coin(params.Denom, 1_000_000_000))
	}
	if o.Governance.VotingPeriod == 0 {
		o.Governance = genesis.DevnetGovernance()
	}
	if o.DB == nil {
		o.DB = dbm.NewMemDB()
	}
	c := &Chain{
		t: t, DB: o.DB, ChainID: params.DefaultChainID, Absent: map[string]bool{},
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	cfg := genesis.Config{ChainID: c.ChainID, Time: c.Now, Governance: o.Governance, Modules: o.Modules}
	for i, power := range o.Powers {
		v := Validator{Account: NewAccount(names[i]), Consensus: ed25519.GenPrivKeyFromSecret([]byte("apptest/consensus/" + names[i]))}
		c.Validators = append(c.Validators, v)
		cfg.Validators = append(cfg.Validators, genesis.Validator{
			Moniker: v.Name, Operator: v.Address(), ConsensusKey: v.Consensus.PubKey().Bytes(), Power: power,
		})
		cfg.Balances = append(cfg.Balances, genesis.Balance{Address: v.Address(), Coins: o.Funds})
	}
	for _, account := range o.Accounts {
		cfg.Balances = append(cfg.Balances, genesis.Balance{Address: account.Address(), Coins: o.Funds})
	}
	c.App = app.New(log.NewNopLogger(), c.DB, true, append([]func(*baseapp.BaseApp){baseapp.SetChainID(c.ChainID)}, o.BaseApp...)...)
	doc, err := genesis.Build(c.App.Codec(), c.App.TxConfig(), c.App.BasicModules(), cfg)
	require.NoError(t, err)
	c.Genesis = doc
	c.init(doc.AppState, doc.Consensus.Params.ToProto(), nil, 1)
	return c
}

// Import starts a second chain from an exported state, as nodes do that are given it as their genesis, and
// runs its first block. The genesis time is that of from's last block.
func Import(t testing.TB, from *Chain, exported servertypes.ExportedApp) *Chain {
	t.Helper()
	c := &Chain{
		t: t, DB: dbm.NewMemDB(), ChainID: from.ChainID, Absent: map[string]bool{},
		Now: from.Now, Validators: from.Validators, lastTimeout: from.lastTimeout,
	}
	c.App = app.New(log.NewNopLogger(), c.DB, true, baseapp.SetChainID(c.ChainID))
	var validators []abci.ValidatorUpdate
	for _, v := range exported.Validators {
		validators = append(validators, abci.Ed25519ValidatorUpdate(v.PubKey.Bytes(), v.Power))
	}
	c.init(exported.AppState, exported.ConsensusParams, validators, exported.Height)
	return c
}

func (c *Chain) init(appState []byte, consensus cmtproto.ConsensusParams, validators []abci.ValidatorUpdate, height int64) {
	c.t.Helper()
	c.began = &abci.RequestInitChain{
		Time: c.Now, ChainId: c.ChainID, ConsensusParams: &consensus, Validators: validators, AppStateBytes: appState, InitialHeight: height,
	}
	_, err := c.App.InitChain(c.began)
	require.NoError(c.t, err)
	c.Height = height - 1
	c.NextBlock()
}

// Ctx reads the last committed state; writes to it are lost.
func (c *Chain) Ctx() sdk.Context {
	return c.App.NewContextLegacy(true, cmtproto.Header{ChainID: c.ChainID, Height: c.Height, Time: c.Now}).
		WithBlockHeight(c.Height).WithBlockTime(c.Now)
}

// NextBlock commits a block with the transactions and returns one result for each.
func (c *Chain) NextBlock(txs ...[]byte) []*abci.ExecTxResult {
	c.t.Helper()
	return c.blockAfter(BlockTime, txs...)
}

// Wait commits one empty block that is d later than the last.
func (c *Chain) Wait(d time.Duration) {
	c.t.Helper()
	c.blockAfter(d)
}

// Blocks commits n empty blocks.
func (c *Chain) Blocks(n int) {
	c.t.Helper()
	for range n {
		c.NextBlock()
	}
}

func (c *Chain) blockAfter(d time.Duration, txs ...[]byte) []*abci.ExecTxResult {
	c.t.Helper()
	c.Height++
	c.Now = c.Now.Add(d)
	request := &abci.RequestFinalizeBlock{
		Height: c.Height, Time: c.Now, Txs: txs, DecidedLastCommit: c.lastCommit(), Misbehavior: c.Evidence,
		Hash: BlockHash(c.Height), ProposerAddress: c.Validators[0].Consensus.PubKey().Address(),
	}
	response, err := c.App.FinalizeBlock(request)
	require.NoError(c.t, err)
	c.Evidence = nil
	c.Updates = response.ValidatorUpdates
	c.AppHash = response.AppHash
	c.blocks = append(c.blocks, executed{request, response})
	_, err = c.App.Commit()
	require.NoError(c.t, err)
	return response.TxResults
}

// BlockHash is the hash of every chain's block at a height.
func BlockHash(height int64) []byte {
	return append(make([]byte, 24), sdk.Uint64ToBigEndian(uint64(height))...)
}

func (c *Chain) lastCommit() abci.CommitInfo {
	var info abci.CommitInfo
	if c.App.LastBlockHeight() == 0 {
		return info
	}
	all, err := c.App.PoA.AllValidators(c.Ctx())
	require.NoError(c.t, err)
	for _, validator := range all {
		if !validator.IsActive() {
			continue
		}
		flag := cmtproto.BlockIDFlagCommit
		if c.Absent[validator.Moniker] {
			flag = cmtproto.BlockIDFlagAbsent
		}
		info.Votes = append(info.Votes, abci.VoteInfo{
			Validator: abci.Validator{Address: validator.ConsensusAddress(), Power: validator.Power}, BlockIdFlag: flag,
		})
	}
	return info
}

// DoubleSign puts evidence against a consensus key into the next block.
func (c *Chain) DoubleSign(consensusKey []byte) {
	c.Evidence = append(c.Evidence, abci.Misbehavior{
		Type:      abci.MisbehaviorType_DUPLICATE_VOTE,
		Validator: abci.Validator{Address: poatypes.ConsensusAddress(consensusKey), Power: 10},
		Height:    c.Height, Time: c.Now, TotalVotingPower: 40,
	})
}
