package decrypt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"math/bits"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// ErrFlood reports parties of which too many sets draw noise for it to stay below half
// a step.
var ErrFlood = errors.New("decrypt: the noise of so many sets of parties would change values")

const (
	// floodBits bounds a set's draw: 2^floodBits in magnitude, twice. It exceeds what
	// a noise of maxSquashedNoise bits can shift by 40 bits of statistical security.
	floodBits = maxSquashedNoise + 40
	// maxSquashedNoise is the most noise, as a power of two, that ciphertexts mod 2^128
	// have; measured ones have 2^66.
	maxSquashedNoise = 70
	// packing is the number of phases that an element carries, whatever its degree.
	packing = 4
)

// Floods reports whether ciphertexts mod 2^128 with values of w bits, padding bit
// included, can be decrypted by flooding among n parties of which t may be corrupt:
// whether 2·C(n,t)·2^110 + 2^70 < 2^(127−w).
func Floods(n, t int, w uint) bool {
	most := new(big.Int).Binomial(int64(n), int64(t))
	most.Lsh(most, floodBits+1)
	most.Add(most, new(big.Int).Lsh(big.NewInt(1), maxSquashedNoise))
	return w < 127 && most.Cmp(new(big.Int).Lsh(big.NewInt(1), 127-w)) < 0
}

// FloodKey is a party's share of a binary LWE key over R_128, for Flooding.
type FloodKey struct {
	code *sharing.Code
	n    int
	w    uint
	// pairs hold two coordinates of each coefficient, all n one after another.
	pairs [][]wide.Word
}

// NewFloodKey prepares share, d words for each of the key's coefficients over R_128, for
// values of w bits, their padding bit included. MaxDimension bounds the number of
// coefficients. It returns ErrFlood unless Floods.
func NewFloodKey(code *sharing.Code, w uint, share []wide.Word) (*FloodKey, error) {
	d := code.Degree()
	n := len(share) / d
	if !Floods(code.N(), code.T(), w) {
		return nil, fmt.Errorf("%w: n=%d, t=%d, %d bits", ErrFlood, code.N(), code.T(), w)
	}
	if n < 1 || n > MaxDimension || len(share)%d != 0 || w < 1 {
		return nil, fmt.Errorf("%w: %d words", ErrDimension, len(share))
	}
	k := &FloodKey{code: code, n: n, w: w, pairs: make([][]wide.Word, (d+1)/2)}
	for i := range k.pairs {
		k.pairs[i] = make([]wide.Word, 2*n)
		for j := range n {
			copy(k.pairs[i][2*j:2*j+2], share[j*d+2*i:(j+1)*d])
		}
	}
	return k, nil
}

// Dimension returns the number of coefficients of the key.
func (k *FloodKey) Dimension() int { return k.n }

// Zero erases the share.
func (k *FloodKey) Zero() {
	for _, pair := range k.pairs {
		clear(pair)
	}
}

// String hides the share.
func (k *FloodKey) String() string {
	return fmt.Sprintf("decrypt.FloodKey(dimension %d, redacted)", k.n)
}

// GoString hides the share.
func (k *FloodKey) GoString() string { return k.String() }

// MarshalJSON hides the share.
func (k *FloodKey) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

// FloodPhases are one party's shares of the phases of blocks mod 2^128, exact: d words
// for each four of them. They show the blocks' noise, which opened gives the key away.
type FloodPhases struct {
	key    *FloodKey
	count  int
	shares []wide.Word // of Σ_p Y^p·phase_(4i+p)
}

// Phases returns the shares of the phases, ErrConfig if the blocks do not fit the key.
func (k *FloodKey) Phases(blocks WideBlocks) (*FloodPhases, error) {
	if err := check(blocks, k.n); err != nil {
		return nil, err
	}
	count, size, r := blocks.Len(), blocks.Polynomial(), k.code.WideRing()
	p := &FloodPhases{key: k, count: count, shares: make([]wide.Word, elements(count)*r.Degree())}
	for i := range count {
		mask, rotation, body := blocks.ViewWide(i)
		if err := checkView(i, mask, wide.Size, k.n, size, rotation); err != nil {
			return nil, err
		}
		e := k.phase(mask, size, rotation, body)
		for range i % packing {
			e = r.Shift(e)
		}
		r.Set(p.shares, i/packing, r.Add(r.At(p.shares, i/packing), e))
	}
	return p, nil
}

// elements returns the number of elements that hold count phases.
func elements(count int) int { return (count + packing - 1) / packing }

// phase returns the share of body − Σ mask·s mod 2^128, where the mask is words, in
// polynomials of size coefficients each of which is multiplied by X^rotation mod X^size + 1.
func (k *FloodKey) phase(words []byte, size, rotation int, body wide.Word) wide.Elem {
	out := wide.Integer(body)
	for first := 0; first < k.n; first += size {
		mask := words[wide.Size*first : wide.Size*(first+size)]
		split := wide.Size * (size - rotation)
		for i, pair := range k.pairs {
			pair = pair[2*first : 2*(first+size)]
			a0, a1 := dotExact(mask[:split], pair[2*rotation:])
			b0, b1 := dotExact(mask[split:], pair[:2*rotation])
			out[2*i] = out[2*i].Add(b0.Sub(a0))
			if 2*i+1 < len(out) {
				out[2*i+1] = out[2*i+1].Add(b1.Sub(a1))
			}
		}
	}
	return out
}

// dotExact returns Σ x·s and Σ x·t for the words x, where s, t are pair, two words a
// coefficient.
func dotExact(words []byte, pair []wide.Word) (s, t wide.Word) {
	for len(words) >= wide.Size && len(pair) >= 2 {
		lo, hi := binary.LittleEndian.Uint64(words), binary.LittleEndian.Uint64(words[8:])
		p, q := pair[0], pair[1]
		var carry uint64
		h, l := bits.Mul64(lo, p.Lo)
		s.Lo, carry = bits.Add64(s.Lo, l, 0)
		s.Hi += h + carry + lo*p.Hi + hi*p.Lo
		h, l = bits.Mul64(lo, q.Lo)
		t.Lo, carry = bits.Add64(t.Lo, l, 0)
		t.Hi += h + carry + lo*q.Hi + hi*q.Lo
		words, pair = words[wide.Size:], pair[2:]
	}
	return s, t
}

// Len returns the number of blocks.
func (p *FloodPhases) Len() int { return p.count }

// Zero erases the shares.
func (p *FloodPhases) Zero() { clear(p.shares) }

// String hides the shares.
func (p *FloodPhases) String() string {
	return fmt.Sprintf("decrypt.FloodPhases(%d blocks, redacted)", p.count)
}

// GoString hides the shares.
func (p *FloodPhases) GoString() string { return p.String() }

// MarshalJSON hides the shares.
func (p *FloodPhases) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }
