package evmproof

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

const (
	// MaxNodes bounds the nodes of one proof. A path of that length needs two keys whose
	// keccak256 hashes share 31 nibbles, 124 bits; real ones have about ten nodes.
	MaxNodes = 32
	// MaxNodeSize is the size of the largest node of a state or storage trie, a branch
	// with 16 hashed children: 3 + 16·33 + 1 bytes.
	MaxNodeSize = 532
)

// Errors of this package.
var (
	// ErrMalformed means that a proof is too large or not the canonical one.
	ErrMalformed = errors.New("evmproof: malformed proof")
	// ErrInvalid means that the nodes do not lead from the root to the key.
	ErrInvalid = errors.New("evmproof: proof does not match the root")
	// ErrNoAccount means that the state holds no account at the address.
	ErrNoAccount = errors.New("evmproof: no such account")
)

// Account is an account's record in the state trie.
type Account struct {
	Nonce uint64
	// StorageRoot is the root of the account's storage trie.
	StorageRoot common.Hash
	// CodeHash is keccak256 of the account's code.
	CodeHash common.Hash
}

// VerifyAccount returns the account at an address under a state root. It fails with
// ErrMalformed, ErrInvalid or ErrNoAccount.
func VerifyAccount(stateRoot common.Hash, address common.Address, nodes [][]byte) (Account, error) {
	value, err := verify(stateRoot, address[:], nodes)
	if err != nil {
		return Account{}, err
	}
	if value == nil {
		return Account{}, fmt.Errorf("%w at %s", ErrNoAccount, address)
	}
	var account types.StateAccount
	if err := rlp.DecodeBytes(value, &account); err != nil {
		return Account{}, fmt.Errorf("%w: account: %w", ErrInvalid, err)
	}
	if len(account.CodeHash) != common.HashLength {
		return Account{}, fmt.Errorf("%w: code hash has %d bytes", ErrInvalid, len(account.CodeHash))
	}
	return Account{Nonce: account.Nonce, StorageRoot: account.Root, CodeHash: common.Hash(account.CodeHash)}, nil
}

// VerifyStorage returns the 32-byte word of a slot under an account's storage root;
// it is zero when the trie proves that the slot holds nothing. It fails with
// ErrMalformed or ErrInvalid.
func VerifyStorage(storageRoot common.Hash, slot common.Hash, nodes [][]byte) (common.Hash, error) {
	value, err := verify(storageRoot, slot[:], nodes)
	if err != nil || value == nil {
		return common.Hash{}, err
	}
	content, rest, err := rlp.SplitString(value)
	if err != nil {
		return common.Hash{}, fmt.Errorf("%w: slot value: %w", ErrInvalid, err)
	}
	// The EVM trims leading zeros and deletes a slot that becomes zero.
	if len(rest) != 0 || len(content) == 0 || len(content) > common.HashLength || content[0] == 0 {
		return common.Hash{}, fmt.Errorf("%w: slot value is no trimmed word", ErrInvalid)
	}
	return common.BytesToHash(content), nil
}

// verify returns the value at keccak256(preimage), nil if the trie proves that there
// is none.
func verify(root common.Hash, preimage []byte, nodes [][]byte) ([]byte, error) {
	if len(nodes) > MaxNodes {
		return nil, fmt.Errorf("%w: %d nodes, want at most %d", ErrMalformed, len(nodes), MaxNodes)
	}
	for i, node := range nodes {
		if len(node) == 0 || len(node) > MaxNodeSize {
			return nil, fmt.Errorf("%w: node %d has %d bytes, want 1 to %d", ErrMalformed, i, len(node), MaxNodeSize)
		}
	}
	if root == types.EmptyRootHash {
		// An empty trie has no node to show.
		if len(nodes) != 0 {
			return nil, fmt.Errorf("%w: %d nodes of an empty trie", ErrMalformed, len(nodes))
		}
		return nil, nil
	}
	path := &path{nodes: nodes}
	value, err := trie.VerifyProof(root, crypto.Keccak256(preimage), path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if path.used != len(nodes) {
		return nil, fmt.Errorf("%w: %d of %d nodes used", ErrMalformed, path.used, len(nodes))
	}
	return value, nil
}

// path serves the nodes of a proof to the trie walker in the order given, so that a
// proof with a node out of place, repeated or missing is not found.
type path struct {
	nodes [][]byte
	used  int
}

// errNotNext says that the walker's next node is not the next one of the proof.
var errNotNext = errors.New("not the next node")

// Get returns the next node if it has the hash asked for.
func (p *path) Get(hash []byte) ([]byte, error) {
	if p.used == len(p.nodes) || !bytes.Equal(crypto.Keccak256(p.nodes[p.used]), hash) {
		return nil, errNotNext
	}
	p.used++
	return p.nodes[p.used-1], nil
}

// Has tells whether Get would succeed.
func (p *path) Has(hash []byte) (bool, error) {
	return p.used < len(p.nodes) && bytes.Equal(crypto.Keccak256(p.nodes[p.used]), hash), nil
}
