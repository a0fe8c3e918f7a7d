package preproc

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Pack is how many integers a packed element holds: Σ_p Y^p·v_p, p < Pack. A share of
// it is a sum of shifted shares, so four integers are opened for the price of one. It
// is the same for every extension degree; for degree 5 coordinate 4 is not used.
//
// An opening of degree 2t is masked by a sharing of zero over all of the ring, so it
// shows the four integers and nothing else. What is opened is checked to be a codeword
// element by element, and of bits each of the four numbers has to be even.
const Pack = 4

// maxBulk bounds the items of a section whose openings are packed.
const maxBulk = Pack * MaxItems

// maxNoise bounds the bits of a sample: the last one counts 2^62.
const maxNoise = 64

// Outer is a run of rows of the products x_i·y_j of two vectors of shared random
// integers mod 2^K. All sections of one matrix, which Kind, Sub and Try tell apart
// from others, have the same x and y; each product has a z of its own. Sections of a
// matrix are made in chunks, and if one of them fails all of the matrix is burnt.
type Outer struct {
	// Rows and Columns are those of the whole matrix; Columns is a multiple of Pack.
	Rows, Columns int
	// First is the first row of the section, which has Count/Columns rows.
	First int
}

// bulk reports whether the section's openings are packed.
func (s Section) bulk() bool { return s.Packed || s.Noise > 0 || s.outer() }

// outer reports whether the section has products of a matrix.
func (s Section) outer() bool { return s.Outer != Outer{} }

// wide reports whether the section's numbers need more than a machine word.
func (s Section) wide() bool { return s.K > 64 }

func (s Section) checkBulk() error {
	kinds := 0
	for _, is := range []bool{s.Packed, s.Noise > 0, s.outer()} {
		if is {
			kinds++
		}
	}
	ok := kinds == 1 && s.Kind != "" && s.K >= 2 && s.K <= 128 && s.Count >= 1 && s.Count <= maxBulk &&
		s.First%Pack == 0 && s.Products == 0 && s.Bits == 0 && s.Chain == 0 && !s.Factor
	switch o := s.Outer; {
	case s.Noise > 0:
		ok = ok && s.Noise >= 2 && s.Noise <= maxNoise && s.K == 64 && s.Sub == 0
	case s.outer():
		ok = ok && s.First == 0 && o.Rows >= 1 && o.Rows <= MaxItems && o.Columns >= Pack && o.Columns <= MaxItems && o.Columns%Pack == 0 &&
			s.Count%o.Columns == 0 && o.First >= 0 && o.First <= o.Rows-s.Count/o.Columns
	}
	if !ok {
		return fmt.Errorf("%w: %+v", ErrSection, s)
	}
	return nil
}

// elements returns the elements of each of the section's openings.
func (s Section) elements() int {
	if s.bulk() {
		return (s.Count + Pack - 1) / Pack
	}
	return s.Count
}

// ring returns k of the ring R_k that the section's opening q is in.
func (s Section) ring(q int) uint {
	if s.Noise > 0 {
		return noiseRing(q)
	}
	return s.K
}

// noiseShift returns i for a sample's bit that counts 2^i.
func noiseShift(bit int) uint { return uint(max(bit-1, 0)) } // #nosec G115 -- not negative

// noiseRing returns k for a sample's bit: 64 less what it is shifted by, since what is
// above does not matter, rounded up to whole bytes, which are quicker.
func noiseRing(bit int) uint { return (64 - noiseShift(bit) + 7) &^ 7 }

// VectorBytes returns the length of the vector that each party sends of the section,
// in a ring of extension degree d.
func (s Section) VectorBytes(d int) int {
	total := 0
	for q := range s.openings() {
		total += ring.PackedLen(s.elements()*d, s.ring(q))
	}
	return total
}

// MemoryBytes returns about what a party of n takes for the section until it is done:
// the vectors of all, what is drawn and what is made.
func (s Section) MemoryBytes(n, d int) int {
	word := 8
	if s.wide() {
		word = wide.Size
	}
	words := s.vectors() * s.Count * d
	switch {
	case s.Packed:
		words = 2 * Pack * s.elements() * d
	case s.Noise > 0:
		words = (Pack*s.openings() + 1) * s.elements() * d
	case s.bulk():
		words = (s.elements() + s.Outer.Rows + s.Outer.Columns) * d
	}
	return n*s.VectorBytes(d) + words*word + s.openedLen()
}
