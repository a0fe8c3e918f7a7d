// Package wire reads encodings of fixed and length-prefixed fields strictly: no
// field is longer than the input, nothing is allocated for one that is, and what
// is left over is an error. It guarantees that decoding costs no more than the
// input is long; what the fields mean is the caller's to judge.
package wire

import (
	"encoding/binary"
	"errors"
)

// ErrShort reports an input that ends within a field or goes on after the last.
var ErrShort = errors.New("wire: the input has not the length of its fields")

// Reader reads fields from the front of an input. After the first field that is
// not there all others are zero, and Close says so.
type Reader struct {
	rest   []byte
	failed bool
}

// NewReader reads raw, whose memory the fields share.
func NewReader(raw []byte) *Reader { return &Reader{rest: raw} }

// Bytes returns the next n bytes, nil if there are not as many.
func (r *Reader) Bytes(n int) []byte {
	if r.failed || n < 0 || n > len(r.rest) {
		r.failed = true
		return nil
	}
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}

// Rest returns all that is left.
func (r *Reader) Rest() []byte { return r.Bytes(len(r.rest)) }

// Uint8 returns the next byte.
func (r *Reader) Uint8() uint8 {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 returns the next two bytes, big-endian.
func (r *Reader) Uint16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint32 returns the next four bytes, big-endian.
func (r *Reader) Uint32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 returns the next eight bytes, big-endian.
func (r *Reader) Uint64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Digest returns the next 32 bytes.
func (r *Reader) Digest() (d [32]byte) {
	copy(d[:], r.Bytes(len(d)))
	return d
}

// Failed reports whether a field was not there.
func (r *Reader) Failed() bool { return r.failed }

// Close returns ErrShort unless all fields were there and nothing is left.
func (r *Reader) Close() error {
	if r.failed || len(r.rest) > 0 {
		return ErrShort
	}
	return nil
}
