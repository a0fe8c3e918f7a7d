package preproc

import (
	"fmt"
	"slices"
	"sync"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// packedBits is what an element of packed bits takes of a stream, the others what
// products take: for their z, the sharing of zero, and each factor.
var (
	packedBits  = prss.Layout{Integers: Pack, Zeros: 1}
	outerMask   = prss.Layout{Elements: 1}
	outerZero   = prss.Layout{Zeros: 1}
	outerFactor = prss.Layout{Integers: 1}
)

// bitAddress returns the address of element at of the packed bits of opening q. Samples
// share no bits with others, nor with secrets, whatever their kind is called.
func (s Section) bitAddress(q, at int) prss.Address {
	a := s.address()
	a.K, a.First = s.ring(q), s.First/Pack+uint64(at) // #nosec G115 -- an index
	if s.Noise > 0 {
		a.Kind, a.Sub = fmt.Sprintf("%s/noise/%d", s.Kind, s.Noise), uint16(q) // #nosec G115 -- at most 64
	}
	return a
}

// segment is the elements drawn or opened in one go: much more than it costs to set
// up a key stream, and few enough that sections are many of them.
const segment = 8 * step

// segments returns their number in an opening.
func (s Section) segments() int { return (s.elements() + segment - 1) / segment }

// within returns the elements of a segment.
func (s Section) within(i int) (lo, hi int) {
	return i * segment, min((i+1)*segment, s.elements())
}

// serial is the Workers of who has none.
func serial(n int, f func(i int)) {
	for i := range n {
		f(i)
	}
}

// dealBulk draws the section's randomness and appends to vector what is opened.
func (s Section) dealBulk(source prss.Randomness, vector []byte, each func(n int, f func(i int))) (Material, []byte, error) {
	d, at := source.Code().Degree(), len(vector)
	vector = slices.Grow(vector, s.VectorBytes(d))[:at+s.VectorBytes(d)]
	runs := make([][]byte, s.openings())
	for q, rest := 0, vector[at:]; q < len(runs); q++ {
		size := ring.PackedLen(s.elements()*d, s.ring(q))
		runs[q], rest = rest[:size:size], rest[size:]
	}
	var m Material
	var deal func(out []byte, q, lo, hi int) error
	erase := func() {}
	var err error
	switch {
	case s.outer() && s.wide():
		deal, erase, err = s.dealWideOuter(source)
	case s.outer():
		deal, erase, err = s.dealOuter(source)
	case s.wide():
		m.wideDrawn = make([]wide.Word, Pack*s.elements()*d)
		deal = func(out []byte, _, lo, hi int) error { return s.dealWideBits(source, m.wideDrawn, out, lo, hi) }
	default:
		m.drawn = takeDrawn(Pack * s.openings() * s.elements() * d)
		deal = func(out []byte, q, lo, hi int) error { return s.dealBits(source, m.drawn, out, q, lo, hi) }
	}
	if err != nil {
		return Material{}, nil, err
	}
	defer erase()
	errs := make([]error, len(runs)*s.segments())
	each(len(errs), func(job int) {
		q := job / s.segments()
		lo, hi := s.within(job % s.segments())
		from, to := lo*d*int(s.ring(q))/8, ring.PackedLen(hi*d, s.ring(q)) // #nosec G115 -- at most 128
		errs[job] = deal(runs[q][from:from:to], q, lo, hi)
	})
	for _, err := range errs {
		if err != nil {
			m.Zero()
			return Material{}, nil, err
		}
	}
	return m, vector, nil
}

// shares returns the four vectors that the bits of count elements from at on, a
// multiple of step, of opening q are made of.
func (s Section) shares(drawn []uint64, q, at, count, d int) (out [Pack][]uint64) {
	drawn = drawn[(q*s.elements()+at)*Pack*d:]
	for p := range out {
		out[p], drawn = drawn[:count*d:count*d], drawn[count*d:]
	}
	return out
}

// dealBits draws the elements lo … hi−1 of opening q and appends to out what is opened.
func (s Section) dealBits(source prss.Randomness, drawn []uint64, out []byte, q, lo, hi int) error {
	run, err := source.Begin(s.bitAddress(q, lo), packedBits, hi-lo)
	if err != nil {
		return err
	}
	defer run.Close()
	r := source.Code().Ring()
	d := r.Degree()
	w := borrow(step*d, 0)
	defer w.giveBack()
	for at := lo; at < hi; at += step {
		count := min(step, hi-at)
		a, masked := s.shares(drawn, q, at, count, d), w.words[:count*d]
		run.Next(prss.Vectors{Integers: a[:], Zeros: [][]uint64{masked}})
		r.PackSquareAdd(masked, &a)
		out = ring.AppendPacked(out, masked, s.ring(q))
	}
	return nil
}

// failure is the lowest opening of a segment, and in it the lowest element, that is not
// what it can be. Without one the opening is the number of openings.
type failure struct {
	opening, element int
	err              error
}

// openBulk opens the section's vectors, which are indexed by party, and finishes its
// material. It returns the opened values that are kept, and the place that fails as
// verdict says, or nil.
func (s Section) openBulk(m *Material, code *sharing.Code, from sharing.Parties, vectors [][]byte, each func(n int, f func(i int))) (kept []byte, bad *place, err error) {
	d := code.Degree()
	kept = make([]byte, s.openedLen())
	s.allocate(m, d)
	runs := make([][][]byte, s.openings())
	offset := 0
	for q := range runs {
		size := ring.PackedLen(s.elements()*d, s.ring(q))
		runs[q] = make([][]byte, len(vectors))
		for _, i := range from.List() {
			runs[q][i] = vectors[i][offset : offset+size]
		}
		offset += size
	}
	found := make([]failure, s.segments())
	each(len(found), func(job int) {
		lo, hi := s.within(job)
		if s.wide() {
			found[job] = s.openWide(m, code, from, runs[0], kept, lo, hi)
		} else {
			found[job] = s.openNarrow(m, code, from, runs, kept, lo, hi)
		}
	})
	first := failure{opening: s.openings()}
	for _, f := range found {
		if f.err != nil {
			return nil, nil, f.err
		}
		if f.opening < first.opening { // of two alike the earlier segment's
			first = f
		}
	}
	if first.opening < s.openings() {
		return nil, &place{opening: first.opening, item: first.element}, nil
	}
	m.forget()
	return kept, nil, nil
}

// allocate makes room for what the section is finished to.
func (s Section) allocate(m *Material, d int) {
	switch {
	case s.Noise > 0:
		m.Noise = make([]uint64, s.elements()*d)
	case s.Packed && s.wide():
		m.WideBits = make([]wide.Word, s.Count*d)
	case s.Packed:
		m.Bits = make([]uint64, s.Count*d)
	case s.wide():
		m.WideDelta = make([]wide.Word, s.elements()*d)
	default:
		m.Delta = make([]uint64, s.elements()*d)
	}
}

// drawnPool has memory for what bits are made of; what lies here is zero.
var drawnPool sync.Pool

// takeDrawn returns zeros.
func takeDrawn(words int) []uint64 {
	if v, ok := drawnPool.Get().(*[]uint64); ok && cap(*v) >= words {
		return (*v)[:words]
	}
	return make([]uint64, words)
}

// forget gives back what finished bits were made of; each was erased as its bit was
// finished.
func (m *Material) forget() {
	if drawn := m.drawn; drawn != nil {
		drawnPool.Put(&drawn)
	}
	m.drawn, m.wideDrawn = nil, nil
}

// openNarrow opens the elements lo … hi−1 of all openings, step by step so that what a
// sample's bits add up to stays in the cache.
func (s Section) openNarrow(m *Material, code *sharing.Code, from sharing.Parties, runs [][][]byte, kept []byte, lo, hi int) failure {
	d, members := code.Degree(), from.List()
	w := borrow((code.N()+2)*step*d+2*Pack*step, code.N()+1)
	defer w.giveBack()
	values, scratch := w.words[:step*d], w.words[(code.N()+2)*step*d:]
	first := failure{opening: s.openings()}
	for at := lo; at < hi; at += step {
		count := min(step, hi-at)
		for q := range first.opening {
			k := s.ring(q)
			begin, end := at*d*int(k)/8, ring.PackedLen((at+count)*d, k) // #nosec G115 -- at most 64
			for _, i := range members {
				w.vectors[i] = w.words[(i+1)*step*d:][:count*d]
				if err := ring.Unpack(w.vectors[i], runs[q][i][begin:end], k); err != nil {
					return failure{err: err}
				}
			}
			opened := values[:count*d]
			bad := code.OpenAll(opened, 2*code.T(), from, w.vectors, k)
			if !s.outer() {
				bad = firstOdd(opened, d, bad)
			}
			if bad >= 0 {
				first.opening, first.element = q, at+bad
				break // what follows has a greater opening
			}
			s.finishNarrow(m, code.Ring(), opened, kept, q, at, scratch)
		}
	}
	return first
}

// firstOdd returns the first element with an odd number or, as these are four, with
// something in coordinate 4; bad if that comes before or there is none. Elements from
// bad ≥ 0 on are no codewords and are not looked at.
func firstOdd(opened []uint64, d, bad int) int {
	if bad >= 0 {
		opened = opened[:bad*d]
	}
	for e := 0; e*d < len(opened); e++ {
		var wrong uint64
		for c, x := range opened[e*d : (e+1)*d] {
			if c >= Pack {
				wrong |= x
			}
			wrong |= x & 1
		}
		if wrong != 0 {
			return e
		}
	}
	return bad
}

// finishNarrow makes the material of the elements from at on with what was opened.
func (s Section) finishNarrow(m *Material, r ring.Ring, opened []uint64, kept []byte, q, at int, scratch []uint64) {
	d := r.Degree()
	count := len(opened) / d
	if s.outer() {
		copy(m.Delta[at*d:], opened)
		return
	}
	k, shift := s.ring(q), uint(0)
	if s.Noise > 0 {
		shift = noiseShift(q)
	}
	root, factor := scratch[:Pack*count], scratch[Pack*step:][:Pack*count]
	for e := range count {
		for p, v := range opened[e*d : e*d+Pack] {
			r, inverse := bitRoot(v, k)
			root[Pack*e+p], factor[Pack*e+p] = r, inverse<<shift
		}
	}
	a := s.shares(m.drawn, q, at, count, d)
	if s.Noise > 0 {
		s.addBits(m.Noise[at*d:][:count*d], r, &a, root, factor, q == 0)
	} else {
		s.finishBits(m.Bits[Pack*at*d:], d, &a, root, factor)
		s.keep(kept, opened, d, at, root)
	}
	for _, v := range a { // while it is in the cache
		clear(v)
	}
}

// addBits adds the samples' bits of one opening to them, times what each counts, and
// with the first opening takes away 2^bound, as the sum of all is 0 … 2^(bound+1).
func (s Section) addBits(dst []uint64, r ring.Ring, a *[Pack][]uint64, root, factor []uint64, first bool) {
	r.PackScaleAdd(dst, a, root, factor)
	if !first {
		return
	}
	for o := 0; o < len(dst); o += r.Degree() {
		for p := range Pack {
			dst[o+p] -= 1 << (s.Noise - 2)
		}
	}
}

// finishBits writes (a − root)·factor for each bit that there is room for.
func (s Section) finishBits(dst []uint64, d int, a *[Pack][]uint64, root, factor []uint64) {
	mask := ring.Mask(s.K)
	for i := range min(len(root), len(dst)/d) {
		from, to := a[i%Pack][i/Pack*d:][:d], dst[i*d:][:d]
		for c := range to {
			to[c] = from[c] * factor[i] & mask
		}
		to[0] = (to[0] - root[i]*factor[i]) & mask
	}
}

// keep packs what was opened of the elements from at on, four numbers each whatever d
// is. It uses scratch of as many.
func (s Section) keep(kept []byte, opened []uint64, d, at int, scratch []uint64) {
	count := len(opened) / d
	for e := range count {
		copy(scratch[Pack*e:], opened[e*d:e*d+Pack])
	}
	from := Pack * at * int(s.K) / 8 // #nosec G115 -- at most 64
	ring.AppendPacked(kept[from:from:ring.PackedLen(Pack*(at+count), s.K)], scratch, s.K)
}
