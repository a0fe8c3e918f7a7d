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
const step = 128

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

// scratch is reused; what lies here is zero.
var scratch = sync.Pool{New: func() any { return new([]uint64) }}

// borrow returns zero words, and a function that erases and gives them back.
func borrow(words int) ([]uint64, func()) {
	p := scratch.Get().(*[]uint64)
	if cap(*p) < words {
		*p = make([]uint64, words)
	}
	v := (*p)[:words]
	return v, func() { clear(v); scratch.Put(p) }
}

// deal draws the integers, which the masks are made of, and appends to vector each
// of the masked values with a fresh zero sharing of degree 2t, packed.
func (s Section) deal(source *prss.Source, vector []byte, integers [][]uint64, masks []masked) ([]byte, error) {
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
	zeros, done := borrow(width * len(masks))
	defer done()
	part := prss.Vectors{Integers: make([][]uint64, len(integers)), Zeros: make([][]uint64, len(masks))}
	for lo := 0; lo < words; lo += width {
		hi := min(lo+width, words)
		for i, x := range integers {
			part.Integers[i] = x[lo:hi]
		}
		for q := range masks {
			part.Zeros[q] = zeros[q*width:][:hi-lo]
		}
		run.Next(part)
		for q, m := range masks {
			m.add(r, part.Zeros[q], lo)
			ring.AppendPacked(vector[:at+q*size+lo*int(s.K)/8], part.Zeros[q], s.K)
		}
	}
	return vector, nil
}

// open opens one packed vector of the section, sent by the members of from, and
// returns the integers and −1, or the lowest index that is no codeword or no
// integer. Packed is indexed by party and of the right lengths.
func (s Section) open(code *sharing.Code, from sharing.Parties, packed [][]byte) ([]uint64, int, error) {
	d := code.Degree()
	integers := make([]uint64, s.Count)
	width := min(step, s.Count) * d
	flat, done := borrow(width * from.Count())
	defer done()
	vectors := make([][]uint64, len(packed))
	list := from.List()
	for lo := 0; lo < s.Count; lo += step {
		hi := min(lo+step, s.Count)
		first, last := lo*d*int(s.K)/8, ring.PackedLen(hi*d, s.K)
		for a, i := range list {
			vectors[i] = flat[a*width:][:(hi-lo)*d]
			if err := ring.Unpack(vectors[i], packed[i][first:last], s.K); err != nil {
				return nil, -1, err
			}
		}
		if bad := code.OpenIntegers(integers[lo:hi], 2*code.T(), from, vectors, s.K); bad >= 0 {
			return nil, lo + bad, nil
		}
	}
	return integers, -1, nil
}
