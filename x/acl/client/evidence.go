package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/acl/authorize"
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
	list, permissions := make([][32]byte, len(batch)), make([]common.Hash, len(batch))
	for i, h := range batch {
		list[i], permissions[i] = h, layout.AllowedForDecryption(common.Hash(h))
	}
	e, _, err := n.gather(ctx, record, head, list, permissions)
	if err != nil {
		return nil, err
	}
	question, err := authorize.Public(e.Proof, list, nil, head.Time)
	if err != nil {
		return nil, err
	}
	if err := e.prove(record, head, question); err != nil {
		return nil, err
	}
	return e, nil
}

// gather asks for slots of the ACL, the digests of handles, and accounts besides, in
// one round trip, and verifies the header. What the proofs show is for prove.
func (n *Node) gather(ctx context.Context, record *acltypes.HostChain, head *Head, list [][32]byte, permissions []common.Hash, besides ...wanted) (*Evidence, []answeredProof, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	bindings := wanted{account: common.BytesToAddress(record.Registry.Address)}
	for _, h := range list {
		bindings.slots = append(bindings.slots, slots.RegistryDigest(common.BytesToHash(record.RegistrySlot), h))
	}
	asked := append([]wanted{{common.BytesToAddress(record.Acl.Address), permissions}, bindings}, besides...)
	answers, err := n.proofs(ctx, head.number, asked...)
	if err != nil {
		return nil, nil, err
	}
	succession, err := head.Check(record)
	if err != nil {
		return nil, nil, err
	}
	return &Evidence{
		Height: head.Height, Time: head.Time, NewValidators: succession,
		Proof: acltypes.DecryptionProof{Header: head.Raw, Acl: accountProof(answers[0]), Registry: accountProof(answers[1])},
	}, answers[2:], nil
}

// prove asks what consensus will ask, as of the head's time.
func (e *Evidence) prove(record *acltypes.HostChain, head *Head, question authorize.Question) error {
	err := question.Admit(*record)
	if err == nil {
		e.Digests, err = question.Prove(*record, authorize.Summary(head.sealed, head.Raw))
	}
	if err == nil {
		return nil
	}
	return judged(err, e.Height)
}

// judged gives a verdict of consensus on the state after a block the error of this
// package that says so.
func judged(err error, height uint64) error {
	for _, known := range missing {
		if errors.Is(err, known.code) {
			return &refusal{known.reason, err, height}
		}
	}
	for _, code := range forged {
		if errors.Is(err, code) {
			return fmt.Errorf("%w: %w", ErrBadAnswer, err)
		}
	}
	return err
}

// missing pairs what consensus says if something is not there with this package's errors.
var missing = []struct{ code, reason error }{
	{acltypes.ErrNotPermitted, ErrNotPermitted},
	{acltypes.ErrNoDigest, ErrNoDigest},
	{acltypes.ErrDigestMismatch, ErrOtherDigest},
	{acltypes.ErrOwnerNotAllowed, ErrOwnerNotAllowed},
	{acltypes.ErrContractNotAllowed, ErrContractNotAllowed},
	{acltypes.ErrContractIsOwner, ErrContractNotAllowed},
	{acltypes.ErrNoDelegation, ErrNoDelegation},
	{acltypes.ErrDelegationRevoked, ErrNoDelegation},
	{acltypes.ErrDelegationExpired, ErrDelegationExpired},
	{acltypes.ErrDelegationOff, ErrDelegationOff},
	{acltypes.ErrUnknownWallet, ErrUnknownWallet},
	{acltypes.ErrNotApproved, ErrNotApproved},
	{acltypes.ErrOtherSigners, ErrOtherSigners},
}

// forged are what it says if the answer is no proof.
var forged = []error{acltypes.ErrBadAccountProof, acltypes.ErrBadStorageProof, acltypes.ErrMalformedProof, acltypes.ErrForeignCode}

// refusal is what is missing, in the words of consensus; it is this package's error and
// that of x/acl.
type refusal struct {
	reason, cause error
	height        uint64
}

// Error names what is missing, and as of which block.
func (r *refusal) Error() string { return fmt.Sprintf("block %d: %s", r.height, r.cause) }

// Unwrap returns both errors.
func (r *refusal) Unwrap() []error { return []error{r.reason, r.cause} }

func accountProof(answer answeredProof) acltypes.AccountProof {
	proof := acltypes.AccountProof{AccountNodes: nodesOf(answer.AccountProof)}
	for _, slot := range answer.StorageProof {
		proof.Storage = append(proof.Storage, acltypes.StorageProof{Nodes: nodesOf(slot.Proof)})
	}
	return proof
}
