// Package identity holds the keys by which the chain and the peers know a
// party. All are made inside the enclave and leave it only under seal; what is
// registered on chain, and bound by attestation, are their public halves.
package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"

	"github.com/tkms-network/tkms/enclave/transport"
)

// ErrEncoding reports bytes that are no identity.
var ErrEncoding = errors.New("identity: malformed encoding")

// maxField bounds one key's encoding; the longest is a PKCS #8 Ed25519 key.
const maxField = 256

// Identity is a party's set of private keys.
type Identity struct {
	// Signing signs results (EIP-712) and the party's transactions.
	Signing *secp256k1.PrivKey
	// Session signs what is sent in protocol sessions.
	Session ed25519.PrivateKey
	// TLS authenticates the peer links.
	TLS *transport.Identity
	// Encryption receives private messages.
	Encryption *ecdh.PrivateKey
}

// Generate makes fresh keys from the operating system's randomness.
func Generate() (*Identity, error) {
	return generate(rand.Reader)
}

func generate(random io.Reader) (*Identity, error) {
	tlsIdentity, err := transport.GenerateIdentity(random)
	if err != nil {
		return nil, err
	}
	_, session, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("identity: session key: %w", err)
	}
	encryption, err := ecdh.X25519().GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("identity: encryption key: %w", err)
	}
	return &Identity{Signing: secp256k1.GenPrivKey(), Session: session, TLS: tlsIdentity, Encryption: encryption}, nil
}

// MarshalBinary returns the private keys, to be sealed.
func (i *Identity) MarshalBinary() ([]byte, error) {
	tlsKey, err := i.TLS.MarshalPrivate()
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, field := range [][]byte{i.Signing.Key, i.Session.Seed(), tlsKey, i.Encryption.Bytes()} {
		out = binary.BigEndian.AppendUint16(out, uint16(len(field)))
		out = append(out, field...)
	}
	return out, nil
}

// Unmarshal reads what MarshalBinary wrote.
func Unmarshal(data []byte) (*Identity, error) {
	var fields [4][]byte
	for i := range fields {
		if len(data) < 2 {
			return nil, ErrEncoding
		}
		size := int(binary.BigEndian.Uint16(data))
		if size > maxField || len(data)-2 < size {
			return nil, ErrEncoding
		}
		fields[i], data = data[2:2+size], data[2+size:]
	}
	if len(data) != 0 || len(fields[0]) != secp256k1.PrivKeySize || len(fields[1]) != ed25519.SeedSize {
		return nil, ErrEncoding
	}
	tlsIdentity, err := transport.ParseIdentity(fields[2])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	encryption, err := ecdh.X25519().NewPrivateKey(fields[3])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	return &Identity{
		Signing:    &secp256k1.PrivKey{Key: append([]byte(nil), fields[0]...)},
		Session:    ed25519.NewKeyFromSeed(fields[1]),
		TLS:        tlsIdentity,
		Encryption: encryption,
	}, nil
}

// SessionPublic returns the registered Ed25519 key.
func (i *Identity) SessionPublic() ed25519.PublicKey {
	return i.Session.Public().(ed25519.PublicKey)
}

// String names the identity by its public signing key.
func (i *Identity) String() string { return fmt.Sprintf("party %x", i.Signing.PubKey().Bytes()) }

// GoString hides the private keys from %#v.
func (i *Identity) GoString() string { return i.String() }

// MarshalJSON hides the private keys.
func (i *Identity) MarshalJSON() ([]byte, error) { return []byte(`"` + i.String() + `"`), nil }
