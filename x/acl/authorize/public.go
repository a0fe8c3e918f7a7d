package authorize

import (
	"github.com/ethereum/go-ethereum/common"

	errorsmod "cosmossdk.io/errors"

	"github.com/tkms-network/tkms/x/acl/slots"
	"github.com/tkms-network/tkms/x/acl/types"
)

// Public asks whether anybody may have the plaintexts of handles. claimed is empty or one
// digest a handle. It fails with ErrMalformedProof.
func Public(proof types.DecryptionProof, handles, claimed [][32]byte, now uint64) (Question, error) {
	if proof.Wallet != nil {
		return Question{}, types.ErrMalformedProof.Wrap("a wallet where no approval is asked for")
	}
	return Question{handles: handles, claimed: claimed, proof: proof, now: now, asked: publicDecryption(handles)}, nil
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
