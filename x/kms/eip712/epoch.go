package eip712

import "github.com/ethereum/go-ethereum/crypto"

var epochType = crypto.Keccak256Hash([]byte("EpochVerification(uint256 epochId,address[] signers,uint256 threshold)"))

// EpochVerification returns the digest by which members of the epoch before certify,
// to whoever owns the verifier of a host chain, whose signatures it is to take from
// now on. The domain is the one of the TKMS chain chainID. signers are the signing
// addresses of epoch epochID in index order; threshold is how many of them a result
// needs.
func EpochVerification(chainID string, epochID uint64, signers [][20]byte, threshold uint32) [32]byte {
	return digest(tkmsSeparator(chainID), crypto.Keccak256Hash(
		epochType[:],
		word(epochID),
		addressesHash(signers),
		word(uint64(threshold)),
	))
}

// addressesHash encodes an address[] as EIP-712 does: keccak256 of the words.
func addressesHash(list [][20]byte) []byte {
	packed := make([]byte, 0, 32*len(list))
	for _, a := range list {
		packed = append(packed, leftPad(a[:])...)
	}
	return crypto.Keccak256(packed)
}
