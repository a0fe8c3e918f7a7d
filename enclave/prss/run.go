package prss

import (
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/ring"
)

// setRun is the Run of a Source.
type setRun struct {
	*streams
	reader
	layout        Layout
	d, t          int
	k             uint
	words, size   int // words an item takes from a key stream, and their bytes
	left          int // items
	accumulations int // sets after which lanes must be folded

	// The words of a stretch of key stream, and sums of their multiples.
	numbers   []uint64
	multiples []uint64
}

// runs are reused; the buffers of those that lie here are zero.
var runs = sync.Pool{New: func() any { return new(setRun) }}

// Piece is the items drawn at a time, so that all of a buffer stays in the L1
// cache.
const Piece = 128

// Begin starts a draw of count items at a, ErrRange if the stream does not reach
// as far, ErrParameters for a K above 64. Close it.
func (s *Source) Begin(a Address, l Layout, count int) (Run, error) {
	r, err := s.begin(a, l, count)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (s *Source) begin(a Address, l Layout, count int) (*setRun, error) {
	if a.K > 64 {
		return nil, fmt.Errorf("%w: draws over %d bits", ErrParameters, a.K)
	}
	r := runs.Get().(*setRun)
	r.layout, r.d, r.t, r.k, r.left = l, s.code.Degree(), s.code.T(), a.K, count
	if l == zeroLayout {
		r.layout = Layout{Zeros: 1}
	}
	r.words = r.layout.Words(s.code)
	r.size = ring.WordSize(a.K) * r.words
	if err := r.seek(a, r.size, count); err != nil {
		runs.Put(r)
		return nil, err
	}
	r.streams = s.open(streamKey{kind: a.Kind, k: a.K, layout: l})
	r.accumulations = max(r.lanes.Terms()/max(r.t*r.d, r.d), 1)
	items, vectors := min(Piece, count), r.layout.Integers+r.layout.Elements+r.layout.Zeros
	r.start(r.sets, count*r.size, items*r.size)
	r.numbers = resize(r.numbers, items*r.words)
	r.multiples = resize(r.multiples, items*vectors*r.lanes.Words())
	return r, nil
}

// Next implements Run.
func (r *setRun) Next(v Vectors) {
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

// Lanes implements Run.
func (r *setRun) Lanes() ring.Lanes { return r.lanes }

// NextWords implements Run.
func (r *setRun) NextWords(count int, integers [][]uint64) []uint64 {
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
func (r *setRun) take(count int) {
	if count > r.left {
		panic("prss: more items than the run has")
	}
	r.left -= max(count, 0)
}

// accumulate leaves in multiples, vector by vector, the sums over all sets for the next
// count items.
func (r *setRun) accumulate(count int) {
	run := count * r.lanes.Words()
	acc := r.multiples[:run*(r.layout.Integers+r.layout.Elements+r.layout.Zeros)]
	clear(acc)
	for i := range r.sets {
		r.add(acc, i, count)
		if (i+1)%r.accumulations == 0 {
			r.lanes.Fold(acc)
		}
	}
	r.step(count * r.size)
}

// add adds the multiples of what count items take from a set's stream to acc.
func (r *setRun) add(acc []uint64, set, count int) {
	run, integers := count*r.lanes.Words(), r.layout.Integers
	if ring.WordSize(r.k) == 1 && r.lanes.Words() == 1 {
		raw := r.read(set, count*r.size)
		if integers > 0 {
			ring.MulEach(acc[:run*integers], run, raw, r.size, &r.narrow.integers[set])
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
		ring.MulMap(acc[:run], words, r.words, &r.narrow.integers[set])
		acc, words = acc[run:], words[1:]
	}
	r.elementsAndZeros(acc, run, set, func(acc []uint64, m *ring.Map) {
		ring.MulMap(acc, words, r.words, m)
		words = words[min(m.In, len(words)):]
	})
}

// elementsAndZeros calls f for each sharing after the integers, in the stream's order,
// with its run words of acc and its map.
func (r *setRun) elementsAndZeros(acc []uint64, run, set int, f func(acc []uint64, m *ring.Map)) {
	for range r.layout.Elements {
		f(acc[:run], &r.narrow.elements[set])
		acc = acc[run:]
	}
	for range r.layout.Zeros {
		f(acc[:run], &r.narrow.zeros[set])
		acc = acc[run:]
	}
}

// next returns what the next count items take from the set's stream, r.words words
// each of which the low k bits count, until it is called again.
func (r *setRun) next(set, count int) []uint64 {
	words := r.numbers[:count*r.words]
	ring.Widen(words, r.read(set, count*r.size), ring.WordSize(r.k))
	return words
}

// Close implements Run.
func (r *setRun) Close() {
	r.erase()
	clear(r.numbers)
	clear(r.multiples)
	r.streams = nil
	runs.Put(r)
}
