package types

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/acl/slots"
)

// UserAccess is what a user decryption needs the host chain's ACL to permit.
type UserAccess struct {
	// Handles are 1 or more, distinct.
	Handles [][32]byte
	// Contracts, one a handle: the contract for which it is read. The ACL must let
	// use the handle both this contract and the handle's owner, who is another.
	Contracts [][20]byte
	// User is who will read.
	User [20]byte
	// Delegator is whose handles they are if the user is a delegate, else nil.
	Delegator *[20]byte
	// Approval is the EIP-712 digest that the user, a contract wallet, must have
	// approved in its storage; nil if an account's signature was verified instead.
	Approval *[32]byte
	// Claimed is empty or one digest a handle: the bytes that the requester holds.
	Claimed [][32]byte
}

// Owner returns whose handles they are: the delegator, or the user.
func (a UserAccess) Owner() [20]byte {
	if a.Delegator != nil {
		return *a.Delegator
	}
	return a.User
}

// Delegations returns the contracts for which a delegation must be shown, each
// once, as the handles first name them; none if nothing is delegated.
func (a UserAccess) Delegations() [][20]byte {
	if a.Delegator == nil {
		return nil
	}
	var distinct [][20]byte
	for _, contract := range a.Contracts {
		if !slices.Contains(distinct, contract) {
			distinct = append(distinct, contract)
		}
	}
	return distinct
}

// Slots returns the slots of the ACL that must be shown, in the order that
// DecryptionProof names: two a handle, then one a delegation. Contracts are one a
// handle.
func (a UserAccess) Slots(layout slots.ACL) []common.Hash {
	var wanted []common.Hash
	for i, h := range a.Handles {
		wanted = append(wanted, layout.Persisted(h, a.Owner()), layout.Persisted(h, a.Contracts[i]))
	}
	for _, contract := range a.Delegations() {
		wanted = append(wanted, layout.Delegation(a.Owner(), a.User, contract))
	}
	return wanted
}
