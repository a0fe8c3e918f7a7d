package tfhe

import (
	"encoding/binary"
	"fmt"
	"math"
)

// maxOpaque bounds the two opaque byte strings of the format, an object's tag
// and its re-randomization metadata. TFHE-rs leaves both empty.
const maxOpaque = 4096

// maxHeader bounds the safe_serialize header.
const maxHeader = 26 + 8 + maxTypeName

// maxTypeName bounds the type name in the header; the longest one here has 53.
const maxTypeName = 64

// Words is a vector of 64-bit words in their wire form, eight little-endian
// bytes each. Decoded objects hold views of the bytes they were decoded from:
// a FheUint2048 is 16.9 MB, which nobody wants twice.
type Words []byte

// NewWords returns the wire form of values.
func NewWords(values []uint64) Words {
	w := make(Words, 8*len(values))
	for i, v := range values {
		w.Set(i, v)
	}
	return w
}

// Len returns the number of words.
func (w Words) Len() int { return len(w) / 8 }

// At returns word i.
func (w Words) At(i int) uint64 { return binary.LittleEndian.Uint64(w[8*i:]) }

// Set stores word i. It writes through to the bytes that w is a view of.
func (w Words) Set(i int, v uint64) { binary.LittleEndian.PutUint64(w[8*i:], v) }

// Slice returns the view of words from..to-1.
func (w Words) Slice(from, to int) Words { return w[8*from : 8*to] }

// Uint64s returns a copy as integers.
func (w Words) Uint64s() []uint64 {
	out := make([]uint64, w.Len())
	for i := range out {
		out[i] = w.At(i)
	}
	return out
}

// coder walks over an object in its wire order. One layout function serves both
// directions, so that a reader and a writer cannot come to disagree: reading
// fills the fields, writing appends them. The first error sticks and turns every
// further step into a no-op.
//
// The format is bincode 1.3 with fixed-width little-endian integers: a length is
// a u64, an enum's variant a u32, bool and Option one byte.
type coder struct {
	buf     []byte
	off     int // reading: the next byte
	writing bool
	err     error

	// release is whose tags are written or read. Reading with detect set, it is
	// that of the first tag that tells.
	release Release
	detect  bool

	// skeleton, if not nil, takes what is written, with gaps.
	skeleton *Layout
}

func (c *coder) fail(reason error, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s at byte %d: %w", fmt.Sprintf(format, args...), c.position(), reason)
	}
}

func (c *coder) position() int {
	if c.writing {
		return len(c.buf)
	}
	return c.off
}

func (c *coder) rest() int { return len(c.buf) - c.off }

// next returns the next n bytes, to be read or to be filled, or nil after an error.
func (c *coder) next(n int, what string) []byte {
	if c.err != nil {
		return nil
	}
	if c.writing {
		at := len(c.buf)
		c.buf = append(c.buf, make([]byte, n)...)
		return c.buf[at:]
	}
	if n > c.rest() {
		c.fail(ErrTruncated, "%s: %d bytes needed, %d left", what, n, c.rest())
		return nil
	}
	b := c.buf[c.off : c.off+n : c.off+n]
	c.off += n
	return b
}

func (c *coder) u8(what string, v *uint8) {
	if b := c.next(1, what); b != nil {
		if c.writing {
			b[0] = *v
		} else {
			*v = b[0]
		}
	}
}

func (c *coder) u32(what string, v *uint32) {
	if b := c.next(4, what); b != nil {
		if c.writing {
			binary.LittleEndian.PutUint32(b, *v)
		} else {
			*v = binary.LittleEndian.Uint32(b)
		}
	}
}

func (c *coder) u64(what string, v *uint64) {
	if b := c.next(8, what); b != nil {
		if c.writing {
			binary.LittleEndian.PutUint64(b, *v)
		} else {
			*v = binary.LittleEndian.Uint64(b)
		}
	}
}

func (c *coder) u128(what string, v *Counter) {
	c.u64(what, &v.Lo)
	c.u64(what, &v.Hi)
}

// version reads or writes a tag that has exactly one acceptable value.
func (c *coder) version(v version) {
	tag := v.tag
	c.u32(v.name, &tag)
	if tag != v.tag {
		c.fail(ErrVersion, "%s has version tag %d, want %d", v.name, tag, v.tag)
	}
}

func (c *coder) versions(vs ...version) {
	for _, v := range vs {
		c.version(v)
	}
}

// releaseVersion is a tag that depends on the release.
func (c *coder) releaseVersion(v releaseVersion) {
	tag := v.tags[c.release]
	c.u32(v.name, &tag)
	if c.detect && c.err == nil {
		c.detect = false
		if older := v.tags[Release1_4]; tag == older {
			c.release = Release1_4
		}
	}
	if tag != v.tags[c.release] {
		c.fail(ErrVersion, "%s has version tag %d, want %d", v.name, tag, v.tags[c.release])
	}
}

// variant reads or writes an enum variant that must be want.
func (c *coder) variant(what string, want uint32) {
	got := want
	c.u32(what, &got)
	if got != want {
		c.fail(ErrParameters, "%s is variant %d, want %d", what, got, want)
	}
}

// enum is a versioned enum without payload whose variant must be want.
func (c *coder) enum(what string, want uint32) {
	c.version(verNewtype)
	c.variant(what, want)
}

// newtype is a versioned wrapper of a u64 with any value.
func (c *coder) newtype(what string, v *uint64) {
	c.version(verNewtype)
	c.u64(what, v)
}

// parameter is a versioned wrapper of a u64 that must be want.
func (c *coder) parameter(what string, want uint64) {
	got := want
	c.newtype(what, &got)
	if got != want {
		c.fail(ErrParameters, "%s is %d, want %d", what, got, want)
	}
}

// float is a bare f64 that must be want, bit for bit.
func (c *coder) float(what string, want float64) {
	bits := math.Float64bits(want)
	c.u64(what, &bits)
	if bits != math.Float64bits(want) {
		c.fail(ErrParameters, "%s is %v, want %v", what, math.Float64frombits(bits), want)
	}
}

// present reads or writes the flag of an Option.
func (c *coder) present(what string, v *bool) {
	var b uint8
	if *v {
		b = 1
	}
	c.u8(what, &b)
	if b > 1 {
		c.fail(ErrMalformed, "%s: option flag %d", what, b)
	}
	*v = b == 1 && c.err == nil
}

// length reads or writes a vector's length. size is the least number of bytes
// that an element takes: more elements than the rest can hold are refused before
// the caller allocates them.
func (c *coder) length(what string, n, size int) int {
	v := uint64(n)
	c.u64(what, &v)
	if !c.writing && c.err == nil && v > uint64(c.rest()/size) {
		c.fail(ErrTruncated, "%s: %d elements of at least %d bytes, %d bytes left", what, v, size, c.rest())
	}
	if c.err != nil {
		return 0
	}
	return int(v)
}

// words is a Vec<u64> of exactly n elements.
func (c *coder) words(what string, v *Words, n int) {
	if c.writing && v.Len() != n && c.err == nil {
		c.fail(ErrParameters, "%s has %d words, want %d", what, v.Len(), n)
		return
	}
	got := c.length(what, n, 8)
	if c.err != nil {
		return
	}
	if got != n {
		c.fail(ErrParameters, "%s has %d words, want %d", what, got, n)
		return
	}
	if b := c.next(8*n, what); b != nil {
		if c.writing {
			copy(b, *v)
		} else {
			*v = b
		}
	}
}

// bits is a vector of exactly n secret key bits, each stored as a word of
// width bytes (8 or 16) that is 0 or 1.
func (c *coder) bits(what string, v *[]uint64, n, width int) {
	if c.writing && len(*v) != n && c.err == nil {
		c.fail(ErrParameters, "%s has %d bits, want %d", what, len(*v), n)
		return
	}
	got := c.length(what, n, width)
	if c.err != nil {
		return
	}
	if got != n {
		c.fail(ErrParameters, "%s has %d bits, want %d", what, got, n)
		return
	}
	b := c.next(width*n, what)
	if b == nil {
		return
	}
	if !c.writing {
		*v = make([]uint64, n)
	}
	// Bad accumulates instead of stopping, so that the place of a wrong bit does
	// not show in the time.
	var bad uint64
	for i := range *v {
		word := b[width*i : width*(i+1)]
		if c.writing {
			binary.LittleEndian.PutUint64(word, (*v)[i])
		} else {
			(*v)[i] = binary.LittleEndian.Uint64(word)
			if width == 16 {
				bad |= binary.LittleEndian.Uint64(word[8:])
			}
		}
		bad |= (*v)[i] &^ 1
	}
	if bad != 0 {
		c.fail(ErrMalformed, "%s: not all words are bits", what)
	}
}

// opaque is a Vec<u8> of at most maxOpaque bytes.
func (c *coder) opaque(what string, v *[]byte) {
	c.bytes(what, v, maxOpaque)
}

func (c *coder) bytes(what string, v *[]byte, most int) {
	n := c.length(what, len(*v), 1)
	if n > most {
		c.fail(ErrMalformed, "%s has %d bytes, at most %d are allowed", what, n, most)
		return
	}
	if n == 0 {
		if !c.writing {
			*v = nil
		}
		return
	}
	if b := c.next(n, what); b != nil {
		if c.writing {
			copy(b, *v)
		} else {
			*v = b
		}
	}
}

// text is a String that must be want.
func (c *coder) text(what, want string, reason error) {
	got := []byte(want)
	c.bytes(what, &got, maxTypeName)
	if string(got) != want {
		c.fail(reason, "%s is %q, want %q", what, got, want)
	}
}

// header is what safe_serialize puts in front: the header's format version, the
// versioning mode (0 = versioned), the versioning scheme's version, the type.
func (c *coder) header(name string) {
	c.preamble()
	c.text("type name", name, ErrKind)
}

// preamble is the part of the header that all objects have in common.
func (c *coder) preamble() {
	c.text("header version", "0.5", ErrHeader)
	mode := uint32(0)
	c.u32("versioning mode", &mode)
	if mode != 0 {
		c.fail(ErrHeader, "versioning mode %d", mode)
	}
	c.text("versioning version", "0.1", ErrHeader)
}

// object is what has one layout for both directions.
type object interface{ layout(c *coder) }

// unmarshal reads the whole of data as one object.
func unmarshal(data []byte, o object) error {
	c := &coder{buf: data}
	o.layout(c)
	if c.err != nil {
		return c.err
	}
	if c.rest() != 0 {
		return fmt.Errorf("%d bytes after the object: %w", c.rest(), ErrTrailing)
	}
	return nil
}

// marshal writes o. sizeHint saves the growing of large objects.
func marshal(o object, sizeHint int) ([]byte, error) {
	return marshalRelease(o, sizeHint, Release1_7)
}

// marshalRelease writes o with the version tags of a release.
func marshalRelease(o object, sizeHint int, r Release) ([]byte, error) {
	c := &coder{writing: true, buf: make([]byte, 0, sizeHint), release: r}
	o.layout(c)
	if c.err != nil {
		return nil, c.err
	}
	return c.buf, nil
}

// Name returns the type name in the header of a safe_serialize object, without
// looking further. It says what data claims to be, no more.
func Name(data []byte) (string, error) {
	c := &coder{buf: data}
	c.preamble()
	var name []byte
	c.bytes("type name", &name, maxTypeName)
	return string(name), c.err
}
