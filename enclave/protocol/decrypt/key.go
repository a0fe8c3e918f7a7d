package decrypt

import (
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
	lanes, words int
	width        uint
	s            []uint64
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
	k := &Key{code: code, shape: shape, n: n, lanes: 1, words: d}
	// A lane holds a sum of n products of K bits each; of the upper one only K bits
	// must be left in the word. For K = 17 that holds up to n = 8192.
	k.width = 2*shape.K + uint(bits.Len(uint(n-1)))
	if k.width+shape.K <= 64 {
		k.lanes, k.words = 2, (d+1)/2
	}
	mask := ring.Mask(shape.K)
	k.s = make([]uint64, n*k.words)
	for j := range n {
		for c := range d {
			k.s[j*k.words+c/k.lanes] |= share[j*d+c] & mask << (uint(c%k.lanes) * k.width)
		}
	}
	return k, nil
}

// Dimension returns the number of coefficients of the key.
func (k *Key) Dimension() int { return k.n }

// Zero erases the share.
func (k *Key) Zero() { clear(k.s) }

// String hides the share.
func (k *Key) String() string { return fmt.Sprintf("decrypt.Key(dimension %d, redacted)", k.n) }

// GoString hides the share.
func (k *Key) GoString() string { return k.String() }

// MarshalJSON hides the share.
func (k *Key) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

// phase writes the share of body + 2^(K−W−1) − Σ mask·s mod 2^K to dst, d words.
// block is N mask coefficients and the body, below 2^K each.
func (k *Key) phase(dst []uint64, block []uint32) error {
	var sums [ring.MaxDegree]uint64
	var all uint32
	if k.words == 2 {
		all = k.dot2(&sums, block)
	} else {
		for j, a := range block[:k.n] {
			all |= a
			for c, s := range k.s[j*k.words : (j+1)*k.words] {
				sums[c] += uint64(a) * s
			}
		}
	}
	if mask := ring.Mask(k.shape.K); uint64(all|block[k.n])&^mask != 0 {
		return fmt.Errorf("%w: a coefficient is not below 2^%d", ErrConfig, k.shape.K)
	}
	for c := range dst {
		dst[c] = -(sums[c/k.lanes] >> (uint(c%k.lanes) * k.width))
	}
	dst[0] += uint64(block[k.n]) + 1<<(k.shape.Low()-1)
	ring.Reduce(dst, k.shape.K)
	return nil
}

// dot2 is the inner loop for two words an element, unrolled by four.
func (k *Key) dot2(sums *[ring.MaxDegree]uint64, block []uint32) uint32 {
	var s0, s1 uint64
	var all uint32
	a, s := block[:k.n], k.s
	for len(a) >= 4 && len(s) >= 8 {
		a0, a1, a2, a3 := uint64(a[0]), uint64(a[1]), uint64(a[2]), uint64(a[3])
		all |= a[0] | a[1] | a[2] | a[3]
		s0 += a0*s[0] + a1*s[2] + a2*s[4] + a3*s[6]
		s1 += a0*s[1] + a1*s[3] + a2*s[5] + a3*s[7]
		a, s = a[4:], s[8:]
	}
	for j, x := range a {
		all |= x
		s0 += uint64(x) * s[2*j]
		s1 += uint64(x) * s[2*j+1]
	}
	sums[0], sums[1] = s0, s1
	return all
}
