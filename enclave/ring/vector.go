package ring

// Matrix is multiplication by a constant: row j holds the coordinates of Y^j·c,
// MaxDegree words a row.
type Matrix [MaxDegree * MaxDegree]uint64

// Matrix returns multiplication by c.
func (r Ring) Matrix(c Elem) Matrix {
	var m Matrix
	for j := range r.d {
		copy(m[j*MaxDegree:], c[:])
		c = r.shift(c)
	}
	return m
}

// MulAdd adds c·src to dst element by element, where m is Matrix(c).
func (r Ring) MulAdd(dst, src []uint64, m *Matrix) {
	if len(dst) != len(src) {
		panic("ring: vectors of different lengths")
	}
	if r.d == 4 {
		mulAdd4(dst, src, m)
		return
	}
	for o := 0; o+r.d <= len(dst); o += r.d {
		for j := range r.d {
			x := src[o+j]
			for c := range r.d {
				dst[o+c] += x * m[j*MaxDegree+c]
			}
		}
	}
}

func mulAdd4(dst, src []uint64, m *Matrix) {
	m00, m01, m02, m03 := m[0], m[1], m[2], m[3]
	m10, m11, m12, m13 := m[5], m[6], m[7], m[8]
	m20, m21, m22, m23 := m[10], m[11], m[12], m[13]
	m30, m31, m32, m33 := m[15], m[16], m[17], m[18]
	for len(dst) >= 4 && len(src) >= 4 {
		x0, x1, x2, x3 := src[0], src[1], src[2], src[3]
		dst[0] += x0*m00 + x1*m10 + x2*m20 + x3*m30
		dst[1] += x0*m01 + x1*m11 + x2*m21 + x3*m31
		dst[2] += x0*m02 + x1*m12 + x2*m22 + x3*m32
		dst[3] += x0*m03 + x1*m13 + x2*m23 + x3*m33
		dst, src = dst[4:], src[4:]
	}
}

// ScaleAdd adds x·src to dst for one integer x.
func (r Ring) ScaleAdd(dst, src []uint64, x uint64) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] += x * src[i]
	}
}

// MulVec adds a[i]·b[i] to element i of dst. dst may not overlap a or b.
func (r Ring) MulVec(dst, a, b []uint64) {
	if len(dst) != len(a) || len(dst) != len(b) {
		panic("ring: vectors of different lengths")
	}
	if r.d == 4 {
		mulVec4(dst, a, b)
		return
	}
	for i := 0; i < len(dst)/r.d; i++ {
		r.Set(dst, i, r.Add(r.At(dst, i), r.Mul(r.At(a, i), r.At(b, i))))
	}
}

func mulVec4(dst, a, b []uint64) {
	for len(dst) >= 4 && len(a) >= 4 && len(b) >= 4 {
		a0, a1, a2, a3 := a[0], a[1], a[2], a[3]
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		c4 := a1*b3 + a2*b2 + a3*b1
		c5 := a2*b3 + a3*b2
		c6 := a3 * b3
		dst[0] += a0*b0 - c4
		dst[1] += a0*b1 + a1*b0 - c4 - c5
		dst[2] += a0*b2 + a1*b1 + a2*b0 - c5 - c6
		dst[3] += a0*b3 + a1*b2 + a2*b1 + a3*b0 - c6
		dst, a, b = dst[4:], a[4:], b[4:]
	}
}

// SquareAdd adds a[i]² + a[i] to element i of dst. dst may not overlap a.
func (r Ring) SquareAdd(dst, a []uint64) {
	if len(dst) != len(a) {
		panic("ring: vectors of different lengths")
	}
	if r.d != 4 {
		r.MulVec(dst, a, a)
		r.ScaleAdd(dst, a, 1)
		return
	}
	for len(dst) >= 4 && len(a) >= 4 {
		a0, a1, a2, a3 := a[0], a[1], a[2], a[3]
		c4 := 2*a1*a3 + a2*a2
		c5 := 2 * a2 * a3
		c6 := a3 * a3
		dst[0] += a0 + a0*a0 - c4
		dst[1] += a1 + 2*a0*a1 - c4 - c5
		dst[2] += a2 + 2*a0*a2 + a1*a1 - c5 - c6
		dst[3] += a3 + 2*(a0*a3+a1*a2) - c6
		dst, a = dst[4:], a[4:]
	}
}
