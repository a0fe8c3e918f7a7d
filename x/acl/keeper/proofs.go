package keeper

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/acl/evmproof"
	"github.com/tkms-network/tkms/x/acl/slots"
	"github.com/tkms-network/tkms/x/acl/types"
)

// Where a handle names its chain and version.
const (
	handleChainOffset   = 22
	handleChainEnd      = 30
	handleVersionOffset = 31
	handleVersion       = 0
)

// VerifyPublicDecryption implements types.Verifier. Checks that cost little come first; nothing is written
// unless all hold.
func (k Keeper) VerifyPublicDecryption(ctx context.Context, hostChainID uint64, proof types.DecryptionProof, handles, claimed [][32]byte) (types.Verified, error) {
	chain, err := k.usableHostChain(ctx, hostChainID)
	if err != nil {
		return types.Verified{}, err
	}
	if chain.Paused {
		return types.Verified{}, types.ErrHostChainPaused.Wrapf("%d", hostChainID)
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return types.Verified{}, err
	}
	if err := checkHandles(chain, handles, claimed); err != nil {
		return types.Verified{}, err
	}
	if err := checkShape(ctx, params, proof, len(handles)); err != nil {
		return types.Verified{}, err
	}
	header, err := k.verifyHeader(ctx, params, chain, proof.Header)
	if err != nil {
		return types.Verified{}, err
	}
	if err := checkFresh(ctx, chain.Freshness, header); err != nil {
		return types.Verified{}, err
	}
	root := common.Hash(header.StateRoot)
	if err := provePublic(chain, root, proof.Acl, handles); err != nil {
		return types.Verified{}, err
	}
	digests, err := proveDigests(chain, root, proof.Registry, handles, claimed)
	if err != nil {
		return types.Verified{}, err
	}
	if err := k.rememberHeader(ctx, params, chain.Id, header); err != nil {
		return types.Verified{}, err
	}
	return types.Verified{
		HeaderHash: [32]byte(header.Hash),
		Height:     header.Height,
		Timestamp:  header.Timestamp,
		Digests:    digests,
	}, nil
}

// checkHandles checks number, distinctness and what a handle says of itself.
func checkHandles(chain types.HostChain, handles, claimed [][32]byte) error {
	if len(handles) == 0 || len(handles) > int(chain.Limits.MaxHandlesPerRequest) {
		return types.ErrMalformedProof.Wrapf("%d handles, want 1 to %d", len(handles), chain.Limits.MaxHandlesPerRequest)
	}
	if len(claimed) != 0 && len(claimed) != len(handles) {
		return types.ErrMalformedProof.Wrapf("%d digests claimed for %d handles", len(claimed), len(handles))
	}
	seen := make(map[[32]byte]struct{}, len(handles))
	for _, h := range handles {
		if _, twice := seen[h]; twice {
			return types.ErrMalformedProof.Wrapf("handle %X is given twice", h)
		}
		seen[h] = struct{}{}
		if id := binary.BigEndian.Uint64(h[handleChainOffset:handleChainEnd]); id != chain.Id {
			return types.ErrForeignHandle.Wrapf("handle %X is of chain %d, not %d", h, id, chain.Id)
		}
		if h[handleVersionOffset] != handleVersion {
			return types.ErrUnknownHandleVersion.Wrapf("handle %X has version %d", h, h[handleVersionOffset])
		}
	}
	return nil
}

// checkShape checks that there is one storage proof a handle and that the whole is not too large, and takes
// the gas of all nodes before any is hashed.
func checkShape(ctx context.Context, params types.Params, proof types.DecryptionProof, handles int) error {
	nodes, size := 0, len(proof.Header)
	count := func(list [][]byte) {
		nodes += len(list)
		for _, node := range list {
			size += len(node)
		}
	}
	for _, account := range []types.AccountProof{proof.Acl, proof.Registry} {
		if len(account.Storage) != handles {
			return types.ErrMalformedProof.Wrapf("%d storage proofs for %d handles", len(account.Storage), handles)
		}
		count(account.AccountNodes)
		for _, storage := range account.Storage {
			count(storage.Nodes)
		}
	}
	if size > int(params.MaxProofBytes) {
		return types.ErrMalformedProof.Wrapf("%d bytes, want at most %d", size, params.MaxProofBytes)
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(storetypes.Gas(params.GasPerProofNode)*storetypes.Gas(nodes), "proof nodes")
	return nil
}

// checkFresh compares a header's time with block time, in whole seconds.
func checkFresh(ctx context.Context, window types.Freshness, header types.VerifiedHeader) error {
	now := uint64(max(0, sdk.UnwrapSDKContext(ctx).BlockTime().Unix()))
	switch {
	case header.Timestamp < now && now-header.Timestamp > uint64(window.MaxAgeSeconds):
		return types.ErrStaleHeader.Wrapf("%d s old, want at most %d", now-header.Timestamp, window.MaxAgeSeconds)
	case header.Timestamp > now && header.Timestamp-now > uint64(window.MaxAheadSeconds):
		return types.ErrFutureHeader.Wrapf("%d s ahead, want at most %d", header.Timestamp-now, window.MaxAheadSeconds)
	}
	return nil
}

// provePublic checks that the ACL permits public decryption of every handle.
func provePublic(chain types.HostChain, root common.Hash, proof types.AccountProof, handles [][32]byte) error {
	layout, err := slots.NewACL(chain.AclLayout)
	if err != nil {
		return types.ErrInvalidHostChain.Wrap(err.Error())
	}
	wanted := make([]common.Hash, len(handles))
	for i, h := range handles {
		wanted[i] = layout.AllowedForDecryption(h)
	}
	words, err := proveSlots("ACL", root, chain.Acl, proof, wanted)
	if err != nil {
		return err
	}
	for i, word := range words {
		allowed, err := slots.DecodeBool(word)
		if err != nil {
			return types.ErrBadStorageProof.Wrapf("handle %X: %s", handles[i], err)
		}
		if !allowed {
			return types.ErrNotPermitted.Wrapf("handle %X", handles[i])
		}
	}
	return nil
}

// proveDigests returns what the registry binds to every handle.
func proveDigests(chain types.HostChain, root common.Hash, proof types.AccountProof, handles, claimed [][32]byte) ([][32]byte, error) {
	wanted := make([]common.Hash, len(handles))
	for i, h := range handles {
		wanted[i] = slots.RegistryDigest(common.Hash(chain.RegistrySlot), h)
	}
	words, err := proveSlots("registry", root, chain.Registry, proof, wanted)
	if err != nil {
		return nil, err
	}
	digests := make([][32]byte, len(words))
	for i, word := range words {
		if word == (common.Hash{}) {
			return nil, types.ErrNoDigest.Wrapf("handle %X", handles[i])
		}
		if len(claimed) != 0 && claimed[i] != word {
			return nil, types.ErrDigestMismatch.Wrapf("handle %X: %X is registered, %X is claimed", handles[i], word, claimed[i])
		}
		digests[i] = word
	}
	return digests, nil
}

// proveSlots returns the words of slots of a registered contract. The account's address and code come from
// the record; the proof only shows what they hold.
func proveSlots(what string, root common.Hash, contract types.Contract, proof types.AccountProof, wanted []common.Hash) ([]common.Hash, error) {
	account, err := evmproof.VerifyAccount(root, common.Address(contract.Address), proof.AccountNodes)
	if err != nil {
		return nil, proofError(types.ErrBadAccountProof.Wrapf("%s: %s", what, err), err)
	}
	if len(contract.CodeHash) != 0 && !bytes.Equal(contract.CodeHash, account.CodeHash[:]) {
		return nil, types.ErrForeignCode.Wrapf("%s has code hash %X, want %X", what, account.CodeHash, contract.CodeHash)
	}
	words := make([]common.Hash, len(wanted))
	for i, slot := range wanted {
		words[i], err = evmproof.VerifyStorage(account.StorageRoot, slot, proof.Storage[i].Nodes)
		if err != nil {
			return nil, proofError(types.ErrBadStorageProof.Wrapf("%s, handle %d: %s", what, i, err), err)
		}
	}
	return words, nil
}

// proofError tells a proof that is no proof at all from one that proves something else.
func proofError(mismatch, err error) error {
	if errors.Is(err, evmproof.ErrMalformed) {
		return types.ErrMalformedProof.Wrap(mismatch.Error())
	}
	return mismatch
}

// VerifyUserDecryption implements types.Verifier. It is being built.
func (k Keeper) VerifyUserDecryption(context.Context, uint64, types.DecryptionProof, types.UserAccess) (types.Verified, error) {
	return types.Verified{}, types.ErrNotPermitted
}
