package tfhe

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// CompressedGLWE is a GLWE ciphertext with coefficients switched to a smaller modulus
// and packed bit by bit: k mask polynomials of N coefficients, then as many body
// coefficients as LWE ciphertexts are packed in it.
type CompressedGLWE struct {
	// Packed are the coefficients, the first in the lowest bits, in whole
	// little-endian words of the ciphertext modulus; what is left of the last is 0.
	Packed []byte
	// Bodies is the number of body coefficients: coefficient i belongs to LWE i.
	Bodies int
}

// glweForm is what the GLWE ciphertexts of one kind of list have in common.
type glweForm struct {
	polynomials, degree int    // k and N
	most                int    // LWE ciphertexts that one of them packs
	width, log          uint64 // bits of a word, and of a coefficient in it
}

func (p *Parameters) compressedForm() glweForm {
	q := &p.Compression
	return glweForm{q.GLWEDimension, q.PolynomialSize, int(q.LWEsPerGLWE), 64, q.StorageLog} // #nosec G115 -- small
}

func (p *Parameters) squashedForm() glweForm {
	q := &p.SquashingCompression
	return glweForm{q.GLWEDimension, q.PolynomialSize, int(q.LWEsPerGLWE), 128, 128} // #nosec G115 -- small
}

func (f glweForm) dimension() int { return f.polynomials * f.degree }

func (f glweForm) wordSize() int { return int(f.width / 8) } // #nosec G115 -- 8 or 16

// packedBytes is the length of so many coefficients in whole words.
func (f glweForm) packedBytes(coefficients int) int {
	bits := uint64(coefficients) * f.log // #nosec G115 -- positive
	return int((bits+f.width-1)/f.width) * f.wordSize()
}

// pack compresses a GLWE ciphertext of bodies coefficients beyond its mask.
func (f glweForm) pack(words []wide.Word) (CompressedGLWE, error) {
	bodies := len(words) - f.dimension()
	if bodies < 1 || bodies > f.most {
		return CompressedGLWE{}, fmt.Errorf("%d words are no GLWE of dimension %d that packs up to %d: %w",
			len(words), f.dimension(), f.most, ErrParameters)
	}
	g := CompressedGLWE{Packed: make([]byte, f.packedBytes(len(words))), Bodies: bodies}
	for i, w := range words {
		f.put(g.Packed, i, w)
	}
	return g, nil
}

// put stores coefficient i, given modulo 2^width, as its nearest multiple of
// 2^(width-log).
func (f glweForm) put(packed []byte, i int, w wide.Word) {
	if f.log == 128 {
		copy(packed[wide.Size*i:], w.Append(nil))
		return
	}
	value := (w.Lo + 1<<(63-f.log)) >> (64 - f.log)
	for b := range f.log {
		at := uint64(i)*f.log + b // #nosec G115 -- positive
		packed[at/8] |= byte(value>>b&1) << (at % 8)
	}
}

// coefficient returns coefficient i modulo 2^width.
func (f glweForm) coefficient(packed []byte, i int) wide.Word {
	if f.log == 128 {
		return wide.Read(packed[wide.Size*i:])
	}
	// A coefficient of up to 57 bits is within eight bytes from its first one on.
	at := uint64(i) * f.log // #nosec G115 -- positive
	var window [8]byte
	copy(window[:], packed[at/8:])
	return wide.Word{Lo: binary.LittleEndian.Uint64(window[:]) >> (at % 8) << (64 - f.log)}
}

// glwes is a vector of CompressedModulusSwitchedGlweCiphertext: all but the last are
// full.
func (c *coder) glwes(v *[]CompressedGLWE, f glweForm) {
	if f.degree == 0 {
		c.fail(ErrParameters, "the parameter set has no key for lists like this")
		return
	}
	least := f.packedBytes(f.dimension() + 1)
	n := c.length("GLWE ciphertexts", len(*v), least)
	if !c.writing && c.err == nil {
		*v = make([]CompressedGLWE, n)
	}
	for i := range *v {
		g := &(*v)[i]
		g.layout(c, f)
		if i < n-1 && g.Bodies != f.most {
			c.fail(ErrMalformed, "GLWE ciphertext %d of %d packs %d, want %d", i, n, g.Bodies, f.most)
		}
	}
}

func (g *CompressedGLWE) layout(c *coder, f glweForm) {
	c.versions(verCompressedGlwe, verPackedIntegers)
	// The count of bodies comes after the data, whose length is compared with it then.
	words := c.length("coefficients", len(g.Packed)/f.wordSize(), f.wordSize())
	size := words * f.wordSize()
	if c.writing && size != len(g.Packed) {
		c.fail(ErrMalformed, "%d bytes are no whole words", len(g.Packed))
	}
	if b := c.next(size, "coefficients"); b != nil {
		if c.writing {
			copy(b, g.Packed)
		} else {
			g.Packed = b
		}
	}
	c.parameter("storage modulus", f.log)
	count := uint64(f.dimension() + g.Bodies) // #nosec G115 -- checked below
	c.u64("number of coefficients", &count)
	c.parameter("GLWE dimension", uint64(f.polynomials)) // #nosec G115 -- positive
	c.parameter("polynomial size", uint64(f.degree))     // #nosec G115 -- positive
	bodies := uint64(g.Bodies)                           // #nosec G115 -- checked below
	c.newtype("bodies", &bodies)
	c.modulus(f.width)
	if c.err != nil {
		return
	}
	if bodies == 0 || bodies > uint64(f.most) || count != uint64(f.dimension())+bodies || // #nosec G115 -- positive
		size != f.packedBytes(f.dimension()+int(bodies)) { // #nosec G115 -- at most f.most
		c.fail(ErrMalformed, "%d bytes are not %d coefficients and %d bodies", size, count, bodies)
		return
	}
	g.Bodies = int(bodies) // #nosec G115 -- at most f.most
	if used := count * f.log % f.width; used != 0 && !zeroAbove(g.Packed[size-f.wordSize():], used) {
		c.fail(ErrMalformed, "bits beyond the last coefficient")
	}
}

// zeroAbove reports whether all bits of a word of 64 from the given one on are 0.
func zeroAbove(word []byte, bit uint64) bool {
	return binary.LittleEndian.Uint64(word)>>bit == 0
}

// glweSource hands out the LWE ciphertexts packed in a list of GLWE ciphertexts.
type glweSource struct {
	form  glweForm
	glwes []CompressedGLWE
	// masks are unpacked when they are first wanted, once for all LWE ciphertexts of
	// a GLWE.
	masks []struct {
		once  sync.Once
		words []byte
	}
}

func newGLWESource(f glweForm, glwes []CompressedGLWE) *glweSource {
	s := &glweSource{form: f, glwes: glwes}
	s.masks = make([]struct {
		once  sync.Once
		words []byte
	}, len(glwes))
	return s
}

func (s *glweSource) lwe(i int) (words []byte, rotation int, body wide.Word) {
	f, at := s.form, i/s.form.most
	g, mask := s.glwes[at], &s.masks[at]
	mask.once.Do(func() { mask.words = f.extract(g.Packed) })
	i %= f.most
	return mask.words, i, f.coefficient(g.Packed, f.dimension()+i)
}

// extract returns the mask of the LWE ciphertext at coefficient 0: of each polynomial
// a_0, -a_(N-1), …, -a_1. That at coefficient i is X^i times it.
func (f glweForm) extract(packed []byte) []byte {
	out := make([]byte, 0, f.dimension()*f.wordSize())
	for q := range f.polynomials {
		for j := range f.degree {
			w := f.coefficient(packed, q*f.degree+(f.degree-j)%f.degree)
			if j > 0 {
				w = w.Neg()
			}
			if f.width == 64 {
				out = binary.LittleEndian.AppendUint64(out, w.Lo)
			} else {
				out = w.Append(out)
			}
		}
	}
	return out
}
