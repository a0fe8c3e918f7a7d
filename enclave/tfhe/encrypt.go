package tfhe

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
)

// maxNoise bounds the noise that sampleNoise can draw from one 64-bit word.
const maxNoise = 60

// Encrypt encrypts one value under the public key as a compact list, packed (two
// blocks to an LWE ciphertext, what clients send) or not. coins must be
// cryptographically random; the same coins give the same list. A value that does
// not fit its type is [ErrRange].
//
// With r a random binary polynomial and e, e' TUniform(PKENoise), a chunk is the
// mask a*r + e and the bodies (b*r)_(n-1-i) + e'_i + Delta*m_i. The coefficient
// is the one for which <mask * X^i, s> = (mask * rev(s))_(n-1-i).
func (k *CompactPublicKey) Encrypt(coins io.Reader, t Type, value *big.Int, packed bool) (*CompactCiphertextList, error) {
	if !t.Valid() {
		return nil, fmt.Errorf("encrypt %v: %w", t, ErrUnknownType)
	}
	if !t.Fits(value) {
		return nil, fmt.Errorf("encrypt %d bits as %v: %w", value.BitLen(), t, ErrRange)
	}
	p := k.parameters
	l := &CompactCiphertextList{
		parameters: p,
		Packed:     packed,
		Values:     []ListValue{{Boolean: t == EBool, Blocks: t.Blocks(p)}},
		Tag:        k.Tag,
	}
	messages := plaintexts(value, t.Blocks(p), l.blocksPerLWE(), p)
	l.Count = len(messages)
	masks := l.chunks(l.Count)
	l.Data = make(Words, 8*(masks*p.PKEDimension+l.Count))
	for chunk := range masks {
		first := chunk * p.PKEDimension
		last := min(first+p.PKEDimension, l.Count)
		mask := l.Data.Slice(first, first+p.PKEDimension)
		bodies := l.Data.Slice(masks*p.PKEDimension+first, masks*p.PKEDimension+last)
		if err := k.encryptChunk(coins, messages[first:last], mask, bodies); err != nil {
			return nil, fmt.Errorf("encrypt %v: %w", t, err)
		}
	}
	return l, nil
}

// encryptChunk fills a mask and the bodies of up to n messages.
func (k *CompactPublicKey) encryptChunk(coins io.Reader, messages []uint64, mask, bodies Words) error {
	n := k.parameters.PKEDimension
	r, err := randomBits(coins, n)
	if err != nil {
		return err
	}
	maskNoise, err := SampleNoise(coins, k.parameters.PKENoise, n)
	if err != nil {
		return err
	}
	bodyNoise, err := SampleNoise(coins, k.parameters.PKENoise, len(messages))
	if err != nil {
		return err
	}
	product := NegacyclicBinaryProduct(k.Mask.Uint64s(), r)
	for j, v := range product {
		mask.Set(j, v+maskNoise[j])
	}
	product = NegacyclicBinaryProduct(k.Body.Uint64s(), r)
	for i, m := range messages {
		bodies.Set(i, product[n-1-i]+bodyNoise[i]+m*k.parameters.Delta())
	}
	return nil
}

// plaintexts cuts a value into digits, one or two to a plaintext.
func plaintexts(value *big.Int, blocks, perLWE int, p Parameters) []uint64 {
	bits := messageBits(p)
	out := make([]uint64, (blocks+perLWE-1)/perLWE)
	for i := range blocks {
		var digit uint64
		for b := range bits {
			digit |= uint64(value.Bit(i*bits+b)) << b
		}
		out[i/perLWE] |= digit << (bits * (i % perLWE))
	}
	return out
}

// NegacyclicBinaryProduct returns a * r modulo 2^64 and X^n + 1 for a polynomial
// r of bits, without branching or indexing on them. Its cost is n^2 additions.
func NegacyclicBinaryProduct(a, r []uint64) []uint64 {
	n := len(a)
	out := make([]uint64, n)
	for j, bit := range r {
		keep := -(bit & 1)
		head, wrapped := out[j:], out[:j]
		for i := range head {
			head[i] += a[i] & keep
		}
		for i := range wrapped {
			wrapped[i] -= a[n-j+i] & keep
		}
	}
	return out
}

// SampleNoise draws count samples of TUniform(bound) as integers modulo 2^64:
// of bound+2 random bits r, floor(r/2) + (r mod 2) - 2^bound. bound is at most 60.
func SampleNoise(coins io.Reader, bound Noise, count int) ([]uint64, error) {
	if bound > maxNoise {
		return nil, fmt.Errorf("noise TUniform(%d): %w", bound, ErrParameters)
	}
	out, err := randomWords(coins, count)
	if err != nil {
		return nil, err
	}
	for i, word := range out {
		r := word & (1<<(bound+2) - 1)
		out[i] = r>>1 + r&1 - 1<<bound
	}
	return out, nil
}

// randomBits draws n bits, each as a word.
func randomBits(coins io.Reader, n int) ([]uint64, error) {
	packed := make([]byte, (n+7)/8)
	if _, err := io.ReadFull(coins, packed); err != nil {
		return nil, fmt.Errorf("read coins: %w", err)
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(packed[i/8]>>(i%8)) & 1
	}
	return out, nil
}

func randomWords(coins io.Reader, n int) ([]uint64, error) {
	raw := make([]byte, 8*n)
	if _, err := io.ReadFull(coins, raw); err != nil {
		return nil, fmt.Errorf("read coins: %w", err)
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return out, nil
}
