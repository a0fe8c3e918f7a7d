// Package vault publishes key material: it keeps files by digest, in the file system or
// in an object store that speaks S3, and serves them. Whoever downloads checks the digest
// against the chain: the vault is a carrier, not an authority.
//
// A file is there whole or not at all, and never in memory.
package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tkms-network/tkms/enclave/objects"
	"github.com/tkms-network/tkms/x/kms/material"
)

// DigestSize is the length of a digest in bytes.
const DigestSize = 32

// ErrNotFound reports a digest without a file.
var ErrNotFound = objects.ErrNotFound

// partial ends the names of files that are being written.
const partial = ".part"

// KeyDigest is the digest by which the ecosystem names public key material:
// SHAKE-256("PDAT_KEY" || data), 32 bytes.
func KeyDigest(data []byte) [DigestSize]byte { return material.DigestOf(data) }

// Vault holds public files named by their digest. It is safe for concurrent use; only
// one process may have its folder open.
type Vault struct {
	folder   string
	spool    *os.Root
	keeper   objects.Keeper
	fetching sync.Mutex // by whoever downloads: a file comes once
}

// Open opens a folder of files, makes it if it is missing, and removes what interrupted
// writes left behind.
func Open(folder string) (*Vault, error) {
	return open(folder, func(spool *os.Root) (objects.Keeper, error) { return objects.InFolder(spool), nil })
}

// OpenBucket keeps the files in a bucket that is there already. The folder is for files
// on their way. Errors: objects.ErrBucket.
func OpenBucket(folder string, location *objects.Location, who objects.Credentials) (*Vault, error) {
	return open(folder, func(spool *os.Root) (objects.Keeper, error) { return objects.InBucket(spool, location, who) })
}

func open(folder string, keep func(*os.Root) (objects.Keeper, error)) (*Vault, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // public material
		return nil, fmt.Errorf("vault: %w", err)
	}
	root, err := os.OpenRoot(filepath.Clean(folder))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	v := &Vault{folder: filepath.Clean(folder), spool: root}
	if v.keeper, err = keep(root); err == nil {
		err = v.removePartial()
	}
	if err != nil {
		return nil, fmt.Errorf("vault: %w", errors.Join(err, root.Close()))
	}
	return v, nil
}

func (v *Vault) removePartial() error {
	list, err := fs.ReadDir(v.spool.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range list {
		if strings.HasSuffix(entry.Name(), partial) {
			if err := v.spool.Remove(entry.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Put stores data and returns its digest.
func (v *Vault) Put(data []byte) ([DigestSize]byte, error) {
	digest, _, err := v.PutFrom(bytes.NewReader(data))
	return digest, err
}

// PutFrom stores what it reads and returns its digest and length.
func (v *Vault) PutFrom(body io.Reader) (digest [DigestSize]byte, size int64, err error) {
	name := rand.Text() + partial
	file, err := v.spool.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return digest, 0, fmt.Errorf("vault: %w", err)
	}
	hash := material.NewHash()
	size, err = io.Copy(io.MultiWriter(file, hash), body)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		digest = hash.Sum()
		err = v.keeper.Adopt(name, hex.EncodeToString(digest[:]), size)
	}
	if err = errors.Join(err, v.drop(name)); err != nil {
		return digest, 0, fmt.Errorf("vault: %w", err)
	}
	return digest, size, nil
}

// Adopt moves a finished file into the vault and returns its digest and length. Within
// one file system nothing is copied. If it fails, the file may be gone.
func (v *Vault) Adopt(path string) (digest [DigestSize]byte, size int64, err error) {
	name := rand.Text() + partial
	err = os.Rename(path, filepath.Join(v.folder, name))
	if errors.Is(err, syscall.EXDEV) {
		return v.copyIn(path)
	}
	if err == nil {
		digest, size, err = v.hash(name)
	}
	if err == nil {
		err = v.keeper.Adopt(name, hex.EncodeToString(digest[:]), size)
	}
	if err = errors.Join(err, v.drop(name)); err != nil {
		return digest, 0, fmt.Errorf("vault: %w", err)
	}
	return digest, size, nil
}

// copyIn takes a file of another file system.
func (v *Vault) copyIn(path string) (digest [DigestSize]byte, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return digest, 0, fmt.Errorf("vault: %w", err)
	}
	digest, size, err = v.PutFrom(file)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Remove(path)
	}
	return digest, size, err
}

// hash reads a file of the spool, opens it to readers and has it on the disk.
func (v *Vault) hash(name string) (digest [DigestSize]byte, size int64, err error) {
	file, err := v.spool.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return digest, 0, err
	}
	hash := material.NewHash()
	size, err = io.Copy(hash, file)
	if err == nil {
		err = errors.Join(file.Chmod(0o644), file.Sync())
	}
	return hash.Sum(), size, errors.Join(err, file.Close())
}

// drop removes a file of the spool that may have been moved.
func (v *Vault) drop(name string) error {
	if err := v.spool.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Open returns the file of a digest and its length. Errors: ErrNotFound.
func (v *Vault) Open(digest [DigestSize]byte) (io.ReadSeekCloser, int64, error) {
	file, size, err := v.keeper.Open(hex.EncodeToString(digest[:]))
	if err != nil {
		return nil, 0, fmt.Errorf("vault: %w", err)
	}
	return file, size, nil
}

// Remove removes the file of a digest; that there is none is no error.
func (v *Vault) Remove(digest [DigestSize]byte) error {
	if err := v.keeper.Remove(hex.EncodeToString(digest[:])); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

// Close releases the folder.
func (v *Vault) Close() error { return v.spool.Close() }

// ServeHTTP answers GET and HEAD with the path value "digest" in hex, also parts of
// files.
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
	file, _, err := v.Open(digest)
	switch {
	case errors.Is(err, ErrNotFound):
		http.Error(w, "the vault has no such object", http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, "the vault cannot be read now", http.StatusServiceUnavailable)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("ETag", `"`+hex.EncodeToString(digest[:])+`"`)
	http.ServeContent(w, r, "", time.Time{}, file)
}
