package eip712

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/crypto"
)

// SignatureSize is the length of a signature: r (32) || s (32) || v (1).
const SignatureSize = 65

// recoveryOffset is what Ethereum's contracts add to the recovery id.
const recoveryOffset = 27

var (
	// ErrSignature says that the bytes are no signature in the accepted encoding.
	ErrSignature = errors.New("malformed signature")
	// ErrSigner says that the signature is another address's.
	ErrSigner = errors.New("signed by another address")
)

// Sign signs a digest; the result is r || s || v with low s and v 27 or 28.
func Sign(digest [32]byte, key *ecdsa.PrivateKey) ([]byte, error) {
	signature, err := crypto.Sign(digest[:], key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	signature[64] += recoveryOffset
	return signature, nil
}

// Recover returns the address that signed the digest. It refuses with
// ErrSignature whatever is not 65 bytes with 0 < r < N, 0 < s ≤ N/2 and v 27 or
// 28: OpenZeppelin's ECDSA, behind KMSVerifier, refuses the same.
func Recover(digest [32]byte, signature []byte) ([20]byte, error) {
	if len(signature) != SignatureSize {
		return [20]byte{}, fmt.Errorf("%w: %d bytes", ErrSignature, len(signature))
	}
	v := signature[64] - recoveryOffset
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:64])
	if v > 1 || !crypto.ValidateSignatureValues(v, r, s, true) {
		return [20]byte{}, ErrSignature
	}
	compact := append([]byte(nil), signature...)
	compact[64] = v
	public, err := crypto.SigToPub(digest[:], compact)
	if err != nil {
		// r names no point of the curve. Which library says so, and how, must not matter.
		return [20]byte{}, ErrSignature
	}
	return crypto.PubkeyToAddress(*public), nil
}

// Verify accepts exactly a signature of the digest by signer, else ErrSignature
// or ErrSigner.
func Verify(digest [32]byte, signature []byte, signer [20]byte) error {
	recovered, err := Recover(digest, signature)
	if err != nil {
		return err
	}
	if recovered != signer {
		return ErrSigner
	}
	return nil
}
