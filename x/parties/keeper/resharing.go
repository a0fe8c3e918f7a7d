package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/parties/types"
)

// gasPerVoucher is for the recovery of a signer.
const gasPerVoucher = 10_000

func (s msgServer) CommitResharing(ctx context.Context, msg *types.MsgCommitResharing) (*types.MsgCommitResharingResponse, error) {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return &types.MsgCommitResharingResponse{}, s.withPredecessor(ctx, msg.Account, msg.EpochId,
		func(epoch, from *types.Epoch, member types.Member, _ types.Party) error {
			return epoch.CommitVectors(from, member.Index, msg.Attempt, msg.Digest, height)
		})
}

func (s msgServer) ReceiveResharing(ctx context.Context, msg *types.MsgReceiveResharing) (*types.MsgReceiveResharingResponse, error) {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return &types.MsgReceiveResharingResponse{}, s.withMember(ctx, msg.Account, msg.EpochId,
		func(epoch *types.Epoch, member types.Member) error {
			return epoch.Receive(member.Index, msg.Attempt, msg.Received, height)
		})
}

func (s msgServer) ConfirmResharing(ctx context.Context, msg *types.MsgConfirmResharing) (*types.MsgConfirmResharingResponse, error) {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return &types.MsgConfirmResharingResponse{}, s.withMember(ctx, msg.Account, msg.EpochId,
		func(epoch *types.Epoch, member types.Member) error {
			return epoch.ConfirmShares(member.Index, msg.Attempt, msg.Transcript, msg.Wrong, height)
		})
}

func (s msgServer) CertifyEpoch(ctx context.Context, msg *types.MsgCertifyEpoch) (*types.MsgCertifyEpochResponse, error) {
	return &types.MsgCertifyEpochResponse{}, s.withPredecessor(ctx, msg.Account, msg.EpochId,
		func(epoch, from *types.Epoch, member types.Member, party types.Party) error {
			if from.IsConvicted(member.Index) {
				return types.ErrConvicted
			}
			if err := s.checkVoucher(ctx, epoch, party, msg.Signature); err != nil {
				return err
			}
			return epoch.Vouch(member.Index, msg.Signature)
		})
}

// checkVoucher returns ErrInvalidVoucher unless the party signed the signing addresses of
// the epoch's members, in index order, and that 2t+1 of them make a result.
func (k *Keeper) checkVoucher(ctx context.Context, epoch *types.Epoch, party types.Party, signature []byte) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	sdkCtx.GasMeter().ConsumeGas(gasPerVoucher, "signer of a voucher")
	parties, err := k.EpochParties(ctx, *epoch)
	if err != nil {
		return err
	}
	signers := make([][20]byte, len(parties))
	for i, p := range parties {
		signers[i] = [20]byte(p.SigningAddress)
	}
	digest := eip712.EpochVerification(sdkCtx.ChainID(), epoch.Id, signers, 2*epoch.T+1)
	if err := eip712.Verify(digest, signature, [20]byte(party.SigningAddress)); err != nil {
		return types.ErrInvalidVoucher
	}
	return nil
}

// withPredecessor runs a message about an epoch that a member of the epoch before sends,
// and stores the outcome.
func (k *Keeper) withPredecessor(ctx context.Context, account string, epochID uint64,
	act func(epoch, from *types.Epoch, member types.Member, party types.Party) error,
) error {
	address, err := k.addresses.StringToBytes(account)
	if err != nil {
		return types.ErrInvalidMessage.Wrap("account is no address")
	}
	epoch, err := k.EpochByID(ctx, epochID)
	if err != nil {
		return err
	}
	if epoch.From == 0 {
		return types.ErrWrongStatus.Wrap("the epoch takes nothing over")
	}
	member, party, err := k.MemberByAccount(ctx, epoch.From, address)
	if err != nil {
		return err
	}
	from, err := k.EpochByID(ctx, epoch.From)
	if err != nil {
		return err
	}
	if err := act(&epoch, &from, member, party); err != nil {
		return err
	}
	if err := k.setEpoch(ctx, epoch); err != nil {
		return err
	}
	return k.seen(ctx, party.Id)
}
