package keeper

import (
	"bytes"
	"context"
	"errors"

	"cosmossdk.io/collections"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/acl/authorize"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/types"
)

// decodeHeader decodes a header within the size that the parameters allow.
func decodeHeader(params types.Params, raw []byte) (*qbft.Header, error) {
	if len(raw) > int(params.MaxHeaderBytes) {
		return nil, types.ErrMalformedHeader.Wrapf("%d bytes, want at most %d", len(raw), params.MaxHeaderBytes)
	}
	return authorize.DecodeHeader(raw)
}

// chargeSeals takes the gas of recovering the header's seals, before any is.
func chargeSeals(ctx context.Context, params types.Params, header *qbft.Header) {
	meter := sdk.UnwrapSDKContext(ctx).GasMeter()
	meter.ConsumeGas(storetypes.Gas(params.GasPerSeal)*storetypes.Gas(len(header.Extra.Seals)), "host chain header seals")
}

// verifyHeader checks that the host chain's current validators sealed the header, that it is not from
// before their time, and that no other block of its height was verified. Exactly the bytes that were verified
// before are not verified again; the same block with other seals is.
func (k Keeper) verifyHeader(ctx context.Context, params types.Params, chain types.HostChain, raw []byte) (types.VerifiedHeader, error) {
	header, err := decodeHeader(params, raw)
	if err != nil {
		return types.VerifiedHeader{}, err
	}
	if err := authorize.CheckHeight(chain, header); err != nil {
		return types.VerifiedHeader{}, err
	}
	verified := authorize.Summary(header, raw)
	known, err := k.headerAt(ctx, chain.Id, header.Height)
	if err != nil {
		return types.VerifiedHeader{}, err
	}
	if bytes.Equal(known.Digest, verified.Digest) {
		return known, nil
	}
	chargeSeals(ctx, params, header)
	if err := authorize.CheckSeals(chain, header); err != nil {
		return types.VerifiedHeader{}, err
	}
	if known.Hash != nil && !bytes.Equal(known.Hash, verified.Hash) {
		return types.VerifiedHeader{}, types.ErrConflictingHeader.Wrapf("block %X at height %d, known is %X", verified.Hash, verified.Height, known.Hash)
	}
	return verified, nil
}

// headerAt returns the verified header of a height, or a zero one.
func (k Keeper) headerAt(ctx context.Context, chainID, height uint64) (types.VerifiedHeader, error) {
	header, err := k.Headers.Get(ctx, collections.Join(chainID, height))
	if errors.Is(err, collections.ErrNotFound) {
		return types.VerifiedHeader{}, nil
	}
	return header, err
}

// latestHeight is the highest block that was verified, is part of a fork, or is the one from which the
// current validators are known.
func (k Keeper) latestHeight(ctx context.Context, chain types.HostChain) (uint64, error) {
	latest, err := k.LatestHeights.Get(ctx, chain.Id)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return 0, err
	}
	return max(latest, chain.ValidatorsHeight), nil
}

// raiseLatest makes a height the latest one if it is higher.
func (k Keeper) raiseLatest(ctx context.Context, chainID, height uint64) error {
	latest, err := k.LatestHeights.Get(ctx, chainID)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if err == nil && latest >= height {
		return nil
	}
	return k.LatestHeights.Set(ctx, chainID, height)
}

// rememberHeader keeps a verified header, and of all those of its host chain the highest ones.
func (k Keeper) rememberHeader(ctx context.Context, params types.Params, chainID uint64, header types.VerifiedHeader) error {
	key := collections.Join(chainID, header.Height)
	known, err := k.Headers.Has(ctx, key)
	if err != nil || known {
		return err
	}
	if err := k.raiseLatest(ctx, chainID, header.Height); err != nil {
		return err
	}
	if err := k.Headers.Set(ctx, key, header); err != nil {
		return err
	}
	count, err := k.HeaderCounts.Get(ctx, chainID)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	count++
	for ; count > uint64(params.HeaderCache); count-- {
		if err := k.forgetLowest(ctx, chainID); err != nil {
			return err
		}
	}
	return k.HeaderCounts.Set(ctx, chainID, count)
}

func (k Keeper) forgetLowest(ctx context.Context, chainID uint64) error {
	iterator, err := k.Headers.Iterate(ctx, collections.NewPrefixedPairRange[uint64, uint64](chainID))
	if err != nil {
		return err
	}
	key, err := iterator.Key()
	// Closed before the write: stores do not promise iterators over what changes.
	if closing := iterator.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return k.Headers.Remove(ctx, key)
}

// forgetHeaders drops all verified headers of a host chain.
func (k Keeper) forgetHeaders(ctx context.Context, chainID uint64) error {
	if err := k.Headers.Clear(ctx, collections.NewPrefixedPairRange[uint64, uint64](chainID)); err != nil {
		return err
	}
	return k.HeaderCounts.Remove(ctx, chainID)
}
