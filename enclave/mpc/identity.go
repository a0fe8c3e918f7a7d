package mpc

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// ErrIdentity reports signing keys that do not fit the parties.
var ErrIdentity = errors.New("mpc: signing keys do not fit the registered parties")

// asChain accepts what crypto/ed25519 does, which the chain judges evidence with: a
// signature that the parties and the chain judge differently would convict an
// honest party of passing it on, or save a cheat.
var asChain = &voi.Options{Verify: voi.VerifyOptionsStdLib}

// Identity signs for one party and verifies the others, with the Ed25519 session
// keys that are registered on the chain.
type Identity struct {
	self       int
	key        ed25519.PrivateKey
	registered []*voi.ExpandedPublicKey // nil if it is no point: nothing verifies
}

// NewIdentity returns party self's identity. registered holds the public keys of
// parties 1..n at 0..n−1; the one of self belongs to key.
func NewIdentity(self int, key ed25519.PrivateKey, registered []ed25519.PublicKey) (*Identity, error) {
	if self < 1 || self > len(registered) || len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: party %d of %d", ErrIdentity, self, len(registered))
	}
	id := &Identity{self: self, key: key, registered: make([]*voi.ExpandedPublicKey, len(registered))}
	for i, k := range registered {
		if len(k) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: key of party %d", ErrIdentity, i+1)
		}
		if expanded, err := voi.NewExpandedPublicKey(voi.PublicKey(k)); err == nil {
			id.registered[i] = expanded
		}
	}
	if !registered[self-1].Equal(key.Public()) {
		return nil, fmt.Errorf("%w: party %d is registered with another key", ErrIdentity, self)
	}
	return id, nil
}

// Self returns the party's index.
func (id *Identity) Self() int { return id.self }

// N returns the number of registered parties.
func (id *Identity) N() int { return len(id.registered) }

// Sign signs a digest made by Hash, whose domain tag says what is signed.
func (id *Identity) Sign(d Digest) []byte { return ed25519.Sign(id.key, d[:]) }

// Verify reports whether signature is party i's on d.
func (id *Identity) Verify(i int, d Digest, signature []byte) bool {
	return i >= 1 && i <= len(id.registered) && id.registered[i-1] != nil &&
		voi.VerifyExpandedWithOptions(id.registered[i-1], d[:], signature, asChain)
}

// String hides the key.
func (id *Identity) String() string { return fmt.Sprintf("mpc.Identity(party %d, redacted)", id.self) }

// GoString hides the key.
func (id *Identity) GoString() string { return id.String() }
