package reencrypt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
)

// PublicKeySize is the length of a user's serialized public key in bytes.
const PublicKeySize = len(keyPrefix) + mlkem512.PublicKeySize

// keyPrefix is what TFHE-rs' safe_serialize writes before the key of a
// UnifiedPublicEncKey::MlKem512: the versions of the serialization, "0.5" and "0.1",
// the name of the type, version and variant, and the key's length.
const keyPrefix = "\x03\x00\x00\x00\x00\x00\x00\x000.5" +
	"\x00\x00\x00\x00" + // serialized with versions
	"\x03\x00\x00\x00\x00\x00\x00\x000.1" +
	"\x13\x00\x00\x00\x00\x00\x00\x00UnifiedPublicEncKey" +
	"\x00\x00\x00\x00" + "\x00\x00\x00\x00" +
	"\x20\x03\x00\x00\x00\x00\x00\x00"

// ErrPublicKey reports bytes that are no serialized ML-KEM-512 key of a user.
var ErrPublicKey = errors.New("malformed user public key")

// PublicKey is the key to which parties encrypt a user's shares.
type PublicKey struct {
	key     *mlkem512.PublicKey
	encoded [PublicKeySize]byte
}

// ParsePublicKey reads a key as clients send it, PublicKeySize bytes. It returns
// ErrPublicKey for another length or prefix, and for a key with a coefficient that
// is not reduced (the check of FIPS 203, section 7.2): a key has one encoding.
func ParsePublicKey(data []byte) (*PublicKey, error) {
	if len(data) != PublicKeySize {
		return nil, fmt.Errorf("%w: %d bytes, not %d", ErrPublicKey, len(data), PublicKeySize)
	}
	raw, ok := bytes.CutPrefix(data, []byte(keyPrefix))
	if !ok {
		return nil, fmt.Errorf("%w: not a serialized ML-KEM-512 key", ErrPublicKey)
	}
	k := &PublicKey{key: new(mlkem512.PublicKey), encoded: [PublicKeySize]byte(data)}
	if err := k.key.Unpack(raw); err != nil {
		return nil, fmt.Errorf("%w: a coefficient is not reduced", ErrPublicKey)
	}
	return k, nil
}

// Bytes returns the serialized key, PublicKeySize bytes.
func (k *PublicKey) Bytes() []byte { return bytes.Clone(k.encoded[:]) }

// String returns the serialized key in hexadecimal.
func (k *PublicKey) String() string { return hex.EncodeToString(k.encoded[:]) }

// raw returns the 800 bytes of FIPS 203.
func (k *PublicKey) raw() []byte { return k.encoded[len(keyPrefix):] }

// PrivateKey is a user's private key. It is not safe to use it while it is erased.
type PrivateKey struct {
	// The library's form of the key cannot be erased; it is made for each use.
	seed   [mlkem512.KeySeedSize]byte
	public PublicKey
}

// GenerateKey makes a key from 64 bytes of random.
func GenerateKey(random io.Reader) (*PrivateKey, error) {
	k := new(PrivateKey)
	if _, err := io.ReadFull(random, k.seed[:]); err != nil {
		return nil, fmt.Errorf("reencrypt: read randomness: %w", err)
	}
	k.public.key, _ = mlkem512.NewKeyFromSeed(k.seed[:])
	copy(k.public.encoded[:], keyPrefix)
	k.public.key.Pack(k.public.encoded[len(keyPrefix):])
	return k, nil
}

// Public returns the public key.
func (k *PrivateKey) Public() *PublicKey { return &k.public }

// Zero erases the key, which opens nothing afterwards.
func (k *PrivateKey) Zero() { clear(k.seed[:]) }

// String hides the key.
func (k *PrivateKey) String() string { return "reencrypt.PrivateKey(redacted)" }

// GoString hides the key.
func (k *PrivateKey) GoString() string { return k.String() }

// Format hides the key from every verb.
func (k *PrivateKey) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, k.String()) }

// MarshalJSON hides the key.
func (k *PrivateKey) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }
