package eip712

import (
	"github.com/ethereum/go-ethereum/crypto"
)

const keyObject = "KeyObject(string kind,bytes32 digest,uint64 size)"

var (
	publicDecryptType = crypto.Keccak256Hash([]byte(
		"PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData)"))
	keyType = crypto.Keccak256Hash([]byte(
		"KeyVerification(bytes32 keyId,uint64 hostChainId,string params,string noise,uint64 epochId,uint32 attempt," +
			"bytes16 seed,bytes32 publicKeyDigest,bytes32 publicKeyKeccak,uint64 publicKeySize," +
			"KeyObject[] objects,bool testDecryptionOk,string[] tested)" + keyObject))
	keyObjectType = crypto.Keccak256Hash([]byte(keyObject))
)

// PublicDecryption returns the digest that parties sign over a public
// decryption: PublicDecryptVerification with extraData empty, in the order of
// the request's handles. result is the ABI encoding of the values (package handles).
//
// extraData is empty because the published client sends 0x00 and verifies
// signatures over the empty string.
func PublicDecryption[H ~[32]byte](domain Domain, ctHandles []H, result []byte) [32]byte {
	return digest(domain.Separator(), crypto.Keccak256Hash(
		publicDecryptType[:],
		handlesHash(ctHandles),
		crypto.Keccak256(result),
		crypto.Keccak256(nil),
	))
}

// handlesHash encodes a bytes32[] as EIP-712 does: keccak256 of the words.
func handlesHash[H ~[32]byte](list []H) []byte {
	packed := make([]byte, 0, 32*len(list))
	for _, h := range list {
		packed = append(packed, h[:]...)
	}
	return crypto.Keccak256(packed)
}

// Key is what a party says about a key that it helped to generate.
type Key struct {
	KeyID       [32]byte
	HostChainID uint64
	// Params is the name of the parameter set.
	Params string
	// Noise is how the noise of the 64-bit components was made: "exact" or "prss".
	Noise   string
	EpochID uint64
	// Attempt counts from 1.
	Attempt uint32
	// Seed is the public seed of the masks.
	Seed [16]byte
	// PublicKeyDigest is SHAKE-256("PDAT_KEY" || CompactPublicKey), 32 bytes.
	PublicKeyDigest [32]byte
	// PublicKeyKeccak is keccak256(CompactPublicKey), which a contract can compute too.
	PublicKeyKeccak [32]byte
	// PublicKeySize is the length of the serialized CompactPublicKey in bytes.
	PublicKeySize uint64
	// Objects are the files beside the public key.
	Objects []KeyObject
	// TestDecryptionOK says that fresh ciphertexts of every form decrypted right by MPC.
	TestDecryptionOK bool
	// Tested are the forms that did.
	Tested []string
}

// KeyObject names a file.
type KeyObject struct {
	Kind string
	// Digest is SHAKE-256("PDAT_KEY" || file), 32 bytes.
	Digest [32]byte
	// Size in bytes.
	Size uint64
}

func (o KeyObject) hash() []byte {
	return crypto.Keccak256(keyObjectType[:], crypto.Keccak256([]byte(o.Kind)), o.Digest[:], word(o.Size))
}

// KeyGeneration returns the digest that parties of the TKMS chain chainID sign
// over generated key material.
func KeyGeneration(chainID string, k Key) [32]byte {
	seed := make([]byte, 32)
	copy(seed, k.Seed[:])
	ok := uint64(0)
	if k.TestDecryptionOK {
		ok = 1
	}
	var objects, tested []byte
	for _, o := range k.Objects {
		objects = append(objects, o.hash()...)
	}
	for _, form := range k.Tested {
		tested = append(tested, crypto.Keccak256([]byte(form))...)
	}
	return digest(tkmsSeparator(chainID), crypto.Keccak256Hash(
		keyType[:],
		k.KeyID[:],
		word(k.HostChainID),
		crypto.Keccak256([]byte(k.Params)),
		crypto.Keccak256([]byte(k.Noise)),
		word(k.EpochID),
		word(uint64(k.Attempt)),
		seed,
		k.PublicKeyDigest[:],
		k.PublicKeyKeccak[:],
		word(k.PublicKeySize),
		crypto.Keccak256(objects),
		word(ok),
		crypto.Keccak256(tested),
	))
}
