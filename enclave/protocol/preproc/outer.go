package preproc

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
)

// Products of a matrix. PRSS gives [x_i], [y_j] and, as a sharing of a ring element,
// the packed [Z_ie] = Σ_p Y^p·[z_i,4e+p], and
//
//	Δ_ie = [x_i]·(Σ_p Y^p·[y_4e+p]) − [Z_ie]
//
// is opened with degree 2t: one product and one sharing of zero for four products.
// Z_ie is uniform over all of the ring, coordinates from Pack on included, and so is
// what they have of Δ. Shares of x_i·y_j, packed, are then Δ + [Z].
//
// For secrets s and S of which ε_i = s_i − x_i and ρ_j = S_j − y_j are opened, with
// degree t and once all sections of the matrix are done everywhere,
//
//	[s_i·S_j] = ε_i·ρ_j + ε_i·[y_j] + ρ_j·[x_i] + [z_ij] + δ_ij,
//
// which holds for packed elements as it stands. Nothing else of x, y and z may ever be
// shown. Source: the design's section on key generation; outer products save the
// factors' openings that independent triples would take.

// factors returns the address of x or y from index at on.
func (s Section) factors(name string, at int) prss.Address {
	a := s.address()
	a.Kind, a.First = s.Kind+"/"+name, uint64(at) // #nosec G115 -- an index
	return a
}

const (
	outerRows    = "rows"
	outerColumns = "columns"
	outerMasks   = "masks"
	outerZeros   = "zeros"
)

// outerElement returns the place of the section's element at in the whole matrix.
func (s Section) outerElement(at int) int { return s.Outer.First*s.Outer.Columns/Pack + at }

// checkOuter returns ErrSection unless the section has products over R_K, K ≤ 64 or
// not as wanted.
func (s Section) checkOuter(isWide bool) error {
	if !s.outer() || s.wide() != isWide {
		return fmt.Errorf("%w: no products over such a ring", ErrSection)
	}
	return s.check()
}

// Factors draws the party's shares of the x_i of all rows and the y_j of all columns
// of the section's matrix, d words each, reduced mod 2^K ≤ 2^64. ErrSection if the
// section has no such products.
func (s Section) Factors(source prss.Randomness) (x, y []uint64, err error) {
	if err := s.checkOuter(false); err != nil {
		return nil, nil, err
	}
	d := source.Code().Degree()
	x, y = make([]uint64, s.Outer.Rows*d), make([]uint64, s.Outer.Columns*d)
	if err := source.Draw(s.factors(outerRows, 0), prss.Vectors{Integers: [][]uint64{x}}); err != nil {
		return nil, nil, err
	}
	if err := source.Draw(s.factors(outerColumns, 0), prss.Vectors{Integers: [][]uint64{y}}); err != nil {
		clear(x)
		return nil, nil, err
	}
	return x, y, nil
}

// Z overwrites dst with the party's shares of the packed z of a row of the section's
// matrix, Columns/Pack elements of d words, reduced mod 2^K ≤ 2^64. ErrSection if there
// is no such row or dst is not of its length.
func (s Section) Z(source prss.Randomness, row int, dst []uint64) error {
	if err := s.checkOuter(false); err != nil {
		return err
	}
	elements := s.Outer.Columns / Pack
	if row < 0 || row >= s.Outer.Rows || len(dst) != elements*source.Code().Degree() {
		return fmt.Errorf("%w: row %d, %d words", ErrSection, row, len(dst))
	}
	return source.Draw(s.factors(outerMasks, row*elements), prss.Vectors{Elements: [][]uint64{dst}})
}

// dealOuter returns what draws elements lo … hi−1 and appends to out what is opened,
// and what erases the factors afterwards.
func (s Section) dealOuter(source prss.Randomness) (deal func(out []byte, q, lo, hi int) error, erase func(), err error) {
	x, y, err := s.Factors(source)
	if err != nil {
		return nil, nil, err
	}
	r := source.Code().Ring()
	d, columns := r.Degree(), s.Outer.Columns/Pack
	packed := make([]uint64, columns*d)
	r.PackAdd(packed, y)
	clear(y)
	erase = func() {
		clear(x)
		clear(packed)
	}
	return func(out []byte, _, lo, hi int) error {
		masks, err := source.Begin(s.factors(outerMasks, s.outerElement(lo)), outerMask, hi-lo)
		if err != nil {
			return err
		}
		defer masks.Close()
		zeros, err := source.Begin(s.factors(outerZeros, s.outerElement(lo)), outerZero, hi-lo)
		if err != nil {
			return err
		}
		defer zeros.Close()
		w := borrow(2*step*d, 0)
		defer w.giveBack()
		for at := lo; at < hi; at += step {
			count := min(step, hi-at)
			z, masked := w.words[:count*d], w.words[step*d:][:count*d]
			masks.Next(prss.Vectors{Elements: [][]uint64{z}})
			zeros.Next(prss.Vectors{Zeros: [][]uint64{masked}})
			r.ScaleAdd(masked, z, ^uint64(0))
			for e := 0; e < count; { // row by row
				row, column := s.outerElement(at+e)/columns, s.outerElement(at+e)%columns
				run := min(count-e, columns-column)
				m := r.Matrix(r.At(x, row))
				r.MulAdd(masked[e*d:(e+run)*d], packed[column*d:(column+run)*d], &m)
				e += run
			}
			out = ring.AppendPacked(out, masked, s.K)
		}
		return nil
	}, erase, nil
}
