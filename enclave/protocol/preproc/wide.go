package preproc

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// What packed.go and outer.go do for K ≤ 64, for K up to 128.

// wideShares is shares for numbers of more than a word.
func (s Section) wideShares(drawn []wide.Word, at, count, d int) (out [Pack][]wide.Word) {
	drawn = drawn[at*Pack*d:]
	for p := range out {
		out[p], drawn = drawn[:count*d:count*d], drawn[count*d:]
	}
	return out
}

// dealWideBits is dealBits.
func (s Section) dealWideBits(source prss.Randomness, drawn []wide.Word, out []byte, lo, hi int) error {
	r := source.Code().WideRing()
	d := r.Degree()
	masks, square := make([]wide.Word, step*d), make([]wide.Word, Pack*step*d)
	defer clear(square)
	for at := lo; at < hi; at += step {
		count := min(step, hi-at)
		a, masked := s.wideShares(drawn, at, count, d), masks[:count*d]
		if err := source.DrawWide(s.bitAddress(0, at), prss.WideVectors{Integers: a[:], Zeros: [][]wide.Word{masked}}); err != nil {
			return err
		}
		squares := square[:Pack*count*d]
		clear(squares)
		for p, v := range a {
			r.SquareAdd(squares[p*count*d:(p+1)*count*d], v)
		}
		for e := range count {
			var sum wide.Elem
			for p := Pack - 1; p >= 0; p-- {
				sum = r.Add(r.Shift(sum), r.At(squares[p*count*d:], e))
			}
			r.Set(masked, e, r.Add(r.At(masked, e), sum))
		}
		out = wide.AppendPacked(out, masked, s.K)
	}
	return nil
}

// WideFactors is Factors for 64 < K ≤ 128.
func (s Section) WideFactors(source prss.Randomness) (x, y []wide.Word, err error) {
	if err := s.checkOuter(true); err != nil {
		return nil, nil, err
	}
	d := source.Code().Degree()
	x, y = make([]wide.Word, s.Outer.Rows*d), make([]wide.Word, s.Outer.Columns*d)
	if err := source.DrawWide(s.factors(outerRows, 0), prss.WideVectors{Integers: [][]wide.Word{x}}); err != nil {
		return nil, nil, err
	}
	if err := source.DrawWide(s.factors(outerColumns, 0), prss.WideVectors{Integers: [][]wide.Word{y}}); err != nil {
		clear(x)
		return nil, nil, err
	}
	return x, y, nil
}

// WideZ is Z for 64 < K ≤ 128.
func (s Section) WideZ(source prss.Randomness, row int, dst []wide.Word) error {
	if err := s.checkOuter(true); err != nil {
		return err
	}
	elements := s.Outer.Columns / Pack
	if row < 0 || row >= s.Outer.Rows || len(dst) != elements*source.Code().Degree() {
		return fmt.Errorf("%w: row %d, %d words", ErrSection, row, len(dst))
	}
	return source.DrawWide(s.factors(outerMasks, row*elements), prss.WideVectors{Elements: [][]wide.Word{dst}})
}

// dealWideOuter is dealOuter.
func (s Section) dealWideOuter(source prss.Randomness) (deal func(out []byte, q, lo, hi int) error, erase func(), err error) {
	x, y, err := s.WideFactors(source)
	if err != nil {
		return nil, nil, err
	}
	r := source.Code().WideRing()
	d, columns := r.Degree(), s.Outer.Columns/Pack
	packed := make([]wide.Word, columns*d)
	for e := range columns {
		var sum wide.Elem
		for p := Pack - 1; p >= 0; p-- {
			sum = r.Add(r.Shift(sum), r.At(y, Pack*e+p))
		}
		r.Set(packed, e, sum)
	}
	clear(y)
	erase = func() {
		clear(x)
		clear(packed)
	}
	return func(out []byte, _, lo, hi int) error {
		z, masked := make([]wide.Word, step*d), make([]wide.Word, step*d)
		defer clear(z)
		for at := lo; at < hi; at += step {
			count := min(step, hi-at)
			z, masked := z[:count*d], masked[:count*d]
			if err := source.DrawWide(s.factors(outerMasks, s.outerElement(at)), prss.WideVectors{Elements: [][]wide.Word{z}}); err != nil {
				return err
			}
			if err := source.DrawWide(s.factors(outerZeros, s.outerElement(at)), prss.WideVectors{Zeros: [][]wide.Word{masked}}); err != nil {
				return err
			}
			for i, v := range z {
				masked[i] = masked[i].Sub(v)
			}
			for e := 0; e < count; { // row by row
				row, column := s.outerElement(at+e)/columns, s.outerElement(at+e)%columns
				run := min(count-e, columns-column)
				m := r.Matrix(r.At(x, row))
				r.MulAdd(masked[e*d:(e+run)*d], packed[column*d:(column+run)*d], &m)
				e += run
			}
			out = wide.AppendPacked(out, masked, s.K)
		}
		return nil
	}, erase, nil
}

// openWide opens the elements lo … hi−1.
func (s Section) openWide(m *Material, code *sharing.Code, from sharing.Parties, packed [][]byte, kept []byte, lo, hi int) failure {
	d, members := code.Degree(), from.List()
	words := make([]wide.Word, (len(members)+1)*step*d)
	vectors := make([][]wide.Word, code.N()+1)
	for at := lo; at < hi; at += step {
		count := min(step, hi-at)
		begin, end := at*d*int(s.K)/8, ring.PackedLen((at+count)*d, s.K) // #nosec G115 -- at most 128
		for a, i := range members {
			vectors[i] = words[(a+1)*step*d:][:count*d]
			if err := wide.Unpack(vectors[i], packed[i][begin:end], s.K); err != nil {
				return failure{err: err}
			}
		}
		opened := words[:count*d]
		bad := code.OpenAllWide(opened, 2*code.T(), from, vectors, s.K)
		if s.Packed {
			bad = firstOddWide(opened, d, bad)
		}
		if bad >= 0 {
			return failure{element: at + bad}
		}
		s.finishWide(m, d, opened, kept, at)
	}
	return failure{opening: 1}
}

// firstOddWide is firstOdd.
func firstOddWide(opened []wide.Word, d, bad int) int {
	if bad >= 0 {
		opened = opened[:bad*d]
	}
	for e := 0; e*d < len(opened); e++ {
		var wrong uint64
		for c, x := range opened[e*d : (e+1)*d] {
			if c >= Pack {
				wrong |= x.Lo | x.Hi
			}
			wrong |= x.Lo & 1
		}
		if wrong != 0 {
			return e
		}
	}
	return bad
}

// finishWide is finishNarrow.
func (s Section) finishWide(m *Material, d int, opened []wide.Word, kept []byte, at int) {
	if !s.Packed {
		copy(m.WideDelta[at*d:], opened)
		return
	}
	count := len(opened) / d
	a := s.wideShares(m.wideDrawn, at, count, d)
	values := make([]wide.Word, 0, Pack*count)
	for e := range count {
		values = append(values, opened[e*d:e*d+Pack]...)
	}
	for i := range min(len(values), s.Count-Pack*at) {
		root, inverse := wideRoot(values[i])
		from, to := a[i%Pack][i/Pack*d:][:d], m.WideBits[(Pack*at+i)*d:][:d]
		copy(to, from)
		to[0] = to[0].Sub(root)
		for c := range to {
			to[c] = to[c].Mul(inverse).Reduce(s.K)
		}
	}
	for _, v := range a {
		clear(v)
	}
	from := Pack * at * int(s.K) / 8 // #nosec G115 -- at most 128
	wide.AppendPacked(kept[from:from:ring.PackedLen(Pack*(at+count), s.K)], values, s.K)
}

// wideRoot is bitRoot mod 2^128.
func wideRoot(v wide.Word) (root, inverse wide.Word) {
	narrow, negated := bitRoot(v.Lo, 64)
	one := wide.Word{Lo: 1}
	r, x := wide.Word{Lo: narrow}, wide.Word{Lo: -negated}
	r = r.Sub(r.Mul(r).Add(r).Sub(v).Mul(x)) // Newton
	x = x.Mul(one.Add(one).Sub(one.Add(r).Add(r).Mul(x)))
	return r, x.Neg()
}
