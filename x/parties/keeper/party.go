package keeper

import (
	"context"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

// PartyByID returns a registered party, removed ones too, or ErrUnknownParty.
func (k *Keeper) PartyByID(ctx context.Context, id uint64) (types.Party, error) {
	party, err := k.Parties.Get(ctx, id)
	return known(party, err, types.ErrUnknownParty)
}

// PartyByAccount returns the party that posts from the account, or ErrUnknownParty.
func (k *Keeper) PartyByAccount(ctx context.Context, account sdk.AccAddress) (types.Party, error) {
	id, err := k.Accounts.Get(ctx, account)
	if id, err = known(id, err, types.ErrUnknownParty); err != nil {
		return types.Party{}, err
	}
	return k.PartyByID(ctx, id)
}

// IsPartyAccount reports whether the account is that of a registered party that
// was not removed.
func (k *Keeper) IsPartyAccount(ctx context.Context, account sdk.AccAddress) bool {
	party, err := k.PartyByAccount(ctx, account)
	return err == nil && !party.Removed
}

// PartyTxAllowed counts one free transaction of a party. It returns
// ErrUnknownParty, ErrPartyRemoved, ErrAttestationLapsed, or ErrRateLimited once
// the party sent party_txs_per_window in the current window of blocks. Windows
// begin at multiples of party_window_blocks, so that one record a party is enough.
func (k *Keeper) PartyTxAllowed(ctx context.Context, account sdk.AccAddress) error {
	party, err := k.PartyByAccount(ctx, account)
	if err != nil {
		return err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	if err := party.InStanding(sdkCtx.BlockTime()); err != nil {
		return err
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	activity, err := k.activity(ctx, party.Id)
	if err != nil {
		return err
	}
	if window := uint64(sdkCtx.BlockHeight()) / uint64(params.PartyWindowBlocks); window != activity.Window {
		activity.Window, activity.WindowTxs = window, 0
	}
	if activity.WindowTxs >= params.PartyTxsPerWindow {
		return types.ErrRateLimited
	}
	activity.WindowTxs++
	activity.LastSeenHeight = sdkCtx.BlockHeight()
	return k.Activities.Set(ctx, party.Id, activity)
}

// RecordContribution notes that consensus accepted a party's work, such as a
// valid result. It is shown in queries, and voids reports of its absence.
func (k *Keeper) RecordContribution(ctx context.Context, partyID uint64) error {
	return k.contributed(ctx, partyID, func(*types.Activity) {})
}

// RecordResult notes that consensus accepted a party's result, that many blocks after
// the request was accepted; it is a contribution.
func (k *Keeper) RecordResult(ctx context.Context, partyID, blocks uint64) error {
	return k.contributed(ctx, partyID, func(a *types.Activity) { a.AddResult(blocks) })
}

func (k *Keeper) contributed(ctx context.Context, partyID uint64, with func(*types.Activity)) error {
	if _, err := k.PartyByID(ctx, partyID); err != nil {
		return err
	}
	activity, err := k.activity(ctx, partyID)
	if err != nil {
		return err
	}
	activity.Contributions++
	with(&activity)
	activity.LastSeenHeight = sdk.UnwrapSDKContext(ctx).BlockHeight()
	if err := k.Activities.Set(ctx, partyID, activity); err != nil {
		return err
	}
	return k.seen(ctx, partyID)
}

// RecordMissed notes that a request of the party's epoch was paid for, or expired,
// without a result of the party. It is shown in queries and has no consequence.
func (k *Keeper) RecordMissed(ctx context.Context, partyID uint64) error {
	activity, err := k.activity(ctx, partyID)
	if err != nil {
		return err
	}
	activity.Missed++
	return k.Activities.Set(ctx, partyID, activity)
}

func (k *Keeper) activity(ctx context.Context, partyID uint64) (types.Activity, error) {
	activity, err := valueOrZero(k.Activities.Get(ctx, partyID))
	activity.PartyId = partyID
	return activity, err
}

// seen voids the reports about a party in all serving epochs.
func (k *Keeper) seen(ctx context.Context, partyID uint64) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return k.eachLiveEpoch(ctx, func(epoch *types.Epoch) (bool, error) {
		member, ok := epoch.MemberOf(partyID)
		return ok && epoch.Seen(member.Index, height, params), nil
	})
}

// identities returns the keys that belong to one party only.
func identities(signing, session, tls, encryption []byte) [][]byte {
	return [][]byte{
		append([]byte{types.IdentitySigning}, signing...),
		append([]byte{types.IdentitySession}, session...),
		append([]byte{types.IdentityTLS}, tls...),
		append([]byte{types.IdentityEncryption}, encryption...),
	}
}

// partyOfKeys returns the id of the party that has all these keys, 0 if none of
// them is known, and ErrKeysTaken if some are.
func (k *Keeper) partyOfKeys(ctx context.Context, msg *types.MsgRegisterParty) (uint64, error) {
	var owner uint64
	for i, key := range identities(msg.SigningKey, msg.SessionKey, msg.TlsKeyHash, msg.EncryptionKey) {
		id, err := valueOrZero(k.Identities.Get(ctx, key))
		if err != nil {
			return 0, err
		}
		if i > 0 && id != owner {
			return 0, types.ErrKeysTaken
		}
		owner = id
	}
	return owner, nil
}

// index makes a party findable by its account and keys.
func (k *Keeper) index(ctx context.Context, party types.Party) error {
	account, err := k.addresses.StringToBytes(party.Account)
	if err != nil {
		return errorsmod.Wrap(err, "party account")
	}
	if err := k.Accounts.Set(ctx, account, party.Id); err != nil {
		return err
	}
	for _, key := range identities(party.SigningKey, party.SessionKey, party.TlsKeyHash, party.EncryptionKey) {
		if err := k.Identities.Set(ctx, key, party.Id); err != nil {
			return err
		}
	}
	return nil
}
