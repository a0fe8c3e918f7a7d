package evaluate

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// switchJobs is how many parts of a key switch may run at once. Each has sums of its
// own.
const switchJobs = 4

// gadget is a key-switching key, packing or not, of words T: for every bit of the old
// key and every level a ciphertext of the bit, scaled.
type gadget[T any] struct {
	part tfhe.Part
	// read reads consecutive rows.
	read func(row int, masks, bodies []T) error
	// torus takes a word for a fraction of 2^128.
	torus func(T) wide.Word
	// mulSub subtracts digit·row from sum.
	mulSub func(sum, row []T, digit int64)
	// add adds one sum to another.
	add func(sum, other []T)
}

// switchKeys returns, for each LWE ciphertext (mask, body), one of the same plaintext
// under the key that c leads to: mask and body, MaskWords and BodyWords. From a
// packing key the plaintext is at coefficient 0.
func (e *Evaluator) switchKeys(c tfhe.Component, in [][]uint64) ([][]uint64, error) {
	part, err := e.part(c)
	if err != nil {
		return nil, err
	}
	masks, err := e.keys.Masks(c)
	if err != nil {
		return nil, err
	}
	return switchWith(e, gadget[uint64]{
		part: part,
		read: func(row int, m, b []uint64) error {
			masks.Row(row, m)
			return e.keys.Body(c, row, b)
		},
		torus: func(x uint64) wide.Word { return wide.Word{Hi: x} },
		mulSub: func(sum, row []uint64, digit int64) {
			row = row[:len(sum)]
			d := uint64(digit) // #nosec G115 -- modulo 2^64
			for i := range sum {
				sum[i] -= d * row[i]
			}
		},
		add: func(sum, other []uint64) {
			for i := range sum {
				sum[i] += other[i]
			}
		},
	}, in)
}

// switchWideKeys is switchKeys modulo 2^128.
func (e *Evaluator) switchWideKeys(c tfhe.Component, in [][]wide.Word) ([][]wide.Word, error) {
	part, err := e.part(c)
	if err != nil {
		return nil, err
	}
	masks, err := e.keys.Masks(c)
	if err != nil {
		return nil, err
	}
	return switchWith(e, gadget[wide.Word]{
		part: part,
		read: func(row int, m, b []wide.Word) error {
			masks.RowWide(row, m)
			return e.keys.BodyWide(c, row, b)
		},
		torus: func(x wide.Word) wide.Word { return x },
		mulSub: func(sum, row []wide.Word, digit int64) {
			row = row[:len(sum)]
			d := wide.Word{Lo: uint64(digit), Hi: uint64(digit >> 63)} // #nosec G115 -- modulo 2^128
			for i := range sum {
				sum[i] = sum[i].Sub(row[i].Mul(d))
			}
		},
		add: func(sum, other []wide.Word) {
			for i := range sum {
				sum[i] = sum[i].Add(other[i])
			}
		},
	}, in)
}

// switchWith returns (0, body) − Σ digits·rows for each ciphertext: parts of the old
// key at a time, and of each row all that all ciphertexts want of it.
func switchWith[T any](e *Evaluator, g gadget[T], in [][]T) ([][]T, error) {
	bits := g.part.Inputs
	for _, lwe := range in {
		if len(lwe) != bits+1 {
			return nil, fmt.Errorf("%v of %d words: %w", g.part.Component, len(lwe), ErrOperand)
		}
	}
	jobs := min(switchJobs, bits)
	sums := make([][][]T, jobs)
	err := e.each(jobs, func(job int) error {
		sums[job] = newSums(g, len(in))
		return g.accumulate(e, sums[job], in, bits*job/jobs, bits*(job+1)/jobs)
	})
	if err != nil {
		return nil, err
	}
	out := newSums(g, len(in))
	for i, lwe := range in {
		out[i][g.part.MaskWords()] = lwe[bits]
		for _, sum := range sums {
			g.add(out[i], sum[i])
		}
	}
	return out, nil
}

func newSums[T any](g gadget[T], count int) [][]T {
	sums := make([][]T, count)
	for i := range sums {
		sums[i] = make([]T, g.part.MaskWords()+g.part.BodyWords())
	}
	return sums
}

// accumulate adds what bits first to last−1 of the old key contribute.
func (g gadget[T]) accumulate(e *Evaluator, sums, in [][]T, first, last int) error {
	maskWords, bodyWords := g.part.MaskWords(), g.part.BodyWords()
	digits := make([]int64, g.part.Levels)
	masks, bodies := make([]T, len(digits)*maskWords), make([]T, len(digits)*bodyWords)
	for bit := first; bit < last; bit++ {
		if err := e.environment.Yield(); err != nil {
			return err
		}
		if err := g.read(bit*len(digits), masks, bodies); err != nil {
			return err
		}
		for i, lwe := range in {
			decompose(g.torus(lwe[bit]), g.part.Decomposition, digits)
			for row := range digits {
				digit := digits[len(digits)-1-row]
				g.mulSub(sums[i][:maskWords], masks[row*maskWords:][:maskWords], digit)
				g.mulSub(sums[i][maskWords:], bodies[row*bodyWords:][:bodyWords], digit)
			}
		}
	}
	return nil
}
