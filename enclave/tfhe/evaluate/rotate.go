package evaluate

import (
	"sync"

	"github.com/tkms-network/tkms/enclave/ring/negacyclic"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// polynomial has N coefficients modulo 2^128; one modulo 2^64 is the upper word.
type polynomial []wide.Word

// glwe is a GLWE ciphertext: k polynomials of the mask and the body.
type glwe []polynomial

// chunkBytes bounds the transformed key that is in memory at a time, if it has more
// than one bit's GGSW.
const chunkBytes = 4 << 20

// rotateAtOnce is how many ciphertexts are rotated in one pass over the key: they take
// some 100 KB each in production.
const rotateAtOnce = 128

// rotation is a bootstrapping key.
type rotation struct {
	part   tfhe.Part
	digits *negacyclic.Digits
	// columns is k+1, rows those of one bit.
	columns, rows int
	keys          *tfhe.KeySet
	masks         *tfhe.Masks
	// Rows as they are read, and scratches.
	words, wideWords, scratches sync.Pool
}

func newRotation(keys *tfhe.KeySet, part tfhe.Part) (*rotation, error) {
	masks, err := keys.Masks(part.Component)
	if err != nil {
		return nil, err
	}
	r := &rotation{part: part, columns: part.Polynomials + 1, keys: keys, masks: masks}
	r.rows = int(part.Levels) * r.columns                                                     // #nosec G115 -- small
	r.digits, err = negacyclic.NewDigits(part.Degree, part.Width, uint(part.BaseLog), r.rows) // #nosec G115 -- small
	r.words.New = func() any { w := make([]uint64, r.columns*part.Degree); return &w }
	r.wideWords.New = func() any { w := make([]wide.Word, r.columns*part.Degree); return &w }
	r.scratches.New = func() any { return r.newScratch() }
	return r, err
}

// chunk is how many bits' GGSWs are in memory at a time.
func (r *rotation) chunk() int {
	size := 8 * r.digits.Words() * r.rows * r.columns
	return min(r.part.Inputs, max(1, chunkBytes/size))
}

// blindRotate calls emit, in order, with X^−phase·table(i) for each ciphertext,
// encrypted under the key that component c leads to. It reads the key once for up to
// rotateAtOnce of them.
func (e *Evaluator) blindRotate(c tfhe.Component, in []exponents, table func(i int) polynomial, emit func(g glwe)) error {
	if _, err := e.part(c); err != nil {
		return err
	}
	r := e.rotations[c]
	for first := 0; first < len(in); first += rotateAtOnce {
		batch := in[first:min(first+rotateAtOnce, len(in))]
		rotated := make([]glwe, len(batch))
		for i := range rotated {
			rotated[i] = r.trivial(table(first+i), batch[i][r.part.Inputs])
		}
		if err := e.rotateBatch(r, batch, rotated); err != nil {
			return err
		}
		for _, g := range rotated {
			emit(g)
		}
	}
	return nil
}

// rotateBatch multiplies each of the GLWE ciphertexts by X to the sum of the exponents
// for which the key has a 1.
func (e *Evaluator) rotateBatch(r *rotation, in []exponents, rotated []glwe) error {
	size := r.chunk()
	key := make([][]uint64, size*r.rows*r.columns)
	for i := range key {
		key[i] = make([]uint64, r.digits.Words())
	}
	for first := 0; first < r.part.Inputs; first += size {
		count := min(size, r.part.Inputs-first)
		err := e.each(count*r.rows, func(row int) error {
			if err := e.environment.Yield(); err != nil {
				return err
			}
			return r.load(first*r.rows+row, key[row*r.columns:][:r.columns])
		})
		if err != nil {
			return err
		}
		err = e.each(len(in), func(i int) error {
			s := r.scratches.Get().(*scratch)
			defer r.scratches.Put(s)
			for bit := range count {
				if err := e.environment.Yield(); err != nil {
					return err
				}
				r.choose(rotated[i], in[i][first+bit], key[bit*r.rows*r.columns:], s)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// trivial returns X^−exponent·table with mask 0.
func (r *rotation) trivial(table polynomial, exponent int) glwe {
	g := make(glwe, r.columns)
	for c := range g {
		g[c] = make(polynomial, r.part.Degree)
	}
	rotate(g[r.columns-1], table, 2*r.part.Degree-exponent)
	return g
}

// load reads a row of the key and transforms its polynomials.
func (r *rotation) load(row int, dst [][]uint64) error {
	n, last := r.part.Degree, r.columns-1
	if r.part.Width == 64 {
		words := r.words.Get().(*[]uint64)
		defer r.words.Put(words)
		r.masks.Row(row, (*words)[:last*n])
		if err := r.keys.Body(r.part.Component, row, (*words)[last*n:]); err != nil {
			return err
		}
		for c := range dst {
			r.digits.Transform(dst[c], (*words)[c*n:][:n])
		}
		return nil
	}
	words := r.wideWords.Get().(*[]wide.Word)
	defer r.wideWords.Put(words)
	r.masks.RowWide(row, (*words)[:last*n])
	if err := r.keys.BodyWide(r.part.Component, row, (*words)[last*n:]); err != nil {
		return err
	}
	for c := range dst {
		r.digits.TransformWide(dst[c], (*words)[c*n:][:n])
	}
	return nil
}

// scratch is the memory of one external product.
type scratch struct {
	sums     [][]uint64
	digits   [][]int64 // by level
	residues []uint64
	product  polynomial
}

func (r *rotation) newScratch() *scratch {
	s := &scratch{residues: make([]uint64, r.part.Degree), product: make(polynomial, r.part.Degree)}
	for range r.columns {
		s.sums = append(s.sums, make([]uint64, r.digits.Words()))
	}
	for range r.part.Levels {
		s.digits = append(s.digits, make([]int64, r.part.Degree))
	}
	return s
}

// choose makes g X^exponent·g if the bit whose GGSW key is is 1, and leaves it else: it
// adds the external product of the GGSW with (X^exponent − 1)·g.
func (r *rotation) choose(g glwe, exponent int, key [][]uint64, s *scratch) {
	if exponent == 0 {
		return
	}
	for _, sum := range s.sums {
		clear(sum)
	}
	levels := len(s.digits)
	for c, p := range g {
		r.decomposeDifference(s.digits, p, exponent)
		for l, digits := range s.digits {
			// Stored from the highest level number down, and of each the k+1 rows.
			row := (levels-1-l)*r.columns + c
			r.digits.MulAdd(s.sums, digits, key[row*r.columns:][:r.columns], s.residues)
		}
	}
	for c, p := range g {
		if r.part.Width == 128 {
			r.digits.AddTo(p, s.sums[c])
			continue
		}
		clear(s.product)
		r.digits.AddTo(s.product, s.sums[c])
		for j, x := range s.product {
			p[j].Hi += x.Lo
		}
	}
}

// decomposeDifference decomposes (X^exponent − 1)·p.
func (r *rotation) decomposeDifference(digits [][]int64, p polynomial, exponent int) {
	var one [8]int64
	levels := one[:len(digits)]
	n := len(p)
	for j := range p {
		decompose(rotated(p, (j-exponent)&(2*n-1)).Sub(p[j]), r.part.Decomposition, levels)
		for l, d := range levels {
			digits[l][j] = d
		}
	}
}

// rotated returns the coefficient of p at an index from 0 to 2N−1: those from N on are
// the negatives of the first N, since X^N = −1.
func rotated(p polynomial, index int) wide.Word {
	if index < len(p) {
		return p[index]
	}
	return p[index-len(p)].Neg()
}

// rotate writes X^exponent·p.
func rotate(dst, p polynomial, exponent int) {
	for j := range dst {
		dst[j] = rotated(p, (j-exponent)&(2*len(p)-1))
	}
}

// extract returns the LWE ciphertext, mask and body, of the coefficient at index,
// under the key's polynomials one after the other.
func (g glwe) extract(index int) []wide.Word {
	last := len(g) - 1
	n := len(g[last])
	out := make([]wide.Word, 0, last*n+1)
	for _, p := range g[:last] {
		for j := range n {
			out = append(out, rotated(p, (index-j)&(2*n-1)))
		}
	}
	return append(out, g[last][index])
}

// upper returns the upper words of an LWE ciphertext, which is modulo 2^64.
func upper(lwe []wide.Word) []uint64 {
	out := make([]uint64, len(lwe))
	for i, x := range lwe {
		out[i] = x.Hi
	}
	return out
}
