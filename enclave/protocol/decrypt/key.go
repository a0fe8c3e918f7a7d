package decrypt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Errors of this package.
var (
	// ErrConfig reports a key, blocks or stock that do not fit each other.
	ErrConfig = errors.New("decrypt: key, blocks and stock do not fit")
	// ErrDimension reports an LWE dimension that the modulus has no room for.
	ErrDimension = errors.New("decrypt: dimension outside its bounds")
	// ErrInconsistent reports an opening that cannot come from an integer: key
	// shares or stock of this epoch do not belong together.
	ErrInconsistent = errors.New("decrypt: an opening is no integer, shares do not belong together")
)

// MaxDimension bounds the LWE dimension N.
const MaxDimension = 1 << 16

// Key is a party's share of a binary LWE key, prepared for one shape.
type Key struct {
	code  *sharing.Code
	shape preproc.Shape
	n     int
	// lanes coordinates share a word, the second one width bits up.
	lanes int
	width uint
	// pairs hold two words of each coefficient, all n one after another.
	pairs [][]uint64
}

// NewKey prepares share, d words for each of the key's coefficients over R_64.
// MaxDimension bounds their number.
func NewKey(code *sharing.Code, shape preproc.Shape, share []uint64) (*Key, error) {
	d := code.Degree()
	n := len(share) / d
	if err := shape.Check(); err != nil {
		return nil, err
	}
	if n < 1 || n > MaxDimension || len(share)%d != 0 {
		return nil, fmt.Errorf("%w: %d words", ErrDimension, len(share))
	}
	k := &Key{code: code, shape: shape, n: n, lanes: 1}
	// A lane holds a sum of n products of K bits each; of the upper one only K bits
	// must be left in the word. For K = 17 that holds up to n = 8192.
	k.width = 2*shape.K + uint(bits.Len(uint(n-1)))
	if k.width+shape.K <= 64 {
		k.lanes = 2
	}
	per := 2 * k.lanes
	k.pairs = make([][]uint64, (d+per-1)/per)
	mask := ring.Mask(shape.K)
	for i := range k.pairs {
		pair := make([]uint64, 2*n)
		for j := range n {
			for c := i * per; c < min((i+1)*per, d); c++ {
				pair[2*j+c%per/k.lanes] |= share[j*d+c] & mask << (uint(c%k.lanes) * k.width)
			}
		}
		k.pairs[i] = pair
	}
	return k, nil
}

// Dimension returns the number of coefficients of the key.
func (k *Key) Dimension() int { return k.n }

// Zero erases the share.
func (k *Key) Zero() {
	for _, pair := range k.pairs {
		clear(pair)
	}
}

// String hides the share.
func (k *Key) String() string { return fmt.Sprintf("decrypt.Key(dimension %d, redacted)", k.n) }

// GoString hides the share.
func (k *Key) GoString() string { return k.String() }

// MarshalJSON hides the share.
func (k *Key) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

// phase writes the share of body + 2^(K−W−1) − Σ mask·s mod 2^K to dst, d words,
// where mask is X^rotation·words mod X^N + 1, and body and mask are switched to 2^K:
// x becomes ⌊x·2^(K−64)⌉, halves rounded up. The error of a switch is at most half a
// unit, so with a binary key at most (N+1)/2 units whatever the block is.
func (k *Key) phase(dst []uint64, words []byte, rotation int, body uint64) {
	// Coefficients that the rotation takes past X^N come back negative. The nearest
	// integer to −x, halves rounded up, is that to x, halves rounded down, negated.
	shift := 64 - k.shape.K
	up := uint64(1) << (shift - 1)
	positive := 8 * (k.n - rotation)
	for i, pair := range k.pairs {
		a0, a1 := dot(words[:positive], pair[2*rotation:], up, shift)
		b0, b1 := dot(words[positive:], pair[:2*rotation], up-1, shift)
		a, b := [2]uint64{a0, a1}, [2]uint64{b0, b1}
		for c := range min(2*k.lanes, len(dst)-2*k.lanes*i) {
			w, lane := c/k.lanes, uint(c%k.lanes)*k.width
			dst[2*k.lanes*i+c] = b[w]>>lane - a[w]>>lane
		}
	}
	dst[0] += (body+up)>>shift + 1<<(k.shape.Low()-1)
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
