package client

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/acl/authorize"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

var (
	// ErrOtherSigners reports a verifier that takes other signers, as of the head.
	ErrOtherSigners = errors.New("the host chain's verifier takes other signers")
	// ErrNoVerifier reports a host chain whose record names no verifier.
	ErrNoVerifier = errors.New("the host chain's record names no verifier")
)

// SignersEvidence is what shows TKMS which signers a host chain's verifier takes.
type SignersEvidence struct {
	Proof acltypes.SignersProof
	// Height and Time (seconds since the epoch) of the header.
	Height, Time uint64
	// NewValidators is as in Evidence.
	NewValidators bool
}

// GatherSigners fetches evidence under the head that the verifier takes the signatures of
// exactly these signers, in this order, and threshold of them for a result, and verifies
// it against the host chain's record on TKMS. Errors: ErrNode, ErrBadAnswer, ErrNoVerifier,
// ErrOtherSigners, or those of Head.Check.
func (n *Node) GatherSigners(ctx context.Context, record *acltypes.HostChain, signers [][20]byte, threshold uint32) (*SignersEvidence, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	head, err := n.Head(ctx)
	if err != nil {
		return nil, err
	}
	return n.GatherSignersAt(ctx, record, head, signers, threshold)
}

// GatherSignersAt is GatherSigners under a head that is known already, in one round trip.
func (n *Node) GatherSignersAt(ctx context.Context, record *acltypes.HostChain, head *Head, signers [][20]byte, threshold uint32) (*SignersEvidence, error) {
	if record.Verifier == nil {
		return nil, ErrNoVerifier
	}
	layout, err := slots.NewVerifier(record.VerifierLayout)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	answers, err := n.proofs(ctx, head.number, wanted{common.BytesToAddress(record.Verifier.Address), layout.Slots(len(signers))})
	if err != nil {
		return nil, err
	}
	succession, err := head.Check(record)
	if err != nil {
		return nil, err
	}
	e := &SignersEvidence{
		Height: head.Height, Time: head.Time, NewValidators: succession,
		Proof: acltypes.SignersProof{Header: head.Raw, Verifier: accountProof(answers[0])},
	}
	question := authorize.Signers(e.Proof, signers, threshold, head.Time)
	if err = question.Admit(*record); err == nil {
		err = question.Prove(*record, authorize.Summary(head.sealed, head.Raw))
	}
	if err != nil {
		return nil, judged(err, head.Height)
	}
	return e, nil
}
