package keeper

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/evidence"
	"github.com/tkms-network/tkms/x/parties/types"
)

// maxEvidenceOf bounds what EvidenceOf returns: a subject has few sessions, and a
// member is convicted once for each session and kind.
const maxEvidenceOf = 100

// subjectKey orders evidence by subject, then by id.
type subjectKey = collections.Pair[[]byte, uint64]

func (s msgServer) SubmitEvidence(ctx context.Context, msg *types.MsgSubmitEvidence) (*types.MsgSubmitEvidenceResponse, error) {
	response := &types.MsgSubmitEvidenceResponse{}
	return response, s.withMember(ctx, msg.Account, msg.EpochId, func(epoch *types.Epoch, member types.Member) error {
		switch {
		case !epoch.Serving():
			return types.ErrWrongStatus.Wrap("evidence is of a serving epoch")
		case epoch.IsConvicted(member.Index):
			return types.ErrConvicted
		}
		found, err := s.judge(ctx, *epoch, msg.Evidence)
		if err != nil {
			return err
		}
		found.Reporter = member.PartyId
		if response.Id, err = s.record(ctx, found); err != nil {
			return err
		}
		changes := epoch.Convict(found.Index, sdk.UnwrapSDKContext(ctx).BlockHeight())
		return emitChanges(ctx, epoch, changes)
	})
}

// judge returns what the evidence proves of a member of the epoch, without an id, or
// ErrInvalidEvidence. Nothing but the chain's own records is believed.
func (k *Keeper) judge(ctx context.Context, epoch types.Epoch, raw []byte) (types.Evidence, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return types.Evidence{}, err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	sdkCtx.GasMeter().ConsumeGas(params.GasPerEvidence, "verification of evidence")
	submitted, err := evidence.Decode(raw, int(params.MaxEvidenceBytes))
	if err != nil {
		return types.Evidence{}, types.ErrInvalidEvidence.Wrap(err.Error())
	}
	parties, err := k.EpochParties(ctx, epoch)
	if err != nil {
		return types.Evidence{}, err
	}
	keys := make([]ed25519.PublicKey, len(parties))
	for i, party := range parties {
		keys[i] = party.SessionKey
	}
	culprit, err := submitted.Verify(sdkCtx.ChainID(), epoch.Id, keys, int(epoch.T))
	if err != nil {
		return types.Evidence{}, types.ErrInvalidEvidence.Wrap(err.Error())
	}
	session := submitted.Session()
	id := session.ID()
	return types.Evidence{
		EpochId: epoch.Id, Index: uint32(culprit), PartyId: parties[culprit-1].Id, Kind: types.EvidenceKind(submitted.Kind()),
		Subject: session.Subject, Protocol: session.Protocol, SessionId: id[:],
	}, nil
}

// record stores a conviction under the next id, or returns ErrKnownEvidence if the
// member was convicted of the same kind in the same session.
func (k *Keeper) record(ctx context.Context, found types.Evidence) (uint64, error) {
	known, err := k.KnownEvidence.Has(ctx, knownKey(found))
	if err != nil {
		return 0, err
	}
	if known {
		return 0, types.ErrKnownEvidence
	}
	if found.Id, err = next(ctx, k.LastEvidence); err != nil {
		return 0, err
	}
	found.Height = sdk.UnwrapSDKContext(ctx).BlockHeight()
	if err := k.indexEvidence(ctx, found); err != nil {
		return 0, err
	}
	return found.Id, emit(ctx, &types.EventPartyConvicted{Evidence: found})
}

func (k *Keeper) indexEvidence(ctx context.Context, found types.Evidence) error {
	if err := k.Evidence.Set(ctx, found.Id, found); err != nil {
		return err
	}
	if err := k.KnownEvidence.Set(ctx, knownKey(found)); err != nil {
		return err
	}
	if len(found.Subject) == 0 {
		return nil
	}
	return k.EvidenceSubjects.Set(ctx, collections.Join(found.Subject, found.Id))
}

// knownKey is what a member is convicted of only once.
func knownKey(e types.Evidence) []byte {
	key := binary.BigEndian.AppendUint64(nil, e.EpochId)
	key = binary.BigEndian.AppendUint32(key, e.Index)
	key = binary.BigEndian.AppendUint32(key, uint32(e.Kind))
	return append(key, e.SessionId...)
}

// EvidenceOf returns the convictions in sessions of a request or key, oldest first
// and at most 100.
func (k *Keeper) EvidenceOf(ctx context.Context, subject []byte) ([]types.Evidence, error) {
	var ids []uint64
	err := k.EvidenceSubjects.Walk(ctx, collections.NewPrefixedPairRange[[]byte, uint64](subject), func(key subjectKey) (bool, error) {
		ids = append(ids, key.K2())
		return len(ids) == maxEvidenceOf, nil
	})
	if err != nil {
		return nil, err
	}
	found := make([]types.Evidence, len(ids))
	for i, id := range ids {
		if found[i], err = k.Evidence.Get(ctx, id); err != nil {
			return nil, err
		}
	}
	return found, nil
}
