package preproc

import (
	"encoding/binary"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Batch is one party's offline material for the blocks of a range of an epoch's
// items. It is key material of its epoch, and an item serves one block, once:
// what is taken out of a stock must be erased from it before it is used.
type Batch struct {
	shape      Shape
	n, d, self int
	context    mpc.Digest
	first      uint64
	count      int
	material   []Material // in the order of Shape.Sections
	opened     []byte
	spent      bool
}

// NewBatch returns the machine that makes the items first … first+count−1 in
// shape s; c.Sections is ignored. Take the result with FromMachine.
func NewBatch(c Config, s Shape, first uint64, count int) (*Machine, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	c.Sections = s.Sections(first, count)
	return New(c)
}

// FromMachine returns the batch that a machine of NewBatch made, and ErrSection
// if it is not done or made something else.
func FromMachine(m *Machine, s Shape) (*Batch, error) {
	if !m.Done() || len(m.Sections) == 0 || s.Check() != nil {
		return nil, fmt.Errorf("%w: no batch", ErrSection)
	}
	first, count := m.Sections[0].First, m.Sections[0].Count
	want := s.Sections(first, count)
	if len(want) != len(m.Sections) {
		return nil, fmt.Errorf("%w: other sections", ErrSection)
	}
	for i := range want {
		if m.Sections[i] != want[i] {
			return nil, fmt.Errorf("%w: other sections", ErrSection)
		}
	}
	return newBatch(m.Source, s, first, count, m.material, m.opened), nil
}

// RebuildBatch is Rebuild for a batch.
func RebuildBatch(source *prss.Source, s Shape, first uint64, count int, opened []byte) (*Batch, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	material, err := Rebuild(source, s.Sections(first, count), opened)
	if err != nil {
		return nil, err
	}
	return newBatch(source, s, first, count, material, append([]byte(nil), opened...)), nil
}

func newBatch(source *prss.Source, s Shape, first uint64, count int, material []Material, opened []byte) *Batch {
	return &Batch{
		shape: s, n: source.Code().N(), d: source.Code().Degree(), self: source.Self(), context: source.Context(),
		first: first, count: count, material: material, opened: opened,
	}
}

// Shape returns the batch's shape.
func (b *Batch) Shape() Shape { return b.shape }

// Range returns the first item and the number of items.
func (b *Batch) Range() (first uint64, count int) { return b.first, b.count }

// Context returns the id of the epoch that the items belong to.
func (b *Batch) Context() mpc.Digest { return b.context }

// Fits reports whether the batch is party self's under code c.
func (b *Batch) Fits(c *sharing.Code, self int) bool {
	return b.n == c.N() && b.d == c.Degree() && b.self == self
}

// Take marks the batch as used, ErrSpent if it was used or erased before: a mask
// that meets two inputs gives their difference away, an erased one hides nothing.
func (b *Batch) Take() error {
	if b.spent {
		return fmt.Errorf("%w: %v", ErrSpent, b)
	}
	b.spent = true
	return nil
}

// Bits returns the shares of bit i of every item, over R_(K−i).
func (b *Batch) Bits(i int) []uint64 { return b.material[i].Bits }

// Product returns the material of pair g of the tree, counted level by level.
func (b *Batch) Product(g int) *Material {
	return &b.material[int(b.shape.K)+len(b.shape.DigitBits())+g]
}

// Digit returns the tables of digit i: element v−1 is [digit ≥ v], over R_W.
func (b *Batch) Digit(i int) [][]uint64 { return b.material[int(b.shape.K)+i].Tables }

// Chain returns the tables of the digits' chain: element set−1 is the product of the
// masks p of a set, of which p_(D−1) is member 0 and p_1 member D−2, and element
// ChainGenerate(D, i)−1+set that of g_i with the masks of a set of p_k, k > i.
func (b *Batch) Chain() [][]uint64 { return b.material[len(b.material)-1].Tables }

// Opened returns the public values of the batch, for parties that rebuild it.
func (b *Batch) Opened() []byte { return b.opened }

// OpenedDigest returns the digest by which t+1 parties vouch for Opened.
func (b *Batch) OpenedDigest() mpc.Digest {
	return mpc.Hash("tkms/v1/preproc/opened", b.context[:], mpc.Uint64(uint64(b.shape.K)), mpc.Uint64(uint64(b.shape.W)),
		[]byte{b.shape.flag()}, mpc.Uint64(b.first), mpc.Uint64(uint64(b.count)), b.opened)
}

// Cut returns a copy of the items first … first+count−1, ErrSection if they are
// not all in the batch, ErrSpent if it was used.
func (b *Batch) Cut(first uint64, count int) (*Batch, error) {
	if b.spent {
		return nil, fmt.Errorf("%w: %v", ErrSpent, b)
	}
	if count < 1 || first < b.first || first-b.first > uint64(b.count) || uint64(count) > uint64(b.count)-(first-b.first) {
		return nil, fmt.Errorf("%w: items %d+%d of %d+%d", ErrSection, first, count, b.first, b.count)
	}
	at := int(first - b.first) // #nosec G115 -- at most count
	out := *b
	out.first, out.count = first, count
	cut := func(v []uint64) []uint64 {
		if v == nil {
			return nil
		}
		return append([]uint64(nil), v[at*b.d:(at+count)*b.d]...)
	}
	out.material = make([]Material, len(b.material))
	for i := range b.material {
		m := &b.material[i]
		c := Material{Bits: cut(m.Bits), X: cut(m.X)}
		for _, v := range m.Tables {
			c.Tables = append(c.Tables, cut(v))
		}
		for q := range m.Y {
			c.Y, c.Z = append(c.Y, cut(m.Y[q])), append(c.Z, cut(m.Z[q]))
		}
		out.material[i] = c
	}
	out.opened = nil
	opened := b.opened
	values := make([]uint64, b.count)
	for _, s := range b.shape.Sections(b.first, b.count) {
		size := ring.PackedLen(s.Count, s.K)
		for range s.openings() {
			if err := ring.Unpack(values, opened[:size], s.K); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
			}
			opened = opened[size:]
			out.opened = ring.AppendPacked(out.opened, values[at:at+count], s.K)
		}
	}
	return &out, nil
}

// Zero erases the shares; the batch is spent.
func (b *Batch) Zero() {
	b.spent = true
	for i := range b.material {
		b.material[i].Zero()
	}
}

// String hides the shares.
func (b *Batch) String() string {
	return fmt.Sprintf("preproc.Batch(items %d+%d, redacted)", b.first, b.count)
}

// GoString hides the shares.
func (b *Batch) GoString() string { return b.String() }

// MarshalJSON hides the shares.
func (b *Batch) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

func (s Shape) flag() byte {
	if s.Chain {
		return 1
	}
	return 0
}

const batchVersion = 2

// batchHeader is version, n, d, self, K, W, chain (0 or 1), context, first, count.
const batchHeader = 7 + mpc.DigestSize + 8 + 4

// vectors calls f with every vector of the material and the width of its words.
func (b *Batch) vectors(sections []Section, f func(v *[]uint64, k uint) error) error {
	for i, s := range sections {
		m := &b.material[i]
		list := []*[]uint64{&m.Bits}
		if tables := s.tables(); tables > 0 {
			list = nil
			if m.Tables == nil {
				m.Tables = make([][]uint64, tables)
			}
			for a := range tables {
				list = append(list, &m.Tables[a])
			}
		}
		if s.Products > 0 {
			list[0] = &m.X
			if m.Y == nil {
				m.Y, m.Z = make([][]uint64, s.Products), make([][]uint64, s.Products)
			}
			for q := range s.Products {
				list = append(list, &m.Y[q], &m.Z[q])
			}
		}
		for _, v := range list {
			if err := f(v, s.K); err != nil {
				return err
			}
		}
	}
	return nil
}

// MarshalBinary returns the plain bytes, about 300 an item for K=17, to be sealed
// before they are stored. ErrSpent if the batch was used.
func (b *Batch) MarshalBinary() ([]byte, error) {
	if b.spent {
		return nil, fmt.Errorf("%w: %v", ErrSpent, b)
	}
	out := []byte{batchVersion, byte(b.n), byte(b.d), byte(b.self), byte(b.shape.K), byte(b.shape.W), b.shape.flag()}
	out = append(out, b.context[:]...)
	out = binary.BigEndian.AppendUint64(out, b.first)
	out = binary.BigEndian.AppendUint32(out, uint32(b.count)) // #nosec G115 -- at most MaxItems
	err := b.vectors(b.shape.Sections(b.first, b.count), func(v *[]uint64, k uint) error {
		out = ring.AppendPacked(out, *v, k)
		return nil
	})
	return append(out, b.opened...), err
}

// UnmarshalBatch reads what MarshalBinary wrote: exact length, bounds checked
// before memory is taken, ErrEncoding else.
func UnmarshalBatch(raw []byte) (*Batch, error) {
	if len(raw) < batchHeader || raw[0] != batchVersion || raw[6] > 1 {
		return nil, fmt.Errorf("%w: batch", ErrEncoding)
	}
	b := &Batch{n: int(raw[1]), d: int(raw[2]), self: int(raw[3]), shape: Shape{K: uint(raw[4]), W: uint(raw[5]), Chain: raw[6] == 1}}
	_, err := sharing.New(b.n, sharing.Threshold(b.n), b.d)
	if err != nil || b.shape.Check() != nil || b.self < 1 || b.self > b.n {
		return nil, fmt.Errorf("%w: parameters of a batch", ErrEncoding)
	}
	b.context = mpc.Digest(raw[7:])
	b.first = binary.BigEndian.Uint64(raw[7+mpc.DigestSize:])
	count := binary.BigEndian.Uint32(raw[batchHeader-4:])
	if count < 1 || count > MaxItems {
		return nil, fmt.Errorf("%w: %d items", ErrEncoding, count)
	}
	b.count = int(count)
	raw = raw[batchHeader:]
	sections := b.shape.Sections(b.first, b.count)
	total := 0
	for _, s := range sections {
		total += s.openedLen() + s.vectors()*ring.PackedLen(b.count*b.d, s.K)
	}
	if len(raw) != total {
		return nil, fmt.Errorf("%w: batch has %d bytes, not %d", ErrEncoding, len(raw), total)
	}
	b.material = make([]Material, len(sections))
	err = b.vectors(sections, func(v *[]uint64, k uint) error {
		*v = make([]uint64, b.count*b.d)
		size := ring.PackedLen(len(*v), k)
		err := ring.Unpack(*v, raw[:size], k)
		raw = raw[size:]
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	b.opened = append([]byte(nil), raw...)
	for _, s := range sections { // its padding, so that a batch has one encoding
		values := make([]uint64, b.count)
		for range s.openings() {
			size := ring.PackedLen(b.count, s.K)
			if err := ring.Unpack(values, raw[:size], s.K); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
			}
			raw = raw[size:]
		}
	}
	return b, nil
}
