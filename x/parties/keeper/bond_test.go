package keeper_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/x/parties/keeper"
	"github.com/tkms-network/tkms/x/parties/types"
)

// bank keeps balances of utkms.
type bank struct {
	balances map[string]sdkmath.Int
}

func (b *bank) balance(a sdk.AccAddress) sdkmath.Int {
	if amount, ok := b.balances[string(a)]; ok {
		return amount
	}
	return sdkmath.ZeroInt()
}

func (b *bank) SendCoins(_ context.Context, from, to sdk.AccAddress, amount sdk.Coins) error {
	value := amount.AmountOf(types.BondDenom)
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

func (b *bank) BurnCoins(ctx context.Context, module string, amount sdk.Coins) error {
	return b.SendCoins(ctx, authtypes.NewModuleAddress(module), nil, amount)
}

func (b *bank) GetBalance(_ context.Context, a sdk.AccAddress, denom string) sdk.Coin {
	return sdk.NewCoin(denom, b.balance(a))
}

// escrowed is what the module holds, burned what was slashed.
func (b *bank) escrowed() uint64 {
	return b.balance(authtypes.NewModuleAddress(types.ModuleName)).Uint64()
}
func (b *bank) burned() uint64 { return b.balance(nil).Uint64() }

func (f *fixture) fund(name string, amount int64) sdk.AccAddress {
	f.t.Helper()
	account := mustAddress(f.t, f, address(f.t, name))
	f.bank.balances[string(account)] = sdkmath.NewInt(amount)
	return account
}

func (f *fixture) deposit(operator string, party, amount uint64) error {
	_, err := f.messages.DepositBond(f.ctx, &types.MsgDepositBond{Operator: address(f.t, operator), PartyId: party, Amount: amount})
	return err
}

func (f *fixture) withdraw(operator string, party, amount uint64) error {
	_, err := f.messages.WithdrawBond(f.ctx, &types.MsgWithdrawBond{Operator: address(f.t, operator), PartyId: party, Amount: amount})
	return err
}

func (f *fixture) bond(party uint64) *types.QueryBondResponse {
	f.t.Helper()
	response, err := f.queries.Bond(f.ctx, &types.QueryBondRequest{PartyId: party})
	require.NoError(f.t, err)
	return response
}

func (f *fixture) setParams(change func(*types.Params)) {
	f.t.Helper()
	params, err := f.keeper.Params.Get(f.ctx)
	require.NoError(f.t, err)
	change(&params)
	require.NoError(f.t, params.Validate())
	require.NoError(f.t, f.keeper.Params.Set(f.ctx, params))
}

func TestABondIsTakenFromItsOperatorAndGivenBack(t *testing.T) {
	f := newFixture(t)
	f.register("alice")
	alice := f.fund("alice", 100)
	require.NoError(t, f.deposit("alice", 1, 60))
	require.NoError(t, f.deposit("alice", 1, 20))
	requireEvent(t, f, &types.EventBondChanged{PartyId: 1, Amount: 80})
	require.Equal(t, &types.QueryBondResponse{Bond: types.Bond{PartyId: 1, Amount: 80}, FreeHeight: 1}, f.bond(1))
	require.EqualValues(t, 80, f.bank.escrowed())
	require.NoError(t, f.withdraw("alice", 1, 30))
	require.EqualValues(t, 50, f.bond(1).Bond.Amount)
	require.EqualValues(t, 50, f.bank.escrowed())
	require.EqualValues(t, 50, f.bank.balance(alice).Int64())

	for name, refused := range map[string]struct{ got, want error }{
		"nothing":            {f.deposit("alice", 1, 0), types.ErrInvalidBond},
		"more than 64 bits":  {f.deposit("alice", 1, math.MaxUint64), types.ErrInvalidBond},
		"by another":         {f.deposit("bob", 1, 1), types.ErrUnauthorized},
		"to nobody":          {f.deposit("alice", 2, 1), types.ErrUnknownParty},
		"nothing back":       {f.withdraw("alice", 1, 0), types.ErrInvalidBond},
		"more than there is": {f.withdraw("alice", 1, 51), types.ErrInvalidBond},
		"to another":         {f.withdraw("bob", 1, 1), types.ErrUnauthorized},
	} {
		require.ErrorIs(t, refused.got, refused.want, name)
	}
	require.ErrorContains(t, f.deposit("alice", 1, 51), "insufficient funds")
	require.EqualValues(t, 50, f.bond(1).Bond.Amount)
	_, err := f.queries.Bond(f.ctx, &types.QueryBondRequest{PartyId: 9})
	require.ErrorContains(t, err, "NotFound")
}

func TestABondIsLockedWhileThePartyHasASeatAndForSomeTimeAfter(t *testing.T) {
	f := newFixture(t)
	f.setParams(func(p *types.Params) { p.UnbondBlocks = 5 })
	_, id := f.activeCommittee()
	f.fund("alice", 100)
	require.NoError(t, f.deposit("alice", 1, 60))
	require.Zero(t, f.bond(1).FreeHeight)
	require.ErrorIs(t, f.withdraw("alice", 1, 1), types.ErrBondLocked)

	f.endEpoch(id)
	end := f.ctx.BlockHeight()
	require.Equal(t, end+5, f.bond(1).FreeHeight)
	f.blocks(4)
	require.ErrorIs(t, f.withdraw("alice", 1, 1), types.ErrBondLocked)
	f.blocks(1)
	require.NoError(t, f.withdraw("alice", 1, 60))

	// A removed party gets its bond back like any other, and can add none.
	_, err := f.messages.RemoveParty(f.ctx, &types.MsgRemoveParty{Authority: address(t, "authority"), PartyId: 2})
	require.NoError(t, err)
	f.fund("bob", 1)
	require.ErrorIs(t, f.deposit("bob", 2, 1), types.ErrPartyRemoved)
}

// endEpoch retires an epoch in this block.
func (f *fixture) endEpoch(id uint64) {
	f.t.Helper()
	epoch := f.epoch(id)
	epoch.Status, epoch.ClosedHeight = types.EPOCH_STATUS_RETIRED, f.ctx.BlockHeight()
	require.NoError(f.t, keeper.SetEpoch(f.keeper, f.ctx, epoch))
}

func TestAPartyBelowTheMinimumBondGetsNoSeat(t *testing.T) {
	f := newFixture(t)
	f.register("alice")
	require.NoError(t, keeper.CheckBond(f.keeper, f.ctx, 1), "the minimum is zero")
	f.setParams(func(p *types.Params) { p.MinBond = 50 })
	f.fund("alice", 100)
	require.NoError(t, f.deposit("alice", 1, 49))
	require.ErrorIs(t, keeper.CheckBond(f.keeper, f.ctx, 1), types.ErrBondTooLow)
	_, err := f.messages.FormCommittee(f.ctx, &types.MsgFormCommittee{Authority: address(t, "authority"), PartyIds: []uint64{1}})
	require.ErrorIs(t, err, types.ErrBondTooLow)
	require.NoError(t, f.deposit("alice", 1, 1))
	require.NoError(t, keeper.CheckBond(f.keeper, f.ctx, 1))
	f.form(1)
}

func TestAConvictionCostsTheBondAsMuchAsThereIs(t *testing.T) {
	f := newFixture(t)
	f.setParams(func(p *types.Params) { p.SlashCheating, p.SlashFalseAccusation = 30, 7 })
	members, id := f.activeCommittee()
	f.fund("carol", 100)
	require.NoError(t, f.deposit("carol", 3, 40))
	for number, want := range []uint64{30, 10, 0} {
		session := sessionOf(id, string(rune('a'+number)))
		raw := f.equivocation(session, members[2], 3)
		evidence, err := f.submit(members[0], id, raw)
		require.NoError(t, err)
		_, err = f.submit(members[1], id, raw)
		require.ErrorIs(t, err, types.ErrKnownEvidence, "once for each conviction")
		record, err := f.keeper.Evidence.Get(f.ctx, evidence)
		require.NoError(t, err)
		require.Equal(t, want, record.Slash.Amount)
	}
	requireEvent(t, f, &types.EventBondChanged{PartyId: 3, Amount: 10, Slashed: 30})
	require.Equal(t, types.Bond{PartyId: 3, Slashed: 40}, f.bond(3).Bond)
	require.Zero(t, f.bank.escrowed())
	require.EqualValues(t, 40, f.bank.burned())
}

func TestBondsGoThroughGenesisIfTheModuleHasThem(t *testing.T) {
	f, _, id := busy(t)
	f.fund("alice", 100)
	require.NoError(t, f.deposit("alice", 2, 60))
	f.endEpoch(id)
	exported, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(t, err)
	require.NoError(t, exported.Validate())
	require.Equal(t, []types.Bond{{PartyId: 2, Amount: 60}}, exported.Bonds)

	next := newEmptyFixture(t)
	require.ErrorIs(t, next.keeper.InitGenesis(next.ctx, *exported), types.ErrInvalidBond)
	next = newEmptyFixture(t)
	next.bank.balances = f.bank.balances
	require.NoError(t, next.keeper.InitGenesis(next.ctx, *exported))
	require.Equal(t, f.export(), next.export())
	require.Equal(t, f.bond(2), next.bond(2), "when it is free, too")

	for name, bonds := range map[string][]types.Bond{
		"of nobody":         {{PartyId: 99}},
		"of party 0":        {{}},
		"out of order":      {{PartyId: 2}, {PartyId: 1}},
		"twice":             {{PartyId: 2}, {PartyId: 2}},
		"more than 64 bits": {{PartyId: 1, Amount: math.MaxUint64}, {PartyId: 2, Amount: 1}},
	} {
		exported.Bonds = bonds
		require.ErrorIs(t, exported.Validate(), types.ErrInvalidBond, name)
	}
}
