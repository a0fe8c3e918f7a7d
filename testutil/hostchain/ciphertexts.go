package hostchain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// ErrNoCiphertext is returned for a digest that the coprocessor has no ciphertext of.
var ErrNoCiphertext = errors.New("hostchain: no such ciphertext")

// ciphertexts keeps the coprocessor's ciphertexts by digest, in memory or in files.
type ciphertexts struct {
	dir string // "" keeps them in memory

	mu  *sync.Mutex
	all map[common.Hash][]byte
}

func newCiphertexts(dataDir string) ciphertexts {
	c := ciphertexts{mu: new(sync.Mutex), all: make(map[common.Hash][]byte)}
	if dataDir != "" {
		c.dir = filepath.Join(dataDir, "ciphertexts")
	}
	return c
}

func (c ciphertexts) put(digest common.Hash, data []byte) error {
	if c.dir == "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all[digest] = data
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("hostchain: keep ciphertext: %w", err)
	}
	file := filepath.Join(c.dir, digest.Hex())
	// Whoever reads the file meanwhile gets all of it.
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		return fmt.Errorf("hostchain: keep ciphertext: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("hostchain: keep ciphertext: %w", err)
	}
	return nil
}

func (c ciphertexts) get(digest common.Hash) ([]byte, error) {
	if c.dir == "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		if data := c.all[digest]; data != nil {
			return data, nil
		}
		return nil, ErrNoCiphertext
	}
	data, err := os.ReadFile(filepath.Join(c.dir, digest.Hex()))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoCiphertext
	}
	if err != nil {
		return nil, fmt.Errorf("hostchain: read ciphertext: %w", err)
	}
	return data, nil
}
