package preproc

import (
	"slices"
	"sync"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// step is the items worked on at a time, so that they stay in the L1 cache. As a
// multiple of 8 of them is whole bytes of a packed vector whatever k and d are.
const step = prss.Piece

// masked is what an opening shows: x·y − z, or x² + x if there is no y.
type masked struct{ x, y, z []uint64 }

// add adds elements lo/d … to dst.
func (m masked) add(r ring.Ring, dst []uint64, lo int) {
	hi := lo + len(dst)
	if m.y == nil {
		r.SquareAdd(dst, m.x[lo:hi])
		return
	}
	r.MulVec(dst, m.x[lo:hi], m.y[lo:hi])
	r.ScaleAdd(dst, m.z[lo:hi], ^uint64(0))
}

// addWords is add for Single lanes.
func (m masked) addWords(l ring.Lanes, dst []uint64, lo int) {
	hi := lo + 4*len(dst)
	if m.y == nil {
		l.SquareAddWords(dst, m.x[lo:hi])
		return
	}
	l.MulSubWords(dst, m.x[lo:hi], m.y[lo:hi], m.z[lo:hi])
}

// work is memory for a chunk of a section.
type work struct {
	words   []uint64
	vectors [][]uint64
}

// works are reused; the words of those that lie here are zero.
var works = sync.Pool{New: func() any { return new(work) }}

// borrow returns the given numbers of words and of vectors. Give them back.
func borrow(words, vectors int) *work {
	w := works.Get().(*work)
	w.words = slices.Grow(w.words[:0], words)[:words]
	w.vectors = slices.Grow(w.vectors[:0], vectors)[:vectors]
	return w
}

func (w *work) giveBack() {
	clear(w.words)
	clear(w.vectors)
	works.Put(w)
}

// generate draws all sections before any is finished, as a digit takes bits as they
// are drawn. It returns the material, the memory that it lies in, section after
// section, and vector with what is opened.
func generate(source prss.Randomness, sections []Section, vector []byte, each func(n int, f func(i int))) ([]Material, []uint64, []byte, error) {
	d, total := source.Code().Degree(), 0
	for _, s := range sections {
		total += s.words(d)
	}
	memory := make([]uint64, total)
	made := make([]Material, 0, len(sections))
	rest := memory
	for _, s := range sections {
		words := s.words(d)
		var m Material
		var longer []byte
		var err error
		if s.bulk() {
			m, longer, err = s.dealBulk(source, vector, each)
		} else {
			m, longer, err = s.generate(source, made, rest[:words:words], vector)
		}
		if err != nil {
			clear(memory)
			return nil, nil, nil, err
		}
		made, vector, rest = append(made, m), longer, rest[words:]
	}
	return made, memory, vector, nil
}

// deal draws the integers, which the masks are made of, and appends to vector each
// of the masked values with a fresh zero sharing of degree 2t, packed.
func (s Section) deal(source prss.Randomness, vector []byte, integers [][]uint64, masks []masked) ([]byte, error) {
	run, err := source.Begin(s.address(), prss.Layout{Integers: len(integers), Zeros: len(masks)}, s.Count)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	r := source.Code().Ring()
	words := s.Count * r.Degree()
	size, at := ring.PackedLen(words, s.K), len(vector)
	vector = slices.Grow(vector, size*len(masks))[:at+size*len(masks)]
	width := min(step, s.Count) * r.Degree()
	l := run.Lanes()
	w := borrow(width*len(masks), len(integers)+len(masks))
	defer w.giveBack()
	part := prss.Vectors{Integers: w.vectors[:len(integers)], Zeros: w.vectors[len(integers):]}
	for lo := 0; lo < words; lo += width {
		hi := min(lo+width, words)
		for i, x := range integers {
			part.Integers[i] = x[lo:hi]
		}
		if l.Single() {
			count := (hi - lo) / r.Degree()
			zeros := run.NextWords(count, part.Integers)
			for q, m := range masks {
				m.addWords(l, zeros[q*count:][:count], lo)
				l.AppendWords(vector[:at+q*size+lo*int(s.K)/8], zeros[q*count:][:count])
			}
			continue
		}
		for q := range masks {
			part.Zeros[q] = w.words[q*width:][:hi-lo]
		}
		run.Next(part)
		for q, m := range masks {
			m.add(r, part.Zeros[q], lo)
			ring.AppendPacked(vector[:at+q*size+lo*int(s.K)/8], part.Zeros[q], s.K)
		}
	}
	return vector, nil
}

// open opens one packed vector of the section, sent by the members of from. It
// writes the integers to dst and returns −1, or returns the lowest index that is no
// codeword or no integer. Packed is indexed by party and of the right lengths.
func (s Section) open(dst []uint64, code *sharing.Code, from sharing.Parties, packed [][]byte) (int, error) {
	d := code.Degree()
	l, parties := code.Ring().Lanes(s.K), from.List()
	width := min(step, s.Count) * d
	w := borrow(width*len(packed), len(packed))
	defer w.giveBack()
	for lo := 0; lo < s.Count; lo += step {
		hi := min(lo+step, s.Count)
		first, last := lo*d*int(s.K)/8, ring.PackedLen(hi*d, s.K)
		for a, i := range parties {
			var err error
			if l.Single() {
				err = l.UnpackWords(w.words[a:], len(parties), hi-lo, packed[i][first:last])
			} else {
				w.vectors[i] = w.words[i*width:][:(hi-lo)*d]
				err = ring.Unpack(w.vectors[i], packed[i][first:last], s.K)
			}
			if err != nil {
				return -1, err
			}
		}
		var bad int
		if l.Single() {
			bad = code.OpenWords(dst[lo:hi], 2*code.T(), from, w.words, s.K)
		} else {
			bad = code.OpenIntegers(dst[lo:hi], 2*code.T(), from, w.vectors, s.K)
		}
		if bad >= 0 {
			return lo + bad, nil
		}
	}
	return -1, nil
}
