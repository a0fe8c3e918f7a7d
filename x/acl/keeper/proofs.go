package keeper

import (
	"context"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/acl/authorize"
	"github.com/tkms-network/tkms/x/acl/types"
)

// VerifyPublicDecryption implements types.Verifier.
func (k Keeper) VerifyPublicDecryption(ctx context.Context, hostChainID uint64, proof types.DecryptionProof, handles, claimed [][32]byte) (types.Verified, error) {
	question, err := authorize.Public(proof, handles, claimed, blockTime(ctx))
	if err != nil {
		return types.Verified{}, err
	}
	return k.verify(ctx, hostChainID, proof.Header, question)
}

// VerifyUserDecryption implements types.Verifier.
func (k Keeper) VerifyUserDecryption(ctx context.Context, hostChainID uint64, proof types.DecryptionProof, access types.UserAccess) (types.Verified, error) {
	question, err := authorize.User(proof, access, blockTime(ctx))
	if err != nil {
		return types.Verified{}, err
	}
	return k.verify(ctx, hostChainID, proof.Header, question)
}

// VerifySigners implements types.Verifier.
func (k Keeper) VerifySigners(ctx context.Context, hostChainID uint64, proof types.SignersProof, signers [][20]byte, threshold uint32) (uint64, error) {
	question := authorize.Signers(proof, signers, threshold, blockTime(ctx))
	header, err := k.judge(ctx, hostChainID, proof.Header, question, question.Prove)
	return header.Height, err
}

// verify answers a question about a decryption.
func (k Keeper) verify(ctx context.Context, hostChainID uint64, sealed []byte, question authorize.Question) (types.Verified, error) {
	var digests [][32]byte
	header, err := k.judge(ctx, hostChainID, sealed, question, func(chain types.HostChain, header types.VerifiedHeader) (err error) {
		digests, err = question.Prove(chain, header)
		return err
	})
	if err != nil {
		return types.Verified{}, err
	}
	return types.Verified{
		HeaderHash: [32]byte(header.Hash),
		Height:     header.Height,
		Timestamp:  header.Timestamp,
		Digests:    digests,
	}, nil
}

// asked is what all questions have in common.
type asked interface {
	Admit(chain types.HostChain) error
	Size() (size, nodes int)
}

// judge admits a question, verifies the header, has the proof checked under it, and remembers the header.
// Checks that cost little come first; nothing is written unless all hold.
func (k Keeper) judge(ctx context.Context, hostChainID uint64, sealed []byte, question asked,
	prove func(types.HostChain, types.VerifiedHeader) error,
) (types.VerifiedHeader, error) {
	none := types.VerifiedHeader{}
	chain, err := k.usableHostChain(ctx, hostChainID)
	if err != nil {
		return none, err
	}
	if chain.Paused {
		return none, types.ErrHostChainPaused.Wrapf("%d", hostChainID)
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return none, err
	}
	if err := question.Admit(chain); err != nil {
		return none, err
	}
	if err := chargeNodes(ctx, params, question); err != nil {
		return none, err
	}
	header, err := k.verifyHeader(ctx, params, chain, sealed)
	if err != nil {
		return none, err
	}
	if err := prove(chain, header); err != nil {
		return none, err
	}
	return header, k.rememberHeader(ctx, params, chain.Id, header)
}

// chargeNodes refuses a proof that is too large, and takes the gas of all nodes before any is hashed.
func chargeNodes(ctx context.Context, params types.Params, question asked) error {
	size, nodes := question.Size()
	if size > int(params.MaxProofBytes) {
		return types.ErrMalformedProof.Wrapf("%d bytes, want at most %d", size, params.MaxProofBytes)
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(storetypes.Gas(params.GasPerProofNode)*storetypes.Gas(nodes), "proof nodes")
	return nil
}

// blockTime is this chain's time in whole seconds since the epoch.
func blockTime(ctx context.Context) uint64 {
	return uint64(max(0, sdk.UnwrapSDKContext(ctx).BlockTime().Unix()))
}
