package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// maxFile bounds a file of keys, in bytes.
const maxFile = 4 << 20

// ReadKeys reads a file of keys: a JSON list of objects such as
//
//	{"name": "dapp", "sha256": "9f86d081…", "rate": 20, "burst": 100}
//
// There is no secret in it.
func ReadKeys(path string) ([]Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	raw, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var keys []Key
	if err := decoder.Decode(&keys); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, k := range keys {
		if _, err := k.digest(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return keys, nil
}

// digest checks a key's entry and returns what identifies it.
func (k Key) digest() ([sha256.Size]byte, error) {
	raw, err := hex.DecodeString(k.SHA256)
	if err != nil || len(raw) != sha256.Size {
		return [sha256.Size]byte{}, fmt.Errorf("key %q: sha256 is 64 hexadecimal digits", k.Name)
	}
	if k.Rate <= 0 || k.Burst < 1 {
		return [sha256.Size]byte{}, fmt.Errorf("key %q: rate is above 0 and burst 1 or more", k.Name)
	}
	return [sha256.Size]byte(raw), nil
}
