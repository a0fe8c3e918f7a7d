package reencrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha3"
	"errors"
	"fmt"
	"io"

	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrShare reports a share that has not the form that Signcrypt takes.
var ErrShare = errors.New("malformed share")

const (
	nonceSize       = 12
	tagSize         = 16
	signatureSize   = 64
	fingerprintSize = 32
	linkSize        = 32

	// The separators of the format.
	signatureTag   = "USER_DEC"
	fingerprintTag = "SIGNCRYP"
)

// Recipient is whom a share is for.
type Recipient struct {
	// Key is the user's.
	Key *PublicKey
	// User is the address that may read.
	User [20]byte
	// Link binds the share to the request: see [Payload].
	Link [32]byte
}

// Signcrypt signs a party's share of a plaintext of fheType and encrypts it to r.
//
// share has l.Coefficients() words, each below 2^Width: of each four blocks m₀ … m₃ the
// party's point over GR(2^Width, 4) of Σ Y^j·m_j, lowest power of Y first. A single
// party's are the blocks themselves, which must not have carries. It returns ErrShare
// if share is otherwise. random gives the 44 bytes of the encapsulation and the nonce.
func (r *Recipient) Signcrypt(random io.Reader, signer *ecdsa.PrivateKey, fheType uint32, l Layout, share []uint64) ([]byte, error) {
	if len(share) == 0 || len(share) != l.Coefficients() {
		return nil, fmt.Errorf("%w: %d coefficients", ErrShare, len(share))
	}
	bits := Width
	if l.degree == 0 {
		bits = digitBits * l.packing
	}
	var above uint64
	for _, x := range share {
		above |= x >> bits
	}
	if above != 0 {
		return nil, fmt.Errorf("%w: a coefficient exceeds %d bits", ErrShare, bits)
	}

	plain := make([]byte, 0, l.plainSize())
	defer func() { clear(plain[:cap(plain)]) }()
	plain = appendU64(plain, uint64(l.shareSize()))
	plain = l.appendShare(plain, share)
	plain = appendU32(plain, fheType)
	plain = appendBytes(plain, r.Link[:])
	signature, err := crypto.Sign(r.digest(plain), signer)
	if err != nil {
		return nil, fmt.Errorf("reencrypt: sign: %w", err)
	}
	plain = append(plain, signature[:signatureSize]...) // without the recovery id
	plain = append(plain, fingerprint(crypto.CompressPubkey(&signer.PublicKey))...)
	return r.Key.encrypt(random, plain)
}

// digest returns what the party signs of a message.
func (r *Recipient) digest(message []byte) []byte {
	h := sha256.New()
	h.Write([]byte(signatureTag))
	h.Write(message)
	h.Write(r.User[:])
	h.Write(fingerprint(r.Key.raw()))
	return h.Sum(nil)
}

// fingerprint is the name of a key in what is signed and encrypted.
func fingerprint(key []byte) []byte {
	return sha3.SumSHAKE256(appendBytes([]byte(fingerprintTag), key), fingerprintSize)
}

// encrypt encapsulates a key of AES-256-GCM, used once, and encrypts plain under it.
func (k *PublicKey) encrypt(random io.Reader, plain []byte) ([]byte, error) {
	var seed [mlkem512.EncapsulationSeedSize]byte
	var secret [mlkem512.SharedKeySize]byte
	var nonce [nonceSize]byte
	defer clear(seed[:])
	defer clear(secret[:])
	for _, b := range [][]byte{seed[:], nonce[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, fmt.Errorf("reencrypt: read randomness: %w", err)
		}
	}
	encapsulated := make([]byte, mlkem512.CiphertextSize)
	k.key.EncapsulateTo(encapsulated, secret[:], seed[:])
	aead, err := newAEAD(secret[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, nonceSize+8+len(encapsulated)+8+len(plain)+tagSize)
	out = append(out, nonce[:]...)
	out = appendBytes(out, encapsulated)
	out = appendU64(out, uint64(len(plain)+tagSize))
	return aead.Seal(out, nonce[:], plain, nil), nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("reencrypt: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("reencrypt: %w", err)
	}
	return aead, nil
}
