package authorize

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"

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

// Question is what one decryption asks the state of a host chain to show, and the answer
// that was submitted.
type Question struct {
	handles, claimed [][32]byte
	proof            types.DecryptionProof
	// now is the time, in seconds since the epoch, at which it has to be true.
	now   uint64
	asked permission
}

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

// Admit checks what needs no header: that the handles are the host chain's and distinct,
// that the host chain has what is asked for, and that there is one storage proof for
// each slot of the ACL and the registry. How many a wallet needs depends on its code.
func (q Question) Admit(chain types.HostChain) error {
	if err := q.checkHandles(chain); err != nil {
		return err
	}
	if err := q.asked.admit(chain); err != nil {
		return err
	}
	if n := q.asked.count(); len(q.proof.Acl.Storage) != n {
		return types.ErrMalformedProof.Wrapf("%d storage proofs for %d slots of the ACL", len(q.proof.Acl.Storage), n)
	}
	if len(q.proof.Registry.Storage) != len(q.handles) {
		return types.ErrMalformedProof.Wrapf("%d storage proofs for %d handles in the registry", len(q.proof.Registry.Storage), len(q.handles))
	}
	return nil
}

// Size returns the bytes of header and nodes together, and the number of nodes.
func (q Question) Size() (size, nodes int) {
	accounts := []types.AccountProof{q.proof.Acl, q.proof.Registry}
	if q.proof.Wallet != nil {
		accounts = append(accounts, *q.proof.Wallet)
	}
	return sizeOf(q.proof.Header, accounts...)
}

// sizeOf returns the bytes of a header and of all nodes together, and their number.
func sizeOf(header []byte, accounts ...types.AccountProof) (size, nodes int) {
	size = len(header)
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
	return size, nodes
}

// Prove checks the header's time and what the state under it shows, and returns the
// digest of each handle's bytes. The header must be one that the host chain's validators
// sealed, and Admit must have passed with the same record.
func (q Question) Prove(chain types.HostChain, header types.VerifiedHeader) ([][32]byte, error) {
	if err := checkFresh(q.now, chain.Freshness, header); err != nil {
		return nil, err
	}
	if err := q.asked.fresh(chain.Freshness, header); err != nil {
		return nil, err
	}
	if err := q.provePermission(chain, header); err != nil {
		return nil, err
	}
	return q.proveDigests(chain, common.Hash(header.StateRoot))
}

// checkHandles checks number, distinctness and what a handle says of itself.
func (q Question) checkHandles(chain types.HostChain) error {
	if len(q.handles) == 0 || len(q.handles) > int(chain.Limits.MaxHandlesPerRequest) {
		return types.ErrMalformedProof.Wrapf("%d handles, want 1 to %d", len(q.handles), chain.Limits.MaxHandlesPerRequest)
	}
	if len(q.claimed) != 0 && len(q.claimed) != len(q.handles) {
		return types.ErrMalformedProof.Wrapf("%d digests claimed for %d handles", len(q.claimed), len(q.handles))
	}
	seen := make(map[[32]byte]struct{}, len(q.handles))
	for _, h := range q.handles {
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
func (q Question) provePermission(chain types.HostChain, header types.VerifiedHeader) error {
	layout, err := slots.NewACL(chain.AclLayout)
	if err != nil {
		return types.ErrInvalidHostChain.Wrap(err.Error())
	}
	words, err := proveSlots("ACL", common.Hash(header.StateRoot), chain.Acl, q.proof.Acl, q.asked.slots(layout))
	if err != nil {
		return err
	}
	return q.asked.grant(chain, header, words)
}

// proveDigests returns what the registry binds to every handle.
func (q Question) proveDigests(chain types.HostChain, root common.Hash) ([][32]byte, error) {
	wanted := make([]common.Hash, len(q.handles))
	for i, h := range q.handles {
		wanted[i] = slots.RegistryDigest(common.Hash(chain.RegistrySlot), h)
	}
	words, err := proveSlots("registry", root, chain.Registry, q.proof.Registry, wanted)
	if err != nil {
		return nil, err
	}
	digests := make([][32]byte, len(words))
	for i, word := range words {
		if word == (common.Hash{}) {
			return nil, types.ErrNoDigest.Wrapf("handle %X", q.handles[i])
		}
		if len(q.claimed) != 0 && q.claimed[i] != word {
			return nil, types.ErrDigestMismatch.Wrapf("handle %X: %X is registered, %X is claimed", q.handles[i], word, q.claimed[i])
		}
		digests[i] = word
	}
	return digests, nil
}
