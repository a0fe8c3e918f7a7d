package wide

import (
	"github.com/tkms-network/tkms/enclave/ring"
)

// Elem is one element: coordinate c is the coefficient of Y^c. Coordinates from
// the degree upwards are zero.
type Elem [ring.MaxDegree]Word

// Ring is R_128 of one extension degree. The zero value is not usable.
type Ring struct {
	narrow ring.Ring
	d, tap int
}

// New returns the ring of extension degree d (4 or 5), ring.ErrDegree for others.
func New(d int) (Ring, error) {
	narrow, err := ring.New(d)
	if err != nil {
		return Ring{}, err
	}
	return Ring{narrow: narrow, d: d, tap: d - 3}, nil // Y^4+Y+1, Y^5+Y^2+1
}

// Degree returns d, the words an element takes in a vector.
func (r Ring) Degree() int { return r.d }

// Narrow returns the ring mod 2^64.
func (r Ring) Narrow() ring.Ring { return r.narrow }

// Point returns α_i, whose coordinates are the bits of i. It panics if i is outside
// 0..2^d−1.
func (r Ring) Point(i int) Elem { return Widen(r.narrow.Point(i)) }

// Integer returns x as an element.
func Integer(x Word) Elem { return Elem{x} }

// Widen returns the element with the coordinates of e.
func Widen(e ring.Elem) Elem {
	var out Elem
	for c, x := range e {
		out[c].Lo = x
	}
	return out
}

// Narrow returns e mod 2^64.
func (e Elem) Narrow() ring.Elem {
	var out ring.Elem
	for c, x := range e {
		out[c] = x.Lo
	}
	return out
}

// At returns element i of the vector v.
func (r Ring) At(v []Word, i int) Elem {
	var e Elem
	copy(e[:], v[i*r.d:(i+1)*r.d])
	return e
}

// Set stores e as element i of the vector v.
func (r Ring) Set(v []Word, i int, e Elem) { copy(v[i*r.d:(i+1)*r.d], e[:r.d]) }

// Add returns a + b.
func (r Ring) Add(a, b Elem) Elem {
	for c := range a {
		a[c] = a[c].Add(b[c])
	}
	return a
}

// Sub returns a − b.
func (r Ring) Sub(a, b Elem) Elem {
	for c := range a {
		a[c] = a[c].Sub(b[c])
	}
	return a
}

// Scale returns x·a for an integer x.
func (r Ring) Scale(a Elem, x Word) Elem {
	for c := range a {
		a[c] = a[c].Mul(x)
	}
	return a
}

// Mul returns a·b.
func (r Ring) Mul(a, b Elem) Elem {
	var sum Elem
	for i := range r.d {
		for c := range r.d {
			sum[c] = sum[c].Add(a[i].Mul(b[c]))
		}
		b = r.Shift(b)
	}
	return sum
}

// Shift returns Y·a.
func (r Ring) Shift(a Elem) Elem {
	top := a[r.d-1]
	copy(a[1:r.d], a[:r.d-1])
	a[0] = top.Neg() // Y^d = −Y^tap − 1
	a[r.tap] = a[r.tap].Sub(top)
	return a
}

// Reduce returns a mod 2^k, k in 1..128.
func (a Word) Reduce(k uint) Word { return a.and(Mask(k)) }

func (a Word) and(m Word) Word { return Word{a.Lo & m.Lo, a.Hi & m.Hi} }

// ReduceElem returns a mod 2^k.
func (r Ring) ReduceElem(a Elem, k uint) Elem {
	Reduce(a[:], k)
	return a
}

// Inverse returns the inverse of a in R_128, ring.ErrNotUnit if a is zero mod 2.
func (r Ring) Inverse(a Elem) (Elem, error) {
	narrow, err := r.narrow.Inverse(a.Narrow())
	if err != nil {
		return Elem{}, err
	}
	x := Widen(narrow) // right mod 2^64; Newton's step doubles the valid bits
	return r.Mul(x, r.Sub(Integer(Word{Lo: 2}), r.Mul(a, x))), nil
}

// Mask returns 2^k − 1 for k in 1..128.
func Mask(k uint) Word {
	if k > 64 {
		return Word{^uint64(0), ring.Mask(k - 64)}
	}
	return Word{ring.Mask(k), 0}
}

// Reduce keeps the low k bits of every coordinate of v, in place.
func Reduce(v []Word, k uint) {
	m := Mask(k)
	for i := range v {
		v[i] = v[i].and(m)
	}
}
