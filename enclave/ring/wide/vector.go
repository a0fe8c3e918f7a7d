package wide

import (
	"math/bits"

	"github.com/tkms-network/tkms/enclave/ring"
)

// Matrix is multiplication by a constant: row j holds the coordinates of Y^j·c.
type Matrix [ring.MaxDegree]Elem

// Matrix returns multiplication by c.
func (r Ring) Matrix(c Elem) Matrix {
	var m Matrix
	for j := range r.d {
		m[j] = c
		c = r.Shift(c)
	}
	return m
}

// sum adds up products of words mod 2^128 with few carries: what belongs to the
// upper word is added up on its own.
type sum struct{ lo, hi uint64 }

func (s *sum) add(x, y Word) {
	hi, lo := bits.Mul64(x.Lo, y.Lo)
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, _ = bits.Add64(s.hi, hi, carry)
	s.hi += x.Lo*y.Hi + x.Hi*y.Lo
}

func (s *sum) addNarrow(x uint64, y Word) {
	hi, lo := bits.Mul64(x, y.Lo)
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, _ = bits.Add64(s.hi, hi, carry)
	s.hi += x * y.Hi
}

// MulAdd adds c·src to dst element by element, where m is Matrix(c).
func (r Ring) MulAdd(dst, src []Word, m *Matrix) {
	if len(dst) != len(src) {
		panic("wide: vectors of different lengths")
	}
	r.MulAddEach(dst, src, r.d, m)
}

// MulAddEach is MulAdd for elements of src that begin stride words apart.
func (r Ring) MulAddEach(dst, src []Word, stride int, m *Matrix) {
	r.check(len(dst), len(src), stride, r.d)
	if r.d == 4 {
		for ; len(dst) >= 4 && len(src) >= 4; dst, src = dst[4:], src[min(stride, len(src)):] {
			x0, x1, x2, x3 := src[0], src[1], src[2], src[3]
			for c := range 4 {
				s := sum{dst[c].Lo, dst[c].Hi}
				s.add(x0, m[0][c])
				s.add(x1, m[1][c])
				s.add(x2, m[2][c])
				s.add(x3, m[3][c])
				dst[c] = Word{s.lo, s.hi}
			}
		}
		return
	}
	for ; len(dst) > 0; dst, src = dst[r.d:], src[min(stride, len(src)):] {
		for c := range r.d {
			s := sum{dst[c].Lo, dst[c].Hi}
			for j := range r.d {
				s.add(src[j], m[j][c])
			}
			dst[c] = Word{s.lo, s.hi}
		}
	}
}

// MulAddNarrow adds c·src to dst element by element, where m is Matrix(c) and the
// coordinates of src are below 2^64.
func (r Ring) MulAddNarrow(dst []Word, src []uint64, m *Matrix) {
	stride := r.d
	r.check(len(dst), len(src), stride, r.d)
	if r.d == 4 {
		for ; len(dst) >= 4 && len(src) >= 4; dst, src = dst[4:], src[min(stride, len(src)):] {
			x0, x1, x2, x3 := src[0], src[1], src[2], src[3]
			for c := range 4 {
				s := sum{dst[c].Lo, dst[c].Hi}
				s.addNarrow(x0, m[0][c])
				s.addNarrow(x1, m[1][c])
				s.addNarrow(x2, m[2][c])
				s.addNarrow(x3, m[3][c])
				dst[c] = Word{s.lo, s.hi}
			}
		}
		return
	}
	for ; len(dst) > 0; dst, src = dst[r.d:], src[min(stride, len(src)):] {
		for c := range r.d {
			s := sum{dst[c].Lo, dst[c].Hi}
			for j := range r.d {
				s.addNarrow(src[j], m[j][c])
			}
			dst[c] = Word{s.lo, s.hi}
		}
	}
}

// MulIntegers adds c times the integers at 0, stride, … of src to the elements of dst.
func (r Ring) MulIntegers(dst, src []Word, stride int, c *Elem) {
	r.check(len(dst), len(src), stride, 1)
	for ; len(dst) > 0; dst, src = dst[r.d:], src[min(stride, len(src)):] {
		for j := range r.d {
			dst[j] = dst[j].Add(src[0].Mul(c[j]))
		}
	}
}

// check panics unless the elements of dst and src, of size words that begin stride
// words apart, are equally many.
func (r Ring) check(dst, src, stride, size int) {
	if count := dst / r.d; dst != count*r.d || count > 0 && src < (count-1)*stride+size {
		panic("wide: vectors of different lengths")
	}
}

// ScaleAdd adds x·src to dst for one integer x.
func (r Ring) ScaleAdd(dst, src []Word, x Word) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = dst[i].Add(src[i].Mul(x))
	}
}

// MulVec adds a[i]·b[i] to element i of dst. dst may not overlap a or b.
func (r Ring) MulVec(dst, a, b []Word) {
	if len(dst) != len(a) || len(dst) != len(b) || len(dst)%r.d != 0 {
		panic("wide: vectors of different lengths")
	}
	for ; len(dst) > 0; dst, a, b = dst[r.d:], a[r.d:], b[r.d:] {
		var t [2*ring.MaxDegree - 1]sum
		for i := range r.d {
			for j := range r.d {
				t[i+j].add(a[i], b[j])
			}
		}
		for i := 2*r.d - 2; i >= r.d; i-- { // Y^d = −Y^tap − 1
			t[i-r.d].subtract(t[i])
			t[i-r.d+r.tap].subtract(t[i])
		}
		for c := range r.d {
			dst[c] = dst[c].Add(Word{t[c].lo, t[c].hi})
		}
	}
}

func (s *sum) subtract(x sum) {
	var borrow uint64
	s.lo, borrow = bits.Sub64(s.lo, x.lo, 0)
	s.hi -= x.hi + borrow
}

// SquareAdd adds a[i]² + a[i] to element i of dst. dst may not overlap a.
func (r Ring) SquareAdd(dst, a []Word) {
	r.MulVec(dst, a, a)
	for i, x := range a {
		dst[i] = dst[i].Add(x)
	}
}

// PackAdd adds Σ_p Y^p·(element 4i+p of src), p < 4, to element i of dst; src has four
// times the elements of dst.
func (r Ring) PackAdd(dst, src []Word) {
	if len(src) != 4*len(dst) {
		panic("wide: vectors of different lengths")
	}
	for i := range len(dst) / r.d {
		var sum Elem
		for p := 3; p >= 0; p-- {
			sum = r.Add(r.Shift(sum), r.At(src, 4*i+p))
		}
		r.Set(dst, i, r.Add(r.At(dst, i), sum))
	}
}
