package prss

import (
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// MaxNoise and MaxWideNoise bound the bounds of noise over R_64 and R_128.
const (
	MaxNoise     = 62
	MaxWideNoise = 126
)

// noiseSamples are the samples of an element: its coordinates 0..3, for every d.
const noiseSamples = 4

// noisePiece is the elements drawn at a time, so that all of them stay in the cache.
const noisePiece = 64

// DrawNoise overwrites dst, a vector over R_64, with the party's shares of noise: the
// coordinates 0..3 of shared element i are e_{4i}, …, e_{4i+3}, where each e is the
// sum, over the sets A, of an e_A that A's members know and that is distributed as
// TUniform(bound): −2^bound and 2^bound with probability 2^−(bound+2) each, all between
// with 2^−(bound+1). An element is an item of a. The sum, of C(n,t) terms, is what t
// parties see of it plus a term that they do not know.
//
// It returns ErrParameters for a bound above MaxNoise. a.K is not used.
func (s *Source) DrawNoise(a Address, bound uint, dst []uint64) error {
	d := s.code.Degree()
	if bound > MaxNoise {
		return fmt.Errorf("%w: noise of 2^%d in 64 bits", ErrParameters, bound)
	}
	run, err := s.beginNoise(a, 64, bound, len(dst)/d)
	if err != nil {
		return err
	}
	defer run.close()
	clear(dst)
	middle := uint64(1) << (bound & 63)
	for ; len(dst) > 0; dst = dst[min(noisePiece*d, len(dst)):] {
		piece := dst[:min(noisePiece*d, len(dst))]
		for set := range run.sets {
			numbers := run.next(set, len(piece)/d)
			for i := range numbers {
				numbers[i] -= middle
			}
			s.code.Ring().MulAdd(piece, run.elements(len(piece)/d), &run.narrow.noise[set])
		}
		run.step(len(piece) / d * run.size)
	}
	return nil
}

// DrawWideNoise is DrawNoise over R_128, for bounds up to MaxWideNoise. What it draws
// has nothing to do with what DrawNoise draws.
func (s *Source) DrawWideNoise(a Address, bound uint, dst []wide.Word) error {
	d := s.code.Degree()
	if bound > MaxWideNoise {
		return fmt.Errorf("%w: noise of 2^%d in 128 bits", ErrParameters, bound)
	}
	run, err := s.beginNoise(a, 128, bound, len(dst)/d)
	if err != nil {
		return err
	}
	defer run.close()
	r := s.code.WideRing()
	// The samples are drawn as numbers from 0 to 2^(bound+1), what is too much is taken
	// away of all sets together.
	var excess wide.Elem
	for _, f := range s.sets {
		excess = r.Add(excess, f)
	}
	ones := wide.Elem{}
	for c := range noiseSamples {
		ones[c] = wide.Word{Lo: 1}.Shl(bound).Neg()
	}
	excess = r.Mul(excess, ones)
	for i := range len(dst) / d {
		r.Set(dst, i, excess)
	}
	for ; len(dst) > 0; dst = dst[min(noisePiece*d, len(dst)):] {
		piece := dst[:min(noisePiece*d, len(dst))]
		for set := range run.sets {
			if bound <= MaxNoise {
				run.next(set, len(piece)/d)
				r.MulAddNarrow(piece, run.elements(len(piece)/d), &run.wide.elements[set])
			} else {
				r.MulAdd(piece, run.nextWide(set, len(piece)/d), &run.wide.elements[set])
			}
		}
		run.step(len(piece) / d * run.size)
	}
	return nil
}

// noiseRun is a draw of noise.
type noiseRun struct {
	*streams
	reader
	d, sample, size int // bytes of a sample and of an element in a key stream
	bound           uint
	numbers         []uint64
	words           []wide.Word
}

// noiseRuns are reused; the buffers of those that lie here are zero.
var noiseRuns = sync.Pool{New: func() any { return new(noiseRun) }}

func (s *Source) beginNoise(a Address, k, bound uint, count int) (*noiseRun, error) {
	r := noiseRuns.Get().(*noiseRun)
	r.d, r.bound, r.sample = s.code.Degree(), bound, wide.Size
	if bound <= MaxNoise {
		r.sample = ring.WordSize(bound + 2)
	}
	r.size = noiseSamples * r.sample
	if err := r.seek(a, r.size, count); err != nil {
		noiseRuns.Put(r)
		return nil, err
	}
	r.streams = s.open(streamKey{kind: a.Kind, k: k, layout: noiseLayout, bound: bound})
	items := min(noisePiece, count)
	r.start(r.sets, count*r.size, items*r.size)
	r.numbers = resize(r.numbers, items*r.d)
	r.words = resize(r.words, items*r.d)
	return r, nil
}

// next returns the samples of the next count elements of a set, plus 2^bound: of r
// random bits below 2^(bound+2), half of it and its lowest bit.
func (r *noiseRun) next(set, count int) []uint64 {
	numbers, mask := r.numbers[:count*noiseSamples], ring.Mask(r.bound+2)
	ring.Widen(numbers, r.read(set, count*r.size), r.sample)
	for i, x := range numbers {
		numbers[i] = x&mask>>1 + x&1
	}
	return numbers
}

// elements returns what next returned as a vector of elements.
func (r *noiseRun) elements(count int) []uint64 {
	spread(r.numbers, count, r.d)
	return r.numbers[:count*r.d]
}

// nextWide is next and elements for samples of more than a word.
func (r *noiseRun) nextWide(set, count int) []wide.Word {
	raw := r.read(set, count*r.size)
	for i := range r.words[:count*noiseSamples] {
		x := wide.Read(raw[i*wide.Size:]).Reduce(r.bound + 2)
		r.words[i] = x.Shr(1).Add(wide.Word{Lo: x.Lo & 1})
	}
	spread(r.words, count, r.d)
	return r.words[:count*r.d]
}

// spread makes count elements of d words of as many of noiseSamples, in place.
func spread[W any](v []W, count, d int) {
	if d == noiseSamples {
		return
	}
	var zero W
	for i := count - 1; i >= 0; i-- { // an element is not before its samples
		copy(v[i*d:], v[i*noiseSamples:(i+1)*noiseSamples])
		for c := noiseSamples; c < d; c++ {
			v[i*d+c] = zero
		}
	}
}

// close erases what the run held.
func (r *noiseRun) close() {
	r.erase()
	clear(r.numbers)
	clear(r.words)
	r.streams = nil
	noiseRuns.Put(r)
}
