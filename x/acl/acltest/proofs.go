package acltest

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/trie/trienode"

	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/acl/wallets"
)

// PublicProof shows under a header, which should be one of the present state, what a
// public decryption of handles needs.
func (c *Chain) PublicProof(header []byte, handles ...common.Hash) acltypes.DecryptionProof {
	permissions := make([]common.Hash, len(handles))
	for i, h := range handles {
		permissions[i] = Layout().AllowedForDecryption(h)
	}
	return acltypes.DecryptionProof{
		Header: header, Acl: c.Proof(c.ACL, permissions...), Registry: c.digests(handles),
	}
}

// UserProof shows under a header, which should be one of the present state, what a user
// decryption needs. A user whose approval is asked for must be a contract.
func (c *Chain) UserProof(header []byte, access acltypes.UserAccess) acltypes.DecryptionProof {
	handles := make([]common.Hash, len(access.Handles))
	for i, h := range access.Handles {
		handles[i] = h
	}
	proof := acltypes.DecryptionProof{
		Header: header, Acl: c.Proof(c.ACL, access.Slots(Layout())...), Registry: c.digests(handles),
	}
	if access.Approval != nil {
		approval, err := wallets.Slots(wallets.SafeSignedMessage, c.ID, access.User, *access.Approval)
		if err != nil {
			panic(err)
		}
		wallet := c.Proof(access.User, approval...)
		proof.Wallet = &wallet
	}
	return proof
}

// SignersProof shows under a header, which should be one of the present state, which
// signers the verifier takes, count of them.
func (c *Chain) SignersProof(header []byte, count int) acltypes.SignersProof {
	return acltypes.SignersProof{Header: header, Verifier: c.Proof(c.Verifier, VerifierLayout().Slots(count)...)}
}

func (c *Chain) digests(handles []common.Hash) acltypes.AccountProof {
	wanted := make([]common.Hash, len(handles))
	for i, h := range handles {
		wanted[i] = slots.RegistryDigest(c.RegistryBase, h)
	}
	return c.Proof(c.Registry, wanted...)
}

// Proof shows an account and slots of its storage.
func (c *Chain) Proof(contract common.Address, wanted ...common.Hash) acltypes.AccountProof {
	proof := acltypes.AccountProof{AccountNodes: c.AccountProof(contract)}
	for _, slot := range wanted {
		proof.Storage = append(proof.Storage, acltypes.StorageProof{Nodes: c.StorageProof(contract, slot)})
	}
	return proof
}

// AccountProof returns the nodes from the state root to an account.
func (c *Chain) AccountProof(address common.Address) [][]byte {
	root := c.Root()
	t, err := trie.NewStateTrie(trie.StateTrieID(root), c.db.TrieDB())
	if err != nil {
		panic(err)
	}
	return prove(t, address[:])
}

// StorageProof returns the nodes from an account's storage root to a slot; none if the
// account's storage is empty.
func (c *Chain) StorageProof(address common.Address, slot common.Hash) [][]byte {
	root := c.Root()
	accounts, err := trie.NewStateTrie(trie.StateTrieID(root), c.db.TrieDB())
	if err != nil {
		panic(err)
	}
	account, err := accounts.GetAccount(address)
	if err != nil {
		panic(err)
	}
	t, err := trie.NewStateTrie(trie.StorageTrieID(root, crypto.Keccak256Hash(address[:]), account.Root), c.db.TrieDB())
	if err != nil {
		panic(err)
	}
	return prove(t, slot[:])
}

// StorageRoot returns the storage root of an account.
func (c *Chain) StorageRoot(address common.Address) common.Hash {
	t, err := trie.NewStateTrie(trie.StateTrieID(c.Root()), c.db.TrieDB())
	if err != nil {
		panic(err)
	}
	account, err := t.GetAccount(address)
	if err != nil {
		panic(err)
	}
	return account.Root
}

func prove(t *trie.StateTrie, preimage []byte) [][]byte {
	var list trienode.ProofList
	if err := t.Prove(crypto.Keccak256(preimage), &list); err != nil {
		panic(err)
	}
	nodes := make([][]byte, len(list))
	for i, n := range list {
		nodes[i] = bytes.Clone(n)
	}
	return nodes
}
