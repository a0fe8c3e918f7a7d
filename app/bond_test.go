package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/apptest"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func TestABondIsHeldBurntForACheatAndCarriedToAnotherChain(t *testing.T) {
	w := newWorld(t)
	w.Blocks(10)
	params, err := w.App.Parties.Params.Get(w.Ctx())
	require.NoError(t, err)
	params.SlashCheating, params.SlashFalseAccusation = 300, 70
	w.Govern(&partiestypes.MsgUpdateParams{Authority: w.Authority(), Params: params})
	dave, bob := w.parties[3], w.parties[1]
	for _, p := range w.parties {
		w.MustDeliver(p.Operator, &partiestypes.MsgDepositBond{Operator: p.Operator.Address().String(), PartyId: p.ID, Amount: 1000})
	}
	withdraw := &partiestypes.MsgWithdrawBond{Operator: bob.Operator.Address().String(), PartyId: bob.ID, Amount: 1}
	requireRefused(t, partiestypes.ErrBondLocked, w.Deliver(bob.Operator, withdraw))

	supply := w.App.Bank.GetSupply(w.Ctx(), partiestypes.BondDenom).Amount
	w.submit(w.parties[0], w.equivocation(w.session([]byte("one")), dave))
	forged := w.equivocation(w.session([]byte("two")), dave)
	forged[len(forged)-1] ^= 1
	w.submit(bob, forged)
	require.EqualValues(t, 370, supply.Sub(w.App.Bank.GetSupply(w.Ctx(), partiestypes.BondDenom).Amount).Int64())

	exported, err := w.App.Export(false, nil)
	require.NoError(t, err)
	imported := apptest.Import(t, w.Chain, exported)
	for id, want := range map[uint64]partiestypes.Bond{
		w.parties[0].ID: {PartyId: w.parties[0].ID, Amount: 1000},
		bob.ID:          {PartyId: bob.ID, Amount: 930, Slashed: 70},
		dave.ID:         {PartyId: dave.ID, Amount: 700, Slashed: 300},
	} {
		bond, err := imported.App.Parties.Bonds.Get(imported.Ctx(), id)
		require.NoError(t, err)
		require.Equal(t, want, bond)
	}
}
