package keeper

import (
	"bytes"
	"context"
	"encoding/hex"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/acl/authorize"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/types"
)

type msgServer struct{ Keeper }

// NewMsgServer serves the module's messages.
func NewMsgServer(k Keeper) types.MsgServer { return msgServer{k} }

func (s msgServer) authorize(authority string) error {
	if authority != s.authority {
		return types.ErrUnauthorized.Wrapf("got %s, want %s", authority, s.authority)
	}
	return nil
}

// RegisterHostChain implements types.MsgServer.
func (s msgServer) RegisterHostChain(ctx context.Context, msg *types.MsgRegisterHostChain) (*types.MsgRegisterHostChainResponse, error) {
	if err := s.authorize(msg.Authority); err != nil {
		return nil, err
	}
	if err := s.register(ctx, msg.HostChain); err != nil {
		return nil, err
	}
	err := sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&types.EventHostChainRegistered{
		HostChainId: msg.HostChain.Id,
		Name:        msg.HostChain.Name,
	})
	return &types.MsgRegisterHostChainResponse{}, err
}

// UpdateHostChain implements types.MsgServer.
func (s msgServer) UpdateHostChain(ctx context.Context, msg *types.MsgUpdateHostChain) (*types.MsgUpdateHostChainResponse, error) {
	if err := s.authorize(msg.Authority); err != nil {
		return nil, err
	}
	if err := s.update(ctx, msg.HostChain); err != nil {
		return nil, err
	}
	return &types.MsgUpdateHostChainResponse{}, emitUpdated(ctx, msg.HostChain)
}

// SetHostChainPaused implements types.MsgServer.
func (s msgServer) SetHostChainPaused(ctx context.Context, msg *types.MsgSetHostChainPaused) (*types.MsgSetHostChainPausedResponse, error) {
	if err := s.authorize(msg.Authority); err != nil {
		return nil, err
	}
	chain, err := s.HostChain(ctx, msg.HostChainId)
	if err != nil {
		return nil, err
	}
	chain.Paused = msg.Paused
	if err := s.putHostChain(ctx, chain); err != nil {
		return nil, err
	}
	return &types.MsgSetHostChainPausedResponse{}, emitUpdated(ctx, chain)
}

// UpdateParams implements types.MsgServer.
func (s msgServer) UpdateParams(ctx context.Context, msg *types.MsgUpdateParams) (*types.MsgUpdateParamsResponse, error) {
	if err := s.authorize(msg.Authority); err != nil {
		return nil, err
	}
	if err := msg.Params.Validate(); err != nil {
		return nil, err
	}
	return &types.MsgUpdateParamsResponse{}, s.Params.Set(ctx, msg.Params)
}

// SubmitHeader implements types.MsgServer. It does not ask for freshness: a header is believed for its
// seals, and only a decryption needs a recent state. A paused host chain's validators are still followed.
func (s msgServer) SubmitHeader(ctx context.Context, msg *types.MsgSubmitHeader) (*types.MsgSubmitHeaderResponse, error) {
	chain, err := s.usableHostChain(ctx, msg.HostChainId)
	if err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	header, err := decodeHeader(params, msg.Header)
	if err != nil {
		return nil, err
	}
	trusted, err := chain.ValidatorSet()
	if err != nil {
		return nil, err
	}
	if header.Height < chain.ValidatorsHeight {
		return nil, types.ErrHeightTooLow.Wrapf("height %d, the validators are known from %d", header.Height, chain.ValidatorsHeight)
	}
	chargeSeals(ctx, params, header)
	next := trusted
	if header.CarriesOther(trusted) {
		next, err = header.VerifySuccession(trusted)
	} else {
		err = header.Verify(trusted)
	}
	if err != nil {
		return nil, authorize.Registered(err)
	}

	verified := authorize.Summary(header, msg.Header)
	response := &types.MsgSubmitHeaderResponse{Header: verified}
	known, err := s.headerAt(ctx, chain.Id, header.Height)
	if err != nil {
		return nil, err
	}
	if known.Hash != nil && !bytes.Equal(known.Hash, verified.Hash) {
		response.Frozen = true
		return response, s.freezeForFork(ctx, chain, header.Height, known.Hash, verified.Hash)
	}
	if !next.Equal(trusted) {
		response.NewValidators = true
		if err := s.takeOver(ctx, chain, next, header.Height); err != nil {
			return nil, err
		}
	}
	return response, s.rememberHeader(ctx, params, chain.Id, verified)
}

// takeOver makes the next set the current one. A header from before the latest verified one is history: the
// set that it carries has since been replaced, and may be of keys that nobody guards any more.
func (s msgServer) takeOver(ctx context.Context, chain types.HostChain, next qbft.ValidatorSet, height uint64) error {
	latest, err := s.latestHeight(ctx, chain)
	if err != nil {
		return err
	}
	if height <= latest {
		return types.ErrNoSuccession.Wrapf("height %d, the current validators are known to have sealed %d", height, latest)
	}
	if err := s.succeed(ctx, chain, next, height); err != nil {
		return err
	}
	event := &types.EventValidatorsChanged{HostChainId: chain.Id, Height: height}
	for _, address := range next.Addresses() {
		event.Validators = append(event.Validators, address.Hex())
	}
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}

// SubmitForkEvidence implements types.MsgServer.
func (s msgServer) SubmitForkEvidence(ctx context.Context, msg *types.MsgSubmitForkEvidence) (*types.MsgSubmitForkEvidenceResponse, error) {
	chain, err := s.usableHostChain(ctx, msg.HostChainId)
	if err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	trusted, err := chain.ValidatorSet()
	if err != nil {
		return nil, err
	}
	var headers [2]*qbft.Header
	for i, raw := range [][]byte{msg.HeaderA, msg.HeaderB} {
		if headers[i], err = decodeHeader(params, raw); err != nil {
			return nil, err
		}
		chargeSeals(ctx, params, headers[i])
	}
	if err := qbft.VerifyFork(headers[0], headers[1], trusted); err != nil {
		return nil, authorize.Registered(err)
	}
	hashA, hashB := headers[0].BlockHash(), headers[1].BlockHash()
	return &types.MsgSubmitForkEvidenceResponse{}, s.freezeForFork(ctx, chain, headers[0].Height, hashA[:], hashB[:])
}

func (s msgServer) freezeForFork(ctx context.Context, chain types.HostChain, height uint64, a, b []byte) error {
	if err := s.freeze(ctx, chain, height); err != nil {
		return err
	}
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&types.EventHostChainFrozen{
		HostChainId: chain.Id,
		Height:      height,
		Hashes:      []string{hex.EncodeToString(a), hex.EncodeToString(b)},
	})
}

func emitUpdated(ctx context.Context, chain types.HostChain) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&types.EventHostChainUpdated{
		HostChainId: chain.Id,
		Paused:      chain.Paused,
	})
}
