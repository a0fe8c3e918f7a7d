package prss

import (
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// WideVectors are Vectors over R_K with K in 65..128.
type WideVectors struct {
	Integers, Elements, Zeros [][]wide.Word
}

// DrawWide overwrites v with the party's shares at address a, reduced mod 2^K, as Draw
// does; K is 65..128 (ErrParameters). What it draws has nothing to do with what Draw
// draws.
func (s *Source) DrawWide(a Address, v WideVectors) error {
	d := s.code.Degree()
	count := v.items(d)
	if count <= 0 {
		return nil
	}
	run, err := s.beginWide(a, Layout{len(v.Integers), len(v.Elements), len(v.Zeros)}, count)
	if err != nil {
		return err
	}
	defer run.close()
	for _, group := range [][][]wide.Word{v.Integers, v.Elements, v.Zeros} {
		for _, x := range group {
			clear(x)
		}
	}
	for o := 0; o < count; o += widePiece {
		run.add(v, o, min(widePiece, count-o))
	}
	for _, group := range [][][]wide.Word{v.Integers, v.Elements, v.Zeros} {
		for _, x := range group {
			wide.Reduce(x, a.K)
		}
	}
	return nil
}

// items returns the number of elements of the vectors, −1 if there are none.
func (v WideVectors) items(d int) int {
	count := -1
	for _, group := range [][][]wide.Word{v.Integers, v.Elements, v.Zeros} {
		for _, x := range group {
			if count >= 0 && len(x) != count*d || len(x)%d != 0 {
				panic("prss: vectors of different lengths")
			}
			count = len(x) / d
		}
	}
	return count
}

// widePiece is the items drawn at a time, so that all of them stay in the cache.
const widePiece = 32

// wideRun is a draw over R_k, k in 65..128.
type wideRun struct {
	*streams
	reader
	ring    wide.Ring
	layout  Layout
	words   int // an item takes from a key stream
	numbers []wide.Word
}

// wideRuns are reused; the buffers of those that lie here are zero.
var wideRuns = sync.Pool{New: func() any { return new(wideRun) }}

func (s *Source) beginWide(a Address, l Layout, count int) (*wideRun, error) {
	if a.K <= 64 || a.K > 128 {
		return nil, fmt.Errorf("%w: draws over %d bits", ErrParameters, a.K)
	}
	r := wideRuns.Get().(*wideRun)
	r.ring, r.layout, r.words = s.code.WideRing(), l, l.Words(s.code)
	if err := r.seek(a, r.words*wide.Size, count); err != nil {
		wideRuns.Put(r)
		return nil, err
	}
	r.streams = s.open(streamKey{kind: a.Kind, k: a.K, layout: l})
	items := min(widePiece, count)
	r.start(r.sets, count*r.words*wide.Size, items*r.words*wide.Size)
	r.numbers = resize(r.numbers, items*r.words)
	return r, nil
}

// next returns what the next count items take from the set's stream.
func (r *wideRun) next(set, count int) []wide.Word {
	words := r.numbers[:count*r.words]
	raw := r.read(set, len(words)*wide.Size)
	for i := range words {
		words[i] = wide.Read(raw[i*wide.Size:])
	}
	return words
}

// add adds count items, of all sets, to items from o on of the vectors.
func (r *wideRun) add(v WideVectors, o, count int) {
	d := r.ring.Degree()
	lo, hi := o*d, (o+count)*d
	for set := range r.sets {
		words := r.next(set, count)
		for _, x := range v.Integers {
			r.ring.MulIntegers(x[lo:hi], words, r.words, &r.wide.integers[set])
			words = words[1:]
		}
		for _, x := range v.Elements {
			r.ring.MulAddEach(x[lo:hi], words, r.words, &r.wide.elements[set])
			words = words[min(d, len(words)):]
		}
		for _, x := range v.Zeros {
			for j := range r.wide.zeros[set] {
				r.ring.MulAddEach(x[lo:hi], words, r.words, &r.wide.zeros[set][j])
				words = words[min(d, len(words)):]
			}
		}
	}
	r.step(count * r.words * wide.Size)
}

// close erases what the run held.
func (r *wideRun) close() {
	r.erase()
	clear(r.numbers)
	r.streams = nil
	wideRuns.Put(r)
}
