package prss

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/tkms-network/tkms/enclave/ring"
)

// Run is a draw of consecutive items in pieces, so that a caller works on values
// that are still in the cache. It is not safe for concurrent use, and not to be used
// after Close.
type Run struct {
	*streams
	layout        Layout
	d, t          int
	k             uint
	words, size   int    // words an item takes from a key stream, and their bytes
	left          int    // items
	position      uint64 // block of key stream with the next item's first byte
	skip          int    // bytes before it
	accumulations int    // sets after which lanes must be folded
	counter       [aes.BlockSize]byte

	// Of long runs: each set's bulk counter mode and the last block it made.
	counters []cipher.Stream
	tails    [][aes.BlockSize]byte

	// A stretch of key stream, its words, and sums of their multiples.
	raw       []byte
	numbers   []uint64
	multiples []uint64
}

// runs are reused; the buffers of those that lie here are zero.
var runs = sync.Pool{New: func() any { return new(Run) }}

// Piece is the items drawn at a time, so that all of a buffer stays in the L1
// cache.
const Piece = 128

// singleBlocks is the stretch up to which encrypting block by block is quicker
// than setting up a bulk counter mode.
const singleBlocks = 16

// positionBits is the part of the counter that counts 16-byte blocks; sub and try
// fill the rest of its 64 bits.
const positionBits = 40

// Begin starts a draw of count items at a, ErrRange if the stream does not reach
// as far. Close it.
func (s *Source) Begin(a Address, l Layout, count int) (*Run, error) {
	r := runs.Get().(*Run)
	r.layout, r.d, r.t, r.k, r.left = l, s.code.Degree(), s.code.T(), a.K, count
	if l == zeroLayout {
		r.layout = Layout{Zeros: 1}
	}
	r.words = r.layout.Words(s.code)
	r.size = ring.WordSize(a.K) * r.words
	size := uint64(max(r.size, 1)) // #nosec G115 -- positive
	limit := uint64(1)<<positionBits*aes.BlockSize/size - 1
	if a.First > limit || uint64(count) > limit-a.First { // #nosec G115 -- a count is not negative
		runs.Put(r)
		return nil, fmt.Errorf("%w: items %d…+%d", ErrRange, a.First, count)
	}
	start := a.First * size
	r.skip = int(start % aes.BlockSize)
	r.position = uint64(a.Try)<<56 | uint64(a.Sub)<<positionBits | start/aes.BlockSize
	r.streams = s.open(a, l)
	r.accumulations = max(r.lanes.Terms()/max(r.t*r.d, r.d), 1)
	items, vectors := min(Piece, count), r.layout.Integers+r.layout.Elements+r.layout.Zeros
	r.raw = resize(r.raw, r.span(items)*aes.BlockSize)
	r.numbers = resize(r.numbers, items*r.words)
	r.multiples = resize(r.multiples, items*vectors*r.lanes.Words())
	if r.counters, r.tails = r.counters[:0], r.tails[:0]; r.span(count) > singleBlocks {
		r.bulk()
	}
	return r, nil
}

// span returns the blocks that hold count items, one more at most.
func (r *Run) span(count int) int {
	return (aes.BlockSize - 1 + count*r.size + aes.BlockSize - 1) / aes.BlockSize
}

func resize[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// bulk sets up counter modes.
func (r *Run) bulk() {
	r.counters = resize(r.counters, len(r.sets))
	r.tails = resize(r.tails, len(r.sets))
	for i := range r.sets {
		r.count(i, 0)
		r.counters[i] = cipher.NewCTR(r.sets[i].block, r.counter[:])
		if r.skip != 0 {
			r.counters[i].XORKeyStream(r.tails[i][:], r.tails[i][:])
		}
	}
}

// count sets counter to the input of block position+ahead of the set's key stream.
func (r *Run) count(set, ahead int) {
	copy(r.counter[:], r.sets[set].iv[:])
	binary.BigEndian.PutUint64(r.counter[8:], r.position+uint64(ahead)) // #nosec G115 -- Begin bounds it
}

// Next overwrites v with the next items, reduced mod 2^K. It panics if the numbers
// of vectors are not those of Begin or fewer items are left.
func (r *Run) Next(v Vectors) {
	if len(v.Integers) != r.layout.Integers || len(v.Elements) != r.layout.Elements || len(v.Zeros) != r.layout.Zeros {
		panic("prss: other vectors than the run has")
	}
	count := v.items(r.d)
	r.take(count)
	for o := 0; o < count; o += Piece {
		c := min(Piece, count-o)
		r.accumulate(c)
		at, words := 0, r.lanes.Words()
		for _, group := range [][][]uint64{v.Integers, v.Elements, v.Zeros} {
			for _, x := range group {
				r.lanes.Spread(x[o*r.d:(o+c)*r.d], r.multiples[at:at+c*words], words, 0)
				at += c * words
			}
		}
	}
}

// Lanes returns the layout of what NextWords returns.
func (r *Run) Lanes() ring.Lanes { return r.lanes }

// NextWords is Next for count items, 1 … Piece, of a run with Single lanes, except that
// it leaves the zero sharings in words: those of the first sharing, one an item, then
// those of the second. They are not reduced, and are there until the run is used again.
func (r *Run) NextWords(count int, integers [][]uint64) []uint64 {
	if len(integers) != r.layout.Integers || r.layout.Elements != 0 || !r.lanes.Single() || count < 1 || count > Piece {
		panic("prss: other vectors than the run has")
	}
	r.take(count)
	r.accumulate(count)
	rest := r.multiples[:count*(len(integers)+r.layout.Zeros)]
	for _, x := range integers {
		r.lanes.Spread(x[:count*r.d], rest[:count], 1, 0)
		rest = rest[count:]
	}
	return rest
}

// take counts items that are drawn.
func (r *Run) take(count int) {
	if count > r.left {
		panic("prss: more items than the run has")
	}
	r.left -= max(count, 0)
}

// accumulate leaves in multiples, vector by vector, the sums over all sets for the next
// count items.
func (r *Run) accumulate(count int) {
	run := count * r.lanes.Words()
	acc := r.multiples[:run*(r.layout.Integers+r.layout.Elements+r.layout.Zeros)]
	clear(acc)
	for i := range r.sets {
		r.add(acc, i, count)
		if (i+1)%r.accumulations == 0 {
			r.lanes.Fold(acc)
		}
	}
	size := r.skip + count*r.size
	r.position += uint64(size / aes.BlockSize) // #nosec G115 -- Begin bounds it
	r.skip = size % aes.BlockSize
}

// add adds the multiples of what count items take from a set's stream to acc.
func (r *Run) add(acc []uint64, set, count int) {
	run, integers := count*r.lanes.Words(), r.layout.Integers
	if ring.WordSize(r.k) == 1 && r.lanes.Words() == 1 {
		r.read(set, count*r.size)
		raw := r.raw[r.skip:][:count*r.size]
		if integers > 0 {
			ring.MulEach(acc[:run*integers], run, raw, r.size, &r.integers[set])
		}
		raw = raw[integers:]
		r.elementsAndZeros(acc[run*integers:], run, set, func(acc []uint64, m *ring.Map) {
			ring.MulBytes(acc, raw, r.size, m)
			raw = raw[m.In:]
		})
		return
	}
	words := r.next(set, count)
	for range integers {
		ring.MulMap(acc[:run], words, r.words, &r.integers[set])
		acc, words = acc[run:], words[1:]
	}
	r.elementsAndZeros(acc, run, set, func(acc []uint64, m *ring.Map) {
		ring.MulMap(acc, words, r.words, m)
		words = words[min(m.In, len(words)):]
	})
}

// elementsAndZeros calls f for each sharing after the integers, in the stream's order,
// with its run words of acc and its map.
func (r *Run) elementsAndZeros(acc []uint64, run, set int, f func(acc []uint64, m *ring.Map)) {
	for range r.layout.Elements {
		f(acc[:run], &r.elements[set])
		acc = acc[run:]
	}
	for range r.layout.Zeros {
		f(acc[:run], &r.zeros[set])
		acc = acc[run:]
	}
}

// next returns what the next count items take from the set's stream, r.words words
// each of which the low k bits count, until it is called again.
func (r *Run) next(set, count int) []uint64 {
	r.read(set, count*r.size)
	words := r.numbers[:count*r.words]
	ring.Widen(words, r.raw[r.skip:], ring.WordSize(r.k))
	return words
}

// read fills raw with the set's key stream from block position on, as far as the
// next size bytes go.
func (r *Run) read(set, size int) {
	blocks := (r.skip + size + aes.BlockSize - 1) / aes.BlockSize
	raw := r.raw[:blocks*aes.BlockSize]
	if len(r.counters) == 0 {
		for b := range blocks {
			r.count(set, b)
			r.sets[set].block.Encrypt(raw[b*aes.BlockSize:], r.counter[:])
		}
		return
	}
	fresh, tail := raw, r.tails[set][:]
	if r.skip != 0 { // the counter mode is past the first block
		copy(raw, tail)
		fresh = raw[aes.BlockSize:]
	}
	clear(fresh)
	r.counters[set].XORKeyStream(fresh, fresh)
	copy(tail, raw[len(raw)-aes.BlockSize:])
}

// Close erases what the run held.
func (r *Run) Close() {
	clear(r.tails)
	clear(r.counters)
	clear(r.raw)
	clear(r.numbers)
	clear(r.multiples)
	r.streams = nil
	runs.Put(r)
}
