package decrypt

import (
	"encoding/binary"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// A switch to 2^K takes x mod 2^w to ⌊x·2^(K−w)⌉, halves rounded up. Its error is at
// most half a unit, so with a binary key of N coefficients at most (N+1)/2 units whatever the
// block is. Coefficients that a rotation takes past X^N come back negative: the nearest
// integer to −x, halves rounded up, is that to x, halves rounded down, negated.

// switching returns what dot adds to a word and by how much it shifts the sum, to
// switch it to 2^K: of 128 bits the word is the upper one.
func switching(k uint) (half uint64, shift uint) { return 1 << (63 - k), 64 - k }

// phase writes the share of body + 2^(K−W−1) − Σ mask·s mod 2^K to dst, d words. The
// mask is words, in polynomials of size coefficients each of which is multiplied by
// X^rotation mod X^size + 1. Body and mask are switched to 2^K.
func (k *Key) phase(dst []uint64, words []byte, size, rotation int, body uint64) {
	half, shift := switching(k.shape.K)
	k.sum(dst, words, size, rotation, 8, func(words []byte, pair []uint64, negated bool) (s, t uint64) {
		if negated {
			return dot(words, pair, half-1, shift)
		}
		return dot(words, pair, half, shift)
	})
	k.addBody(dst, (body+half)>>shift)
}

// phaseWide is phase for words and body mod 2^128.
func (k *Key) phaseWide(dst []uint64, words []byte, size, rotation int, body wide.Word) {
	half, shift := switching(k.shape.K)
	k.sum(dst, words, size, rotation, wide.Size, func(words []byte, pair []uint64, negated bool) (s, t uint64) {
		return dotWide(words, pair, half, shift, negated)
	})
	k.addBody(dst, (body.Hi+half)>>shift)
}

// sum overwrites dst with −Σ mask·s, of which dot gives parts: the sums over words of
// width bytes, switched, times each of two words of the share.
func (k *Key) sum(dst []uint64, words []byte, size, rotation, width int, dot func(words []byte, pair []uint64, negated bool) (s, t uint64)) {
	clear(dst)
	for first := 0; first < k.n; first += size {
		mask := words[width*first : width*(first+size)]
		split := width * (size - rotation)
		for i, pair := range k.pairs {
			pair = pair[2*first : 2*(first+size)]
			a0, a1 := dot(mask[:split], pair[2*rotation:], false)
			b0, b1 := dot(mask[split:], pair[:2*rotation], true)
			a, b := [2]uint64{a0, a1}, [2]uint64{b0, b1}
			for c := range min(2*k.lanes, len(dst)-2*k.lanes*i) {
				w, lane := c/k.lanes, uint(c%k.lanes)*k.width
				dst[2*k.lanes*i+c] += b[w]>>lane - a[w]>>lane
			}
		}
	}
}

// addBody adds the switched body and half a step, and reduces.
func (k *Key) addBody(dst []uint64, body uint64) {
	dst[0] += body + 1<<(k.shape.Low()-1)
	ring.Reduce(dst, k.shape.K)
}

// dot returns Σ a·s and Σ a·t for the little-endian words x of words and
// a = (x + half mod 2^64) >> shift, where s, t are pair, two words a coefficient.
func dot(words []byte, pair []uint64, half uint64, shift uint) (s, t uint64) {
	for len(words) >= 64 && len(pair) >= 16 {
		x, k := (*[64]byte)(words), (*[16]uint64)(pair)
		// Two at a time: more would not fit the registers.
		a := (binary.LittleEndian.Uint64(x[0:]) + half) >> (shift & 63)
		b := (binary.LittleEndian.Uint64(x[8:]) + half) >> (shift & 63)
		s += a*k[0] + b*k[2]
		t += a*k[1] + b*k[3]
		a = (binary.LittleEndian.Uint64(x[16:]) + half) >> (shift & 63)
		b = (binary.LittleEndian.Uint64(x[24:]) + half) >> (shift & 63)
		s += a*k[4] + b*k[6]
		t += a*k[5] + b*k[7]
		a = (binary.LittleEndian.Uint64(x[32:]) + half) >> (shift & 63)
		b = (binary.LittleEndian.Uint64(x[40:]) + half) >> (shift & 63)
		s += a*k[8] + b*k[10]
		t += a*k[9] + b*k[11]
		a = (binary.LittleEndian.Uint64(x[48:]) + half) >> (shift & 63)
		b = (binary.LittleEndian.Uint64(x[56:]) + half) >> (shift & 63)
		s += a*k[12] + b*k[14]
		t += a*k[13] + b*k[15]
		words, pair = words[64:], pair[16:]
	}
	for len(words) >= 8 && len(pair) >= 2 {
		a := (binary.LittleEndian.Uint64(words) + half) >> (shift & 63)
		s += a * pair[0]
		t += a * pair[1]
		words, pair = words[8:], pair[2:]
	}
	return s, t
}

// dotWide is dot for words of 128 bits. The upper half of a word decides, but for a
// tie: halves are rounded up, or down if the words are of negated coefficients.
func dotWide(words []byte, pair []uint64, half uint64, shift uint, negated bool) (s, t uint64) {
	for !negated && len(words) >= 4*wide.Size && len(pair) >= 8 {
		x, k := (*[4 * wide.Size]byte)(words), (*[8]uint64)(pair)
		a := (binary.LittleEndian.Uint64(x[8:]) + half) >> (shift & 63)
		b := (binary.LittleEndian.Uint64(x[24:]) + half) >> (shift & 63)
		s += a*k[0] + b*k[2]
		t += a*k[1] + b*k[3]
		a = (binary.LittleEndian.Uint64(x[40:]) + half) >> (shift & 63)
		b = (binary.LittleEndian.Uint64(x[56:]) + half) >> (shift & 63)
		s += a*k[4] + b*k[6]
		t += a*k[5] + b*k[7]
		words, pair = words[4*wide.Size:], pair[8:]
	}
	var down uint64
	if negated {
		down = 1
	}
	for len(words) >= wide.Size && len(pair) >= 2 {
		lo, hi := binary.LittleEndian.Uint64(words), binary.LittleEndian.Uint64(words[8:])
		tie := (lo|-lo)>>63 ^ 1 // nothing below the upper half
		a := (hi + half - tie&down) >> (shift & 63)
		s += a * pair[0]
		t += a * pair[1]
		words, pair = words[wide.Size:], pair[2:]
	}
	return s, t
}
