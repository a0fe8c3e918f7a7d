package authorize

import (
	"bytes"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/acl/evmproof"
	"github.com/tkms-network/tkms/x/acl/types"
)

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
