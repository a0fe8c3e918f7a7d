package ring

import (
	"errors"
	"fmt"
)

// MaxDegree is the largest extension degree d.
const MaxDegree = 5

// Errors of this package.
var (
	// ErrDegree reports an extension degree other than 4 and 5.
	ErrDegree = errors.New("ring: the extension degree must be 4 or 5")
	// ErrNotUnit reports an inverse asked of an element that is zero mod 2.
	ErrNotUnit = errors.New("ring: element is not a unit")
)

// Elem is one element: coordinate c is the coefficient of Y^c. Coordinates from
// the degree upwards are zero.
type Elem [MaxDegree]uint64

// Ring is R_64 of one extension degree. The zero value is not usable.
type Ring struct {
	d, tap int
}

// New returns the ring of extension degree d (4 or 5).
func New(d int) (Ring, error) {
	switch d {
	case 4:
		return Ring{d: 4, tap: 1}, nil
	case 5:
		return Ring{d: 5, tap: 2}, nil
	}
	return Ring{}, fmt.Errorf("%w, not %d", ErrDegree, d)
}

// Degree returns d, the words an element takes in a vector.
func (r Ring) Degree() int { return r.d }

// Points returns the number of non-zero points of the exceptional set: 2^d − 1.
func (r Ring) Points() int { return 1<<r.d - 1 }

// Point returns α_i, whose coordinates are the bits of i. Differences of two
// distinct points are units. It panics if i is outside 0..Points().
func (r Ring) Point(i int) Elem {
	if i < 0 || i > r.Points() {
		panic("ring: point outside the exceptional set")
	}
	var e Elem
	for c := range r.d {
		e[c] = uint64(i>>c) & 1
	}
	return e
}

// Integer returns x as an element.
func Integer(x uint64) Elem { return Elem{x} }

// At returns element i of the vector v.
func (r Ring) At(v []uint64, i int) Elem {
	var e Elem
	copy(e[:], v[i*r.d:(i+1)*r.d])
	return e
}

// Set stores e as element i of the vector v.
func (r Ring) Set(v []uint64, i int, e Elem) { copy(v[i*r.d:(i+1)*r.d], e[:r.d]) }

// Add returns a + b.
func (r Ring) Add(a, b Elem) Elem {
	for c := range a {
		a[c] += b[c]
	}
	return a
}

// Sub returns a − b.
func (r Ring) Sub(a, b Elem) Elem {
	for c := range a {
		a[c] -= b[c]
	}
	return a
}

// Scale returns x·a for an integer x.
func (r Ring) Scale(a Elem, x uint64) Elem {
	for c := range a {
		a[c] *= x
	}
	return a
}

// Mul returns a·b.
func (r Ring) Mul(a, b Elem) Elem {
	var t [2*MaxDegree - 1]uint64
	for i := range r.d {
		for j := range r.d {
			t[i+j] += a[i] * b[j]
		}
	}
	for i := 2*r.d - 2; i >= r.d; i-- { // Y^d = −Y^tap − 1
		t[i-r.d] -= t[i]
		t[i-r.d+r.tap] -= t[i]
	}
	var e Elem
	copy(e[:r.d], t[:r.d])
	return e
}

// shift returns Y·a.
func (r Ring) shift(a Elem) Elem {
	top := a[r.d-1]
	copy(a[1:r.d], a[:r.d-1])
	a[0] = -top // Y^d = −Y^tap − 1
	a[r.tap] -= top
	return a
}

// ReduceElem returns a mod 2^k.
func (r Ring) ReduceElem(a Elem, k uint) Elem {
	m := Mask(k)
	for c := range a {
		a[c] &= m
	}
	return a
}

// IsUnit reports whether a is invertible, that is, not zero mod 2.
func (r Ring) IsUnit(a Elem) bool {
	var odd uint64
	for _, x := range a {
		odd |= x
	}
	return odd&1 == 1
}

// Inverse returns the inverse of a in R_64, ErrNotUnit if there is none. It
// inverts mod 2 by Fermat's theorem in GF(2^d) and lifts by Newton's iteration.
func (r Ring) Inverse(a Elem) (Elem, error) {
	if !r.IsUnit(a) {
		return Elem{}, ErrNotUnit
	}
	x, base := Integer(1), r.ReduceElem(a, 1)
	for range r.d - 1 { // a^(2^d − 2) = a^2 · a^4 · … · a^(2^(d−1))
		base = r.ReduceElem(r.Mul(base, base), 1)
		x = r.ReduceElem(r.Mul(x, base), 1)
	}
	for range 6 { // each step doubles the valid bits: 1 → 64
		x = r.Mul(x, r.Sub(Integer(2), r.Mul(a, x)))
	}
	return x, nil
}

// Mask returns 2^k − 1 for k in 1..64.
func Mask(k uint) uint64 { return ^uint64(0) >> (64 - k) }

// Reduce keeps the low k bits of every coordinate of v, in place.
func Reduce(v []uint64, k uint) {
	m := Mask(k)
	for i := range v {
		v[i] &= m
	}
}
