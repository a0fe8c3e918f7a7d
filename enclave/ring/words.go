package ring

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// Where d = 4 and k ≤ 5 the four lanes of an element have 16 bits, room for the
// coefficients of products of elements: the 128 bits of the product of two words are
// the seven coefficients of the product of the polynomials. Of those, Y^4 … Y^6, in
// the upper word, are then taken away as Y^4 = −Y − 1 says.

// wordWidth is the width of such lanes.
const wordWidth = 16

// maxWordBits is the greatest k of such lanes.
const maxWordBits = 5

// MaxWordProducts bounds the products of elements that one word holds the sum of.
const MaxWordProducts = 16

// Single reports whether an element is a word that can be multiplied by another.
func (l Lanes) Single() bool { return l.d == 4 && l.per == 4 && l.width == wordWidth }

// ones has a one in every lane of a word.
const ones = 1 | 1<<16 | 1<<32 | 1<<48

// less64 is 64 in every lane: a multiple of 2^k above all that reduce takes away.
const less64 = 64 * ones

// reduce returns a sum of products, each lane of its two words below 2^16, with
// every lane below 2^k. mask is that of the lanes.
func reduce(hi, lo, mask uint64) uint64 {
	hi &= mask
	return (lo&mask + less64 - hi - hi<<16) & mask
}

// join returns the word of an element.
func join(e *[4]uint64, mask uint64) uint64 {
	return (e[0] | e[1]<<16 | e[2]<<32 | e[3]<<48) & mask
}

// MulSubWords adds x[i]·y[i] − z[i] to word i of dst, where x, y, z are vectors of
// elements with coordinates below 2^16, and reduces it mod 2^k. It is for Single lanes.
func (l Lanes) MulSubWords(dst, x, y, z []uint64) {
	mask := l.mask()
	for i := range dst {
		if len(x) < 4 || len(y) < 4 || len(z) < 4 {
			panic("ring: vectors of different lengths")
		}
		hi, lo := bits.Mul64(join((*[4]uint64)(x), mask), join((*[4]uint64)(y), mask))
		product := reduce(hi, lo, mask)
		dst[i] = (dst[i]&mask + product + less64 - join((*[4]uint64)(z), mask)) & mask
		x, y, z = x[4:], y[4:], z[4:]
	}
}

// SquareAddWords adds x[i]² + x[i] to word i of dst, as MulSubWords does.
func (l Lanes) SquareAddWords(dst, x []uint64) {
	mask := l.mask()
	for i := range dst {
		if len(x) < 4 {
			panic("ring: vectors of different lengths")
		}
		e := join((*[4]uint64)(x), mask)
		hi, lo := bits.Mul64(e, e)
		dst[i] = (dst[i]&mask + reduce(hi, lo, mask) + e) & mask
		x = x[4:]
	}
}

// SumWords writes for every row of stride words of rows Σ_a row[a]·c[a] to dst. All
// words are reduced, and c has at most MaxWordProducts. It is for Single lanes.
func (l Lanes) SumWords(dst, rows []uint64, stride int, c []uint64) {
	if len(c) > MaxWordProducts {
		panic("ring: more products than a word has room for")
	}
	mask := l.mask()
	if len(c) == 3 { // offline openings of 4 parties
		c0, c1, c2 := c[0], c[1], c[2]
		for i, o := 0, 0; i < len(dst); i, o = i+1, o+stride {
			row := rows[o : o+3]
			h0, l0 := bits.Mul64(row[0], c0)
			h1, l1 := bits.Mul64(row[1], c1)
			h2, l2 := bits.Mul64(row[2], c2)
			dst[i] = reduce(h0+h1+h2, l0+l1+l2, mask)
		}
		return
	}
	for i := range dst {
		var high, low uint64
		for a, x := range rows[i*stride:][:len(c)] {
			hi, lo := bits.Mul64(x, c[a])
			high, low = high+hi, low+lo
		}
		dst[i] = reduce(high, low, mask)
	}
}

// packing is how 4k bits become the lanes of a word in two moves, of the upper half
// and of the upper lane of each half, and back.
type packing struct {
	halves, lanes uint // distances
	element       uint64
	pairs         uint64 // 2k bits in each half
	mask          uint64
}

func (l Lanes) packing() packing {
	return packing{
		halves: (32 - 2*l.k) & 63, lanes: (16 - l.k) & 63,
		element: Mask(4 * l.k), pairs: Mask(2*l.k) * (1 | 1<<32), mask: l.mask(),
	}
}

// spread makes a word of the low 4k bits of x, squeeze undoes it.
func (p packing) spread(x uint64) uint64 {
	x &= p.element
	x = (x | x<<(p.halves&63)) & p.pairs
	return (x | x<<(p.lanes&63)) & p.mask
}

func (p packing) squeeze(x uint64) uint64 {
	x = (x | x>>(p.lanes&63)) & p.pairs
	return (x | x>>(p.halves&63)) & p.element
}

// AppendWords is AppendPacked for the elements of Single lanes.
func (l Lanes) AppendWords(dst []byte, v []uint64) []byte {
	p, k, half, size := l.packing(), l.k, 4*l.k, PackedLen(4*len(v), l.k)
	dst = slices.Grow(dst, size)[:len(dst)+size]
	out := dst[len(dst)-size:]
	for ; len(v) >= 2 && len(out) >= 8; v, out = v[2:], out[k:] { // 8k bits are whole bytes
		binary.LittleEndian.PutUint64(out, p.squeeze(v[0])|p.squeeze(v[1])<<(half&63))
	}
	var window [8]byte
	for ; len(v) > 0; v = v[min(2, len(v)):] {
		x := p.squeeze(v[0])
		if len(v) > 1 {
			x |= p.squeeze(v[1]) << (half & 63)
		}
		binary.LittleEndian.PutUint64(window[:], x)
		out = out[copy(out, window[:k]):]
	}
	return dst
}

// UnpackWords reads count elements that AppendWords or AppendPacked wrote to every
// stride-th word of v, refusing what Unpack refuses. It is for Single lanes.
func (l Lanes) UnpackWords(v []uint64, stride, count int, src []byte) error {
	if want := PackedLen(4*count, l.k); len(src) != want {
		return fmt.Errorf("%w: %d bytes, not %d", ErrLength, len(src), want)
	}
	if odd := count%2 == 1 && l.k%2 == 1; odd && src[len(src)-1]>>4 != 0 { // half a byte is left
		return ErrPadding
	}
	p, k, half := l.packing(), int(l.k), 4*l.k // #nosec G115 -- at most maxWordBits
	i, o := 0, 0
	for ; i+2 <= count && len(src) >= 8; i, o, src = i+2, o+2*stride, src[k:] {
		x := binary.LittleEndian.Uint64(src)
		v[o], v[o+stride] = p.spread(x), p.spread(x>>(half&63))
	}
	var window [8]byte
	for ; i < count; i, o, src = i+2, o+2*stride, src[min(k, len(src)):] {
		clear(window[:])
		copy(window[:], src)
		x := binary.LittleEndian.Uint64(window[:])
		v[o] = p.spread(x)
		if i+1 < count {
			v[o+stride] = p.spread(x >> (half & 63))
		}
	}
	return nil
}
