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
	} else {
		mulAdd5(dst, src, m)
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

// mulAdd5 has one row of the matrix after the other in registers.
func mulAdd5(dst, src []uint64, m *Matrix) {
	for j := range 5 {
		m0, m1, m2, m3, m4 := m[5*j], m[5*j+1], m[5*j+2], m[5*j+3], m[5*j+4]
		d, s := dst, src
		for len(d) >= 5 && len(s) >= 5 {
			x, e := s[j], (*[5]uint64)(d)
			e[0] += x * m0
			e[1] += x * m1
			e[2] += x * m2
			e[3] += x * m3
			e[4] += x * m4
			d, s = d[5:], s[5:]
		}
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
	} else {
		mulVec5(dst, a, b)
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

// mulVec5 takes Y^5 = −Y² − 1, Y^6 = −Y³ − Y, Y^7 = −Y^4 − Y² and Y^8 = Y² + 1 − Y³.
func mulVec5(dst, a, b []uint64) {
	for len(dst) >= 5 && len(a) >= 5 && len(b) >= 5 {
		a0, a1, a2, a3, a4 := a[0], a[1], a[2], a[3], a[4]
		b0, b1, b2, b3, b4 := b[0], b[1], b[2], b[3], b[4]
		c5 := a1*b4 + a2*b3 + a3*b2 + a4*b1
		c6 := a2*b4 + a3*b3 + a4*b2
		c7 := a3*b4 + a4*b3
		c8 := a4 * b4
		dst[0] += a0*b0 - c5 + c8
		dst[1] += a0*b1 + a1*b0 - c6
		dst[2] += a0*b2 + a1*b1 + a2*b0 - c5 - c7 + c8
		dst[3] += a0*b3 + a1*b2 + a2*b1 + a3*b0 - c6 - c8
		dst[4] += a0*b4 + a1*b3 + a2*b2 + a3*b1 + a4*b0 - c7
		dst, a, b = dst[5:], a[5:], b[5:]
	}
}

// square5 returns a² + a where d = 5.
func square5(a *[5]uint64) (e [5]uint64) {
	a0, a1, a2, a3, a4 := a[0], a[1], a[2], a[3], a[4]
	c5 := 2 * (a1*a4 + a2*a3)
	c6 := 2*a2*a4 + a3*a3
	c7 := 2 * a3 * a4
	c8 := a4 * a4
	e[0] = a0 + a0*a0 - c5 + c8
	e[1] = a1 + 2*a0*a1 - c6
	e[2] = a2 + 2*a0*a2 + a1*a1 - c5 - c7 + c8
	e[3] = a3 + 2*(a0*a3+a1*a2) - c6 - c8
	e[4] = a4 + 2*(a0*a4+a1*a3) + a2*a2 - c7
	return e
}

// SquareAdd adds a[i]² + a[i] to element i of dst. dst may not overlap a.
func (r Ring) SquareAdd(dst, a []uint64) {
	if len(dst) != len(a) {
		panic("ring: vectors of different lengths")
	}
	if r.d != 4 {
		for ; len(dst) >= 5 && len(a) >= 5; dst, a = dst[5:], a[5:] {
			for c, x := range square5((*[5]uint64)(a)) {
				dst[c] += x
			}
		}
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
