package mpc

import (
	"crypto/ed25519"
	"errors"
	"fmt"
)

// ErrIdentity reports signing keys that do not fit the parties.
var ErrIdentity = errors.New("mpc: signing keys do not fit the registered parties")

// Identity signs for one party and verifies the others, with the Ed25519 session
// keys that are registered on the chain.
type Identity struct {
	self       int
	key        ed25519.PrivateKey
	registered []ed25519.PublicKey
}

// NewIdentity returns party self's identity. registered holds the public keys of
// parties 1..n at 0..n−1; the one of self belongs to key.
func NewIdentity(self int, key ed25519.PrivateKey, registered []ed25519.PublicKey) (*Identity, error) {
	if self < 1 || self > len(registered) || len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: party %d of %d", ErrIdentity, self, len(registered))
	}
	for i, k := range registered {
		if len(k) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: key of party %d", ErrIdentity, i+1)
		}
	}
	if !registered[self-1].Equal(key.Public()) {
		return nil, fmt.Errorf("%w: party %d is registered with another key", ErrIdentity, self)
	}
	return &Identity{self: self, key: key, registered: registered}, nil
}

// Self returns the party's index.
func (id *Identity) Self() int { return id.self }

// N returns the number of registered parties.
func (id *Identity) N() int { return len(id.registered) }

// Sign signs a digest made by Hash, whose domain tag says what is signed.
func (id *Identity) Sign(d Digest) []byte { return ed25519.Sign(id.key, d[:]) }

// Verify reports whether signature is party i's on d.
func (id *Identity) Verify(i int, d Digest, signature []byte) bool {
	return i >= 1 && i <= len(id.registered) && len(signature) == ed25519.SignatureSize &&
		ed25519.Verify(id.registered[i-1], d[:], signature)
}

// String hides the key.
func (id *Identity) String() string { return fmt.Sprintf("mpc.Identity(party %d, redacted)", id.self) }

// GoString hides the key.
func (id *Identity) GoString() string { return id.String() }
