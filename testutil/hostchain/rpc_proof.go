package hostchain

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// maxProofKeys bounds one eth_getProof request.
const maxProofKeys = 1024

// accountProof is the answer of eth_getProof (EIP-1186).
type accountProof struct {
	Address      common.Address `json:"address"`
	AccountProof proofNodes     `json:"accountProof"`
	Balance      *hexutil.Big   `json:"balance"`
	CodeHash     common.Hash    `json:"codeHash"`
	Nonce        hexutil.Uint64 `json:"nonce"`
	StorageHash  common.Hash    `json:"storageHash"`
	StorageProof []storageProof `json:"storageProof"`
}

type storageProof struct {
	Key   string       `json:"key"`
	Value *hexutil.Big `json:"value"`
	Proof proofNodes   `json:"proof"`
}

// proofNodes collects trie nodes in the order of the path, the root first.
type proofNodes []hexutil.Bytes

// Put implements ethdb.KeyValueWriter.
func (p *proofNodes) Put(_, value []byte) error {
	*p = append(*p, common.CopyBytes(value))
	return nil
}

// Delete implements ethdb.KeyValueWriter.
func (*proofNodes) Delete([]byte) error { return errors.New("proofs are only written") }

// GetProof implements eth_getProof. The states of all blocks are kept.
func (e *ethAPI) GetProof(address common.Address, keys []string, at *rpc.BlockNumberOrHash) (*accountProof, error) {
	if len(keys) > maxProofKeys {
		return nil, fmt.Errorf("%d storage keys, at most %d are allowed", len(keys), maxProofKeys)
	}
	slots := make([]common.Hash, len(keys))
	lengths := make([]int, len(keys))
	for i, key := range keys {
		var err error
		if slots[i], lengths[i], err = parseSlot(key); err != nil {
			return nil, err
		}
	}
	statedb, header, err := e.stateAt(at)
	if err != nil {
		return nil, err
	}
	answer := &accountProof{
		Address:      address,
		AccountProof: proofNodes{},
		Balance:      (*hexutil.Big)(statedb.GetBalance(address).ToBig()),
		CodeHash:     statedb.GetCodeHash(address),
		Nonce:        hexutil.Uint64(statedb.GetNonce(address)),
		StorageHash:  statedb.GetStorageRoot(address),
		StorageProof: make([]storageProof, len(keys)),
	}
	accounts, err := statedb.Database().OpenTrie(header.Root)
	if err != nil {
		return nil, err
	}
	if err := accounts.Prove(crypto.Keccak256(address[:]), &answer.AccountProof); err != nil {
		return nil, err
	}
	if answer.StorageHash == (common.Hash{}) {
		answer.StorageHash = types.EmptyRootHash
	}
	for i, slot := range slots {
		// A 32-byte key is echoed as it is, a shorter one as a quantity (EIP-1186 leaves it open;
		// go-ethereum answers so).
		name := hexutil.EncodeBig(slot.Big())
		if lengths[i] == common.HashLength {
			name = hexutil.Encode(slot[:])
		}
		proof := storageProof{Key: name, Value: (*hexutil.Big)(new(big.Int)), Proof: proofNodes{}}
		if answer.StorageHash != types.EmptyRootHash {
			storage, err := statedb.Database().OpenStorageTrie(header.Root, address, answer.StorageHash, nil)
			if err != nil {
				return nil, err
			}
			if err := storage.Prove(crypto.Keccak256(slot[:]), &proof.Proof); err != nil {
				return nil, err
			}
			proof.Value = (*hexutil.Big)(statedb.GetState(address, slot).Big())
		}
		answer.StorageProof[i] = proof
	}
	return answer, statedb.Error()
}
