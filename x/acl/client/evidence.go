package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/acl/evmproof"
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

// Evidence is what shows TKMS that somebody may have the plaintexts of handles.
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

// Gather fetches evidence under the head that anybody may have the plaintexts, and
// verifies it against the host chain's record on TKMS. Errors: ErrNode, ErrBadAnswer,
// ErrNotPermitted, ErrNoDigest, or those of Head.Check.
func (n *Node) Gather(ctx context.Context, record *acltypes.HostChain, batch []handles.Handle) (*Evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	head, err := n.Head(ctx)
	if err != nil {
		return nil, err
	}
	return n.GatherAt(ctx, record, head, batch)
}

// GatherAt is Gather under a head that is known already, in one round trip.
func (n *Node) GatherAt(ctx context.Context, record *acltypes.HostChain, head *Head, batch []handles.Handle) (*Evidence, error) {
	layout, err := slots.NewACL(record.AclLayout)
	if err != nil {
		return nil, err
	}
	permissions := wanted{account: common.BytesToAddress(record.Acl.Address)}
	list := make([]common.Hash, len(batch))
	for i, h := range batch {
		list[i] = common.Hash(h)
		permissions.slots = append(permissions.slots, layout.AllowedForDecryption(list[i]))
	}
	e, words, _, err := n.gather(ctx, record, head, list, permissions)
	if err != nil {
		return nil, err
	}
	for i, word := range words {
		if allowed, err := slots.DecodeBool(word); err != nil || !allowed {
			return nil, fmt.Errorf("%w: %s in block %d", ErrNotPermitted, batch[i], e.Height)
		}
	}
	return e, e.registered(list)
}

// gather asks for slots of the ACL, the digests of handles, and accounts besides, in
// one round trip, and verifies the header, the ACL and the registry. It returns the
// ACL's words for the caller to judge; a digest that is missing is for registered.
func (n *Node) gather(ctx context.Context, record *acltypes.HostChain, head *Head, list []common.Hash, permissions wanted, besides ...wanted) (*Evidence, []common.Hash, []answeredProof, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	bindings := wanted{account: common.BytesToAddress(record.Registry.Address)}
	for _, h := range list {
		bindings.slots = append(bindings.slots, slots.RegistryDigest(common.BytesToHash(record.RegistrySlot), h))
	}
	answers, err := n.proofs(ctx, head.number, append([]wanted{permissions, bindings}, besides...)...)
	if err != nil {
		return nil, nil, nil, err
	}
	e := &Evidence{Height: head.Height, Time: head.Time, Proof: acltypes.DecryptionProof{
		Header: head.Raw, Acl: accountProof(answers[0]), Registry: accountProof(answers[1]),
	}}
	if e.NewValidators, err = head.Check(record); err != nil {
		return nil, nil, nil, err
	}
	words, err := verify("ACL", head.Root, record.Acl, e.Proof.Acl, permissions)
	if err != nil {
		return nil, nil, nil, err
	}
	digests, err := verify("registry", head.Root, record.Registry, e.Proof.Registry, bindings)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, digest := range digests {
		e.Digests = append(e.Digests, digest)
	}
	return e, words, answers[2:], nil
}

// registered returns ErrNoDigest if one of the handles has none.
func (e *Evidence) registered(list []common.Hash) error {
	for i, digest := range e.Digests {
		if digest == ([32]byte{}) {
			return fmt.Errorf("%w: %s in block %d", ErrNoDigest, list[i], e.Height)
		}
	}
	return nil
}

func accountProof(answer answeredProof) acltypes.AccountProof {
	proof := acltypes.AccountProof{AccountNodes: nodesOf(answer.AccountProof)}
	for _, slot := range answer.StorageProof {
		proof.Storage = append(proof.Storage, acltypes.StorageProof{Nodes: nodesOf(slot.Proof)})
	}
	return proof
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
	return verifySlots(what, account, proof, asked)
}

// verifySlots returns the words of slots of an account.
func verifySlots(what string, account evmproof.Account, proof acltypes.AccountProof, asked wanted) ([]common.Hash, error) {
	words := make([]common.Hash, len(asked.slots))
	for i, slot := range asked.slots {
		var err error
		if words[i], err = evmproof.VerifyStorage(account.StorageRoot, slot, proof.Storage[i].Nodes); err != nil {
			return nil, fmt.Errorf("%w: %s, slot %d: %w", ErrBadAnswer, what, i, err)
		}
	}
	return words, nil
}
