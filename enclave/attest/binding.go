package attest

import (
	"crypto/sha512"
	"encoding/binary"
)

// bindingDomain separates this hash from every other use of SHA-512.
const bindingDomain = "tkms/v1/attestation/binding"

// Binding is all that a document vouches for. It is recomputed from what a party
// registers and never parsed out of the evidence.
type Binding struct {
	// ChainID is the TKMS chain's id.
	ChainID string
	// Party is the operator's address.
	Party string
	// Committee distinguishes committees of one party; may be empty.
	Committee string
	// Type is the kind of enclave.
	Type Type
	// TLSKeyHash is the SHA-256 of the TLS key's SubjectPublicKeyInfo.
	TLSKeyHash []byte
	// SigningKey is the compressed secp256k1 key that signs results.
	SigningKey []byte
	// SessionKey is the Ed25519 key that signs protocol messages.
	SessionKey []byte
	// EncryptionKey is the X25519 key for secrets sent to the party.
	EncryptionKey []byte
	// SealPolicyHash is the SHA-256 of the policy under which shares are sealed.
	SealPolicyHash []byte
	// TrustedHeight and TrustedHash name the header from which the party's light
	// client started.
	TrustedHeight int64
	TrustedHash   []byte
	// RecentHeight and RecentHash name a recent block, for freshness.
	RecentHeight int64
	RecentHash   []byte
}

// Digest returns the 64 bytes to put into the document's user data: SHA-512 over
// the domain and the fields in the order of their declaration, each with its
// length as 8 bytes big-endian before it, integers as 8 bytes big-endian.
func (b *Binding) Digest() [sha512.Size]byte {
	h := sha512.New()
	field := func(value []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(value)))
		h.Write(length[:])
		h.Write(value)
	}
	number := func(value int64) {
		field(binary.BigEndian.AppendUint64(nil, uint64(value)))
	}
	field([]byte(bindingDomain))
	field([]byte(b.ChainID))
	field([]byte(b.Party))
	field([]byte(b.Committee))
	field([]byte(b.Type))
	field(b.TLSKeyHash)
	field(b.SigningKey)
	field(b.SessionKey)
	field(b.EncryptionKey)
	field(b.SealPolicyHash)
	number(b.TrustedHeight)
	field(b.TrustedHash)
	number(b.RecentHeight)
	field(b.RecentHash)
	return [sha512.Size]byte(h.Sum(nil))
}
