package preproc

import (
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Errors of this package.
var (
	// ErrSection reports a section that nothing can be made for.
	ErrSection = errors.New("preproc: section outside its bounds")
	// ErrConfig reports parties, keys or sets that do not fit each other.
	ErrConfig = errors.New("preproc: configuration does not fit the parties")
	// ErrBatchBad reports a batch in which some opening is no codeword or opens to
	// what it cannot be. Its positions are burnt.
	ErrBatchBad = errors.New("preproc: the batch does not open; its positions are burnt")
	// ErrSpent reports a batch whose items were used or erased.
	ErrSpent = errors.New("preproc: the batch was used before")
	// ErrEncoding reports bytes that are not the encoding of what was asked for.
	ErrEncoding = errors.New("preproc: malformed encoding")
)

// MaxItems bounds the items of one section.
const MaxItems = 1 << 20

// maxProducts bounds the products that share a factor.
const maxProducts = 2

// Section is a run of one kind of correlated randomness, one element an item.
type Section struct {
	// Kind, Sub, Try and First address the randomness; K is the ring R_K.
	Kind  string
	K     uint
	Sub   uint16
	Try   uint8
	First uint64
	// Count is the number of items.
	Count int
	// Products is the number m of products x·y_1 … x·y_m.
	Products int
	// Bits is the number of bits of the digit that the section has tables of. They are
	// those of the sections from FirstBit on in the same list, of which Factor is set.
	Bits, FirstBit int
	// Chain is the number of digits whose carries the section joins.
	Chain int
	// Factor keeps what the digit of these bits needs until it is finished.
	Factor bool
	// Packed opens bits Pack at a time; First is a multiple of Pack then, K is from 2
	// to 128, and a Count that is no multiple of Pack is rounded up in what is drawn.
	Packed bool
	// Noise is the number b+2 of bits of a sample of TUniform(b), 2 … 64. K is 64, First
	// and Count are in samples as with Packed, and Sub is 0.
	Noise uint
	// Outer says which products of a matrix the section has, Columns at a time. K is
	// from 2 to 128, and First is 0.
	Outer Outer
}

// A section is of bits, packed or not, if Products, Bits, Chain, Noise and Outer are
// all 0, else one of them is not.

func (s Section) check() error {
	if s.bulk() {
		return s.checkBulk()
	}
	if s.Kind == "" || s.K < 1 || s.K > 64 || s.Count < 1 || s.Count > MaxItems {
		return fmt.Errorf("%w: %+v", ErrSection, s)
	}
	kinds := 0
	for _, n := range []struct{ have, least, most int }{{s.Products, 1, maxProducts}, {s.Bits, 1, maxDigitBits}, {s.Chain, 2, maxChainDigits}} {
		if n.have != 0 {
			kinds++
			if n.have < n.least || n.have > n.most {
				return fmt.Errorf("%w: %+v", ErrSection, s)
			}
		}
	}
	if kinds > 1 || s.Factor && (kinds > 0 || s.K < 2) {
		return fmt.Errorf("%w: %+v", ErrSection, s)
	}
	return nil
}

// checkSections also checks that a digit comes after its bits.
func checkSections(list []Section) error {
	for a, s := range list {
		if err := s.check(); err != nil {
			return err
		}
		if s.Bits == 0 {
			continue
		}
		if s.FirstBit < 0 || s.FirstBit > a-s.Bits {
			return fmt.Errorf("%w: a digit of bits that are not there", ErrSection)
		}
		for _, bit := range list[s.FirstBit : s.FirstBit+s.Bits] {
			if !bit.Factor || bit.K < s.K || bit.First != s.First || bit.Count != s.Count {
				return fmt.Errorf("%w: a digit of other items' bits", ErrSection)
			}
		}
	}
	return nil
}

func (s Section) address() prss.Address {
	return prss.Address{Kind: s.Kind, K: s.K, Sub: s.Sub, Try: s.Try, First: s.First}
}

// openings is the number of values opened an item. A random integer mod 2 is
// already a random bit.
func (s Section) openings() int {
	switch {
	case s.Noise > 0:
		return int(s.Noise) // #nosec G115 -- at most 64
	case s.bulk():
		return 1
	case s.Bits > 0 || s.Chain > 0:
		return len(s.products())
	case s.Products == 0 && s.K > 1:
		return 1
	}
	return s.Products
}

// openedLen is the bytes of what is kept of the section's opened values.
func (s Section) openedLen() int {
	switch {
	case s.Packed:
		return ring.PackedLen(Pack*s.elements(), s.K)
	case s.bulk():
		return 0
	}
	return s.openings() * ring.PackedLen(s.Count, s.K)
}

// Material are one party's shares of a section's items: vectors of Count
// elements over R_K, d words each, coordinates reduced mod 2^K.
type Material struct {
	// Bits are shares of random bits, as integers 0 and 1.
	Bits []uint64
	// X, Y and Z are shares of random integers and of their products Z[i] = X·Y[i].
	X    []uint64
	Y, Z [][]uint64
	// Tables are those of a digit or of a chain.
	Tables [][]uint64
	// WideBits are Bits where K > 64.
	WideBits []wide.Word
	// Noise are shares over R_64 of samples, packed: element e shares Σ_p Y^p·(sample
	// 4e+p). The last one has samples beyond Count if that is no multiple of Pack.
	Noise []uint64
	// Delta is what was opened of a section's products x_i·y_j − z_ij, packed: element
	// Columns/Pack·i+e has those of columns 4e … 4e+3 of the section's row i, and in
	// other coordinates what there is of z. It is WideDelta where K > 64.
	Delta     []uint64
	WideDelta []wide.Word

	// What packed openings are made of until they are finished.
	drawn     []uint64
	wideDrawn []wide.Word

	opened []uint64 // of bits that are factors of a digit
}

// String hides the shares.
func (Material) String() string { return "preproc.Material(redacted)" }

// GoString hides the shares.
func (Material) GoString() string { return "preproc.Material(redacted)" }

// MarshalJSON hides the shares.
func (Material) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

// Zero erases the material.
func (m *Material) Zero() {
	clear(m.Bits)
	clear(m.X)
	for i := range m.Y {
		clear(m.Y[i])
		clear(m.Z[i])
	}
	for _, v := range m.Tables {
		clear(v)
	}
	clear(m.WideBits)
	clear(m.Noise)
	clear(m.Delta)
	clear(m.WideDelta)
	clear(m.drawn)
	clear(m.wideDrawn)
}

// words is the size of the section's material; that of packed openings has memory of
// its own.
func (s Section) words(d int) int {
	if s.bulk() {
		return 0
	}
	return s.vectors() * s.Count * d
}

// generate draws the section's randomness into memory, vector after vector (X, then
// each Y with its Z), and appends to vector what is opened, one packed vector an
// opening; made are the sections before it.
func (s Section) generate(source prss.Randomness, made []Material, memory []uint64, vector []byte) (Material, []byte, error) {
	switch {
	case s.Bits > 0 || s.Chain > 0:
		return s.generateTables(source, made, memory, vector)
	case s.Products > 0:
		return s.generateProducts(source, memory, vector)
	}
	m := Material{Bits: memory}
	var masks []masked
	if s.openings() > 0 {
		masks = []masked{{x: m.Bits}}
	}
	vector, err := s.deal(source, vector, [][]uint64{m.Bits}, masks)
	return m, vector, err
}

func (s Section) generateProducts(source prss.Randomness, memory []uint64, vector []byte) (Material, []byte, error) {
	words := s.Count * source.Code().Degree()
	next := func() (v []uint64) { v, memory = memory[:words:words], memory[words:]; return v }
	var integers [1 + 2*maxProducts][]uint64
	var masks [maxProducts]masked
	both := make([][]uint64, 2*s.Products)
	m := Material{X: next(), Y: both[:s.Products:s.Products], Z: both[s.Products:]}
	integers[0] = m.X
	for q := range s.Products {
		m.Y[q], m.Z[q] = next(), next()
		integers[1+2*q], integers[2+2*q] = m.Y[q], m.Z[q]
		masks[q] = masked{m.X, m.Y[q], m.Z[q]}
	}
	vector, err := s.deal(source, vector, integers[:1+2*s.Products], masks[:s.Products])
	return m, vector, err
}

// finishLast is finish for any section, the last of made, of which those before it
// are finished. If the section is a Factor it keeps what was opened.
func (s Section) finishLast(made []Material, d int, opened [][]uint64) int {
	m := &made[len(made)-1]
	if s.Bits > 0 || s.Chain > 0 {
		s.finishTables(m, made, d, opened)
		return -1
	}
	if s.Factor {
		m.opened = opened[0]
	}
	return s.finish(m, d, opened)
}

// finish turns generated material into its final form with the opened integers,
// one slice an opening, and returns the lowest index that cannot be, or −1.
func (s Section) finish(m *Material, d int, opened [][]uint64) int {
	mask := ring.Mask(s.K)
	if s.Products > 0 {
		for q, delta := range opened {
			z := m.Z[q]
			for i, x := range delta {
				z[i*d] = (z[i*d] + x) & mask
			}
		}
		return -1
	}
	for _, v := range opened {
		for i, x := range v {
			if x&1 != 0 {
				return i
			}
			root, inverse := bitRoot(x, s.K)
			share := m.Bits[i*d:][:d]
			share[0] -= root
			for c := range share {
				share[c] = share[c] * inverse & mask
			}
		}
	}
	return -1
}

// rootTable has for each even v mod 2^8 the even root r of r² + r = v and the
// inverse of 1 + 2r, both mod 2^8.
var rootTable = func() (table [128][2]uint64) {
	for i := range table {
		v, r, x := uint64(2*i), uint64(0), uint64(1)
		for range 3 { // 1 → 8 bits
			r -= (r*r + r - v) * x
			x *= 2 - (1+2*r)*x
		}
		table[i] = [2]uint64{r & 255, x & 255}
	}
	return table
}()

// bitRoot returns, mod 2^k at least, the even root r of X² + X = v, v even, and
// (−1−2r)^−1. If v = a² + a then (a−r)·(−1−2r)^−1 is 0 or 1, as a is r or −1−r. The
// index into the table is public: v was opened.
func bitRoot(v uint64, k uint) (root, inverse uint64) {
	e := &rootTable[v>>1&127]
	r, x := e[0], e[1]
	for right := uint(8); right < k; right *= 2 { // Newton
		r -= (r*r + r - v) * x
		x *= 2 - (1+2*r)*x
	}
	return r, -x
}
