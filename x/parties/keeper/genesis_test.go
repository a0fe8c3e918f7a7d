package keeper_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/store/v2/rootmulti"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/tkms-network/tkms/x/parties/types"
)

// busy has parties, a removed one, a failed and a serving epoch, an exclusion
// with READY pending, a standing report and activity.
func busy(t *testing.T) (*fixture, []types.Party, uint64) {
	f := newFixture(t)
	f.register("zoe", "alice", "bob", "carol", "dave", "erin", "frank", "grace")
	f.form(1)
	id := f.form(2, 3, 4, 5, 6, 7, 8)
	members := make([]types.Party, 7)
	for i := range members {
		members[i] = f.party(uint64(i + 2))
		require.NoError(t, f.commit(members[i], id, 1))
	}
	f.blocks(1)
	for _, member := range members {
		require.NoError(t, f.confirm(member, id, 1))
	}
	f.blocks(1)
	// One of the epoch that serves, and one of the epoch that failed.
	for _, removed := range []uint64{8, 1} {
		_, err := f.messages.RemoveParty(f.ctx, &types.MsgRemoveParty{Authority: address(t, "authority"), PartyId: removed})
		require.NoError(t, err)
	}
	for _, member := range members[:3] {
		require.NoError(t, f.report(member, id, 6))
	}
	f.blocks(11)
	epoch := f.epoch(id)
	require.Equal(t, []uint32{6, 7}, epoch.Excluded())
	require.NoError(t, f.ready(members[5], id))
	require.NoError(t, f.report(members[0], id, 2))
	require.NoError(t, f.keeper.PartyTxAllowed(f.ctx, mustAddress(t, f, members[0].Account)))
	require.NoError(t, f.keeper.RecordContribution(f.ctx, members[4].Id))
	return f, members, id
}

func TestGenesisExportIsAValidStateFromWhichTheChainGoesOn(t *testing.T) {
	f, members, id := busy(t)
	exported, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(t, err)
	require.NoError(t, exported.Validate())

	next := newEmptyFixture(t)
	next.ctx = next.ctx.WithBlockHeight(f.ctx.BlockHeight()).WithBlockTime(f.ctx.BlockTime())
	require.NoError(t, next.keeper.InitGenesis(next.ctx, *exported))
	require.Equal(t, f.export(), next.export())
	for _, chain := range []*fixture{f, next} {
		chain.blocks(4)
	}
	require.Equal(t, f.export(), next.export())
	epoch := next.epoch(id)
	require.Equal(t, []uint32{7}, epoch.Excluded(), "the pending READY was counted on both")

	// Accounts, indexes and numbers are there.
	account := mustAddress(t, next, members[0].Account)
	require.NotNil(t, next.accounts.GetAccount(next.ctx, account))
	require.True(t, next.keeper.IsPartyAccount(next.ctx, account))
	active, err := next.keeper.ActiveEpoch(next.ctx)
	require.NoError(t, err)
	require.Equal(t, id, active.Id)
	message := next.message("mallory")
	message.SessionKey = members[0].SessionKey
	next.attest(message)
	_, err = next.messages.RegisterParty(next.ctx, message)
	require.ErrorIs(t, err, types.ErrKeysTaken)
	require.Equal(t, uint64(9), next.register("henry")[0].Id)
}

func TestGenesisThatTheModuleCouldNotHaveReachedIsRefused(t *testing.T) {
	f, _, _ := busy(t)
	for name, spoil := range map[string]func(*types.GenesisState){
		"params":                      func(g *types.GenesisState) { g.Params.RecentBlocks = 0 },
		"a gap in the parties":        func(g *types.GenesisState) { g.Parties[1].Id = 7 },
		"one key of two parties":      func(g *types.GenesisState) { g.Parties[1].TlsKeyHash = g.Parties[0].TlsKeyHash },
		"a foreign signing address":   func(g *types.GenesisState) { g.Parties[0].SigningAddress = g.Parties[1].SigningAddress },
		"a hidden simulation":         func(g *types.GenesisState) { g.Parties[0].Simulated = false },
		"a malformed party":           func(g *types.GenesisState) { g.Parties[0].PeerAddress = "" },
		"a short measurement":         func(g *types.GenesisState) { g.Parties[0].Pcr0 = nil },
		"attestation backwards":       func(g *types.GenesisState) { g.Parties[0].AttestedUntil = g.Parties[0].AttestedAt.Add(-1) },
		"a gap in the epochs":         func(g *types.GenesisState) { g.Epochs[1].Id = 3 },
		"an unknown status":           func(g *types.GenesisState) { g.Epochs[1].Status = 15 },
		"attempt 0":                   func(g *types.GenesisState) { g.Epochs[1].Attempt = 0 },
		"five members":                func(g *types.GenesisState) { g.Epochs[1].Members = g.Epochs[1].Members[:5] },
		"a wrong t":                   func(g *types.GenesisState) { g.Epochs[1].T = 3 },
		"a member without a party":    func(g *types.GenesisState) { g.Epochs[1].Members[2].PartyId = 99 },
		"a member twice":              func(g *types.GenesisState) { g.Epochs[1].Members[2].PartyId = 2 },
		"indices out of order":        func(g *types.GenesisState) { g.Epochs[1].Members[2].Index = 2 },
		"a removal that is not":       func(g *types.GenesisState) { g.Epochs[1].Members[0].Removed = true },
		"a hidden simulated member":   func(g *types.GenesisState) { g.Epochs[1].Simulated = false },
		"no transcript":               func(g *types.GenesisState) { g.Epochs[1].Transcript = nil },
		"generation 0":                func(g *types.GenesisState) { g.Epochs[1].Generation = 0 },
		"a member with two roots":     func(g *types.GenesisState) { g.Epochs[1].Roots[1].Index = 1 },
		"a root of no size":           func(g *types.GenesisState) { g.Epochs[1].Roots[1].Digest = nil },
		"a confirmation of nobody":    func(g *types.GenesisState) { g.Epochs[1].Confirmations[6].Index = 8 },
		"more than t excluded":        func(g *types.GenesisState) { g.Epochs[1].Absences[0] = types.Absence{Index: 2, Excluded: true} },
		"absences out of order":       func(g *types.GenesisState) { g.Epochs[1].Absences[1].Index = 2 },
		"READY of one that counts":    func(g *types.GenesisState) { g.Epochs[1].Absences[0].ReadyHeight = 1 },
		"a report of itself":          func(g *types.GenesisState) { g.Epochs[1].Absences[0].Reports[0].Index = 2 },
		"a report of an excluded one": func(g *types.GenesisState) { g.Epochs[1].Absences[0].Reports[0].Index = 7 },
		"two active epochs": func(g *types.GenesisState) {
			second := g.Epochs[1]
			second.Id = 3
			g.Epochs = append(g.Epochs, second)
		},
		"activity of nobody":      func(g *types.GenesisState) { g.Activities[0].PartyId = 99 },
		"activities out of order": func(g *types.GenesisState) { g.Activities[1].PartyId = g.Activities[0].PartyId },
	} {
		genesis, err := f.keeper.ExportGenesis(f.ctx)
		require.NoError(t, err)
		require.NoError(t, genesis.Validate())
		spoil(genesis)
		require.Error(t, genesis.Validate(), name)
	}
	genesis, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(t, err)
	genesis.Parties[0].Account = genesis.Parties[1].Account
	next := newEmptyFixture(t)
	require.ErrorIs(t, next.keeper.InitGenesis(next.ctx, *genesis), types.ErrInvalidMessage)
}

// What parties read by ICS-23 lies where types says and proves against the app hash.
func TestRecordsAreProvableUnderTheirRawKeys(t *testing.T) {
	f, members, id := busy(t)
	commit := f.cms.Commit()
	params, err := f.keeper.Params.Get(f.ctx)
	require.NoError(t, err)
	epoch := f.epoch(id)
	for name, record := range map[string]struct {
		key, value []byte
	}{
		"params":       {types.ParamsKey(), f.codec.MustMarshal(&params)},
		"party":        {types.PartyKey(members[0].Id), f.codec.MustMarshal(&members[0])},
		"epoch":        {types.EpochKey(id), f.codec.MustMarshal(&epoch)},
		"active epoch": {types.ActiveEpochKey(), []byte{0, 0, 0, 0, 0, 0, 0, byte(id)}},
	} {
		response, err := f.cms.(storetypes.Queryable).Query(&storetypes.RequestQuery{
			Path: "/" + types.StoreKey + "/key", Data: record.key, Height: commit.Version, Prove: true,
		})
		require.NoError(t, err, name)
		require.Equal(t, record.value, response.Value, name)
		path := "/" + types.StoreKey + "/x:" + hexUpper(record.key)
		runtime := rootmulti.DefaultProofRuntime()
		require.NoError(t, runtime.VerifyValue(response.ProofOps, commit.Hash, path, record.value), name)
		require.Error(t, runtime.VerifyValue(response.ProofOps, commit.Hash, path, append([]byte{1}, record.value...)), name)
	}
}

func hexUpper(b []byte) string {
	const digits = "0123456789ABCDEF"
	var text bytes.Buffer
	for _, v := range b {
		text.WriteByte(digits[v>>4])
		text.WriteByte(digits[v&15])
	}
	return text.String()
}

func TestQueriesShowSimulatedDevicesEverywhere(t *testing.T) {
	f, _, id := busy(t)
	params, err := f.queries.Params(f.ctx, &types.QueryParamsRequest{})
	require.NoError(t, err)
	require.True(t, params.Simulated)
	parties, err := f.queries.Parties(f.ctx, &types.QueryPartiesRequest{Pagination: &query.PageRequest{Limit: 3}})
	require.NoError(t, err)
	require.Len(t, parties.Parties, 3)
	require.NotEmpty(t, parties.Pagination.NextKey)
	require.True(t, parties.Simulated)
	party, err := f.queries.Party(f.ctx, &types.QueryPartyRequest{Id: 6})
	require.NoError(t, err)
	require.True(t, party.Simulated)
	require.Equal(t, uint64(1), party.Activity.Contributions)
	epochs, err := f.queries.Epochs(f.ctx, &types.QueryEpochsRequest{})
	require.NoError(t, err)
	require.Len(t, epochs.Epochs, 2)
	require.True(t, epochs.Simulated)
	for _, asked := range []uint64{0, id} {
		epoch, err := f.queries.Epoch(f.ctx, &types.QueryEpochRequest{Id: asked})
		require.NoError(t, err)
		require.Equal(t, id, epoch.Epoch.Id)
		require.Len(t, epoch.Parties, 7)
		require.True(t, epoch.Simulated)
	}
	_, err = f.queries.Epoch(f.ctx, &types.QueryEpochRequest{Id: 9})
	require.ErrorContains(t, err, "NotFound")
	_, err = f.queries.Party(f.ctx, &types.QueryPartyRequest{Id: 99})
	require.ErrorContains(t, err, "NotFound")
	empty := newFixture(t)
	_, err = empty.queries.Epoch(empty.ctx, &types.QueryEpochRequest{})
	require.ErrorContains(t, err, "NotFound", "no epoch is active yet")
}

func TestLifecycleEventsAreTyped(t *testing.T) {
	f := newFixture(t)
	f.register("alice")
	f.form(1)
	var kinds []string
	for _, event := range f.ctx.EventManager().Events() {
		kinds = append(kinds, event.Type)
	}
	require.Equal(t, []string{"tkms.parties.v1.EventPartyRegistered", "tkms.parties.v1.EventEpochStatus"}, kinds)
}
