package transport

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// ErrIdentity reports a private key that is not a PKCS #8 Ed25519 key.
var ErrIdentity = errors.New("transport: malformed identity key")

// Pin is the SHA-256 of a certificate's DER SubjectPublicKeyInfo, the form in
// which a party's TLS key is registered on chain.
type Pin [sha256.Size]byte

// String returns the pin in hexadecimal.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// Identity is a party's TLS key with a self-signed certificate. Only the key
// matters: the certificate carries no name and its validity is not checked,
// because the registry, not a clock, says how long a key counts.
type Identity struct {
	certificate tls.Certificate
	key         ed25519.PrivateKey
	pin         Pin
}

// GenerateIdentity makes a fresh Ed25519 TLS key from random.
func GenerateIdentity(random io.Reader) (*Identity, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("transport: reading randomness for a key: %w", err)
	}
	return newIdentity(ed25519.NewKeyFromSeed(seed))
}

// ParseIdentity reads what MarshalPrivate wrote.
func ParseIdentity(pkcs8 []byte) (*Identity, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, ErrIdentity
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, ErrIdentity
	}
	// The decoder ignores what follows the structure; we do not.
	if canonical, err := x509.MarshalPKCS8PrivateKey(key); err != nil || !bytes.Equal(canonical, pkcs8) {
		return nil, ErrIdentity
	}
	return newIdentity(key)
}

func newIdentity(key ed25519.PrivateKey) (*Identity, error) {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "tkms-party"},
		NotBefore:             time.Unix(0, 0).UTC(),
		NotAfter:              time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 §4.1.2.5: no well-defined expiration
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("transport: self-signing a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("transport: reading the own certificate: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: crypto.Signer(key), Leaf: leaf},
		key:         key,
		pin:         pinOf(leaf),
	}, nil
}

// Pin is the hash to register for this identity.
func (i *Identity) Pin() Pin { return i.pin }

// MarshalPrivate returns the private key as PKCS #8 DER, to be sealed.
func (i *Identity) MarshalPrivate() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		return nil, fmt.Errorf("transport: encoding the identity key: %w", err)
	}
	return der, nil
}

// String names the identity by its public pin.
func (i *Identity) String() string { return "identity " + i.pin.String() }

// GoString hides the private key from %#v.
func (i *Identity) GoString() string { return i.String() }

func pinOf(certificate *x509.Certificate) Pin {
	return sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
}
