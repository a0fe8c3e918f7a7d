package keeper

import (
	"context"
	"encoding/hex"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func hexID(id []byte) string { return hex.EncodeToString(id) }

// threshold is the number of equal words that an epoch's parties must give:
// with at most t of them corrupt, t+1 honest ones are among 2t+1.
func threshold(epoch partiestypes.Epoch) uint32 { return 2*epoch.T + 1 }

// member returns the index and record of a party of the epoch, or ErrNotMember.
func (k Keeper) member(ctx context.Context, epochID uint64, account string) (uint32, partiestypes.Party, error) {
	address, err := sdk.AccAddressFromBech32(account)
	if err != nil {
		return 0, partiestypes.Party{}, types.ErrMalformed.Wrap("no account")
	}
	member, party, err := k.parties.MemberByAccount(ctx, epochID, address)
	if err != nil {
		return 0, party, types.ErrNotMember.Wrap(err.Error())
	}
	if len(party.SigningAddress) != 20 || member.Index == 0 {
		return 0, party, types.ErrNotMember.Wrap("no signing address")
	}
	return member.Index, party, nil
}

// standInsOf names what is not real about the parameter set of a key.
func standInsOf(params string) []string {
	if set, known := types.ParameterSetByName(params); known && !set.Insecure {
		return nil
	}
	return []string{types.StandInParameters}
}

// standIns collects what is simulated on the path of a result, sorted.
func (k Keeper) standIns(ctx context.Context, ofKey, ofHost []string, epoch partiestypes.Epoch) ([]string, error) {
	all := slices.Concat(ofKey, ofHost)
	parties, err := k.parties.EpochParties(ctx, epoch)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(parties, func(p partiestypes.Party) bool { return p.Simulated }) {
		all = append(all, types.StandInEnclave)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
