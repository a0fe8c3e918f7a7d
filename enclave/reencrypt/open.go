package reencrypt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrOpen reports bytes that are not the stated party's share for this user, key,
// request and type.
var ErrOpen = errors.New("share cannot be opened")

// Open decrypts what a party sent to the user and checks that the party signed it for
// her, this key, this link and this type. It returns the share as [Layout.Reconstruct]
// takes it, of any length, or ErrOpen.
func (k *PrivateKey) Open(signcrypted []byte, signer *ecdsa.PublicKey, user [20]byte, link [32]byte, fheType uint32) ([]byte, error) {
	plain, err := k.decrypt(signcrypted)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	defer clear(plain)
	at := len(plain) - signatureSize - fingerprintSize
	if at < 0 {
		return nil, fmt.Errorf("%w: %w", ErrOpen, errTruncated)
	}
	message, signature, sender := plain[:at], plain[at:at+signatureSize], plain[at+signatureSize:]

	public := crypto.CompressPubkey(signer)
	r := Recipient{Key: &k.public, User: user, Link: link}
	if !bytes.Equal(sender, fingerprint(public)) || !crypto.VerifySignature(public, r.digest(message), signature) {
		return nil, fmt.Errorf("%w: it is not signed by the party for this user and key", ErrOpen)
	}
	share, err := readMessage(message, fheType, link)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	return share, nil
}

func readMessage(message []byte, fheType uint32, link [32]byte) ([]byte, error) {
	var signedLink [linkSize]byte
	r := reader{data: message}
	share := bytes.Clone(r.bytes())
	signedType := r.u32()
	r.exactly(signedLink[:])
	if err := r.end(); err != nil {
		return nil, err
	}
	if signedType != fheType || subtle.ConstantTimeCompare(signedLink[:], link[:]) != 1 {
		return nil, errors.New("it is signed for another type or request")
	}
	return share, nil
}

func (k *PrivateKey) decrypt(signcrypted []byte) ([]byte, error) {
	var secret [mlkem512.SharedKeySize]byte
	var encapsulated [mlkem512.CiphertextSize]byte
	defer clear(secret[:])
	r := reader{data: signcrypted}
	nonce := r.take(nonceSize)
	r.exactly(encapsulated[:])
	sealed := r.bytes()
	if err := r.end(); err != nil {
		return nil, err
	}
	_, private := mlkem512.NewKeyFromSeed(k.seed[:])
	private.DecapsulateTo(secret[:], encapsulated[:])
	aead, err := newAEAD(secret[:])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, sealed, nil)
	if err != nil {
		return nil, errors.New("it is not encrypted to this key")
	}
	return plain, nil
}
