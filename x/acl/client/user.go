package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/x/acl/authorize"
	"github.com/tkms-network/tkms/x/acl/evmproof"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/acl/wallets"
)

var (
	// ErrNotAllowed reports a handle that the ACL does not let its owner or its contract
	// use, as of the head.
	ErrNotAllowed = errors.New("the host chain's ACL does not allow the handle")
	// ErrOwnerNotAllowed is ErrNotAllowed for the user, or for the delegator.
	ErrOwnerNotAllowed = fmt.Errorf("%w to its owner", ErrNotAllowed)
	// ErrContractNotAllowed is ErrNotAllowed for the contract.
	ErrContractNotAllowed = fmt.Errorf("%w to the contract", ErrNotAllowed)
	// ErrOtherDigest reports a handle whose ciphertext is another than the one claimed.
	ErrOtherDigest = errors.New("another ciphertext is registered for the handle")
	// ErrDelegation reports a delegation that does not hold, as of the head.
	ErrDelegation = errors.New("nothing is delegated to the user")
	// ErrNoDelegation is ErrDelegation where there is none, or it was revoked.
	ErrNoDelegation = fmt.Errorf("%w for the contract", ErrDelegation)
	// ErrDelegationExpired is ErrDelegation where the head is past its end.
	ErrDelegationExpired = fmt.Errorf("%w any more for the contract", ErrDelegation)
	// ErrDelegationOff reports a host chain whose record allows no delegates.
	ErrDelegationOff = errors.New("the host chain has no delegated decryption")
	// ErrUnknownWallet reports a user without signature who is no wallet under one of
	// the host chain's rules.
	ErrUnknownWallet = errors.New("the user is no wallet that the host chain has a rule for")
	// ErrNotApproved reports a wallet that did not approve the request, as of the head.
	ErrNotApproved = errors.New("the wallet has not approved the request")
)

// GatherUser fetches evidence under the head that a user may read handles, and
// verifies it against the host chain's record on TKMS. A delegation has to hold at the
// head's time. Errors: those of this package above, ErrNode, ErrBadAnswer, ErrNoDigest,
// or those of Head.Check.
func (n *Node) GatherUser(ctx context.Context, record *acltypes.HostChain, access acltypes.UserAccess) (*Evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	head, err := n.Head(ctx)
	if err != nil {
		return nil, err
	}
	return n.GatherUserAt(ctx, record, head, access)
}

// GatherUserAt is GatherUser under a head that is known already, in one round trip.
func (n *Node) GatherUserAt(ctx context.Context, record *acltypes.HostChain, head *Head, access acltypes.UserAccess) (*Evidence, error) {
	layout, err := slots.NewACL(record.AclLayout)
	if err != nil {
		return nil, err
	}
	if len(access.Contracts) != len(access.Handles) {
		return nil, fmt.Errorf("%w: %d contracts for %d handles", ErrContractNotAllowed, len(access.Contracts), len(access.Handles))
	}
	approvals, err := approvalsOf(record, access)
	if err != nil {
		return nil, err
	}
	besides := make([]wanted, len(approvals))
	for i, a := range approvals {
		besides[i] = a.wanted
	}
	e, answers, err := n.gather(ctx, record, head, access.Handles, access.Slots(layout), besides...)
	if err != nil {
		return nil, err
	}
	if access.Approval != nil {
		if e.Proof.Wallet, err = walletOf(record, head, approvals, answers); err != nil {
			return nil, err
		}
	}
	question, err := authorize.User(e.Proof, access, head.Time)
	if err != nil {
		return nil, err
	}
	if err := e.prove(record, head, question); err != nil {
		return nil, err
	}
	return e, nil
}

// approval is where a wallet of one kind would have approved a request.
type approval struct {
	kind wallets.Kind
	wanted
}

// approvalsOf returns one approval for each kind of wallet that the host chain has
// rules for, since the wallet's code is not known yet; none if the user signed.
func approvalsOf(record *acltypes.HostChain, access acltypes.UserAccess) ([]approval, error) {
	if access.Approval == nil {
		return nil, nil
	}
	var list []approval
	for _, rule := range record.Wallets {
		kind := wallets.Kind(rule.Kind)
		if slices.ContainsFunc(list, func(a approval) bool { return a.kind == kind }) {
			continue
		}
		asked, err := wallets.Slots(kind, record.Id, access.User, *access.Approval)
		if err != nil {
			return nil, err
		}
		list = append(list, approval{kind, wanted{access.User, asked}})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: it has none", ErrUnknownWallet)
	}
	return list, nil
}

// walletOf returns the proof of the wallet's account for the rule that its code is under.
func walletOf(record *acltypes.HostChain, head *Head, approvals []approval, answers []answeredProof) (*acltypes.AccountProof, error) {
	for i, a := range approvals {
		proof := accountProof(answers[i])
		account, err := evmproof.VerifyAccount(head.Root, a.account, proof.AccountNodes)
		if errors.Is(err, evmproof.ErrNoAccount) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: wallet: %w", ErrBadAnswer, err)
		}
		if kind, known := record.WalletKind(account.CodeHash); known && kind == a.kind {
			return &proof, nil
		}
	}
	return nil, fmt.Errorf("%w: %s in block %d", ErrUnknownWallet, approvals[0].account, head.Height)
}
