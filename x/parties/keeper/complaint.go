package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

// Gas for one set of a complaint: to check a commitment's path, and to open an answer.
const (
	gasPerCommitment = 2_000
	gasPerOpening    = 20_000
)

// answerKey orders the answers of an epoch by accuser, then accused.
type answerKey = collections.Triple[uint64, uint32, uint32]

func (s msgServer) ComplainSetup(ctx context.Context, msg *types.MsgComplainSetup) (*types.MsgComplainSetupResponse, error) {
	return &types.MsgComplainSetupResponse{}, s.withMember(ctx, msg.Account, msg.EpochId,
		func(epoch *types.Epoch, member types.Member) error {
			if err := epoch.Complain(member.Index, msg.Attempt, msg.Grievances); err != nil {
				return err
			}
			accused := make([]uint32, len(msg.Grievances))
			for i, g := range msg.Grievances {
				accused[i] = g.Accused
			}
			return emit(ctx, &types.EventSetupComplaint{EpochId: epoch.Id, Attempt: epoch.Attempt, Accuser: member.Index, Accused: accused})
		})
}

func (s msgServer) AnswerComplaint(ctx context.Context, msg *types.MsgAnswerComplaint) (*types.MsgAnswerComplaintResponse, error) {
	return &types.MsgAnswerComplaintResponse{}, s.withMember(ctx, msg.Account, msg.EpochId,
		func(epoch *types.Epoch, member types.Member) error {
			sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerCommitment*uint64(len(msg.Openings)), "commitments of an answer")
			if err := epoch.Answer(member.Index, msg.Attempt, msg.Accuser, msg.Openings); err != nil {
				return err
			}
			return s.SetupAnswers.Set(ctx, collections.Join3(epoch.Id, msg.Accuser, member.Index), types.ComplaintAnswer{Openings: msg.Openings})
		})
}

func (s msgServer) RevealComplaint(ctx context.Context, msg *types.MsgRevealComplaint) (*types.MsgRevealComplaintResponse, error) {
	return &types.MsgRevealComplaintResponse{}, s.withMember(ctx, msg.Account, msg.EpochId,
		func(epoch *types.Epoch, member types.Member) error {
			answer, err := valueOrZero(s.SetupAnswers.Get(ctx, collections.Join3(epoch.Id, member.Index, msg.Accused)))
			if err != nil {
				return err
			}
			sdkCtx := sdk.UnwrapSDKContext(ctx)
			sdkCtx.GasMeter().ConsumeGas(gasPerOpening*uint64(len(answer.Openings)), "openings of an answer")
			setup := types.SetupID(sdkCtx.ChainID(), epoch.Id, epoch.Attempt)
			guilty, err := epoch.Reveal(setup, member.Index, msg.Attempt, msg.Accused, msg.PrivateKey, answer)
			if err != nil {
				return err
			}
			_, err = s.convict(ctx, types.Evidence{
				EpochId: epoch.Id, Index: guilty.Index, PartyId: epoch.Members[guilty.Index-1].PartyId, Kind: guilty.Kind,
				Reporter: member.PartyId,
			})
			if errors.Is(err, types.ErrKnownEvidence) {
				return nil // another accuser was first; this one's sets are dropped too
			}
			return err
		})
}

// dropAnswers forgets the answers of an attempt that is over.
func (k *Keeper) dropAnswers(ctx context.Context, epoch uint64) error {
	return k.SetupAnswers.Clear(ctx, collections.NewPrefixedTripleRange[uint64, uint32, uint32](epoch))
}
