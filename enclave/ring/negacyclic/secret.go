package negacyclic

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// ErrShare reports a share that has not the length of its polynomials.
var ErrShare = errors.New("negacyclic: the share has the wrong length")

// Primes that the products of words of 64 and of 128 bits take.
const (
	narrowPrimes = 3
	widePrimes   = 5
)

// Secret is a share over R_64 of polynomials of degree N, made ready to be multiplied
// by public masks. It is as secret as the share, and safe for concurrent use until it
// is erased.
type Secret struct{ operand *operand }

// NewSecret takes polynomials·N elements of d words, the coefficients of the first
// polynomial first: ErrShare for other lengths, ErrDegree unless N is a power of two
// from MinPackedDegree to MaxDegree.
func NewSecret(r ring.Ring, degree, polynomials int, share []uint64) (*Secret, error) {
	extended, err := wide.New(r.Degree())
	if err != nil {
		return nil, err
	}
	widened := make([]wide.Word, len(share))
	defer clear(widened)
	for i, x := range share {
		widened[i].Lo = x
	}
	o, err := newOperand(extended, 64, degree, polynomials, narrowPrimes, widened)
	if err != nil {
		return nil, err
	}
	return &Secret{o}, nil
}

// MulAdd adds to dst, N/4 elements of d words, the packed product with mask, which has
// N words for each polynomial: element i gets Σ_{p<4} Y^p·(Σ_q a_q·S_q)_{4i+p} mod 2^64.
func (s *Secret) MulAdd(dst, mask []uint64) {
	o := s.operand
	o.check(len(dst), len(mask))
	w := o.workspace()
	defer o.release(w)
	o.multiply(w, func(f *field, to []uint64, q int) {
		from := mask[q*o.degree : (q+1)*o.degree]
		for p := range phases {
			for j := range o.quarter {
				to[p*o.quarter+j] = f.reduce(from[phases*j+p])
			}
		}
	})
	f := (*[narrowPrimes]field)(o.fields)
	for c := range o.d {
		x0, x1, x2 := o.residues(w, 0, c), o.residues(w, 1, c), o.residues(w, 2, c)
		for j := range x0 {
			y0, y1, y2 := x0[j], x1[j], x2[j]
			r0, _ := bits.Mul64(y0, f[0].rate)
			r1, _ := bits.Mul64(y1, f[1].rate)
			r2, _ := bits.Mul64(y2, f[2].rate)
			v := (r0 + r1 + r2 + half) >> ratioBits
			dst[j*o.d+c] += y0*f[0].share.Lo + y1*f[1].share.Lo + y2*f[2].share.Lo - v*o.product.Lo
		}
	}
}

// Zero erases the secret.
func (s *Secret) Zero() { clear(s.operand.hat) }

// String hides the secret.
func (s *Secret) String() string { return s.operand.describe("Secret") }

// GoString hides the secret.
func (s *Secret) GoString() string { return s.String() }

// MarshalJSON hides the secret.
func (s *Secret) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

// WideSecret is Secret for a share over R_128.
type WideSecret struct{ operand *operand }

// NewWideSecret is NewSecret for a share over R_128.
func NewWideSecret(r wide.Ring, degree, polynomials int, share []wide.Word) (*WideSecret, error) {
	o, err := newOperand(r, 128, degree, polynomials, widePrimes, share)
	if err != nil {
		return nil, err
	}
	return &WideSecret{o}, nil
}

// MulAdd adds the packed product with mask to dst, mod 2^128, as that of Secret does.
func (s *WideSecret) MulAdd(dst, mask []wide.Word) {
	o := s.operand
	o.check(len(dst), len(mask))
	w := o.workspace()
	defer o.release(w)
	o.multiply(w, func(f *field, to []uint64, q int) {
		from := mask[q*o.degree : (q+1)*o.degree]
		for p := range phases {
			for j := range o.quarter {
				to[p*o.quarter+j] = f.reduceWide(from[phases*j+p])
			}
		}
	})
	for c := range o.d {
		for j := range o.quarter {
			dst[j*o.d+c] = combine(o.fields, o.product, dst[j*o.d+c], w.out[c*o.quarter+j:], o.d*o.quarter)
		}
	}
}

// Zero erases the secret.
func (s *WideSecret) Zero() { clear(s.operand.hat) }

// String hides the secret.
func (s *WideSecret) String() string { return s.operand.describe("WideSecret") }

// GoString hides the secret.
func (s *WideSecret) GoString() string { return s.String() }

// MarshalJSON hides the secret.
func (s *WideSecret) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

func (o *operand) describe(name string) string {
	return fmt.Sprintf("negacyclic.%s(%d polynomials of degree %d, redacted)", name, o.polynomials, o.degree)
}
