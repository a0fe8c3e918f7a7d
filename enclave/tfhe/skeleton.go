package tfhe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Object names a published form of a key set.
type Object uint8

const (
	// ObjectXofKeySet is the public and the server key in one.
	ObjectXofKeySet Object = iota
	// ObjectServerKey is the server key alone.
	ObjectServerKey
)

// String returns TFHE-rs' name of the object.
func (o Object) String() string {
	switch o {
	case ObjectXofKeySet:
		return "CompressedXofKeySet"
	case ObjectServerKey:
		return "CompressedServerKey"
	}
	return fmt.Sprintf("object(%d)", uint8(o))
}

// Layout is where everything lies in a published object of a key set. The bodies of
// each component are contiguous, little-endian words, row after row; all else, the
// skeleton, is fixed by parameters and seed.
type Layout struct {
	object Object
	pieces []piece
	gaps   [componentCount]int64 // first byte of a component's bodies, 0 for none
	size   int64
	seedAt int64 // first of the 16 bytes of the first seed
}

// piece is a run of the skeleton.
type piece struct {
	at   int64
	data []byte
}

// Layout lays out an object for a seed, 16 bytes of public randomness that
// [KeySetSeed] makes the seed of the mask stream. A set that has not what makes up a
// server key is [ErrParameters].
func (p Parameters) Layout(o Object, seed [16]byte) (*Layout, error) {
	k := serverKey{p: &p, seed: seed}
	layout := k.keySet
	switch o {
	case ObjectXofKeySet:
	case ObjectServerKey:
		layout = k.server
	default:
		return nil, fmt.Errorf("%v: %w", o, ErrKind)
	}
	l := &Layout{object: o}
	c := &coder{writing: true, skeleton: l}
	layout(c)
	if c.err != nil {
		return nil, fmt.Errorf("%v: %w", o, c.err)
	}
	c.endPiece()
	return l, nil
}

// leave makes a gap of n bytes in the skeleton for the bodies of a component.
func (c *coder) leave(component Component, n int64) {
	if c.err != nil {
		return
	}
	c.endPiece()
	c.skeleton.gaps[component] = c.skeleton.size
	c.skeleton.size += n
}

// noteSeed remembers where the seed is that was written last, if it is the first: its
// bytes are followed by a table index, two tagged integers of 16 and 8 bytes.
func (c *coder) noteSeed() {
	if l := c.skeleton; l.seedAt == 0 {
		l.seedAt = l.size + int64(len(c.buf)) - (4 + 4 + 16 + 4 + 8) - int64(len(serverKey{}.seed))
	}
}

func (c *coder) endPiece() {
	l := c.skeleton
	l.pieces = append(l.pieces, piece{at: l.size, data: c.buf})
	l.size += int64(len(c.buf))
	c.buf = nil
}

// Size returns the length of the object in bytes.
func (l *Layout) Size() int64 { return l.size }

// Offset returns the first byte of a component's bodies, false if the object does
// not have them.
func (l *Layout) Offset(c Component) (int64, bool) {
	if c >= componentCount || l.gaps[c] == 0 {
		return 0, false
	}
	return l.gaps[c], true
}

// WriteSkeleton writes all that is not bodies.
func (l *Layout) WriteSkeleton(w io.WriterAt) error {
	for _, p := range l.pieces {
		if _, err := w.WriteAt(p.data, p.at); err != nil {
			return fmt.Errorf("write %v: %w", l.object, err)
		}
	}
	return nil
}

// check compares the skeleton with that of an object of that many bytes.
func (l *Layout) check(r io.ReaderAt, size int64) error {
	for _, p := range l.pieces {
		got := make([]byte, len(p.data))
		if err := readAt(r, got, p.at); err != nil {
			return err
		}
		if !bytes.Equal(got, p.data) {
			i := 0
			for got[i] == p.data[i] {
				i++
			}
			return fmt.Errorf("byte %d is %d, want %d: %w", p.at+int64(i), got[i], p.data[i], ErrParameters)
		}
	}
	if size != l.size {
		return fmt.Errorf("%d bytes after the object: %w", size-l.size, ErrTrailing)
	}
	return nil
}

// readAt fills dst, else the bytes end too early.
func readAt(r io.ReaderAt, dst []byte, at int64) error {
	n, err := r.ReadAt(dst, at)
	switch {
	case n == len(dst):
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%d bytes needed at byte %d, %d left: %w", len(dst), at, n, ErrTruncated)
	}
	return fmt.Errorf("read at byte %d: %w", at, err)
}
