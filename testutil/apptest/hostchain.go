package apptest

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/slots"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

// HostChainRecord is what governance would register for a test host chain.
func HostChainRecord(host *acltest.Chain) acltypes.HostChain {
	var validators [][]byte
	for _, address := range acltest.Addresses(host.Validators) {
		validators = append(validators, address.Bytes())
	}
	return acltypes.HostChain{
		Id: host.ID, Name: "test host chain", HeaderKind: acltypes.HEADER_KIND_QBFT,
		Validators: validators, ValidatorsHeight: 1,
		AclLayout:   slots.LayoutFhevm010,
		Acl:         acltypes.Contract{Address: host.ACL.Bytes(), CodeHash: crypto.Keccak256(host.ACLCode)},
		BindingRule: acltypes.BINDING_RULE_REGISTRY,
		Registry:    acltypes.Contract{Address: host.Registry.Bytes(), CodeHash: crypto.Keccak256(host.RegistryCode)}, RegistrySlot: host.RegistryBase.Bytes(),
		VerifierDomain: acltypes.VerifierDomain{
			Name: "Decryption", Version: "1", ChainId: host.ID,
			VerifyingContract: crypto.Keccak256([]byte("verifier"), acltest.Address(host.Validators[0]).Bytes())[:common.AddressLength],
		},
		Fees: acltypes.Fees{PublicDecryptionPerBlock: 10, PerRequest: 7, UserDecryptionPerBlock: 20},
		Limits: acltypes.Limits{
			MaxHandlesPerRequest: 8, MaxBlocksPerRequest: 1100, MaxBlocksPerWindow: 5000, WindowBlocks: 1000, DeadlineBlocks: 50,
			MaxUserDecryptionBits: 2048,
		},
		Freshness: acltypes.Freshness{MaxAgeSeconds: 60, MaxAheadSeconds: 5, DelegationMaxAgeSeconds: 30},
		Simulated: []string{"coprocessor"},
	}
}
