package keeper_test

import (
	"context"
	"crypto/sha256"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/core/comet"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/runtime"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdktestutil "github.com/cosmos/cosmos-sdk/testutil"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/x/poa/keeper"
	"github.com/tkms-network/tkms/x/poa/types"
)

const denom = types.DefaultFeeDenom

var authority = authtypes.NewModuleAddress("gov").String()

// bank holds balances of one denomination by address.
type bank map[string]int64

func (b bank) GetBalance(_ context.Context, address sdk.AccAddress, denom string) sdk.Coin {
	return sdk.NewInt64Coin(denom, b[address.String()])
}

func (b bank) SendCoinsFromModuleToAccount(_ context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error {
	b[authtypes.NewModuleAddress(module).String()] -= amount.AmountOf(denom).Int64()
	b[to.String()] += amount.AmountOf(denom).Int64()
	return nil
}

type fixture struct {
	t      *testing.T
	ctx    sdk.Context
	keeper keeper.Keeper
	server types.MsgServer
	bank   bank
}

func operator(name string) sdk.AccAddress {
	digest := sha256.Sum256([]byte("operator " + name))
	return digest[:20]
}

func key(name string) []byte {
	digest := sha256.Sum256([]byte("key " + name))
	return digest[:]
}

func params() types.Params {
	p := types.DefaultParams()
	p.LivenessWindow, p.MaxMissedBlocks, p.RejoinAfterBlocks, p.FeeSplitBlocks = 10, 4, 5, 20
	return p
}

func emptyFixture(t *testing.T) *fixture {
	t.Helper()
	storeKey := storetypes.NewKVStoreKey(types.StoreKey)
	cdc := codec.NewProtoCodec(codectypes.NewInterfaceRegistry())
	f := &fixture{t: t, bank: bank{}}
	f.ctx = sdktestutil.DefaultContext(storeKey, storetypes.NewTransientStoreKey("transient")).WithBlockHeight(1)
	f.keeper = keeper.NewKeeper(cdc, runtime.NewKVStoreService(storeKey), authority, f.bank)
	f.server = keeper.NewMsgServer(f.keeper)
	return f
}

func genesisOf(powers map[string]int64, names ...string) types.GenesisState {
	state := types.GenesisState{Params: params()}
	for _, name := range names {
		state.Validators = append(state.Validators, types.Validator{
			OperatorAddress: operator(name).String(), Moniker: name, ConsensusPubkey: key(name),
			Power: powers[name], Status: types.VALIDATOR_STATUS_ACTIVE,
		})
	}
	return state
}

// newFixture starts with validators of power 10.
func newFixture(t *testing.T, names ...string) *fixture {
	t.Helper()
	powers := map[string]int64{}
	for _, name := range names {
		powers[name] = 10
	}
	f := emptyFixture(t)
	updates, err := f.keeper.InitGenesis(f.ctx, genesisOf(powers, names...))
	require.NoError(t, err)
	require.Len(t, updates, len(names))
	return f
}

func (f *fixture) get(name string) types.Validator {
	f.t.Helper()
	validator, err := f.keeper.Validators.Get(f.ctx, operator(name))
	require.NoError(f.t, err)
	return validator
}

func (f *fixture) set(name string, pubkey []byte, power int64) error {
	_, err := f.server.SetValidator(f.ctx, &types.MsgSetValidator{
		Authority: authority, OperatorAddress: operator(name).String(), Moniker: name, ConsensusPubkey: pubkey, Power: power,
	})
	return err
}

// block runs one block in which the named validators' votes are missing.
func (f *fixture) block(absent ...string) []abci.ValidatorUpdate {
	f.t.Helper()
	f.ctx = f.ctx.WithBlockHeight(f.ctx.BlockHeight() + 1)
	info := blockInfo{}
	all, err := f.keeper.AllValidators(f.ctx)
	require.NoError(f.t, err)
	for _, validator := range all {
		flag := comet.BlockIDFlagCommit
		for _, name := range absent {
			if validator.Moniker == name {
				flag = comet.BlockIDFlagAbsent
			}
		}
		info.votes = append(info.votes, vote{validator.ConsensusAddress(), flag})
	}
	return f.run(info)
}

// evidence runs one block with evidence against a consensus key.
func (f *fixture) evidence(pubkey []byte) []abci.ValidatorUpdate {
	f.t.Helper()
	f.ctx = f.ctx.WithBlockHeight(f.ctx.BlockHeight() + 1)
	return f.run(blockInfo{evidence: []evidence{{types.ConsensusAddress(pubkey), comet.DuplicateVote}}})
}

func (f *fixture) run(info blockInfo) []abci.ValidatorUpdate {
	f.t.Helper()
	require.NoError(f.t, f.keeper.BeginBlock(f.ctx.WithCometInfo(info)))
	require.NoError(f.t, f.keeper.EndBlock(f.ctx))
	updates, err := f.keeper.ValidatorUpdates(f.ctx)
	require.NoError(f.t, err)
	return updates
}

func TestOnlyGovernanceAppointsValidatorsAndSetsParams(t *testing.T) {
	f := newFixture(t, "alice")
	mallory := operator("mallory").String()
	_, err := f.server.SetValidator(f.ctx, &types.MsgSetValidator{
		Authority: mallory, OperatorAddress: mallory, Moniker: "mallory", ConsensusPubkey: key("mallory"), Power: 1,
	})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	_, err = f.server.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: mallory, Params: params()})
	require.ErrorIs(t, err, types.ErrUnauthorized)
}

func TestUpdatesTellCometOnlyWhatChanged(t *testing.T) {
	f := newFixture(t, "alice", "bob")
	require.Empty(t, f.block())

	require.NoError(t, f.set("carol", key("carol"), 3))
	require.Equal(t, []abci.ValidatorUpdate{types.ValidatorUpdate(key("carol"), 3)}, f.block())
	require.Empty(t, f.block())

	require.NoError(t, f.set("carol", nil, 4))
	require.Equal(t, []abci.ValidatorUpdate{types.ValidatorUpdate(key("carol"), 4)}, f.block())

	require.NoError(t, f.set("carol", key("carol's new"), 4))
	require.ElementsMatch(t, []abci.ValidatorUpdate{
		types.ValidatorUpdate(key("carol"), 0), types.ValidatorUpdate(key("carol's new"), 4),
	}, f.block())

	require.NoError(t, f.set("carol", nil, 0))
	require.Equal(t, []abci.ValidatorUpdate{types.ValidatorUpdate(key("carol's new"), 0)}, f.block())
}

func TestInvalidAppointmentsAreRefused(t *testing.T) {
	tooLong := make([]byte, types.MaxMonikerBytes+1)
	cases := map[string]struct {
		msg  types.MsgSetValidator
		want error
	}{
		"no key":         {types.MsgSetValidator{OperatorAddress: operator("erin").String(), Moniker: "erin", Power: 1}, types.ErrInvalidValidator},
		"short key":      {types.MsgSetValidator{OperatorAddress: operator("erin").String(), Moniker: "erin", ConsensusPubkey: key("erin")[:31], Power: 1}, types.ErrInvalidValidator},
		"no moniker":     {types.MsgSetValidator{OperatorAddress: operator("erin").String(), ConsensusPubkey: key("erin"), Power: 1}, types.ErrInvalidValidator},
		"long moniker":   {types.MsgSetValidator{OperatorAddress: operator("erin").String(), Moniker: string(tooLong), ConsensusPubkey: key("erin"), Power: 1}, types.ErrInvalidValidator},
		"negative power": {types.MsgSetValidator{OperatorAddress: operator("erin").String(), Moniker: "erin", ConsensusPubkey: key("erin"), Power: -1}, types.ErrInvalidValidator},
		"much power":     {types.MsgSetValidator{OperatorAddress: operator("erin").String(), Moniker: "erin", ConsensusPubkey: key("erin"), Power: types.MaxPower + 1}, types.ErrInvalidValidator},
		"bad address":    {types.MsgSetValidator{OperatorAddress: "erin", Moniker: "erin", ConsensusPubkey: key("erin"), Power: 1}, types.ErrInvalidValidator},
		"another's key":  {types.MsgSetValidator{OperatorAddress: operator("erin").String(), Moniker: "erin", ConsensusPubkey: key("alice"), Power: 1}, types.ErrKeyTaken},
		"unknown leaver": {types.MsgSetValidator{OperatorAddress: operator("erin").String(), Moniker: "erin"}, types.ErrUnknownValidator},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "alice", "bob")
			c.msg.Authority = authority
			_, err := f.server.SetValidator(f.ctx, &c.msg)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestAKeyStaysItsOperatorsAfterDismissal(t *testing.T) {
	f := newFixture(t, "alice", "bob", "carol")
	require.NoError(t, f.set("carol", nil, 0))
	require.ErrorIs(t, f.set("dave", key("carol"), 1), types.ErrKeyTaken)
	require.NoError(t, f.set("carol", key("carol"), 1))
}

func TestTheLastActiveValidatorStays(t *testing.T) {
	f := newFixture(t, "alice", "bob")
	require.NoError(t, f.set("bob", nil, 0))
	require.ErrorIs(t, f.set("alice", nil, 0), types.ErrLastValidator)
}

func TestTheSetIsBounded(t *testing.T) {
	f := newFixture(t, "alice")
	for i := 1; i < types.MaxValidators; i++ {
		name := string(rune('A' + i))
		require.NoError(t, f.set(name, key(name), 1))
	}
	require.ErrorIs(t, f.set("one more", key("one more"), 1), types.ErrTooManyValidators)
	require.NoError(t, f.set("alice", nil, 2), "a present validator can still be changed")
}

func TestAnAbsentValidatorLosesItsPowerAndMayRejoinLater(t *testing.T) {
	f := newFixture(t, "alice", "bob", "carol", "dave")
	for range params().MaxMissedBlocks {
		require.Empty(t, f.block("dave"))
	}
	require.Equal(t, []abci.ValidatorUpdate{types.ValidatorUpdate(key("dave"), 0)}, f.block("dave"))
	require.Equal(t, types.VALIDATOR_STATUS_ABSENT, f.get("dave").Status)

	rejoin := &types.MsgRejoin{OperatorAddress: operator("dave").String()}
	_, err := f.server.Rejoin(f.ctx, rejoin)
	require.ErrorIs(t, err, types.ErrRejoinTooEarly)
	for range params().RejoinAfterBlocks {
		f.block()
	}
	_, err = f.server.Rejoin(f.ctx, rejoin)
	require.NoError(t, err)
	require.Equal(t, []abci.ValidatorUpdate{types.ValidatorUpdate(key("dave"), 10)}, f.block())
	_, err = f.server.Rejoin(f.ctx, rejoin)
	require.ErrorIs(t, err, types.ErrNotAbsent)

	// What it missed before is forgotten.
	require.Empty(t, f.block("dave"))
}

func TestMissedBlocksLeaveTheWindow(t *testing.T) {
	f := newFixture(t, "alice", "bob", "carol", "dave")
	for range 3 {
		for range params().MaxMissedBlocks {
			require.Empty(t, f.block("dave"))
		}
		for range params().LivenessWindow - params().MaxMissedBlocks {
			require.Empty(t, f.block())
		}
	}
	info, err := f.keeper.SigningInfos.Get(f.ctx, f.get("dave").ConsensusAddress())
	require.NoError(t, err)
	require.Equal(t, params().MaxMissedBlocks, info.MissedBlocks)
}

func TestRemovalsStopWhileMoreThanTwoThirdsOfTheGrantedPowerStay(t *testing.T) {
	f := newFixture(t, "alice", "bob", "carol", "dave")
	for range 3 * params().LivenessWindow {
		f.block("carol", "dave")
	}
	active := 0
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		if v := f.get(name); v.IsActive() {
			active++
		}
	}
	require.Equal(t, 3, active, "three of four is more than two thirds, two of four is not")
}

func TestADoubleSignerIsRemovedAndItsKeyNeverComesBack(t *testing.T) {
	f := newFixture(t, "alice", "bob", "carol", "dave")
	require.Equal(t, []abci.ValidatorUpdate{types.ValidatorUpdate(key("dave"), 0)}, f.evidence(key("dave")))
	require.Equal(t, types.VALIDATOR_STATUS_DOUBLE_SIGNED, f.get("dave").Status)
	require.Empty(t, f.evidence(key("dave")), "the same evidence again changes nothing")

	_, err := f.server.Rejoin(f.ctx, &types.MsgRejoin{OperatorAddress: operator("dave").String()})
	require.ErrorIs(t, err, types.ErrNotAbsent)
	require.ErrorIs(t, f.set("dave", nil, 10), types.ErrKeyDoubleSigned)
	require.NoError(t, f.set("dave", key("dave's new"), 10))
	require.Equal(t, []abci.ValidatorUpdate{types.ValidatorUpdate(key("dave's new"), 10)}, f.block())
}

func TestADoubleSignerIsRemovedOnceThatIsSafe(t *testing.T) {
	f := newFixture(t, "alice", "bob", "carol")
	require.Empty(t, f.evidence(key("carol")), "two of three is not more than two thirds")
	require.True(t, f.get("carol").IsActive())
	require.NoError(t, f.set("dave", key("dave"), 10))
	require.ElementsMatch(t, []abci.ValidatorUpdate{
		types.ValidatorUpdate(key("dave"), 10), types.ValidatorUpdate(key("carol"), 0),
	}, f.block())
}

func TestEvidenceAgainstAnOldKeySparesTheNewOne(t *testing.T) {
	f := newFixture(t, "alice", "bob", "carol", "dave")
	require.NoError(t, f.set("dave", key("dave's new"), 10))
	f.block()
	require.Empty(t, f.evidence(key("dave")))
	require.True(t, f.get("dave").IsActive())
	require.ErrorIs(t, f.set("dave", key("dave"), 10), types.ErrKeyDoubleSigned)
	require.Empty(t, f.evidence(key("nobody's")))
}

func TestFeesAreSplitByPower(t *testing.T) {
	f := emptyFixture(t)
	_, err := f.keeper.InitGenesis(f.ctx, genesisOf(map[string]int64{"alice": 3, "bob": 1}, "alice", "bob"))
	require.NoError(t, err)
	collector := authtypes.NewModuleAddress(authtypes.FeeCollectorName).String()
	f.bank[collector] = 101
	for f.ctx.BlockHeight()%params().FeeSplitBlocks != 0 {
		require.EqualValues(t, 101, f.bank[collector])
		f.block()
	}
	require.EqualValues(t, 75, f.bank[operator("alice").String()])
	require.EqualValues(t, 25, f.bank[operator("bob").String()])
	require.EqualValues(t, 1, f.bank[collector])
}

func TestANewWindowStartsCountingAnew(t *testing.T) {
	f := newFixture(t, "alice", "bob", "carol", "dave")
	for range params().MaxMissedBlocks {
		f.block("dave")
	}
	changed := params()
	changed.LivenessWindow = 20
	_, err := f.server.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: authority, Params: changed})
	require.NoError(t, err)
	require.Empty(t, f.block("dave"))
	info, err := f.keeper.SigningInfos.Get(f.ctx, f.get("dave").ConsensusAddress())
	require.NoError(t, err)
	require.EqualValues(t, 1, info.MissedBlocks)
}

func TestGenesisExportsAndImportsEverything(t *testing.T) {
	f := newFixture(t, "alice", "bob", "carol", "dave", "erin")
	f.block("bob")
	f.block("bob", "carol")
	f.evidence(key("erin"))
	require.NoError(t, f.set("dave", key("dave's new"), 4))
	f.block()
	exported, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(t, err)
	require.NoError(t, exported.Validate())

	g := emptyFixture(t)
	g.ctx = g.ctx.WithBlockHeight(f.ctx.BlockHeight())
	updates, err := g.keeper.InitGenesis(g.ctx, *exported)
	require.NoError(t, err)
	require.Len(t, updates, 4)
	again, err := g.keeper.ExportGenesis(g.ctx)
	require.NoError(t, err)
	require.Equal(t, exported, again)
}

func TestGenesisWithoutAnActiveValidatorIsRefused(t *testing.T) {
	f := emptyFixture(t)
	_, err := f.keeper.InitGenesis(f.ctx, *types.DefaultGenesis())
	require.ErrorIs(t, err, types.ErrLastValidator)
}

func TestInconsistentGenesisIsRefused(t *testing.T) {
	cases := map[string]func(*types.GenesisState){
		"params":            func(s *types.GenesisState) { s.Params.LivenessWindow = 0 },
		"operator twice":    func(s *types.GenesisState) { s.Validators[1].OperatorAddress = s.Validators[0].OperatorAddress },
		"key twice":         func(s *types.GenesisState) { s.Validators[1].ConsensusPubkey = s.Validators[0].ConsensusPubkey },
		"no status":         func(s *types.GenesisState) { s.Validators[0].Status = 0 },
		"no power":          func(s *types.GenesisState) { s.Validators[0].Power = 0 },
		"foreign key owner": func(s *types.GenesisState) { s.KeyOwners[0].OperatorAddress = operator("mallory").String() },
		"owner twice":       func(s *types.GenesisState) { s.KeyOwners = append(s.KeyOwners, s.KeyOwners[0]) },
		"liveness of nobody": func(s *types.GenesisState) {
			s.Liveness[0].Info.ConsensusAddress = types.ConsensusAddress(key("x")).String()
		},
		"liveness twice": func(s *types.GenesisState) { s.Liveness = append(s.Liveness, s.Liveness[0]) },
		"miscounted":     func(s *types.GenesisState) { s.Liveness[0].Info.MissedBlocks++ },
		"slot out of window": func(s *types.GenesisState) {
			s.Liveness[0].Info.MissedBlocks, s.Liveness[0].MissedSlots = 1, []uint64{uint64(s.Params.LivenessWindow)}
		},
		"too many": func(s *types.GenesisState) {
			for range types.MaxValidators {
				s.Validators = append(s.Validators, s.Validators[0])
			}
		},
	}
	for name, corrupt := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "alice", "bob")
			state, err := f.keeper.ExportGenesis(f.ctx)
			require.NoError(t, err)
			require.NoError(t, state.Validate())
			corrupt(state)
			require.Error(t, state.Validate())
		})
	}
}

func TestParamsOutOfRangeAreRefused(t *testing.T) {
	cases := map[string]func(*types.Params){
		"no window":       func(p *types.Params) { p.LivenessWindow = 0 },
		"huge window":     func(p *types.Params) { p.LivenessWindow = types.MaxLivenessWindow + 1 },
		"more than all":   func(p *types.Params) { p.MaxMissedBlocks = p.LivenessWindow + 1 },
		"negative missed": func(p *types.Params) { p.MaxMissedBlocks = -1 },
		"negative wait":   func(p *types.Params) { p.RejoinAfterBlocks = -1 },
		"no split":        func(p *types.Params) { p.FeeSplitBlocks = 0 },
		"rare split":      func(p *types.Params) { p.FeeSplitBlocks = types.MaxFeeSplitBlocks + 1 },
		"negative price":  func(p *types.Params) { p.MinGasPrice.Amount = p.MinGasPrice.Amount.Neg() },
		"bad denom":       func(p *types.Params) { p.MinGasPrice.Denom = "!" },
	}
	for name, corrupt := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "alice")
			p := params()
			corrupt(&p)
			_, err := f.server.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: authority, Params: p})
			require.ErrorIs(t, err, types.ErrInvalidParams)
		})
	}
}
