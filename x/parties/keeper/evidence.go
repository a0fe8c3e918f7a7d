package keeper

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"

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
		found, err := s.judge(ctx, *epoch, member, msg.Evidence)
		if err != nil {
			return err
		}
		found.Reporter = member.PartyId
		if found, err = s.convict(ctx, found); err != nil {
			return err
		}
		response.Id, response.PartyId, response.Kind = found.Id, found.PartyId, found.Kind
		changes := epoch.Convict(found.Index, sdk.UnwrapSDKContext(ctx).BlockHeight())
		return emitChanges(ctx, epoch, changes)
	})
}

// judge returns what the evidence proves of a member of the epoch, without an id, or
// ErrInvalidEvidence. Nothing but the chain's own records is believed. If what it says
// of the epoch is definitely not so, it proves a false accusation of the accuser: keys
// never change, so that it was not so either when the accuser looked.
func (k *Keeper) judge(ctx context.Context, epoch types.Epoch, accuser types.Member, raw []byte) (types.Evidence, error) {
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
	session := submitted.Session()
	id := session.ID()
	found := types.Evidence{EpochId: epoch.Id, Subject: session.Subject, Protocol: session.Protocol, SessionId: id[:]}
	culprit, err := submitted.Verify(sdkCtx.ChainID(), epoch.Id, keys, int(epoch.T))
	switch {
	case err == nil:
		found.Index, found.Kind = uint32(culprit), types.EvidenceKind(submitted.Kind())
	case errors.Is(err, evidence.ErrFalse):
		found.Index, found.Kind = accuser.Index, types.EVIDENCE_KIND_FALSE_ACCUSATION
	default:
		return types.Evidence{}, types.ErrInvalidEvidence.Wrap(err.Error())
	}
	found.PartyId = epoch.Members[found.Index-1].PartyId
	return found, nil
}

// convict records a conviction under the next id and slashes the party's bond for it,
// or returns ErrKnownEvidence if the member was convicted of the same kind in the same
// session. It is the one place where a party loses anything. Whether the member takes
// further part is the epoch's business (types.Epoch.Convict).
func (k *Keeper) convict(ctx context.Context, found types.Evidence) (types.Evidence, error) {
	known, err := k.KnownEvidence.Has(ctx, knownKey(found))
	if err != nil {
		return found, err
	}
	if known {
		return found, types.ErrKnownEvidence
	}
	if found.Id, err = next(ctx, k.LastEvidence); err != nil {
		return found, err
	}
	found.Height = sdk.UnwrapSDKContext(ctx).BlockHeight()
	if found.Slash.Amount, err = k.slash(ctx, found.PartyId, found.Kind); err != nil {
		return found, err
	}
	if err := k.indexEvidence(ctx, found); err != nil {
		return found, err
	}
	return found, emit(ctx, &types.EventPartyConvicted{Evidence: found})
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
