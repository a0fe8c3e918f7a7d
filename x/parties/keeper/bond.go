package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

func (s msgServer) DepositBond(ctx context.Context, msg *types.MsgDepositBond) (*types.MsgDepositBondResponse, error) {
	party, operator, err := s.partyOfOperator(ctx, msg.PartyId, msg.Operator)
	if err != nil {
		return nil, err
	}
	if party.Removed {
		return nil, types.ErrPartyRemoved
	}
	bond, err := s.bond(ctx, party.Id)
	if err != nil {
		return nil, err
	}
	if err := bond.Deposit(msg.Amount); err != nil {
		return nil, err
	}
	if err := s.bank.SendCoinsFromAccountToModule(ctx, operator, types.ModuleName, types.BondCoins(msg.Amount)); err != nil {
		return nil, err
	}
	return &types.MsgDepositBondResponse{}, s.setBond(ctx, bond)
}

func (s msgServer) WithdrawBond(ctx context.Context, msg *types.MsgWithdrawBond) (*types.MsgWithdrawBondResponse, error) {
	party, operator, err := s.partyOfOperator(ctx, msg.PartyId, msg.Operator)
	if err != nil {
		return nil, err
	}
	bond, err := s.bond(ctx, party.Id)
	if err != nil {
		return nil, err
	}
	free, err := s.freeHeight(ctx, party.Id)
	if err != nil {
		return nil, err
	}
	switch {
	case free == 0:
		return nil, types.ErrBondLocked.Wrap("the party has a seat")
	case sdk.UnwrapSDKContext(ctx).BlockHeight() < free:
		return nil, types.ErrBondLocked.Wrapf("until height %d", free)
	}
	if err := bond.Withdraw(msg.Amount); err != nil {
		return nil, err
	}
	if err := s.bank.SendCoins(ctx, s.bonds, operator, types.BondCoins(msg.Amount)); err != nil {
		return nil, err
	}
	return &types.MsgWithdrawBondResponse{}, s.setBond(ctx, bond)
}

// partyOfOperator returns a party, removed or not, if the sender is its operator.
func (k *Keeper) partyOfOperator(ctx context.Context, partyID uint64, sender string) (types.Party, sdk.AccAddress, error) {
	party, err := k.PartyByID(ctx, partyID)
	if err != nil {
		return types.Party{}, nil, err
	}
	if sender != party.Operator {
		return types.Party{}, nil, types.ErrUnauthorized.Wrapf("party %d is another operator's", partyID)
	}
	operator, err := k.addresses.StringToBytes(sender)
	return party, operator, err
}

// bond returns what a party has at stake; of one that never made a bond it is zero.
func (k *Keeper) bond(ctx context.Context, partyID uint64) (types.Bond, error) {
	bond, err := valueOrZero(k.Bonds.Get(ctx, partyID))
	bond.PartyId = partyID
	return bond, err
}

func (k *Keeper) setBond(ctx context.Context, bond types.Bond) error {
	if err := k.Bonds.Set(ctx, bond.PartyId, bond); err != nil {
		return err
	}
	return emit(ctx, &types.EventBondChanged{PartyId: bond.PartyId, Amount: bond.Amount, Slashed: bond.Slashed})
}

// checkBond returns ErrBondTooLow for a party that may take no seat in a new committee.
func (k *Keeper) checkBond(ctx context.Context, partyID uint64) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	bond, err := k.bond(ctx, partyID)
	if err != nil {
		return err
	}
	if bond.Amount < params.MinBond {
		return types.ErrBondTooLow.Wrapf("party %d: %d of %d utkms", partyID, bond.Amount, params.MinBond)
	}
	return nil
}

// slash burns what a conviction of the kind costs, or what is left of the bond, and
// returns how much that was. It goes to nobody, so that no conviction is anybody's gain.
func (k *Keeper) slash(ctx context.Context, partyID uint64, kind types.EvidenceKind) (uint64, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return 0, err
	}
	bond, err := k.bond(ctx, partyID)
	if err != nil {
		return 0, err
	}
	taken := bond.Slash(params.SlashOf(kind))
	if taken == 0 {
		return 0, nil
	}
	if err := k.bank.BurnCoins(ctx, types.ModuleName, types.BondCoins(taken)); err != nil {
		return 0, err
	}
	return taken, k.setBond(ctx, bond)
}

// freeHeight returns from when on a party's bond may be taken back: 0 while the party
// has a seat in a live epoch, 1 if it never had one.
func (k *Keeper) freeHeight(ctx context.Context, partyID uint64) (int64, error) {
	seated, err := k.seated(ctx, partyID)
	if err != nil || seated {
		return 0, err
	}
	end, err := k.SeatEnds.Get(ctx, partyID)
	if errors.Is(err, collections.ErrNotFound) {
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return 0, err
	}
	return end + int64(params.UnbondBlocks), nil
}

func (k *Keeper) seated(ctx context.Context, partyID uint64) (bool, error) {
	seated := false
	err := k.eachLiveEpoch(ctx, func(epoch *types.Epoch) (bool, error) {
		_, in := epoch.MemberOf(partyID)
		seated = seated || in
		return false, nil
	})
	return seated, err
}

// endSeats notes when the members of an epoch that is over had their seat last.
func (k *Keeper) endSeats(ctx context.Context, epoch types.Epoch) error {
	for _, member := range epoch.Members {
		end, err := valueOrZero(k.SeatEnds.Get(ctx, member.PartyId))
		if err != nil {
			return err
		}
		// Genesis brings epochs in the order of their ids, not of their ends.
		if err := k.SeatEnds.Set(ctx, member.PartyId, max(end, epoch.ClosedHeight, 1)); err != nil {
			return err
		}
	}
	return nil
}

// importBonds stores the bonds of a validated genesis, if the module's account has them.
func (k *Keeper) importBonds(ctx context.Context, bonds []types.Bond) error {
	var sum uint64
	for _, bond := range bonds {
		sum += bond.Amount // fits: validated
		if err := k.Bonds.Set(ctx, bond.PartyId, bond); err != nil {
			return err
		}
	}
	if sum == 0 {
		return nil
	}
	if balance := k.bank.GetBalance(ctx, k.bonds, types.BondDenom); balance.Amount.LT(math.NewIntFromUint64(sum)) {
		return types.ErrInvalidBond.Wrapf("the module holds %s of bonds of %d", balance, sum)
	}
	return nil
}

func (s queryServer) Bond(ctx context.Context, req *types.QueryBondRequest) (*types.QueryBondResponse, error) {
	if _, err := s.keeper.PartyByID(ctx, req.GetPartyId()); err != nil {
		return nil, queryError(err)
	}
	bond, err := s.keeper.bond(ctx, req.GetPartyId())
	if err != nil {
		return nil, err
	}
	free, err := s.keeper.freeHeight(ctx, req.GetPartyId())
	if err != nil {
		return nil, err
	}
	return &types.QueryBondResponse{Bond: bond, FreeHeight: free}, nil
}
