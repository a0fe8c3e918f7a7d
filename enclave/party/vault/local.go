package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tkms-network/tkms/x/kms/material"
)

// ErrDamaged reports a file that is not what its digest says. The vault has it no more,
// so that FetchKey gets it again.
var ErrDamaged = errors.New("vault: the file is not what its digest says")

// Local returns the file of a digest to be read at any place, and its length: of a bucket
// it is a copy that is gone when it is closed. All of it is hashed first. Errors:
// ErrNotFound, ErrDamaged.
func (v *Vault) Local(digest [DigestSize]byte) (*os.File, int64, error) {
	kept, _, err := v.Open(digest)
	if err != nil {
		return nil, 0, err
	}
	file, mine := kept.(*os.File)
	var body io.Reader = kept
	if !mine {
		if file, err = v.unnamed(); err != nil {
			return nil, 0, errors.Join(err, kept.Close())
		}
		body = io.TeeReader(kept, file)
	}
	hash := material.NewHash()
	size, err := io.Copy(hash, body)
	if !mine {
		err = errors.Join(err, kept.Close())
	}
	if err == nil && hash.Sum() != digest {
		err = errors.Join(ErrDamaged, v.Remove(digest))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("vault: %w", errors.Join(err, file.Close()))
	}
	return file, size, nil
}

// unnamed returns a file of the spool that has no name any more.
func (v *Vault) unnamed() (*os.File, error) {
	name := rand.Text() + partial
	file, err := v.spool.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	if err := v.spool.Remove(name); err != nil {
		return nil, fmt.Errorf("vault: %w", errors.Join(err, file.Close()))
	}
	return file, nil
}
