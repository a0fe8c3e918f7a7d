package client

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// ErrNoBlock is returned when the chain does not have a block.
var ErrNoBlock = errors.New("host chain has no such block")

// Evidence is what shows TKMS that ciphertexts may be decrypted: a sealed header and, under its
// state root, the ACL's flags and the registry's digests. For handle number i, ACL.Storage[i] and
// Registry.Storage[i] belong together.
type Evidence struct {
	Block     uint64
	HeaderRLP []byte
	ACL       AccountProof
	Registry  AccountProof
}

// AccountProof is the path of an account in the state trie with paths in its storage trie. Nodes
// are RLP, the root first.
type AccountProof struct {
	Address common.Address
	Nodes   [][]byte
	Storage []StorageProof
}

// StorageProof is the path of one slot. Value is 0 when the slot is empty; the nodes then prove
// its absence.
type StorageProof struct {
	Slot  common.Hash
	Value *big.Int
	Nodes [][]byte
}

// PublicDecryptionEvidence fetches the evidence that handles are publicly decryptable and which
// bytes they stand for, as of block number; nil means the head. It does not check that they are.
func (c *Client) PublicDecryptionEvidence(ctx context.Context, handles []fhevm.Handle, number *big.Int) (*Evidence, error) {
	header, raw, err := c.header(ctx, number)
	if err != nil {
		return nil, err
	}
	permissions := make([]common.Hash, len(handles))
	digests := make([]common.Hash, len(handles))
	for i, h := range handles {
		permissions[i], digests[i] = fhevm.PublicDecryptionSlot(h), fhevm.RegistrySlot(h)
	}
	evidence := &Evidence{Block: header.Uint64(), HeaderRLP: raw}
	acl, err := c.AccountProof(ctx, c.info.Contracts.ACL, permissions, header)
	if err != nil {
		return nil, err
	}
	registry, err := c.AccountProof(ctx, c.info.Contracts.Registry, digests, header)
	if err != nil {
		return nil, err
	}
	evidence.ACL, evidence.Registry = *acl, *registry
	return evidence, nil
}

// HeaderRLP returns the RLP of block number's header, nil meaning the head, rebuilt from the
// standard JSON-RPC block.
func (c *Client) HeaderRLP(ctx context.Context, number *big.Int) ([]byte, error) {
	_, raw, err := c.header(ctx, number)
	return raw, err
}

func (c *Client) header(ctx context.Context, number *big.Int) (*big.Int, []byte, error) {
	header, err := c.eth.HeaderByNumber(ctx, number)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoBlock, err)
	}
	raw, err := rlp.EncodeToBytes(header)
	if err != nil {
		return nil, nil, fmt.Errorf("encode header: %w", err)
	}
	return header.Number, raw, nil
}

// AccountProof fetches the proof of an account and some of its slots as of block number.
func (c *Client) AccountProof(ctx context.Context, address common.Address, slots []common.Hash, number *big.Int) (*AccountProof, error) {
	keys := make([]string, len(slots))
	for i, s := range slots {
		keys[i] = s.Hex()
	}
	answer, err := c.geth.GetProof(ctx, address, keys, number)
	if err != nil {
		return nil, fmt.Errorf("proof of %s: %w", address, err)
	}
	if len(answer.StorageProof) != len(slots) {
		return nil, fmt.Errorf("proof of %s: %d slots instead of %d", address, len(answer.StorageProof), len(slots))
	}
	proof := &AccountProof{Address: address, Storage: make([]StorageProof, len(slots))}
	if proof.Nodes, err = decodeNodes(answer.AccountProof); err != nil {
		return nil, err
	}
	for i, s := range answer.StorageProof {
		proof.Storage[i] = StorageProof{Slot: slots[i], Value: s.Value}
		if proof.Storage[i].Nodes, err = decodeNodes(s.Proof); err != nil {
			return nil, err
		}
	}
	return proof, nil
}

func decodeNodes(list []string) ([][]byte, error) {
	nodes := make([][]byte, len(list))
	for i, text := range list {
		var err error
		if nodes[i], err = hexutil.Decode(text); err != nil {
			return nil, fmt.Errorf("proof node: %w", err)
		}
	}
	return nodes, nil
}
