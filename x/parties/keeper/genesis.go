package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

// InitGenesis stores a validated genesis state and makes the parties' accounts
// where x/auth's genesis does not have them. The module's account must hold the bonds
// already.
func (k *Keeper) InitGenesis(ctx context.Context, genesis types.GenesisState) error {
	if err := k.Params.Set(ctx, genesis.Params); err != nil {
		return err
	}
	for _, party := range genesis.Parties {
		if err := k.importParty(ctx, party); err != nil {
			return err
		}
	}
	for _, epoch := range genesis.Epochs {
		if err := k.setEpoch(ctx, epoch); err != nil {
			return err
		}
	}
	for _, activity := range genesis.Activities {
		if err := k.Activities.Set(ctx, activity.PartyId, activity); err != nil {
			return err
		}
	}
	for _, found := range genesis.Evidence {
		if err := k.indexEvidence(ctx, found); err != nil {
			return err
		}
	}
	if err := k.importBonds(ctx, genesis.Bonds); err != nil {
		return err
	}
	for _, a := range genesis.Answers {
		if err := k.SetupAnswers.Set(ctx, collections.Join3(a.EpochId, a.Accuser, a.Accused), a.Answer); err != nil {
			return err
		}
	}
	if err := setCount(ctx, k.LastParty, len(genesis.Parties)); err != nil {
		return err
	}
	if err := setCount(ctx, k.LastEvidence, len(genesis.Evidence)); err != nil {
		return err
	}
	return setCount(ctx, k.LastEpoch, len(genesis.Epochs))
}

func setCount(ctx context.Context, item collections.Item[uint64], count int) error {
	if count == 0 {
		return nil
	}
	return item.Set(ctx, uint64(count))
}

func (k *Keeper) importParty(ctx context.Context, party types.Party) error {
	if err := k.canonical(party.Operator); err != nil {
		return err
	}
	address, _, err := types.SigningAddresses(party.SigningKey)
	if err != nil {
		return err
	}
	text, err := k.addresses.BytesToString(address)
	if err != nil {
		return err
	}
	if text != party.Account {
		return types.ErrInvalidMessage.Wrapf("account of party %d is not that of its signing key", party.Id)
	}
	if err := k.Parties.Set(ctx, party.Id, party); err != nil {
		return err
	}
	if err := k.makeAccount(ctx, sdk.AccAddress(address), party.SigningKey); err != nil {
		return err
	}
	return k.index(ctx, party)
}

// ExportGenesis returns the state as InitGenesis takes it.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	genesis := &types.GenesisState{Params: params}
	if genesis.Parties, err = values(ctx, k.Parties); err != nil {
		return nil, err
	}
	if genesis.Epochs, err = values(ctx, k.Epochs); err != nil {
		return nil, err
	}
	if genesis.Activities, err = values(ctx, k.Activities); err != nil {
		return nil, err
	}
	if genesis.Evidence, err = values(ctx, k.Evidence); err != nil {
		return nil, err
	}
	if genesis.Bonds, err = values(ctx, k.Bonds); err != nil {
		return nil, err
	}
	err = k.SetupAnswers.Walk(ctx, nil, func(key answerKey, answer types.ComplaintAnswer) (bool, error) {
		genesis.Answers = append(genesis.Answers, types.SetupAnswer{EpochId: key.K1(), Accuser: key.K2(), Accused: key.K3(), Answer: answer})
		return false, nil
	})
	return genesis, err
}

func values[V any](ctx context.Context, m collections.Map[uint64, V]) ([]V, error) {
	iterator, err := m.Iterate(ctx, nil)
	if err != nil {
		return nil, err
	}
	return iterator.Values()
}
