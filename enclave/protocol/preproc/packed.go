package preproc

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Pack is how many integers a packed element holds: Σ_p Y^p·v_p, p < Pack. A share of
// it is a sum of shifted shares, so four integers are opened for the price of one. It
// is the same for every extension degree; for degree 5 coordinate 4 is not used.
//
// An opening of degree 2t is masked by a sharing of zero over all of the ring, so it
// shows the four integers and nothing else. What is opened is checked to be a codeword
// element by element, and of bits each of the four numbers has to be even.
const Pack = 4

// maxBulk bounds the items of a section whose openings are packed.
const maxBulk = Pack * MaxItems

// maxNoise bounds the bits of a sample: the last one counts 2^62.
const maxNoise = 64

// Outer is a run of rows of the products x_i·y_j of two vectors of shared random
// integers mod 2^K. All sections of one matrix, which Kind, Sub and Try tell apart
// from others, have the same x and y; each product has a z of its own. Sections of a
// matrix are made in chunks, and if one of them fails all of the matrix is burnt.
type Outer struct {
	// Rows and Columns are those of the whole matrix; Columns is a multiple of Pack.
	Rows, Columns int
	// First is the first row of the section, which has Count/Columns rows.
	First int
}

// bulk reports whether the section's openings are packed.
func (s Section) bulk() bool { return s.Packed || s.Noise > 0 || s.outer() }

// outer reports whether the section has products of a matrix.
func (s Section) outer() bool { return s.Outer != Outer{} }

// wide reports whether the section's numbers need more than a machine word.
func (s Section) wide() bool { return s.K > 64 }

func (s Section) checkBulk() error {
	kinds := 0
	for _, is := range []bool{s.Packed, s.Noise > 0, s.outer()} {
		if is {
			kinds++
		}
	}
	ok := kinds == 1 && s.Kind != "" && s.K >= 2 && s.K <= 128 && s.Count >= 1 && s.Count <= maxBulk &&
		s.First%Pack == 0 && s.Products == 0 && s.Bits == 0 && s.Chain == 0 && !s.Factor
	switch o := s.Outer; {
	case s.Noise > 0:
		ok = ok && s.Noise >= 2 && s.Noise <= maxNoise && s.K == 64 && s.Sub == 0
	case s.outer():
		ok = ok && s.First == 0 && o.Rows >= 1 && o.Rows <= MaxItems && o.Columns >= Pack && o.Columns <= MaxItems && o.Columns%Pack == 0 &&
			s.Count%o.Columns == 0 && o.First >= 0 && o.First <= o.Rows-s.Count/o.Columns
	}
	if !ok {
		return fmt.Errorf("%w: %+v", ErrSection, s)
	}
	return nil
}

// elements returns the elements of each of the section's openings.
func (s Section) elements() int {
	if s.bulk() {
		return (s.Count + Pack - 1) / Pack
	}
	return s.Count
}

// ring returns k of the ring R_k that the section's opening q is in.
func (s Section) ring(q int) uint {
	if s.Noise > 0 {
		return noiseRing(q)
	}
	return s.K
}

// noiseShift returns i for a sample's bit that counts 2^i.
func noiseShift(bit int) uint { return uint(max(bit-1, 0)) } // #nosec G115 -- not negative

// noiseRing returns k for a sample's bit: 64 less what it is shifted by, since what is
// above does not matter, rounded up to whole bytes, which are quicker.
func noiseRing(bit int) uint { return (64 - noiseShift(bit) + 7) &^ 7 }

// VectorBytes returns the length of the vector that each party sends of the section,
// in a ring of extension degree d.
func (s Section) VectorBytes(d int) int {
	total := 0
	for q := range s.openings() {
		total += ring.PackedLen(s.elements()*d, s.ring(q))
	}
	return total
}

// MemoryBytes returns about what a party of n takes for the section until it is done:
// the vectors of all, its own once more as it is sent, what is drawn and what is made.
func (s Section) MemoryBytes(n, d int) int {
	word := 8
	if s.wide() {
		word = wide.Size
	}
	element, words := d*word, s.vectors()*s.Count*d
	switch {
	case s.Packed:
		words = 2 * Pack * s.elements() * d
	case s.Noise > 0:
		words = (Pack*s.openings() + 1) * s.elements() * d
	case s.bulk():
		words = (s.elements() + s.Outer.Rows + s.Outer.Columns) * d
	}
	return (n+1)*s.VectorBytes(d) + words*element/d + s.openedLen()
}

// packedBits is what an element of packed bits takes of a stream, outerMask and
// outerFactor what products and their factors do.
var (
	packedBits  = prss.Layout{Integers: Pack, Zeros: 1}
	outerMask   = prss.Layout{Elements: 1}
	outerZero   = prss.Layout{Zeros: 1}
	outerFactor = prss.Layout{Integers: 1}
)

// bitAddress returns the address of element at of the packed bits of opening q.
func (s Section) bitAddress(q, at int) prss.Address {
	a := s.address()
	a.K, a.First = s.ring(q), s.First/Pack+uint64(at) // #nosec G115 -- an index
	if s.Noise > 0 {
		a.Sub = uint16(q) // #nosec G115 -- at most 64
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
func (s Section) dealBulk(source *prss.Source, vector []byte, each func(n int, f func(i int))) (Material, []byte, error) {
	d, at := source.Code().Degree(), len(vector)
	vector = append(vector, make([]byte, s.VectorBytes(d))...)
	runs := make([][]byte, s.openings())
	for q, rest := 0, vector[at:]; q < len(runs); q++ {
		size := ring.PackedLen(s.elements()*d, s.ring(q))
		runs[q], rest = rest[:size:size], rest[size:]
	}
	var m Material
	var deal func(out []byte, q, lo, hi int) error
	var err error
	switch {
	case s.outer() && s.wide():
		deal, err = s.dealWideOuter(source)
	case s.outer():
		deal, err = s.dealOuter(source)
	case s.wide():
		m.wideDrawn = make([]wide.Word, Pack*s.elements()*d)
		deal = func(out []byte, _, lo, hi int) error { return s.dealWideBits(source, m.wideDrawn, out, lo, hi) }
	default:
		m.drawn = make([]uint64, Pack*s.openings()*s.elements()*d)
		deal = func(out []byte, q, lo, hi int) error { return s.dealBits(source, m.drawn, out, q, lo, hi) }
	}
	if err != nil {
		return Material{}, nil, err
	}
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
func (s Section) dealBits(source *prss.Source, drawn []uint64, out []byte, q, lo, hi int) error {
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

// failure is the lowest opening, and in it the lowest element, that is not what it can
// be, of those seen so far.
type failure struct {
	opening, element int
	err              error
}

// before reports whether f is to be told rather than g.
func (f failure) before(g failure) bool {
	return f.opening < g.opening || f.opening == g.opening && f.element < g.element
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
		if f.before(first) {
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

// forget erases what finished bits were made of.
func (m *Material) forget() {
	clear(m.drawn)
	clear(m.wideDrawn)
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
		dst := m.Noise[at*d:][:count*d]
		r.PackScaleAdd(dst, &a, root, factor)
		if q == 0 { // the sum of the bits is between 0 and 2^(bound+1)
			for o := 0; o < len(dst); o += d {
				for p := range Pack {
					dst[o+p] -= 1 << (s.Noise - 2)
				}
			}
		}
		return
	}
	mask := ring.Mask(k)
	for i := range min(Pack*count, s.Count-Pack*at) {
		from, to := a[i%Pack][i/Pack*d:][:d], m.Bits[(Pack*at+i)*d:][:d]
		for c := range to {
			to[c] = from[c] * factor[i] & mask
		}
		to[0] = (to[0] - root[i]*factor[i]) & mask
	}
	// What is kept are the roots' squares, four an element whatever d is.
	values := root
	for e := range count {
		copy(values[Pack*e:], opened[e*d:e*d+Pack])
	}
	from := Pack * at * int(k) / 8 // #nosec G115 -- at most 64
	ring.AppendPacked(kept[from:from:ring.PackedLen(Pack*(at+count), k)], values, k)
}
