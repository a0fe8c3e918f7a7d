package ring

// Packed elements hold four integers, coordinate by coordinate: Σ_p Y^p·v_p. A share
// of each v_p makes one of the packed element, for the price of shifts.

// PackSquareAdd adds Σ_p Y^p·(a_p[i]² + a_p[i]), p < 4, to element i of dst, which may
// not overlap the vectors of a.
func (r Ring) PackSquareAdd(dst []uint64, a *[4][]uint64) {
	for _, v := range a {
		if len(v) != len(dst) {
			panic("ring: vectors of different lengths")
		}
	}
	if r.d == 4 {
		packSquareAdd4(dst, a)
		return
	}
	for i := range len(dst) / r.d {
		var sum Elem
		for p := 3; p >= 0; p-- {
			sum = r.Add(r.shift(sum), square5((*[5]uint64)(a[p][5*i:])))
		}
		r.Set(dst, i, r.Add(r.At(dst, i), sum))
	}
}

// square4 returns a² + a where d = 4.
func square4(a *[4]uint64) (s0, s1, s2, s3 uint64) {
	a0, a1, a2, a3 := a[0], a[1], a[2], a[3]
	c4 := 2*a1*a3 + a2*a2
	c5 := 2 * a2 * a3
	c6 := a3 * a3
	return a0 + a0*a0 - c4, a1 + 2*a0*a1 - c4 - c5, a2 + 2*a0*a2 + a1*a1 - c5 - c6, a3 + 2*(a0*a3+a1*a2) - c6
}

func packSquareAdd4(dst []uint64, a *[4][]uint64) {
	a0, a1, a2, a3 := a[0], a[1], a[2], a[3]
	for len(dst) >= 4 && len(a0) >= 4 && len(a1) >= 4 && len(a2) >= 4 && len(a3) >= 4 {
		// Horner: Y·(s0, s1, s2, s3) = (−s3, s0 − s3, s1, s2).
		s0, s1, s2, s3 := square4((*[4]uint64)(a3))
		t0, t1, t2, t3 := square4((*[4]uint64)(a2))
		s0, s1, s2, s3 = t0-s3, t1+s0-s3, t2+s1, t3+s2
		t0, t1, t2, t3 = square4((*[4]uint64)(a1))
		s0, s1, s2, s3 = t0-s3, t1+s0-s3, t2+s1, t3+s2
		t0, t1, t2, t3 = square4((*[4]uint64)(a0))
		e := (*[4]uint64)(dst)
		e[0] += t0 - s3
		e[1] += t1 + s0 - s3
		e[2] += t2 + s1
		e[3] += t3 + s2
		dst, a0, a1, a2, a3 = dst[4:], a0[4:], a1[4:], a2[4:], a3[4:]
	}
}

// PackScaleAdd adds Σ_p Y^p·(a_p[i] − root[4i+p])·factor[4i+p], p < 4, to element i of
// dst, which may not overlap the vectors of a.
func (r Ring) PackScaleAdd(dst []uint64, a *[4][]uint64, root, factor []uint64) {
	for _, v := range a {
		if len(v) != len(dst) {
			panic("ring: vectors of different lengths")
		}
	}
	if r.d == 4 {
		packScaleAdd4(dst, a, root, factor)
		return
	}
	for i := range len(dst) / r.d {
		var sum Elem
		for p := 3; p >= 0; p-- {
			e := r.Scale(r.Sub(r.At(a[p], i), Integer(root[4*i+p])), factor[4*i+p])
			sum = r.Add(r.shift(sum), e)
		}
		r.Set(dst, i, r.Add(r.At(dst, i), sum))
	}
}

func packScaleAdd4(dst []uint64, a *[4][]uint64, root, factor []uint64) {
	a0, a1, a2, a3 := a[0], a[1], a[2], a[3]
	for len(dst) >= 4 && len(a0) >= 4 && len(a1) >= 4 && len(a2) >= 4 && len(a3) >= 4 {
		f, v := (*[4]uint64)(factor), (*[4]uint64)(root)
		x, q := (*[4]uint64)(a3), f[3]
		s0, s1, s2, s3 := (x[0]-v[3])*q, x[1]*q, x[2]*q, x[3]*q
		x, q = (*[4]uint64)(a2), f[2]
		s0, s1, s2, s3 = (x[0]-v[2])*q-s3, x[1]*q+s0-s3, x[2]*q+s1, x[3]*q+s2
		x, q = (*[4]uint64)(a1), f[1]
		s0, s1, s2, s3 = (x[0]-v[1])*q-s3, x[1]*q+s0-s3, x[2]*q+s1, x[3]*q+s2
		x, q = (*[4]uint64)(a0), f[0]
		e := (*[4]uint64)(dst)
		e[0] += (x[0]-v[0])*q - s3
		e[1] += x[1]*q + s0 - s3
		e[2] += x[2]*q + s1
		e[3] += x[3]*q + s2
		dst, a0, a1, a2, a3 = dst[4:], a0[4:], a1[4:], a2[4:], a3[4:]
		root, factor = root[4:], factor[4:]
	}
}

// PackAdd adds Σ_p Y^p·(element 4i+p of src), p < 4, to element i of dst; src has four
// times the elements of dst.
func (r Ring) PackAdd(dst, src []uint64) {
	if len(src) != 4*len(dst) {
		panic("ring: vectors of different lengths")
	}
	for i := range len(dst) / r.d {
		var sum Elem
		for p := 3; p >= 0; p-- {
			sum = r.Add(r.shift(sum), r.At(src, 4*i+p))
		}
		r.Set(dst, i, r.Add(r.At(dst, i), sum))
	}
}
