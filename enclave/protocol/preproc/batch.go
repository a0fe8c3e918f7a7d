package preproc

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

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
	shares     []uint64 // the vectors of the sections one after another
	// opened are the public values of whole items of which these begin at offset.
	opened        []byte
	whole, offset int
	spent         bool
}

// plan is what follows from a shape that Check accepts. In a batch section i has the
// vectors from first[i] to first[i+1], over R_k[i].
type plan struct {
	digitBits []int
	tree      [][]Pair
	sections  []Section // of item 0

	first    []int
	k        []uint
	openings []int
	// digits is the first section of a digit, joins the first behind them.
	digits, joins int
}

// plans has the plan of every shape that was met; there are few.
var plans sync.Map

func (s Shape) plan() *plan {
	if p, ok := plans.Load(s); ok {
		return p.(*plan)
	}
	p := &plan{digitBits: s.digitBits(), first: []int{0}, digits: int(s.K)} // #nosec G115 -- at most 32
	p.tree, p.joins = treeOver(len(p.digitBits)), p.digits+len(p.digitBits)
	p.sections = s.sections(p.digitBits, p.tree)
	for i, section := range p.sections {
		p.first = append(p.first, p.first[i]+section.vectors())
		p.k, p.openings = append(p.k, section.K), append(p.openings, section.openings())
	}
	plans.Store(s, p)
	return p
}

// vectors returns the number of vectors.
func (p *plan) vectors() int { return p.first[len(p.k)] }

// openedLen returns the bytes of the opened values of items.
func (p *plan) openedLen(items int) int {
	total := 0
	for i, k := range p.k {
		total += p.openings[i] * ring.PackedLen(items, k)
	}
	return total
}

// Table is a list of vectors over R_W, one share an item.
type Table struct {
	shares []uint64
	words  int
}

// At returns vector a.
func (t Table) At(a int) []uint64 { return t.shares[a*t.words:][:t.words:t.words] }

// String hides the shares.
func (Table) String() string { return "preproc.Table(redacted)" }

// GoString hides the shares.
func (Table) GoString() string { return "preproc.Table(redacted)" }

// MarshalJSON hides the shares.
func (Table) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

// NewBatch returns the machine that makes the items first … first+count−1 in
// shape s; c.Sections is ignored. Take the result with FromMachine.
func NewBatch(c Config, s Shape, first uint64, count int) (*Machine, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	c.Sections = s.Sections(first, count)
	return New(c)
}

// FromMachine takes the batch out of a machine of NewBatch that made it: ErrSection
// if it is not done or made something else, ErrSpent the second time.
func FromMachine(m *Machine, s Shape) (*Batch, error) {
	if !m.Done() || len(m.Sections) == 0 || s.Check() != nil {
		return nil, fmt.Errorf("%w: no batch", ErrSection)
	}
	first, count := m.Sections[0].First, m.Sections[0].Count
	same := func(want, made Section) bool {
		want.First, want.Count = first, count
		return made == want
	}
	if !slices.EqualFunc(s.plan().sections, m.Sections, same) {
		return nil, fmt.Errorf("%w: other sections", ErrSection)
	}
	if m.material == nil {
		return nil, fmt.Errorf("%w: the batch was taken", ErrSpent)
	}
	b := newBatch(m.Source, s, first, count, m.memory, m.opened)
	m.material, m.memory = nil, nil
	return b, nil
}

// RebuildBatch is Rebuild for a batch.
func RebuildBatch(source *prss.Source, s Shape, first uint64, count int, opened []byte) (*Batch, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	_, memory, err := rebuild(source, s.Sections(first, count), opened)
	if err != nil {
		return nil, err
	}
	return newBatch(source, s, first, count, memory, append([]byte(nil), opened...)), nil
}

// newBatch takes over the memory of the finished sections of s.
func newBatch(source prss.Randomness, s Shape, first uint64, count int, memory []uint64, opened []byte) *Batch {
	return &Batch{
		shape: s, n: source.Code().N(), d: source.Code().Degree(), self: source.Self(), context: source.Context(),
		first: first, count: count, shares: memory, opened: opened, whole: count,
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

// section returns the vectors of a section.
func (b *Batch) section(i int) Table {
	words, first := b.count*b.d, b.shape.plan().first
	return Table{shares: b.shares[first[i]*words : first[i+1]*words], words: words}
}

// Bits returns the shares of bit i of every item, over R_(K−i).
func (b *Batch) Bits(i int) []uint64 { return b.section(i).shares }

// Digit returns the tables of digit i: vector v−1 is [digit ≥ v].
func (b *Batch) Digit(i int) Table { return b.section(b.shape.plan().digits + i) }

// Chain returns the tables of the digits' chain: vector set−1 is the product of the
// masks p of a set, of which p_(D−1) is member 0 and p_1 member D−2, and vector
// ChainGenerate(D, i)−1+set that of g_i with the masks of a set of p_k, k > i.
func (b *Batch) Chain() Table { return b.section(b.shape.plan().joins) }

// Product returns the material of pair g of the tree, counted level by level: x, then y and x·y for each of the pair's products.
func (b *Batch) Product(g int) Table { return b.section(b.shape.plan().joins + g) }

// Opened returns the public values of the batch, for parties that rebuild it.
func (b *Batch) Opened() []byte {
	if b.whole == b.count {
		return b.opened
	}
	p := b.shape.plan()
	out := make([]byte, 0, p.openedLen(b.count))
	values, opened := make([]uint64, b.whole), b.opened
	for i, k := range p.k {
		size := ring.PackedLen(b.whole, k)
		for range p.openings[i] {
			if err := ring.Unpack(values, opened[:size], k); err != nil {
				panic("preproc: " + err.Error()) // it was made here, or checked when it was decoded
			}
			out = ring.AppendPacked(out, values[b.offset:b.offset+b.count], k)
			opened = opened[size:]
		}
	}
	return out
}

// OpenedDigest returns the digest by which t+1 parties vouch for Opened.
func (b *Batch) OpenedDigest() mpc.Digest {
	return mpc.Hash("tkms/v1/preproc/opened", b.context[:], mpc.Uint64(uint64(b.shape.K)), mpc.Uint64(uint64(b.shape.W)),
		[]byte{b.shape.flag()}, mpc.Uint64(b.first), mpc.Uint64(uint64(b.count)), b.Opened())
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
	out.first, out.count, out.offset = first, count, b.offset+at
	whole, words := b.count*b.d, count*b.d
	out.shares = make([]uint64, b.shape.plan().vectors()*words)
	for v := range b.shape.plan().vectors() {
		copy(out.shares[v*words:(v+1)*words], b.shares[v*whole+at*b.d:])
	}
	return &out, nil
}

// Zero erases the shares; the batch is spent.
func (b *Batch) Zero() {
	b.spent = true
	clear(b.shares)
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
	p := b.shape.plan()
	for i, k := range p.k {
		section := b.section(i)
		for v := range p.first[i+1] - p.first[i] {
			out = ring.AppendPacked(out, section.At(v), k)
		}
	}
	return append(out, b.Opened()...), nil
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
	b.whole = b.count
	raw = raw[batchHeader:]
	p := b.shape.plan()
	total := p.openedLen(b.count)
	for i, k := range p.k {
		total += (p.first[i+1] - p.first[i]) * ring.PackedLen(b.count*b.d, k)
	}
	if len(raw) != total {
		return nil, fmt.Errorf("%w: batch has %d bytes, not %d", ErrEncoding, len(raw), total)
	}
	next := func(v []uint64, k uint) error {
		size := ring.PackedLen(len(v), k)
		packed := raw[:size]
		raw = raw[size:]
		if err := ring.Unpack(v, packed, k); err != nil {
			return fmt.Errorf("%w: %w", ErrEncoding, err)
		}
		return nil
	}
	b.shares = make([]uint64, p.vectors()*b.count*b.d)
	for i, k := range p.k {
		section := b.section(i)
		for v := range p.first[i+1] - p.first[i] {
			if err := next(section.At(v), k); err != nil {
				return nil, err
			}
		}
	}
	b.opened = append([]byte(nil), raw...)
	values := make([]uint64, b.count)
	for i, k := range p.k { // their padding, so that a batch has one encoding
		for range p.openings[i] {
			if err := next(values, k); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}
