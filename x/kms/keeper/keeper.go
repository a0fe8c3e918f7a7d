// Package keeper keeps the state of x/kms and its rules.
package keeper

import (
	"context"
	"errors"
	"fmt"

	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/x/kms/types"
)

type (
	// dueKey orders records by the height at which they are due, or their epoch, then by id.
	dueKey = collections.Pair[uint64, []byte]
	// shareKey orders the shares of a request by party.
	shareKey = collections.Pair[[]byte, uint32]
	// openKey orders open requests by epoch, then by acceptance.
	openKey = collections.Triple[uint64, uint64, []byte]
)

// Keeper is the state of x/kms. Every record that a party proves stands under the
// raw keys of package types.
type Keeper struct {
	bank      types.BankKeeper
	acl       types.ACLKeeper
	parties   types.PartiesKeeper
	noise     types.NoiseModel
	authority string
	account   sdk.AccAddress

	Schema   collections.Schema
	Params   collections.Item[types.Params]
	Keys     collections.Map[[]byte, types.Key]
	Requests collections.Map[[]byte, types.Request]
	// Shares of user decryptions, which their records only name.
	Shares collections.Map[shareKey, types.Share]
	// Work of a height.
	Work collections.Map[uint64, types.Work]
	// HostKeys names the key of a host chain, from its request on.
	HostKeys collections.Map[uint64, []byte]
	// ItemCounters holds the next unassigned offline item of an epoch.
	ItemCounters collections.Map[uint64, uint64]
	Windows      collections.Map[uint64, types.RateWindow]
	// Attempts of requests whose record was dropped.
	Attempts     collections.Map[[]byte, uint32]
	OpenRequests collections.KeySet[openKey]
	OpenKeys     collections.KeySet[dueKey]
	Totals       collections.Item[types.Totals]
	KeySequence  collections.Item[uint64]
	// HostEpochs says which epoch's signatures a host chain takes, if that need not be
	// the active one.
	HostEpochs collections.Map[uint64, types.HostEpoch]

	// heldKeys are the active keys of an epoch.
	heldKeys collections.KeySet[dueKey]
	// endedEpochs are retired ones whose open requests EndBlock ends.
	endedEpochs collections.KeySet[uint64]

	// Queues by height, worked off by EndBlock.
	fence      collections.Item[bool]
	expiries   collections.KeySet[dueKey]
	payouts    collections.KeySet[dueKey]
	keyChecks  collections.KeySet[dueKey]
	keyPayouts collections.KeySet[dueKey]
	prunes     collections.KeySet[dueKey]
}

// NewKeeper returns the keeper; authority is the account of governance. The
// application gives the module account "kms" no permissions. The noise model is part of
// consensus: a table of integers, never floats.
func NewKeeper(cdc codec.BinaryCodec, storeService store.KVStoreService, authority string,
	bank types.BankKeeper, acl types.ACLKeeper, parties types.PartiesKeeper, noise types.NoiseModel,
) Keeper {
	if _, err := sdk.AccAddressFromBech32(authority); err != nil {
		panic(fmt.Errorf("kms: authority %q is no account: %w", authority, err))
	}
	sb := collections.NewSchemaBuilder(storeService)
	due := collections.PairKeyCodec(collections.Uint64Key, collections.BytesKey)
	k := Keeper{
		bank: bank, acl: acl, parties: parties, noise: noise, authority: authority,
		account: authtypes.NewModuleAddress(types.ModuleName),

		Params:   collections.NewItem(sb, types.ParamsPrefix, "params", codec.CollValue[types.Params](cdc)),
		Keys:     collections.NewMap(sb, types.KeysPrefix, "keys", collections.BytesKey, codec.CollValue[types.Key](cdc)),
		Requests: collections.NewMap(sb, types.RequestsPrefix, "requests", collections.BytesKey, codec.CollValue[types.Request](cdc)),
		Shares: collections.NewMap(sb, types.SharesPrefix, "shares",
			collections.PairKeyCodec(collections.BytesKey, collections.Uint32Key), codec.CollValue[types.Share](cdc)),
		Work:         collections.NewMap(sb, types.WorkPrefix, "work", collections.Uint64Key, codec.CollValue[types.Work](cdc)),
		HostKeys:     collections.NewMap(sb, types.HostKeysPrefix, "host_keys", collections.Uint64Key, collections.BytesValue),
		ItemCounters: collections.NewMap(sb, types.ItemCountersPrefix, "item_counters", collections.Uint64Key, collections.Uint64Value),
		Windows:      collections.NewMap(sb, types.WindowsPrefix, "windows", collections.Uint64Key, codec.CollValue[types.RateWindow](cdc)),
		Attempts:     collections.NewMap(sb, types.AttemptsPrefix, "attempts", collections.BytesKey, collections.Uint32Value),
		OpenRequests: collections.NewKeySet(sb, types.OpenRequestsPrefix, "open_requests",
			collections.TripleKeyCodec(collections.Uint64Key, collections.Uint64Key, collections.BytesKey)),
		OpenKeys:    collections.NewKeySet(sb, types.OpenKeysPrefix, "open_keys", due),
		Totals:      collections.NewItem(sb, types.TotalsPrefix, "totals", codec.CollValue[types.Totals](cdc)),
		KeySequence: collections.NewItem(sb, types.KeySequencePrefix, "key_sequence", collections.Uint64Value),
		HostEpochs:  collections.NewMap(sb, types.HostEpochsPrefix, "host_epochs", collections.Uint64Key, codec.CollValue[types.HostEpoch](cdc)),
		heldKeys:    collections.NewKeySet(sb, types.HeldKeysPrefix, "held_keys", due),
		endedEpochs: collections.NewKeySet(sb, types.EndedEpochsPrefix, "ended_epochs", collections.Uint64Key),
		fence:       collections.NewItem(sb, types.FencePrefix, "fence", collections.BoolValue),
		expiries:    collections.NewKeySet(sb, types.ExpiryQueuePrefix, "expiries", due),
		payouts:     collections.NewKeySet(sb, types.PayoutQueuePrefix, "payouts", due),
		keyChecks:   collections.NewKeySet(sb, types.KeyQueuePrefix, "key_checks", due),
		keyPayouts:  collections.NewKeySet(sb, types.KeyPayoutPrefix, "key_payouts", due),
		prunes:      collections.NewKeySet(sb, types.PruneQueuePrefix, "prunes", due),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(err)
	}
	k.Schema = schema
	return k
}

// Authority is the account of governance.
func (k Keeper) Authority() string { return k.authority }

func (k Keeper) authorize(sender string) error {
	if sender != k.authority {
		return types.ErrUnauthorized.Wrapf("got %s, want %s", sender, k.authority)
	}
	return nil
}

// request returns a record by id, or ErrUnknownRequest.
func (k Keeper) request(ctx context.Context, id []byte) (types.Request, error) {
	r, err := k.Requests.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return r, types.ErrUnknownRequest.Wrapf("%x", id)
	}
	return r, err
}

// key returns a record by id, or ErrUnknownKey.
func (k Keeper) key(ctx context.Context, id []byte) (types.Key, error) {
	r, err := k.Keys.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return r, types.ErrUnknownKey.Wrapf("%x", id)
	}
	return r, err
}

// orZero turns "not found" into the zero value.
func orZero[T any](v T, err error) (T, error) {
	if errors.Is(err, collections.ErrNotFound) {
		var zero T
		return zero, nil
	}
	return v, err
}

// changeTotals applies change to the totals.
func (k Keeper) changeTotals(ctx context.Context, change func(*types.Totals)) error {
	totals, err := orZero(k.Totals.Get(ctx))
	if err != nil {
		return err
	}
	change(&totals)
	return k.Totals.Set(ctx, totals)
}

// addWork appends to the list of what the current block accepted.
func (k Keeper) addWork(ctx context.Context, add func(*types.Work)) error {
	height := heightOf(ctx)
	work, err := orZero(k.Work.Get(ctx, height))
	if err != nil {
		return err
	}
	add(&work)
	return k.Work.Set(ctx, height, work)
}

func heightOf(ctx context.Context) uint64 {
	return uint64(sdk.UnwrapSDKContext(ctx).BlockHeight())
}

func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}
