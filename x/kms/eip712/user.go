package eip712

import (
	"github.com/ethereum/go-ethereum/crypto"
)

// The messages of fhEVM's Decryption contract and of the published clients.
var (
	userRequestType = crypto.Keccak256Hash([]byte(
		"UserDecryptRequestVerification(bytes publicKey,address[] contractAddresses," +
			"uint256 startTimestamp,uint256 durationDays,bytes extraData)"))
	delegatedRequestType = crypto.Keccak256Hash([]byte(
		"DelegatedUserDecryptRequestVerification(bytes publicKey,address[] contractAddresses,address delegatorAddress," +
			"uint256 startTimestamp,uint256 durationDays,bytes extraData)"))
	userLinkType = crypto.Keccak256Hash([]byte(
		"UserDecryptionLinker(bytes publicKey,bytes32[] handles,address userAddress)"))
	userResponseType = crypto.Keccak256Hash([]byte(
		"UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles,bytes userDecryptedShare,bytes extraData)"))
)

// UserRequest is what a user signs so that shares of plaintexts are encrypted to
// her key.
type UserRequest struct {
	// PublicKey is the serialized key to encrypt to.
	PublicKey []byte
	// Contracts for which the authorization holds, in the order signed.
	Contracts [][20]byte
	// Delegator is whose handles these are if the signer is a delegate, else nil.
	Delegator *[20]byte
	// Start is the first second, since the epoch, in which it holds.
	Start uint64
	// Days for which it holds.
	Days uint64
	// ExtraData is signed as it is.
	ExtraData []byte
}

// UserDecryptRequest returns the digest that a user signs to authorize a
// decryption: DelegatedUserDecryptRequestVerification if there is a delegator,
// else UserDecryptRequestVerification. Unlike in all other messages the domain's
// chain is the host chain.
func UserDecryptRequest(hostDomain Domain, r UserRequest) [32]byte {
	fields := [][]byte{userRequestType[:], crypto.Keccak256(r.PublicKey), addressesHash(r.Contracts)}
	if r.Delegator != nil {
		fields[0] = delegatedRequestType[:]
		fields = append(fields, leftPad(r.Delegator[:]))
	}
	fields = append(fields, word(r.Start), word(r.Days), crypto.Keccak256(r.ExtraData))
	return digest(hostDomain.Separator(), crypto.Keccak256Hash(fields...))
}

// UserDecryptionLink returns what ties the shares of a user decryption to the
// user's key, the handles in their order and the user's address; the published
// clients require it in each share.
func UserDecryptionLink[H ~[32]byte](domain Domain, publicKey []byte, ctHandles []H, user [20]byte) [32]byte {
	return digest(domain.Separator(), crypto.Keccak256Hash(
		userLinkType[:],
		crypto.Keccak256(publicKey),
		handlesHash(ctHandles),
		leftPad(user[:]),
	))
}

// UserDecryptResponse returns the digest that a party signs over its share, the
// payload as it is on the wire. As with PublicDecryption extraData is empty,
// whatever the user's request had: the published clients verify it so.
func UserDecryptResponse[H ~[32]byte](domain Domain, publicKey []byte, ctHandles []H, share []byte) [32]byte {
	return UserDecryptResponseByHash(domain, publicKey, ctHandles, crypto.Keccak256Hash(share))
}

// UserDecryptResponseByHash is UserDecryptResponse of a payload of which only the
// keccak256 is known, as in certificates.
func UserDecryptResponseByHash[H ~[32]byte](domain Domain, publicKey []byte, ctHandles []H, share [32]byte) [32]byte {
	return digest(domain.Separator(), crypto.Keccak256Hash(
		userResponseType[:],
		crypto.Keccak256(publicKey),
		handlesHash(ctHandles),
		share[:],
		crypto.Keccak256(nil),
	))
}
