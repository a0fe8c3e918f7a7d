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

// Width is the number of bits that a coefficient of a share has: message, carry and
// padding of one block. Clients read a block at bit 123 of 128.
const Width = 5

const (
	// BlocksPerElement is the number of blocks that share an element.
	BlocksPerElement = 4
	// ElementSize is the length of an element in bytes: four coefficients of 128 bits.
	ElementSize = BlocksPerElement * coefficientSize

	coefficientSize = 16
	nonceSize       = 12
	tagSize         = 16
	signatureSize   = 64
	fingerprintSize = 32
	linkSize        = 32

	// The separators of the format.
	signatureTag   = "USER_DEC"
	fingerprintTag = "SIGNCRYP"
)

// Elements returns the number of elements that hold a number of blocks.
func Elements(blocks int) int { return (blocks + BlocksPerElement - 1) / BlocksPerElement }

// SigncryptedSize returns the length in bytes of what Signcrypt returns for a share of
// a number of blocks.
func SigncryptedSize(blocks int) int {
	return nonceSize + 8 + mlkem512.CiphertextSize + 8 + plaintextSize(Elements(blocks)) + tagSize
}

func messageSize(elements int) int { return 8 + 8 + elements*ElementSize + 4 + 8 + linkSize }

func plaintextSize(elements int) int {
	return messageSize(elements) + signatureSize + fingerprintSize
}

// Recipient is whom a share is for.
type Recipient struct {
	// Key is the user's.
	Key *PublicKey
	// User is the address that may read.
	User [20]byte
	// Link binds the share to the request: see [Payload].
	Link [32]byte
}

// Signcrypt signs a party's share of a ciphertext of fheType and encrypts it to r.
//
// share holds the coefficients of ⌈blocks/4⌉ elements, four each, lowest power of Y
// first and each below 2^width: the party's point over GR(2^width, 4) of
// Σ_{j<4} Y^j·m_{4i+j}. width has to be Width, since a client reads no other: a share
// over a smaller ring cannot be lifted. It returns ErrShare if share is otherwise.
// random gives the 44 bytes of the encapsulation and the nonce.
func (r *Recipient) Signcrypt(random io.Reader, signer *ecdsa.PrivateKey, fheType uint32, share []uint64, width uint) ([]byte, error) {
	if width != Width {
		return nil, fmt.Errorf("%w: of %d bits, not %d", ErrShare, width, Width)
	}
	if len(share) == 0 || len(share)%BlocksPerElement != 0 {
		return nil, fmt.Errorf("%w: %d coefficients", ErrShare, len(share))
	}
	var above uint64
	for _, x := range share {
		above |= x >> Width
	}
	if above != 0 {
		return nil, fmt.Errorf("%w: a coefficient exceeds %d bits", ErrShare, Width)
	}

	plain := make([]byte, 0, plaintextSize(len(share)/BlocksPerElement))
	defer func() { clear(plain[:cap(plain)]) }()
	plain = appendMessage(plain, share, fheType, r.Link)
	signature, err := crypto.Sign(r.digest(plain), signer)
	if err != nil {
		return nil, fmt.Errorf("reencrypt: sign: %w", err)
	}
	plain = append(plain, signature[:signatureSize]...) // without the recovery id
	plain = append(plain, fingerprint(crypto.CompressPubkey(&signer.PublicKey))...)
	return r.Key.encrypt(random, plain)
}

// appendMessage appends what is signed of a share: its elements as a vector of bytes,
// the type and the link.
func appendMessage(b []byte, share []uint64, fheType uint32, link [32]byte) []byte {
	elements := len(share) / BlocksPerElement
	b = appendU64(b, uint64(8+elements*ElementSize))
	b = appendU64(b, uint64(elements))
	for _, x := range share { // at bit 123: in the upper of two words
		b = appendU64(appendU64(b, 0), x<<(64-Width))
	}
	b = appendU32(b, fheType)
	return appendBytes(b, link[:])
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
