package fhevm

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Addresses that the published bytecode of @fhevm/host-contracts 0.10.0 has baked in, the same
// as the local configuration of @fhevm/solidity 0.10.0.
var (
	ACLAddress           = common.HexToAddress("0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D")
	FHEVMExecutorAddress = common.HexToAddress("0xe3a9105a3a932253A70F126eb1E3b589C643dD24")
	KMSVerifierAddress   = common.HexToAddress("0x901F8942346f7AB3a01F6D7613119Bca447Bb030")
	InputVerifierAddress = common.HexToAddress("0x36772142b74871f255cbd7a3e89b401d3e45825f")
	HCULimitAddress      = common.HexToAddress("0x233ff88a48c172d29f675403e6a8e302b0f032d9")
	PauserSetAddress     = common.HexToAddress("0x34e3ed8472e409dbf8fdf933ca996dc75e4be126")
)

// Storage namespaces (ERC-7201).
const (
	ACLNamespace      = "fhevm.storage.ACL"
	RegistryNamespace = "tkms.storage.CiphertextRegistry"
)

// Base slots of the namespaces.
var (
	// ACLBase is the base slot of the ACL's storage, the same in host contracts 0.6 to 0.10.
	ACLBase = common.HexToHash("0xa688f31953c2015baaf8c0a488ee1ee22eb0e05273cc1fd31ea4cbee42febc00")
	// RegistryBase is the base slot of the ciphertext registry's storage.
	RegistryBase = NamespaceBase(RegistryNamespace)
)

// NamespaceBase returns the base slot of an ERC-7201 namespace:
// keccak256(abi.encode(uint256(keccak256(id)) - 1)) with the last byte cleared.
func NamespaceBase(id string) common.Hash {
	inner := new(big.Int).Sub(crypto.Keccak256Hash([]byte(id)).Big(), big.NewInt(1))
	base := crypto.Keccak256Hash(common.BigToHash(inner).Bytes())
	base[31] = 0
	return base
}

// PublicDecryptionSlot returns the ACL slot that is 1 once handle is publicly decryptable.
func PublicDecryptionSlot(handle Handle) common.Hash {
	return mappingSlot(handle.Hash(), offset(ACLBase, 1))
}

// PersistedAllowedSlot returns the ACL slot that is 1 once account may use handle for good.
func PersistedAllowedSlot(handle Handle, account common.Address) common.Hash {
	return mappingSlot(common.BytesToHash(account[:]), mappingSlot(handle.Hash(), ACLBase))
}

// RegistrySlot returns the registry slot that holds the digest of handle's ciphertext.
func RegistrySlot(handle Handle) common.Hash {
	return mappingSlot(handle.Hash(), RegistryBase)
}

// mappingSlot is Solidity's rule for the value of key in the mapping at slot base.
func mappingSlot(key, base common.Hash) common.Hash {
	return crypto.Keccak256Hash(key[:], base[:])
}

func offset(base common.Hash, n int64) common.Hash {
	return common.BigToHash(new(big.Int).Add(base.Big(), big.NewInt(n)))
}
