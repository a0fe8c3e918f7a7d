package keeper

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	errorsmod "cosmossdk.io/errors"

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

// permission is what one kind of decryption asks the host chain's state to show besides the digests.
type permission interface {
	// admit refuses what no proof can help, before any of the proof is looked at.
	admit(chain types.HostChain) error
	// count is how many slots of the ACL must be shown.
	count() int
	// fresh refuses a header that is too old for what is to be shown, though fresh enough for the rest.
	fresh(window types.Freshness, header types.VerifiedHeader) error
	// slots are those of the ACL, in the order of their proofs.
	slots(layout slots.ACL) []common.Hash
	// grant judges the words of the slots, and all else that the state under the header has to show.
	grant(chain types.HostChain, header types.VerifiedHeader, words []common.Hash) error
}

// VerifyPublicDecryption implements types.Verifier.
func (k Keeper) VerifyPublicDecryption(ctx context.Context, hostChainID uint64, proof types.DecryptionProof, handles, claimed [][32]byte) (types.Verified, error) {
	if proof.Wallet != nil {
		return types.Verified{}, types.ErrMalformedProof.Wrap("a wallet where nobody's approval is asked for")
	}
	return k.verify(ctx, hostChainID, proof, handles, claimed, publicDecryption(handles))
}

// verify checks a proof and remembers its header. Checks that cost little come first; nothing is written
// unless all hold.
func (k Keeper) verify(ctx context.Context, hostChainID uint64, proof types.DecryptionProof, handles, claimed [][32]byte, asked permission) (types.Verified, error) {
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
	if err := asked.admit(chain); err != nil {
		return types.Verified{}, err
	}
	if err := checkShape(ctx, params, proof, asked.count(), len(handles)); err != nil {
		return types.Verified{}, err
	}
	header, err := k.verifyHeader(ctx, params, chain, proof.Header)
	if err != nil {
		return types.Verified{}, err
	}
	if err := checkFresh(blockTime(ctx), chain.Freshness, header); err != nil {
		return types.Verified{}, err
	}
	if err := asked.fresh(chain.Freshness, header); err != nil {
		return types.Verified{}, err
	}
	if err := provePermission(chain, header, proof.Acl, asked); err != nil {
		return types.Verified{}, err
	}
	digests, err := proveDigests(chain, common.Hash(header.StateRoot), proof.Registry, handles, claimed)
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

// checkShape checks that there is one storage proof for each slot that the ACL and the registry must show and
// that the whole is not too large, and takes the gas of all nodes before any is hashed. How many slots a
// wallet must show depends on its code.
func checkShape(ctx context.Context, params types.Params, proof types.DecryptionProof, slots, handles int) error {
	if len(proof.Acl.Storage) != slots {
		return types.ErrMalformedProof.Wrapf("%d storage proofs for %d slots of the ACL", len(proof.Acl.Storage), slots)
	}
	if len(proof.Registry.Storage) != handles {
		return types.ErrMalformedProof.Wrapf("%d storage proofs for %d handles in the registry", len(proof.Registry.Storage), handles)
	}
	accounts := []types.AccountProof{proof.Acl, proof.Registry}
	if proof.Wallet != nil {
		accounts = append(accounts, *proof.Wallet)
	}
	nodes, size := 0, len(proof.Header)
	count := func(list [][]byte) {
		nodes += len(list)
		for _, node := range list {
			size += len(node)
		}
	}
	for _, account := range accounts {
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

// blockTime is this chain's time in whole seconds since the epoch.
func blockTime(ctx context.Context) uint64 {
	return uint64(max(0, sdk.UnwrapSDKContext(ctx).BlockTime().Unix()))
}

// checkFresh compares a header's time with block time.
func checkFresh(now uint64, window types.Freshness, header types.VerifiedHeader) error {
	switch {
	case header.Timestamp < now && now-header.Timestamp > uint64(window.MaxAgeSeconds):
		return types.ErrStaleHeader.Wrapf("%d s old, want at most %d", now-header.Timestamp, window.MaxAgeSeconds)
	case header.Timestamp > now && header.Timestamp-now > uint64(window.MaxAheadSeconds):
		return types.ErrFutureHeader.Wrapf("%d s ahead, want at most %d", header.Timestamp-now, window.MaxAheadSeconds)
	}
	return nil
}

// provePermission checks that the ACL permits what is asked.
func provePermission(chain types.HostChain, header types.VerifiedHeader, proof types.AccountProof, asked permission) error {
	layout, err := slots.NewACL(chain.AclLayout)
	if err != nil {
		return types.ErrInvalidHostChain.Wrap(err.Error())
	}
	words, err := proveSlots("ACL", common.Hash(header.StateRoot), chain.Acl, proof, asked.slots(layout))
	if err != nil {
		return err
	}
	return asked.grant(chain, header, words)
}

// publicDecryption is leave for anybody to have the plaintexts of handles.
type publicDecryption [][32]byte

func (publicDecryption) admit(types.HostChain) error                       { return nil }
func (p publicDecryption) count() int                                      { return len(p) }
func (publicDecryption) fresh(types.Freshness, types.VerifiedHeader) error { return nil }

func (p publicDecryption) slots(layout slots.ACL) []common.Hash {
	wanted := make([]common.Hash, len(p))
	for i, h := range p {
		wanted[i] = layout.AllowedForDecryption(h)
	}
	return wanted
}

func (p publicDecryption) grant(_ types.HostChain, _ types.VerifiedHeader, words []common.Hash) error {
	for i, word := range words {
		if err := checkAllowed(word, p[i], types.ErrNotPermitted); err != nil {
			return err
		}
	}
	return nil
}

// checkAllowed fails with the refusal unless a word of the ACL is true.
func checkAllowed(word common.Hash, handle [32]byte, refusal *errorsmod.Error) error {
	allowed, err := slots.DecodeBool(word)
	if err != nil {
		return types.ErrBadStorageProof.Wrapf("handle %X: %s", handle, err)
	}
	if !allowed {
		return refusal.Wrapf("handle %X", handle)
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
	account, err := proveAccount(what, root, common.Address(contract.Address), proof)
	if err != nil {
		return nil, err
	}
	if len(contract.CodeHash) != 0 && !bytes.Equal(contract.CodeHash, account.CodeHash[:]) {
		return nil, types.ErrForeignCode.Wrapf("%s has code hash %X, want %X", what, account.CodeHash, contract.CodeHash)
	}
	return proveWords(what, account, proof.Storage, wanted)
}

// proveAccount returns the account at an address.
func proveAccount(what string, root common.Hash, address common.Address, proof types.AccountProof) (evmproof.Account, error) {
	account, err := evmproof.VerifyAccount(root, address, proof.AccountNodes)
	if err != nil {
		return evmproof.Account{}, proofError(types.ErrBadAccountProof.Wrapf("%s: %s", what, err), err)
	}
	return account, nil
}

// proveWords returns the words of slots of a proven account. There is one proof a slot.
func proveWords(what string, account evmproof.Account, proofs []types.StorageProof, wanted []common.Hash) ([]common.Hash, error) {
	words := make([]common.Hash, len(wanted))
	for i, slot := range wanted {
		word, err := evmproof.VerifyStorage(account.StorageRoot, slot, proofs[i].Nodes)
		if err != nil {
			return nil, proofError(types.ErrBadStorageProof.Wrapf("%s, slot %d: %s", what, i, err), err)
		}
		words[i] = word
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
