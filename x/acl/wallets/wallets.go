package wallets

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// Kind names the rule by which an approval is read. Numbers are those of
// tkms.acl.v1.WalletKind.
type Kind int32

// SafeSignedMessage is the rule of a Safe whose owners signed the message on chain.
const SafeSignedMessage Kind = 1

// ErrUnknownKind means that no rule has the number, or that it asks for another number
// of words.
var ErrUnknownKind = errors.New("wallets: unknown kind of wallet")

// Where a Safe keeps what the rule reads: Singleton and SafeStorage in its sources,
// unchanged from 1.3.0 to 1.4.1.
var (
	safeImplementation = common.Hash{}
	safeSignedMessages = common.Hash{31: 7}
)

// EIP-712 types of a Safe.
var (
	safeDomainType  = crypto.Keccak256Hash([]byte("EIP712Domain(uint256 chainId,address verifyingContract)"))
	safeMessageType = crypto.Keccak256Hash([]byte("SafeMessage(bytes message)"))
)

// Known tells whether a kind has a rule.
func Known(kind Kind) bool { return kind == SafeSignedMessage }

// Slots returns the slots of a wallet's storage that show whether it approved a digest
// on the chain with that id, in the order in which Read takes their words. It fails
// with ErrUnknownKind.
func Slots(kind Kind, chainID uint64, wallet common.Address, digest [32]byte) ([]common.Hash, error) {
	if !Known(kind) {
		return nil, fmt.Errorf("%w: %d", ErrUnknownKind, kind)
	}
	message := SafeMessageHash(chainID, wallet, digest)
	return []common.Hash{safeImplementation, crypto.Keccak256Hash(message[:], safeSignedMessages[:])}, nil
}

// Read tells what the words of the slots that Slots returned mean: which implementation
// the wallet has, an address padded to a word if it has one, and whether it approved the
// digest. The second means nothing if the first is not the one that is known to write
// there. It fails with ErrUnknownKind.
func Read(kind Kind, words []common.Hash) (implementation common.Hash, approved bool, err error) {
	if !Known(kind) || len(words) != 2 {
		return common.Hash{}, false, fmt.Errorf("%w: %d with %d words", ErrUnknownKind, kind, len(words))
	}
	return words[0], words[1] != common.Hash{}, nil
}

// SafeMessageHash is the hash under which a Safe keeps the approval of a 32-byte
// digest: EIP-712 of SafeMessage whose message is the digest, in the Safe's domain.
func SafeMessageHash(chainID uint64, safe common.Address, digest [32]byte) common.Hash {
	chain := uint256.NewInt(chainID).Bytes32()
	domain := crypto.Keccak256(safeDomainType[:], chain[:], common.BytesToHash(safe[:]).Bytes())
	message := crypto.Keccak256(safeMessageType[:], crypto.Keccak256(digest[:]))
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, domain, message)
}
