package tfhe

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
)

// Seed names a place in one of TFHE-rs' public pseudo-random streams, from which
// the masks of seeded (compressed) keys are expanded.
//
// The stream is AES-128 of a 128-bit counter; counter and blocks are
// little-endian. Two kinds of seed give its key: a plain one is the key itself,
// with the counter starting at 0; an extendable one ("XOF") is hashed to a key
// and a first counter.
type Seed struct {
	// Plain is the key of a plain seed, used if XOF is nil.
	Plain [16]byte
	// XOF is the domain separator (8 bytes) and seed of an extendable one.
	XOF []byte
	// Block and Byte give the place: a number of blocks after the first counter,
	// and a byte (0..15) in that block.
	Block Counter
	Byte  uint64
}

// maxXOFSeed bounds the length of an extendable seed, in bytes. TFHE-rs' own
// have 24 or 40.
const maxXOFSeed = 1024

// PlainSeed returns the start of the stream of a 128-bit seed.
func PlainSeed(seed [16]byte) Seed { return Seed{Plain: seed} }

// XOFSeed returns the start of the stream of an extendable seed under an
// eight-byte domain separator.
func XOFSeed(domain [8]byte, seed []byte) Seed {
	return Seed{XOF: append(domain[:], seed...)}
}

// KeySetSeed returns the seed that TFHE-rs' key management gives to a key set made
// from 128 public random bits: extendable, under the domain separator TFHE_GEN. The
// compact public key's mask is at its start.
func KeySetSeed(seed [16]byte) Seed {
	return XOFSeed([8]byte([]byte("TFHE_GEN")), seed[:])
}

// ExpandMask returns the first n words of the stream at seed.
func ExpandMask(seed Seed, n int) []uint64 {
	out := make([]uint64, n)
	newMaskStream(seed).fill(out)
	return out
}

// maskStream reads a Seed's stream in order.
type maskStream struct {
	block   cipher.Block
	counter Counter
	buf     [16]byte
	used    int
}

func newMaskStream(seed Seed) *maskStream {
	s := &maskStream{used: aes.BlockSize}
	key, first := seed.Plain, Counter{}
	if seed.XOF != nil {
		key, first = hashXOFSeed(seed.XOF)
	}
	s.block = newAES(key)
	var carry uint64
	s.counter.Lo, carry = bits.Add64(first.Lo, seed.Block.Lo, 0)
	s.counter.Hi, _ = bits.Add64(first.Hi, seed.Block.Hi, carry)
	if seed.Byte != 0 {
		s.refill()
		s.used = int(seed.Byte % aes.BlockSize)
	}
	return s
}

// hashXOFSeed is a CBC-MAC under the zero key over the zero-padded seed and its
// length in bits; the last two chaining values are the key and the first counter.
func hashXOFSeed(data []byte) (key [16]byte, first Counter) {
	zero := newAES([16]byte{})
	var last, previous [16]byte
	absorb := func(chunk []byte) {
		previous = last
		for i, b := range chunk {
			last[i] ^= b
		}
		zero.Encrypt(last[:], last[:])
	}
	bitLength := 8 * uint64(len(data))
	for len(data) > 0 {
		n := min(aes.BlockSize, len(data))
		absorb(data[:n])
		data = data[n:]
	}
	absorb(binary.LittleEndian.AppendUint64(nil, bitLength))
	return last, Counter{
		Lo: binary.LittleEndian.Uint64(previous[:8]),
		Hi: binary.LittleEndian.Uint64(previous[8:]),
	}
}

func newAES(key [16]byte) cipher.Block {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a 16-byte key is never refused
	}
	return b
}

func (s *maskStream) refill() {
	binary.LittleEndian.PutUint64(s.buf[:8], s.counter.Lo)
	binary.LittleEndian.PutUint64(s.buf[8:], s.counter.Hi)
	s.block.Encrypt(s.buf[:], s.buf[:])
	s.used = 0
	s.counter.Lo++
	if s.counter.Lo == 0 {
		s.counter.Hi++
	}
}

func (s *maskStream) fill(out []uint64) {
	var word [8]byte
	for i := range out {
		for done := 0; done < len(word); {
			if s.used == aes.BlockSize {
				s.refill()
			}
			n := copy(word[done:], s.buf[s.used:])
			done += n
			s.used += n
		}
		out[i] = binary.LittleEndian.Uint64(word[:])
	}
}

func (s *Seed) layout(c *coder) {
	c.versions(verCompressionSeed, verAesCtrParams, verSeedKind)
	kind := uint32(0)
	if s.XOF != nil {
		kind = 1
	}
	c.u32("seed kind", &kind)
	c.version(verNewtype)
	switch kind {
	case 0:
		if b := c.next(len(s.Plain), "seed"); b != nil {
			if c.writing {
				copy(b, s.Plain[:])
			} else {
				copy(s.Plain[:], b)
			}
		}
	case 1:
		c.bytes("extendable seed", &s.XOF, maxXOFSeed)
		if len(s.XOF) == 0 {
			c.fail(ErrMalformed, "empty extendable seed")
		}
	default:
		c.fail(ErrMalformed, "seed kind %d", kind)
	}
	c.versions(verTableIndex, verNewtype)
	c.u128("seed block", &s.Block)
	c.newtype("seed byte", &s.Byte)
	if s.Byte >= aes.BlockSize {
		c.fail(ErrMalformed, "seed byte %d is outside its block", s.Byte)
	}
}
