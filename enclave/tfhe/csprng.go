package tfhe

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/tkms-network/tkms/enclave/ring/wide"
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
	seed.stream().words(0, out)
	return out
}

// forward returns the place n bytes later in the seed's stream.
func (s Seed) forward(n uint64) Seed {
	byteSum := s.Byte + n%aes.BlockSize
	s.Block = s.Block.add(n/aes.BlockSize + byteSum/aes.BlockSize)
	s.Byte = byteSum % aes.BlockSize
	return s
}

// maskStream is a Seed's stream. It is safe for concurrent use.
type maskStream struct {
	block cipher.Block
	first Counter // of the block that the stream starts in
	skip  uint64  // bytes of that block before it starts
}

func (s Seed) stream() maskStream {
	key, first := s.Plain, Counter{}
	if s.XOF != nil {
		key, first = hashXOFSeed(s.XOF)
	}
	low, carry := bits.Add64(first.Lo, s.Block.Lo, 0)
	high, _ := bits.Add64(first.Hi, s.Block.Hi, carry)
	return maskStream{block: newAES(key), first: Counter{Lo: low, Hi: high}, skip: s.Byte}
}

// words reads 64-bit words from byte at of the stream on.
func (s maskStream) words(at uint64, dst []uint64) {
	s.read(at, 8*len(dst), func(chunk []byte) {
		for i := range len(chunk) / 8 {
			dst[i] = binary.LittleEndian.Uint64(chunk[8*i:])
		}
		dst = dst[len(chunk)/8:]
	})
}

// wideWords reads 128-bit words.
func (s maskStream) wideWords(at uint64, dst []wide.Word) {
	s.read(at, wide.Size*len(dst), func(chunk []byte) {
		for i := range len(chunk) / wide.Size {
			dst[i] = wide.Read(chunk[wide.Size*i:])
		}
		dst = dst[len(chunk)/wide.Size:]
	})
}

// streamBuffer holds a piece of a stream. It is passed to the cipher through an
// interface, which would put one on the heap for each row of a key.
type streamBuffer [64 * aes.BlockSize]byte

var streamBuffers = sync.Pool{New: func() any { return new(streamBuffer) }}

// read hands out n bytes from byte at of the stream on, in pieces of a multiple of
// 16 bytes but for the last.
func (s maskStream) read(at uint64, n int, emit func(chunk []byte)) {
	buf := streamBuffers.Get().(*streamBuffer)
	defer streamBuffers.Put(buf)
	at += s.skip
	for n > 0 {
		counter, skip := s.first.add(at/aes.BlockSize), int(at%aes.BlockSize) // #nosec G115 -- below 16
		filled := min(len(buf), (skip+n+aes.BlockSize-1)&^(aes.BlockSize-1))
		for i := 0; i < filled; i += aes.BlockSize {
			block := buf[i : i+aes.BlockSize]
			binary.LittleEndian.PutUint64(block, counter.Lo)
			binary.LittleEndian.PutUint64(block[8:], counter.Hi)
			s.block.Encrypt(block, block)
			counter = counter.add(1)
		}
		whole := min(n, (filled-skip)&^(aes.BlockSize-1))
		if filled-skip >= n {
			whole = n
		}
		emit(buf[skip : skip+whole])
		at += uint64(whole) // #nosec G115 -- positive
		n -= whole
	}
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
