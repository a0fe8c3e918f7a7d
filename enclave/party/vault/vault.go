// Package vault keeps public key material in the party's file system and serves
// it by digest. Whoever downloads checks the digest against the chain: the vault
// is a carrier, not an authority.
package vault

import (
	"crypto/sha3"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// DigestSize is the length of a digest in bytes.
const DigestSize = 32

// KeyDigest is the digest by which the ecosystem names public key material:
// SHAKE-256("PDAT_KEY" || data), 32 bytes.
func KeyDigest(data []byte) [DigestSize]byte {
	var digest [DigestSize]byte
	shake := sha3.NewSHAKE256()
	_, _ = shake.Write([]byte("PDAT_KEY"))
	_, _ = shake.Write(data)
	_, _ = shake.Read(digest[:])
	return digest
}

// Vault is a folder of public objects named by their digest.
type Vault struct {
	root *os.Root
}

// Open makes the folder if it is missing.
func Open(folder string) (*Vault, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // public material
		return nil, fmt.Errorf("vault: %w", err)
	}
	root, err := os.OpenRoot(filepath.Clean(folder))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return &Vault{root: root}, nil
}

// Put stores data and returns its digest. It is all there or not at all.
func (v *Vault) Put(data []byte) ([DigestSize]byte, error) {
	digest := KeyDigest(data)
	name := hex.EncodeToString(digest[:])
	if err := v.root.WriteFile(name+".part", data, 0o644); err != nil {
		return digest, fmt.Errorf("vault: %w", err)
	}
	if err := v.root.Rename(name+".part", name); err != nil {
		return digest, fmt.Errorf("vault: %w", err)
	}
	return digest, nil
}

// Get returns the object of a digest, or an error that is fs.ErrNotExist.
func (v *Vault) Get(digest [DigestSize]byte) ([]byte, error) {
	return v.root.ReadFile(hex.EncodeToString(digest[:]))
}

// Close releases the folder.
func (v *Vault) Close() error { return v.root.Close() }

// ServeHTTP answers GET with the path value "digest" in hex.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var digest [DigestSize]byte
	name := r.PathValue("digest")
	if len(name) != 2*DigestSize {
		http.Error(w, "a digest is 64 hexadecimal digits", http.StatusBadRequest)
		return
	}
	if _, err := hex.Decode(digest[:], []byte(name)); err != nil {
		http.Error(w, "a digest is 64 hexadecimal digits", http.StatusBadRequest)
		return
	}
	data, err := v.Get(digest)
	if err != nil {
		http.Error(w, "the vault has no such object", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(data)
}
