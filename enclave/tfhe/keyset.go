package tfhe

import (
	"fmt"
	"io"
	"sync"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// KeySet reads a published object of a key set, of which it keeps nothing in memory
// but the skeleton. It is safe for concurrent use if its reader is.
type KeySet struct {
	parameters Parameters
	layout     *Layout
	seed       [16]byte
	reader     io.ReaderAt
}

// OpenKeySet takes in a CompressedXofKeySet or a CompressedServerKey of exactly size
// bytes. Everything in it but the bodies is compared with what parameters and seed
// prescribe. r must stay as it is while the result is used.
func OpenKeySet(r io.ReaderAt, size int64, p Parameters) (*KeySet, error) {
	start := make([]byte, min(size, maxHeader))
	if err := readAt(r, start, 0); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	name, err := Name(start)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	var object Object
	switch name {
	case nameXofKeySet:
		object = ObjectXofKeySet
	case nameServerKey:
		object = ObjectServerKey
	default:
		return nil, fmt.Errorf("%q is no key set: %w", name, ErrKind)
	}
	k := &KeySet{parameters: p, reader: io.NewSectionReader(r, 0, size)}
	if err := k.open(object, size); err != nil {
		return nil, fmt.Errorf("%v: %w", object, err)
	}
	return k, nil
}

// open learns the seed from where it must be, and compares everything after that.
func (k *KeySet) open(o Object, size int64) error {
	draft, err := k.parameters.Layout(o, k.seed)
	if err != nil {
		return err
	}
	if err := readAt(k.reader, k.seed[:], draft.seedAt); err != nil {
		return err
	}
	if k.layout, err = k.parameters.Layout(o, k.seed); err != nil {
		return err
	}
	return k.layout.check(k.reader, size)
}

// Parameters returns the parameter set.
func (k *KeySet) Parameters() Parameters { return k.parameters }

// Seed returns the key set's seed.
func (k *KeySet) Seed() [16]byte { return k.seed }

// Has reports whether the object has the component.
func (k *KeySet) Has(c Component) bool {
	_, ok := k.layout.Offset(c)
	return ok
}

// Masks returns the masks of a component, as [Parameters.Masks].
func (k *KeySet) Masks(c Component) (*Masks, error) { return k.parameters.Masks(k.seed, c) }

// Body reads the body of a row, BodyWords words, and of as many rows after it as dst
// has room for. A component that the object has not, and words of the wrong width, are
// [ErrParameters]. It panics if the rows do not exist or dst ends within one.
func (k *KeySet) Body(c Component, row int, dst []uint64) error {
	return k.read(c, row, len(dst), 64, func(chunk []byte) {
		for i := range len(chunk) / 8 {
			dst[i] = Words(chunk).At(i)
		}
		dst = dst[len(chunk)/8:]
	})
}

// BodyWide is Body for a component modulo 2^128.
func (k *KeySet) BodyWide(c Component, row int, dst []wide.Word) error {
	return k.read(c, row, len(dst), 128, func(chunk []byte) {
		for i := range len(chunk) / wide.Size {
			dst[i] = wide.Read(chunk[wide.Size*i:])
		}
		dst = dst[len(chunk)/wide.Size:]
	})
}

// bodyBuffers are for reading, 32 KB at a time.
var bodyBuffers = sync.Pool{New: func() any { return new([1 << 15]byte) }}

func (k *KeySet) read(c Component, row, words int, width uint, emit func(chunk []byte)) error {
	at, ok := k.layout.Offset(c)
	part, _ := k.parameters.Part(c)
	if !ok || part.Width != width {
		return fmt.Errorf("%v has no %v of %d bits: %w", k.layout.object, c, width, ErrParameters)
	}
	at += int64(part.place(row, words, part.BodyWords()))
	buf := bodyBuffers.Get().(*[1 << 15]byte)
	defer bodyBuffers.Put(buf)
	for left := words * part.wordSize(); left > 0; {
		chunk := buf[:min(left, len(buf))]
		if err := readAt(k.reader, chunk, at); err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
		emit(chunk)
		at += int64(len(chunk))
		left -= len(chunk)
	}
	return nil
}

// CompactPublicKey expands the public key, which only a CompressedXofKeySet has, else
// the error is [ErrParameters].
func (k *KeySet) CompactPublicKey() (*CompactPublicKey, error) {
	n := k.parameters.PKEDimension
	mask, body := make([]uint64, n), make([]uint64, n)
	if err := k.Body(ComponentPublicKey, 0, body); err != nil {
		return nil, err
	}
	masks, err := k.Masks(ComponentPublicKey)
	if err != nil {
		return nil, err
	}
	masks.Row(0, mask)
	return NewCompactPublicKey(k.parameters, mask, body)
}
