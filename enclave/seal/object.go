package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// A file is
//
//	magic (8) ‖ length of body (8) ‖ body ‖ SHA-256 of all before (32)
//	body: binding digest (32) ‖ n₁ (2) ‖ wrapper name ‖ n₂ (2) ‖ wrapped key ‖ ciphertext
//
// with big-endian integers. The checksum is no protection: it tells a damaged
// file from one that belongs elsewhere, which need different advice.
const (
	magic        = "TKMSEAL1"
	prefixSize   = len(magic) + 8
	overhead     = prefixSize + sha256.Size
	minimumBody  = sha256.Size + 2 + 1 + 2 + 1 + gcmOverhead
	gcmOverhead  = 12 + 16
	maxName      = 64
	maxPlaintext = 1 << 32
)

type object struct {
	binding    [sha256.Size]byte
	wrapper    string
	wrapped    []byte
	ciphertext []byte
}

func (o *object) encode() []byte {
	size := sha256.Size + 2 + len(o.wrapper) + 2 + len(o.wrapped) + len(o.ciphertext)
	file := make([]byte, 0, size+overhead)
	file = append(file, magic...)
	file = binary.BigEndian.AppendUint64(file, uint64(size))
	file = append(file, o.binding[:]...)
	file = binary.BigEndian.AppendUint16(file, uint16(len(o.wrapper)))
	file = append(file, o.wrapper...)
	file = binary.BigEndian.AppendUint16(file, uint16(len(o.wrapped)))
	file = append(file, o.wrapped...)
	file = append(file, o.ciphertext...)
	sum := sha256.Sum256(file)
	return append(file, sum[:]...)
}

// decode reads an object whose slices share the file's memory.
func decode(file []byte) (*object, error) {
	if len(file) < overhead+minimumBody || string(file[:len(magic)]) != magic {
		return nil, ErrDamaged
	}
	content, sum := file[:len(file)-sha256.Size], file[len(file)-sha256.Size:]
	if actual := sha256.Sum256(content); !bytes.Equal(actual[:], sum) {
		return nil, ErrDamaged
	}
	body := content[prefixSize:]
	if binary.BigEndian.Uint64(content[len(magic):]) != uint64(len(body)) {
		return nil, ErrDamaged
	}
	o := &object{binding: [sha256.Size]byte(body)}
	name, body, ok := cut(body[sha256.Size:], maxName)
	if !ok {
		return nil, ErrDamaged
	}
	o.wrapper = string(name)
	if o.wrapped, o.ciphertext, ok = cut(body, maxWrapped); !ok || len(o.ciphertext) < gcmOverhead {
		return nil, ErrDamaged
	}
	return o, nil
}

// cut splits off a field of 1 to limit bytes.
func cut(from []byte, limit int) (field, rest []byte, ok bool) {
	if len(from) < 2 {
		return nil, nil, false
	}
	size := int(binary.BigEndian.Uint16(from))
	if size < 1 || size > limit || len(from) < 2+size {
		return nil, nil, false
	}
	return from[2 : 2+size : 2+size], from[2+size:], true
}

func sealObject(w Wrapper, b Binding, plaintext []byte) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	if uint64(len(plaintext)) > maxPlaintext {
		return nil, fmt.Errorf("%w: %d bytes are too many", ErrInvalid, len(plaintext))
	}
	dataKey := make(Secret, keySize)
	defer dataKey.Zero()
	if _, err := rand.Read(dataKey); err != nil {
		return nil, fmt.Errorf("seal: reading randomness: %w", err)
	}
	digest := b.digest()
	wrapped, err := w.Wrap(dataKey, digest[:])
	if err != nil {
		return nil, fmt.Errorf("seal: wrapping the data key of %v: %w", b, err)
	}
	if len(wrapped) < 1 || len(wrapped) > maxWrapped || len(w.Name()) < 1 || len(w.Name()) > maxName {
		return nil, fmt.Errorf("%w: wrapper %q is out of bounds", ErrInvalid, w.Name())
	}
	aead, err := newAEAD(dataKey)
	if err != nil {
		return nil, err
	}
	o := &object{binding: digest, wrapper: w.Name(), wrapped: wrapped, ciphertext: aead.Seal(nil, nil, plaintext, digest[:])}
	return o.encode(), nil
}

func openObject(w Wrapper, b Binding, file []byte) (Secret, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	o, err := decode(file)
	if err != nil {
		return nil, fmt.Errorf("opening %v: %w", b, err)
	}
	digest := b.digest()
	if o.binding != digest {
		return nil, fmt.Errorf("opening %v: %w", b, ErrBinding)
	}
	if o.wrapper != w.Name() {
		return nil, fmt.Errorf("opening %v: %w: wrapped by %q, here is %q", b, ErrBinding, o.wrapper, w.Name())
	}
	dataKey, err := w.Unwrap(o.wrapped, digest[:])
	if err != nil {
		return nil, fmt.Errorf("opening %v: %w", b, err)
	}
	defer dataKey.Zero()
	if len(dataKey) != keySize {
		return nil, fmt.Errorf("opening %v: %w", b, ErrBinding)
	}
	aead, err := newAEAD(dataKey)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nil, o.ciphertext, digest[:])
	if err != nil {
		return nil, fmt.Errorf("opening %v: %w", b, ErrDamaged)
	}
	return plaintext, nil
}
