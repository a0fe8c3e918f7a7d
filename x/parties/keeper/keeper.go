package keeper

import (
	"context"
	"errors"

	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	corestore "cosmossdk.io/core/store"
	errorsmod "cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

// Keeper of x/parties.
type Keeper struct {
	authority string
	account   types.AccountKeeper
	bank      types.BankKeeper
	bonds     sdk.AccAddress // of the module, which holds them
	addresses address.Codec
	attestor  types.Attestor
	work      types.Work // nil: epochs hold no keys

	Schema collections.Schema
	// Params, Parties, Epochs and ActiveEpochID lie under keys that are part of
	// the API: see types.PartyKey and its neighbours.
	Params        collections.Item[types.Params]
	Parties       collections.Map[uint64, types.Party]
	Epochs        collections.Map[uint64, types.Epoch]
	ActiveEpochID collections.Item[uint64]
	// Accounts finds a party by the account that posts its messages.
	Accounts collections.Map[[]byte, uint64]
	// Identities finds a party by kind byte and key: no two share one.
	Identities collections.Map[[]byte, uint64]
	Activities collections.Map[uint64, types.Activity]
	// RecentBlocks are the hashes of the last blocks by height.
	RecentBlocks collections.Map[int64, []byte]
	// LiveEpochs are those that the end of a block may change.
	LiveEpochs collections.KeySet[uint64]
	LastParty  collections.Item[uint64]
	LastEpoch  collections.Item[uint64]
	// SetupAnswers and Evidence lie under keys that are part of the API, too.
	SetupAnswers collections.Map[answerKey, types.ComplaintAnswer]
	Evidence     collections.Map[uint64, types.Evidence]
	LastEvidence collections.Item[uint64]
	// EvidenceSubjects finds evidence by the request or key that it is about.
	EvidenceSubjects collections.KeySet[subjectKey]
	// KnownEvidence is what members were convicted of.
	KnownEvidence collections.KeySet[[]byte]
	// Bonds are what parties have at stake.
	Bonds collections.Map[uint64, types.Bond]
	// SeatEnds are the heights at which the last epoch of each party ended.
	SeatEnds collections.Map[uint64, int64]
	// RefreshMark is the height from which the blocks to the next refresh are counted on.
	RefreshMark collections.Item[int64]
}

// NewKeeper returns a keeper. Authority is the account that forms committees,
// accepts measurements and changes parameters: x/gov's. The application lets the
// module's account burn coins.
func NewKeeper(cdc codec.BinaryCodec, storeService corestore.KVStoreService, authority string,
	account types.AccountKeeper, bank types.BankKeeper,
) *Keeper {
	if _, err := account.AddressCodec().StringToBytes(authority); err != nil {
		panic("x/parties: the authority is no address: " + err.Error())
	}
	sb := collections.NewSchemaBuilder(storeService)
	k := &Keeper{
		authority:     authority,
		account:       account,
		bank:          bank,
		bonds:         authtypes.NewModuleAddress(types.ModuleName),
		addresses:     account.AddressCodec(),
		attestor:      NewAttestor(),
		Params:        collections.NewItem(sb, types.ParamsPrefix, "params", codec.CollValue[types.Params](cdc)),
		Parties:       collections.NewMap(sb, types.PartiesPrefix, "parties", collections.Uint64Key, codec.CollValue[types.Party](cdc)),
		Epochs:        collections.NewMap(sb, types.EpochsPrefix, "epochs", collections.Uint64Key, codec.CollValue[types.Epoch](cdc)),
		ActiveEpochID: collections.NewItem(sb, types.ActiveEpochPrefix, "active_epoch", collections.Uint64Value),
		Accounts:      collections.NewMap(sb, types.AccountsPrefix, "accounts", collections.BytesKey, collections.Uint64Value),
		Identities:    collections.NewMap(sb, types.IdentitiesPrefix, "identities", collections.BytesKey, collections.Uint64Value),
		Activities:    collections.NewMap(sb, types.ActivitiesPrefix, "activities", collections.Uint64Key, codec.CollValue[types.Activity](cdc)),
		RecentBlocks:  collections.NewMap(sb, types.RecentBlocksPrefix, "recent_blocks", collections.Int64Key, collections.BytesValue),
		LiveEpochs:    collections.NewKeySet(sb, types.LiveEpochsPrefix, "live_epochs", collections.Uint64Key),
		LastParty:     collections.NewItem(sb, types.LastPartyPrefix, "last_party", collections.Uint64Value),
		LastEpoch:     collections.NewItem(sb, types.LastEpochPrefix, "last_epoch", collections.Uint64Value),
		SetupAnswers: collections.NewMap(sb, types.SetupAnswersPrefix, "setup_answers",
			collections.TripleKeyCodec(collections.Uint64Key, collections.Uint32Key, collections.Uint32Key), codec.CollValue[types.ComplaintAnswer](cdc)),
		Evidence:     collections.NewMap(sb, types.EvidencePrefix, "evidence", collections.Uint64Key, codec.CollValue[types.Evidence](cdc)),
		LastEvidence: collections.NewItem(sb, types.LastEvidencePrefix, "last_evidence", collections.Uint64Value),
		EvidenceSubjects: collections.NewKeySet(sb, types.SubjectEvidencePrefix, "evidence_subjects",
			collections.PairKeyCodec(collections.BytesKey, collections.Uint64Key)),
		KnownEvidence: collections.NewKeySet(sb, types.KnownEvidencePrefix, "known_evidence", collections.BytesKey),
		Bonds:         collections.NewMap(sb, types.BondsPrefix, "bonds", collections.Uint64Key, codec.CollValue[types.Bond](cdc)),
		SeatEnds:      collections.NewMap(sb, types.SeatEndsPrefix, "seat_ends", collections.Uint64Key, collections.Int64Value),
		RefreshMark:   collections.NewItem(sb, types.RefreshMarkPrefix, "refresh_mark", collections.Int64Value),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(err)
	}
	k.Schema = schema
	return k
}

// Authority returns the address that may send governance messages.
func (k *Keeper) Authority() string { return k.authority }

func (k *Keeper) authorize(sender string) error {
	if sender != k.authority {
		return errorsmod.Wrapf(types.ErrUnauthorized, "expected %s", k.authority)
	}
	return nil
}

// next returns the number after the one in the item, and stores it. The first is 1.
func next(ctx context.Context, last collections.Item[uint64]) (uint64, error) {
	id, err := valueOrZero(last.Get(ctx))
	if err != nil {
		return 0, err
	}
	id++
	return id, last.Set(ctx, id)
}

// valueOrZero turns "not found" into the zero value.
func valueOrZero[V any](value V, err error) (V, error) {
	if errors.Is(err, collections.ErrNotFound) {
		var zero V
		return zero, nil
	}
	return value, err
}

// known turns "not found" into the given sentinel.
func known[V any](value V, err error, unknown error) (V, error) {
	if errors.Is(err, collections.ErrNotFound) {
		return value, unknown
	}
	return value, err
}

func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}
