package authorize

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/acl/slots"
	"github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/acl/wallets"
)

// User asks whether a user may have the plaintexts of handles. The conditions are those of
// the ACL's own views: a handle may be read for a contract if it is allowed to its owner
// and to the contract, and a delegation holds through its expiry second. It fails with
// ErrNotApproved if no wallet is shown though one has to approve, and with
// ErrMalformedProof if one is though none has to.
func User(proof types.DecryptionProof, access types.UserAccess, now uint64) (Question, error) {
	switch {
	case access.Approval != nil && proof.Wallet == nil:
		return Question{}, types.ErrNotApproved.Wrapf("wallet %X is not shown", access.User)
	case access.Approval == nil && proof.Wallet != nil:
		return Question{}, types.ErrMalformedProof.Wrap("a wallet where no approval is asked for")
	}
	return Question{
		handles: access.Handles, claimed: access.Claimed, proof: proof, now: now,
		asked: userDecryption{access: access, wallet: proof.Wallet, now: now},
	}, nil
}

// userDecryption is leave for one user to have the plaintexts of handles.
type userDecryption struct {
	access types.UserAccess
	// wallet shows the account of a user who is a contract; else nil.
	wallet *types.AccountProof
	// now is block time.
	now uint64
}

func (u userDecryption) admit(chain types.HostChain) error {
	a := u.access
	if len(a.Contracts) != len(a.Handles) {
		return types.ErrMalformedProof.Wrapf("%d contracts for %d handles", len(a.Contracts), len(a.Handles))
	}
	for i, contract := range a.Contracts {
		if contract == a.Owner() {
			return types.ErrContractIsOwner.Wrapf("handle %X, contract %X", a.Handles[i], contract)
		}
	}
	if a.Delegator != nil && chain.Freshness.DelegationMaxAgeSeconds == 0 {
		return types.ErrDelegationOff.Wrapf("%d", chain.Id)
	}
	return nil
}

func (u userDecryption) count() int { return 2*len(u.access.Handles) + len(u.access.Delegations()) }

// fresh is stricter where something is shown that can be taken back: permissions of the ACL cannot, a
// delegation can.
func (u userDecryption) fresh(window types.Freshness, header types.VerifiedHeader) error {
	limit := uint64(window.DelegationMaxAgeSeconds)
	if u.access.Delegator != nil && header.Timestamp < u.now && u.now-header.Timestamp > limit {
		return types.ErrStaleDelegation.Wrapf("%d s old, want at most %d", u.now-header.Timestamp, limit)
	}
	return nil
}

func (u userDecryption) slots(layout slots.ACL) []common.Hash { return u.access.Slots(layout) }

func (u userDecryption) grant(chain types.HostChain, header types.VerifiedHeader, words []common.Hash) error {
	for i, h := range u.access.Handles {
		if err := checkAllowed(words[2*i], h, types.ErrOwnerNotAllowed); err != nil {
			return err
		}
		if err := checkAllowed(words[2*i+1], h, types.ErrContractNotAllowed); err != nil {
			return err
		}
	}
	// The header may be ahead of block time or behind it: the delegation must hold at both.
	at := max(u.now, header.Timestamp)
	delegations := words[2*len(u.access.Handles):]
	for i, contract := range u.access.Delegations() {
		if err := checkDelegation(delegations[i], contract, at); err != nil {
			return err
		}
	}
	if u.wallet == nil {
		return nil
	}
	return proveApproval(chain, common.Hash(header.StateRoot), *u.wallet, u.access.User, *u.access.Approval)
}

// checkDelegation fails unless the word is a delegation that holds at a time.
func checkDelegation(word common.Hash, contract [20]byte, at uint64) error {
	delegation, err := slots.DecodeDelegation(word)
	switch {
	case err != nil:
		return types.ErrBadStorageProof.Wrapf("delegation for contract %X: %s", contract, err)
	case delegation.ActiveAt(at):
		return nil
	case delegation.Expires != 0:
		return types.ErrDelegationExpired.Wrapf("contract %X, at %d", contract, delegation.Expires)
	case delegation.Counter != 0:
		return types.ErrDelegationRevoked.Wrapf("contract %X, in block %d", contract, delegation.LastBlock)
	}
	return types.ErrNoDelegation.Wrapf("contract %X", contract)
}

// proveApproval checks that a contract wallet, one of those that the record pins, approved a digest.
func proveApproval(chain types.HostChain, root common.Hash, proof types.AccountProof, wallet [20]byte, digest [32]byte) error {
	account, err := proveAccount("wallet", root, wallet, proof)
	if err != nil {
		return err
	}
	kind, known := chain.WalletKind(account.CodeHash)
	if !known {
		return types.ErrUnknownWallet.Wrapf("wallet %X has code hash %X", wallet, account.CodeHash)
	}
	wanted, err := wallets.Slots(kind, chain.Id, wallet, digest)
	if err != nil {
		return types.ErrInvalidHostChain.Wrap(err.Error())
	}
	if len(proof.Storage) != len(wanted) {
		return types.ErrMalformedProof.Wrapf("%d storage proofs for %d slots of the wallet", len(proof.Storage), len(wanted))
	}
	words, err := proveWords("wallet", account, proof.Storage, wanted)
	if err != nil {
		return err
	}
	implementation, approved, err := wallets.Read(kind, words)
	if err != nil {
		return types.ErrInvalidHostChain.Wrap(err.Error())
	}
	if !chain.KnowsWallet(account.CodeHash, implementation) {
		return types.ErrUnknownWallet.Wrapf("wallet %X has implementation %X", wallet, implementation)
	}
	if !approved {
		return types.ErrNotApproved.Wrapf("wallet %X, message %X", wallet, digest)
	}
	return nil
}
