package seal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of this package.
var (
	// ErrNotFound reports that nothing is sealed under a binding.
	ErrNotFound = errors.New("seal: no such object")
	// ErrBinding reports an intact file that was sealed for something else, or
	// by another device: it was moved, or this is not the machine that wrote it.
	ErrBinding = errors.New("seal: the object was sealed for something else")
	// ErrDamaged reports a file that is not what was written.
	ErrDamaged = errors.New("seal: the object is damaged")
	// ErrInvalid reports a binding or object that cannot be sealed.
	ErrInvalid = errors.New("seal: invalid binding or object")
)

// maxField bounds each text of a binding.
const maxField = 128

// Binding says what an object is, and must be repeated exactly to open it.
type Binding struct {
	// Chain is the TKMS chain id.
	Chain string
	// Party is the own operator address, or another stable name.
	Party string
	// Key is the id of the TFHE key, empty for what belongs to no key.
	Key string
	// Epoch is the epoch of the shares, 0 for what belongs to none.
	Epoch uint64
	// Kind says what the bytes are, e.g. "key-share".
	Kind string
}

func (b Binding) check() error {
	for _, text := range []string{b.Chain, b.Party, b.Key, b.Kind} {
		if len(text) > maxField {
			return fmt.Errorf("%w: a field has %d bytes, at most %d", ErrInvalid, len(text), maxField)
		}
	}
	if b.Chain == "" || b.Party == "" || b.Kind == "" {
		return fmt.Errorf("%w: chain, party and kind must be set", ErrInvalid)
	}
	return nil
}

// digest is the additional data of both encryptions: SHA-256 of the domain and
// all fields, texts with their length as 8 bytes big-endian before them.
func (b Binding) digest() [sha256.Size]byte {
	h := sha256.New()
	for _, text := range []string{"tkms/v1/seal", b.Chain, b.Party, b.Key, b.Kind} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		h.Write(length[:])
		h.Write([]byte(text))
	}
	var epoch [8]byte
	binary.BigEndian.PutUint64(epoch[:], b.Epoch)
	h.Write(epoch[:])
	return [sha256.Size]byte(h.Sum(nil))
}

// String describes the binding for operators.
func (b Binding) String() string {
	return fmt.Sprintf("%s of key %q, epoch %d, party %s on %s", b.Kind, b.Key, b.Epoch, b.Party, b.Chain)
}
