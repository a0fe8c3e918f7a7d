package ring

import "encoding/binary"

// Lanes is how sums of multiples of elements of R_k are accumulated. Where k is
// small several coordinates share a machine word, each in a lane wide enough for
// the sum, so that one multiplication serves them all: four up to k = 7, two up to
// k = 19. An element takes Words words, coordinate 0 in the lowest lane.
//
// The zero value is not usable.
type Lanes struct {
	d          int
	k, width   uint
	per, words int
	terms      int
}

// minTerms is the least number of products that a lane must hold to be worth it:
// the polynomials of 13 parties have 4 coefficients of up to 5 coordinates.
const minTerms = 31

// Lanes returns the layout for R_k, k in 1..64.
func (r Ring) Lanes(k uint) Lanes {
	l := Lanes{d: r.d, k: k, width: 64, per: 1, terms: 1 << 30}
	for _, per := range []int{4, 2} {
		width := (64 - k) / uint(per-1) // the highest lane needs its low k bits only
		if r.d == 4 && per == 4 && k <= maxWordBits {
			width = wordWidth
		}
		if width >= 2*k && 1<<min(width-2*k, 30)-1 >= minTerms {
			l.per, l.width, l.terms = per, width, 1<<min(width-2*k, 30)-1
			break
		}
	}
	l.words = (r.d + l.per - 1) / l.per
	return l
}

// Words returns the words of an accumulated element.
func (l Lanes) Words() int { return l.words }

// Terms returns how many products of numbers below 2^k may be added to lanes that
// hold numbers below 2^k before Fold.
func (l Lanes) Terms() int { return l.terms }

// Pack returns the lanes of e reduced mod 2^k in the first Words words.
func (l Lanes) Pack(e Elem) Elem {
	var out Elem
	for c := range l.d {
		out[c/l.per] |= e[c] & Mask(l.k) << (uint(c%l.per) * l.width)
	}
	return out
}

// mask is k ones in every lane.
func (l Lanes) mask() uint64 {
	var m uint64
	for c := range l.per {
		m |= Mask(l.k) << (uint(c) * l.width)
	}
	return m
}

// Fold reduces every lane of acc mod 2^k.
func (l Lanes) Fold(acc []uint64) {
	m := l.mask()
	for i := range acc {
		acc[i] &= m
	}
}

// Spread writes the elements of acc, each the Words words from at on of words, to
// dst, d words each, reduced mod 2^k.
func (l Lanes) Spread(dst, acc []uint64, words, at int) {
	mask, width := Mask(l.k), l.width
	acc = acc[at:]
	switch {
	case l.d == 4 && l.per == 4:
		for o := 0; len(dst) >= 4; o += words {
			x := acc[o]
			dst[0], dst[1], dst[2], dst[3] = x&mask, x>>(width&63)&mask, x>>(2*width&63)&mask, x>>(3*width&63)&mask
			dst = dst[4:]
		}
	case l.d == 4 && l.per == 2:
		for o := 0; len(dst) >= 4; o += words {
			x := acc[o : o+2]
			dst[0], dst[1], dst[2], dst[3] = x[0]&mask, x[0]>>(width&63)&mask, x[1]&mask, x[1]>>(width&63)&mask
			dst = dst[4:]
		}
	case l.d == 4:
		for o := 0; len(dst) >= 4; o += words {
			x := acc[o : o+4]
			dst[0], dst[1], dst[2], dst[3] = x[0]&mask, x[1]&mask, x[2]&mask, x[3]&mask
			dst = dst[4:]
		}
	default:
		for i, o := 0, 0; i < len(dst); i, o = i+l.d, o+words {
			for c := range l.d {
				dst[i+c] = acc[o+c/l.per] >> (uint(c%l.per) * width) & mask
			}
		}
	}
}

// Integers writes coordinate 0 of the elements of acc, as Spread finds them, to dst
// and returns bits of which some is set unless all others are 0 mod 2^k.
func (l Lanes) Integers(dst, acc []uint64, words, at int) uint64 {
	mask, others := Mask(l.k), l.mask()
	low := others &^ mask // of the first word
	var rest uint64
	acc = acc[at:]
	for i, o := 0, 0; i < len(dst); i, o = i+1, o+words {
		x := acc[o]
		dst[i] = x & mask
		rest |= x & low
	}
	for w := 1; w < l.words; w++ {
		for o := w; o < len(acc); o += words {
			rest |= acc[o] & others
		}
	}
	return rest
}

// Differ returns bits of which some is set unless every element of acc, the Words
// words from at on of words, equals that of v, d words each below 2^k.
func (l Lanes) Differ(acc, v []uint64, words, at int) uint64 {
	var bad uint64
	width := l.width & 63
	acc = acc[at:]
	switch {
	case l.d == 4 && l.per == 4:
		for o := 0; len(v) >= 4; o += words {
			x := acc[o]
			bad |= (x ^ v[0]) | (x>>width ^ v[1]) | (x>>(2*width&63) ^ v[2]) | (x>>(3*width&63) ^ v[3])
			v = v[4:]
		}
	case l.d == 4 && l.per == 2:
		for o := 0; len(v) >= 4; o += words {
			x := acc[o : o+2]
			bad |= (x[0] ^ v[0]) | (x[0]>>width ^ v[1]) | (x[1] ^ v[2]) | (x[1]>>width ^ v[3])
			v = v[4:]
		}
	case l.d == 4:
		for o := 0; len(v) >= 4; o += words {
			x := acc[o : o+4]
			bad |= (x[0] ^ v[0]) | (x[1] ^ v[1]) | (x[2] ^ v[2]) | (x[3] ^ v[3])
			v = v[4:]
		}
	default:
		for i, o := 0, 0; i < len(v); i, o = i+l.d, o+words {
			for c := range l.d {
				bad |= acc[o+c/l.per]>>(uint(c%l.per)*l.width) ^ v[i+c]
			}
		}
	}
	return bad & Mask(l.k)
}

// Map is a linear map over Z/2^k from In numbers to lanes: row i, of Words words, is
// what number i is multiplied by.
type Map struct {
	In, Words int
	mask      uint64 // of k bits
	rows      []uint64
}

// NewMap returns the zero map.
func (l Lanes) NewMap(in, words int) Map {
	return Map{In: in, Words: words, mask: Mask(l.k), rows: make([]uint64, in*words)}
}

// Integer lets number in contribute its multiple of c at word at of the result.
// What does not fit the map's words is left out: the first word alone has
// coordinate 0.
func (l Lanes) Integer(m *Map, in, at int, c Elem) {
	packed := l.Pack(c)
	copy(m.rows[in*m.Words+at:(in+1)*m.Words], packed[:l.words])
}

// Element lets the numbers in … in+d−1, an element, contribute c times that
// element.
func (r Ring) Element(l Lanes, m *Map, in, at int, c Elem) {
	for j := range r.d {
		l.Integer(m, in+j, at, c)
		c = r.shift(c)
	}
}

// MulMap adds to each of the results in acc, m.Words words each, the image of m.In
// words of src, of which the low k bits count. The words of consecutive results are
// stride words apart.
func MulMap(acc, src []uint64, stride int, m *Map) {
	if len(acc) == 0 {
		return
	}
	if count := len(acc) / m.Words; len(acc) != count*m.Words || len(src) < (count-1)*stride+m.In {
		panic("ring: vectors of different lengths")
	}
	// Two words of a result and four numbers, an element where d = 4, at a time: their
	// constants stay in registers.
	for q := 0; q < m.Words; q += 2 {
		two := q+1 < m.Words
		for in := 0; in < m.In; {
			rows := m.rows[in*m.Words+q:]
			switch four := in+4 <= m.In; {
			case four && two:
				mul4x2(acc[q:], src[in:], stride, m, rows)
				in += 4
			case four:
				mul4x1(acc[q:], src[in:], stride, m, rows)
				in += 4
			case two:
				mul1x2(acc[q:], src[in:], stride, m, rows)
				in++
			default:
				mul1x1(acc[q:], src[in:], stride, m, rows)
				in++
			}
		}
	}
}

func mul1x1(acc, src []uint64, stride int, m *Map, rows []uint64) {
	mask, words, m0 := m.mask, m.Words, rows[0]
	for i, o := 0, 0; i < len(acc); i, o = i+words, o+stride {
		acc[i] += src[o] & mask * m0
	}
}

func mul1x2(acc, src []uint64, stride int, m *Map, rows []uint64) {
	mask, words, m0, m1 := m.mask, m.Words, rows[0], rows[1]
	for i, o := 0, 0; i < len(acc); i, o = i+words, o+stride {
		x, a := src[o]&mask, acc[i:i+2]
		a[0] += x * m0
		a[1] += x * m1
	}
}

func mul4x1(acc, src []uint64, stride int, m *Map, rows []uint64) {
	mask, words := m.mask, m.Words
	m0, m1, m2, m3 := rows[0], rows[words], rows[2*words], rows[3*words]
	for i, o := 0, 0; i < len(acc); i, o = i+words, o+stride {
		x := src[o : o+4]
		acc[i] += x[0]&mask*m0 + x[1]&mask*m1 + x[2]&mask*m2 + x[3]&mask*m3
	}
}

func mul4x2(acc, src []uint64, stride int, m *Map, rows []uint64) {
	mask, words := m.mask, m.Words
	r0, r1, r2, r3 := rows[:2], rows[words:words+2], rows[2*words:2*words+2], rows[3*words:3*words+2]
	m00, m10, m20, m30 := r0[0], r1[0], r2[0], r3[0]
	m01, m11, m21, m31 := r0[1], r1[1], r2[1], r3[1]
	for i, o := 0, 0; i < len(acc); i, o = i+words, o+stride {
		x, a := src[o:o+4], acc[i:i+2]
		x0, x1, x2, x3 := x[0]&mask, x[1]&mask, x[2]&mask, x[3]&mask
		a[0] += x0*m00 + x1*m10 + x2*m20 + x3*m30
		a[1] += x0*m01 + x1*m11 + x2*m21 + x3*m31
	}
}

// MulBytes is MulMap for a map to one word and numbers of one byte.
func MulBytes(acc []uint64, src []byte, stride int, m *Map) {
	if m.Words != 1 || len(acc) > 0 && len(src) < (len(acc)-1)*stride+m.In {
		panic("ring: vectors of different lengths")
	}
	in := 0
	for ; in+4 <= m.In; in += 4 {
		mulBytes4(acc, src[in:], stride, m.mask, (*[4]uint64)(m.rows[in:]))
	}
	for ; in < m.In; in++ {
		mask, m0 := m.mask, m.rows[in]
		for i, o := 0, in; i < len(acc); i, o = i+1, o+stride {
			acc[i] += uint64(src[o]) & mask * m0
		}
	}
}

// MulEach multiplies by the one word of m the numbers of one byte at 0, 1, … of every
// stride bytes of src, and adds them to the vectors of acc, of count words each.
func MulEach(acc []uint64, count int, src []byte, stride int, m *Map) {
	if m.In != 1 || count < 1 || len(acc)%count != 0 {
		panic("ring: vectors of different lengths")
	}
	for ; len(acc) >= 3*count; acc, src = acc[3*count:], src[3:] { // one load of each item's bytes
		a, b, c := acc[:count], acc[count:2*count], acc[2*count:3*count]
		mask, m0 := m.mask, m.rows[0]
		for i, o := 0, 0; i < len(a) && i < len(b) && i < len(c); i, o = i+1, o+stride {
			x := src[o : o+3]
			a[i] += uint64(x[0]) & mask * m0
			b[i] += uint64(x[1]) & mask * m0
			c[i] += uint64(x[2]) & mask * m0
		}
	}
	for ; len(acc) > 0; acc, src = acc[count:], src[1:] {
		MulBytes(acc[:count], src, stride, m)
	}
}

func mulBytes4(acc []uint64, src []byte, stride int, mask uint64, m *[4]uint64) {
	m0, m1, m2, m3 := m[0], m[1], m[2], m[3]
	for i, o := 0, 0; i < len(acc); i, o = i+1, o+stride {
		x := uint64(binary.LittleEndian.Uint32(src[o:]))
		acc[i] += x&mask*m0 + x>>8&mask*m1 + x>>16&mask*m2 + x>>24&mask*m3
	}
}

// Widen writes the little-endian numbers of size bytes (1, 2, 4 or 8) in src to v.
func Widen(v []uint64, src []byte, size int) {
	i := 0
	src = src[:len(v)*size]
	switch size {
	case 1:
		for ; len(src) >= 4; i, src = i+4, src[4:] {
			x, e := binary.LittleEndian.Uint32(src), v[i:i+4]
			e[0], e[1], e[2], e[3] = uint64(uint8(x)), uint64(uint8(x>>8)), uint64(uint8(x>>16)), uint64(x>>24)
		}
		for j, x := range src {
			v[i+j] = uint64(x)
		}
	case 2:
		for ; len(src) >= 8; i, src = i+4, src[8:] {
			x, e := binary.LittleEndian.Uint64(src), v[i:i+4]
			e[0], e[1], e[2], e[3] = uint64(uint16(x)), uint64(uint16(x>>16)), uint64(uint16(x>>32)), x>>48
		}
		for ; len(src) > 0; i, src = i+1, src[2:] {
			v[i] = uint64(binary.LittleEndian.Uint16(src))
		}
	case 4:
		for ; len(src) >= 16; i, src = i+4, src[16:] {
			x, y, e := binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:]), v[i:i+4]
			e[0], e[1], e[2], e[3] = uint64(uint32(x)), x>>32, uint64(uint32(y)), y>>32
		}
		for ; len(src) > 0; i, src = i+1, src[4:] {
			v[i] = uint64(binary.LittleEndian.Uint32(src))
		}
	case 8:
		for ; len(src) >= 32; i, src = i+4, src[32:] {
			e := v[i : i+4]
			e[0], e[1] = binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:])
			e[2], e[3] = binary.LittleEndian.Uint64(src[16:]), binary.LittleEndian.Uint64(src[24:])
		}
		for ; len(src) > 0; i, src = i+1, src[8:] {
			v[i] = binary.LittleEndian.Uint64(src)
		}
	default:
		panic("ring: numbers of an odd size")
	}
}

// WordSize is the bytes, 1, 2, 4 or 8, that a number of k bits takes in a key
// stream.
func WordSize(k uint) int {
	switch {
	case k <= 8:
		return 1
	case k <= 16:
		return 2
	case k <= 32:
		return 4
	}
	return 8
}
