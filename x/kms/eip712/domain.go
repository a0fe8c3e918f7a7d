package eip712

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/crypto"
)

// Domain is the EIP-712 domain of an fhEVM verifier contract.
type Domain struct {
	// Name is "Decryption" for the contracts known so far.
	Name string
	// Version is "1".
	Version string
	// ChainID is the chain that the domain names: the gateway's, not the host chain's.
	ChainID uint64
	// VerifyingContract is the Decryption contract on that chain.
	VerifyingContract [20]byte
}

var (
	domainType = crypto.Keccak256Hash([]byte("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"))
	// A TKMS chain has a name and no EIP-155 number; EIP-712 offers salt for that.
	saltedDomainType = crypto.Keccak256Hash([]byte("EIP712Domain(string name,string version,bytes32 salt)"))
)

// Separator returns hashStruct(domain) of EIP-712.
func (d Domain) Separator() [32]byte {
	return crypto.Keccak256Hash(
		domainType[:],
		crypto.Keccak256([]byte(d.Name)),
		crypto.Keccak256([]byte(d.Version)),
		word(d.ChainID),
		leftPad(d.VerifyingContract[:]),
	)
}

// tkmsSeparator is the domain of messages that only TKMS reads:
// {name: "TKMS", version: "1", salt: keccak256(chain id)}.
func tkmsSeparator(chainID string) [32]byte {
	return crypto.Keccak256Hash(
		saltedDomainType[:],
		crypto.Keccak256([]byte("TKMS")),
		crypto.Keccak256([]byte("1")),
		crypto.Keccak256([]byte(chainID)),
	)
}

// digest returns keccak256(0x1901 || separator || hashStruct(message)).
func digest(separator, message [32]byte) [32]byte {
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, separator[:], message[:])
}

func word(v uint64) []byte {
	w := make([]byte, 32)
	binary.BigEndian.PutUint64(w[24:], v)
	return w
}

func leftPad(b []byte) []byte {
	w := make([]byte, 32)
	copy(w[32-len(b):], b)
	return w
}
