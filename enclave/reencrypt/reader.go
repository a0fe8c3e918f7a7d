package reencrypt

import (
	"encoding/binary"
	"errors"
)

var (
	errTruncated = errors.New("shorter than it says")
	errTrailing  = errors.New("bytes are left over")
	errLength    = errors.New("a length is not the one demanded")
)

// reader reads bincode with integers of fixed size, little-endian, and lengths of
// eight bytes. After the first error it returns zeros and keeps the error.
type reader struct {
	data []byte
	err  error
}

// take returns the next size bytes of the data itself.
func (r *reader) take(size uint64) []byte {
	if r.err == nil && size > uint64(len(r.data)) {
		r.err = errTruncated
	}
	if r.err != nil {
		return nil
	}
	out := r.data[:size:size]
	r.data = r.data[size:]
	return out
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// bytes returns a byte vector of any length.
func (r *reader) bytes() []byte { return r.take(r.u64()) }

// length reads a length that has to be want.
func (r *reader) length(want uint64) {
	if got := r.u64(); r.err == nil && got != want {
		r.err = errLength
	}
}

// exactly fills dst from a byte vector of that very length.
func (r *reader) exactly(dst []byte) {
	r.length(uint64(len(dst)))
	copy(dst, r.take(uint64(len(dst))))
}

// end returns the first error, and an error if anything is left.
func (r *reader) end() error {
	if r.err == nil && len(r.data) > 0 {
		r.err = errTrailing
	}
	return r.err
}

func appendU32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }

func appendU64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

func appendBytes(b, v []byte) []byte { return append(appendU64(b, uint64(len(v))), v...) }
