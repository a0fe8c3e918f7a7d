// Package material names the files of a key as the ecosystem does and fetches them from
// the parties' vaults.
//
// It guarantees that what it hands out has the digest and the length of the key's
// record, whatever the vaults send: they are carriers, and one that has the right bytes is
// enough. No file is ever held in memory, but the compact public key. Whether the record
// is genuine is the caller's matter: prove it, or believe a node.
package material

import (
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/x/kms/types"
)

// KindPublicKey is the kind of the file that every key has.
const KindPublicKey = "CompactPublicKey"

// ErrNoMaterial reports a key that is not generated yet, or a record that x/kms did not
// write.
var ErrNoMaterial = errors.New("the key has no material yet")

// Digest names a file: SHAKE-256("PDAT_KEY" || file), 32 bytes.
type Digest [types.DigestSize]byte

// String returns the digest's 64 hexadecimal digits, without 0x.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Hash computes a file's digest as it is written.
type Hash struct{ shake *sha3.SHAKE }

// NewHash returns the hash of no bytes.
func NewHash() *Hash {
	h := &Hash{sha3.NewSHAKE256()}
	_, _ = h.shake.Write([]byte("PDAT_KEY"))
	return h
}

// Write implements io.Writer; it never fails.
func (h *Hash) Write(p []byte) (int, error) { return h.shake.Write(p) }

// Sum returns the digest of what was written. Nothing may be written after it.
func (h *Hash) Sum() (digest Digest) {
	_, _ = h.shake.Read(digest[:])
	return digest
}

// DigestOf returns the digest of data.
func DigestOf(data []byte) Digest {
	h := NewHash()
	_, _ = h.Write(data)
	return h.Sum()
}

// File is one file of a key.
type File struct {
	// Kind is TFHE-rs' name of what is in it.
	Kind   string
	Digest Digest
	// Size in bytes.
	Size int64
	// Vaults are the base URLs under which parties that signed its digest serve it.
	Vaults []string
}

// Files returns the files of a key, the compact public key first. Errors: ErrNoMaterial.
func Files(key *types.Key) ([]File, error) {
	m := key.Material
	if m == nil {
		return nil, fmt.Errorf("%w: it is %s", ErrNoMaterial, key.Status)
	}
	if err := m.Validate(key.Params); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoMaterial, err)
	}
	vaults := slices.Clone(key.Vaults) // of the present holders first
	for _, c := range key.Contributions {
		if c.Material.Equal(m) && c.VaultUrl != "" && !slices.Contains(vaults, c.VaultUrl) {
			vaults = append(vaults, c.VaultUrl)
		}
	}
	files := []File{{KindPublicKey, Digest(m.PublicKeyDigest), int64(m.PublicKeySize), vaults}}
	for _, o := range m.Objects {
		files = append(files, File{o.Kind, Digest(o.Digest), int64(o.ByteSize), vaults})
	}
	return files, nil
}
