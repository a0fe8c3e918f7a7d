package decrypt

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
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
	return newKey(code, shape, len(share), func(i int) uint64 { return share[i] })
}

// NewWideKey is NewKey for a share over R_128, of which only the low bits are needed.
func NewWideKey(code *sharing.Code, shape preproc.Shape, share []wide.Word) (*Key, error) {
	return newKey(code, shape, len(share), func(i int) uint64 { return share[i].Lo })
}

// newKey takes words mod 2^64, count of them.
func newKey(code *sharing.Code, shape preproc.Shape, count int, word func(i int) uint64) (*Key, error) {
	d := code.Degree()
	n := count / d
	if err := shape.Check(); err != nil {
		return nil, err
	}
	if n < 1 || n > MaxDimension || count%d != 0 {
		return nil, fmt.Errorf("%w: %d words", ErrDimension, count)
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
				pair[2*j+c%per/k.lanes] |= word(j*d+c) & mask << (uint(c%k.lanes) * k.width)
			}
		}
		k.pairs[i] = pair
	}
	return k, nil
}

// Dimension returns the number of coefficients of the key.
func (k *Key) Dimension() int { return k.n }

// Shape returns the shape that the key is prepared for.
func (k *Key) Shape() preproc.Shape { return k.shape }

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
