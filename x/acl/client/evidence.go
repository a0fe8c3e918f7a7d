package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/acl/evmproof"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
)

var (
	// ErrNotPermitted reports a handle that the ACL does not make public, as of the head.
	ErrNotPermitted = errors.New("the host chain's ACL does not permit public decryption")
	// ErrNoDigest reports a handle without ciphertext in the registry, as of the head.
	ErrNoDigest = errors.New("no ciphertext is registered for the handle")
)

// Evidence is what shows TKMS that anybody may have the plaintexts of handles.
type Evidence struct {
	Proof acltypes.DecryptionProof
	// Height and Time (seconds since the epoch) of the header.
	Height, Time uint64
	// Digests of the ciphertext bytes, one a handle.
	Digests [][32]byte
	// NewValidators says that the header carries a validator set which TKMS does not
	// know yet but will take over when it is shown the header.
	NewValidators bool
}

// Gather fetches evidence under the head and verifies it against the host chain's
// record on TKMS. Errors: ErrNode, ErrBadAnswer, ErrNotPermitted, ErrNoDigest, or
// those of package qbft if TKMS would not accept the header.
func (n *Node) Gather(ctx context.Context, record *acltypes.HostChain, batch []handles.Handle) (*Evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	permissions, bindings, err := slotsOf(record, batch)
	if err != nil {
		return nil, err
	}
	header, raw, err := n.head(ctx)
	if err != nil {
		return nil, err
	}
	answers, err := n.proofs(ctx, header.Number, permissions, bindings)
	if err != nil {
		return nil, err
	}
	e := &Evidence{Height: header.Number.Uint64(), Time: header.Time, Proof: acltypes.DecryptionProof{
		Header: raw, Acl: accountProof(answers[0]), Registry: accountProof(answers[1]),
	}}
	if e.NewValidators, err = checkHeader(record, raw); err != nil {
		return nil, err
	}
	words, err := verify("ACL", header.Root, record.Acl, e.Proof.Acl, permissions)
	if err != nil {
		return nil, err
	}
	for i, word := range words {
		if allowed, err := slots.DecodeBool(word); err != nil || !allowed {
			return nil, fmt.Errorf("%w: %s in block %d", ErrNotPermitted, batch[i], e.Height)
		}
	}
	if words, err = verify("registry", header.Root, record.Registry, e.Proof.Registry, bindings); err != nil {
		return nil, err
	}
	for i, word := range words {
		if word == (common.Hash{}) {
			return nil, fmt.Errorf("%w: %s in block %d", ErrNoDigest, batch[i], e.Height)
		}
		e.Digests = append(e.Digests, word)
	}
	return e, nil
}

// slotsOf returns the slots that consensus will look at.
func slotsOf(record *acltypes.HostChain, batch []handles.Handle) (permissions, bindings wanted, err error) {
	layout, err := slots.NewACL(record.AclLayout)
	if err != nil {
		return wanted{}, wanted{}, err
	}
	permissions = wanted{account: common.BytesToAddress(record.Acl.Address)}
	bindings = wanted{account: common.BytesToAddress(record.Registry.Address)}
	for _, h := range batch {
		permissions.slots = append(permissions.slots, layout.AllowedForDecryption(common.Hash(h)))
		bindings.slots = append(bindings.slots, slots.RegistryDigest(common.BytesToHash(record.RegistrySlot), common.Hash(h)))
	}
	return permissions, bindings, nil
}

func accountProof(answer answeredProof) acltypes.AccountProof {
	proof := acltypes.AccountProof{AccountNodes: nodesOf(answer.AccountProof)}
	for _, slot := range answer.StorageProof {
		proof.Storage = append(proof.Storage, acltypes.StorageProof{Nodes: nodesOf(slot.Proof)})
	}
	return proof
}

// checkHeader verifies the seals, and tells whether the header is of a set that
// may succeed the one on record.
func checkHeader(record *acltypes.HostChain, raw []byte) (succession bool, err error) {
	header, err := qbft.DecodeHeader(raw)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrBadAnswer, err)
	}
	trusted, err := record.ValidatorSet()
	if err != nil {
		return false, err
	}
	if !header.CarriesOther(trusted) {
		return false, header.Verify(trusted)
	}
	if _, err := header.VerifySuccession(trusted); err != nil {
		return false, err
	}
	return true, nil
}

// verify returns the words of slots of a registered contract.
func verify(what string, root common.Hash, contract acltypes.Contract, proof acltypes.AccountProof, asked wanted) ([]common.Hash, error) {
	account, err := evmproof.VerifyAccount(root, asked.account, proof.AccountNodes)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadAnswer, what, err)
	}
	if len(contract.CodeHash) != 0 && !bytes.Equal(contract.CodeHash, account.CodeHash[:]) {
		return nil, fmt.Errorf("%w: %s has other code than the registered one", ErrBadAnswer, what)
	}
	words := make([]common.Hash, len(asked.slots))
	for i, slot := range asked.slots {
		if words[i], err = evmproof.VerifyStorage(account.StorageRoot, slot, proof.Storage[i].Nodes); err != nil {
			return nil, fmt.Errorf("%w: %s, handle %d: %w", ErrBadAnswer, what, i, err)
		}
	}
	return words, nil
}
