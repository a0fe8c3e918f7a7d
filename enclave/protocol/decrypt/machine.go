package decrypt

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// MaxBlocks bounds the blocks of one session.
const MaxBlocks = 1 << 16

// Config is what a Machine needs.
type Config struct {
	// Code and Self are the parties and the own index.
	Code *sharing.Code
	Self int
	// Key is the own share of the key that all blocks are under.
	Key *Key
	// Blocks are the ciphertexts, of one request or of several, in the order that
	// the session id fixes. A party that lacks one of them stays out of the session.
	Blocks Blocks
	// Stock has an item for each block, in order; the machine takes it over and
	// erases it. It is not needed if n = 1.
	Stock []*preproc.Batch
}

// Machine decrypts blocks. After Done it goes on checking the shares that come
// late, so that Culprits becomes complete. It is a mpc.Machine.
type Machine struct {
	code   *sharing.Code
	self   int
	shape  preproc.Shape
	key    *Key
	blocks Blocks
	count  int
	stock  []*preproc.Batch
	levels [][]preproc.Pair

	openers []*sharing.Opener
	wrong   sharing.Parties
	round   int // the round whose values are waited for
	started bool

	bits     [][]uint64
	products []preproc.Material
	c        []uint64 // the opened masked phases
	carry    carries
	values   []uint64
}

// New returns a machine, ErrConfig, or preproc.ErrSpent if the stock was used
// before.
func New(c Config) (*Machine, error) {
	code := c.Code
	if err := mpc.CheckParties(code.N(), code.T(), c.Self); err != nil {
		return nil, err
	}
	count := c.Blocks.Len()
	if count < 1 || count > MaxBlocks {
		return nil, fmt.Errorf("%w: %d blocks", ErrConfig, count)
	}
	if c.Key.code.N() != code.N() || c.Key.code.Degree() != code.Degree() || c.Key.n != c.Blocks.Dimension() {
		return nil, fmt.Errorf("%w: a key of dimension %d for blocks of dimension %d", ErrConfig, c.Key.n, c.Blocks.Dimension())
	}
	shape := c.Key.shape
	m := &Machine{code: code, self: c.Self, shape: shape, key: c.Key, blocks: c.Blocks, count: count, stock: c.Stock, levels: shape.Tree()}
	if code.N() == 1 {
		return m, nil
	}
	if err := m.takeStock(); err != nil {
		return nil, err
	}
	for r := range m.Rounds() {
		m.openers = append(m.openers, code.NewOpener(m.width(r), m.openings(r)))
	}
	return m, nil
}

// takeStock checks that the stock has an item for each block, none twice and none
// used before, and marks it as used.
func (m *Machine) takeStock() error {
	items := 0
	for i, b := range m.stock {
		if b.Shape() != m.shape || !b.Fits(m.code, m.self) {
			return fmt.Errorf("%w: stock %v of shape %v", ErrConfig, b, b.Shape())
		}
		first, n := b.Range()
		items += n
		for _, other := range m.stock[:i] {
			start, count := other.Range()
			if first < start+uint64(count) && start < first+uint64(n) { // #nosec G115 -- positive
				return fmt.Errorf("%w: an item for two blocks, in %v and %v", ErrConfig, other, b)
			}
		}
	}
	if items != m.count {
		return fmt.Errorf("%w: %d items for %d blocks", ErrConfig, items, m.count)
	}
	for _, b := range m.stock {
		if err := b.Take(); err != nil {
			return err
		}
	}
	return nil
}

// Rounds returns the number of online rounds: 6 for K=17, W=5.
func (m *Machine) Rounds() int { return len(m.levels) + 2 }

// width returns the k of the ring that round r opens in.
func (m *Machine) width(r int) uint {
	if r == 0 {
		return m.shape.K
	}
	return m.shape.W
}

// openings returns the number of values that round r opens.
func (m *Machine) openings(r int) int {
	if r == 0 || r == m.Rounds()-1 {
		return m.count
	}
	total := 0
	for _, p := range m.levels[r-1] {
		total += (1 + p.Products()) * m.count
	}
	return total
}

// Start computes the phases and sends the first shares.
func (m *Machine) Start() ([]mpc.Message, error) {
	phases, err := m.phases()
	if err != nil {
		return nil, err
	}
	if m.code.N() == 1 {
		m.values = make([]uint64, m.count)
		for i := range m.values {
			m.values[i] = phases[i*m.code.Degree()] >> m.shape.Low()
		}
		return nil, nil
	}
	m.gather()
	r := m.code.Ring()
	for i, b := range m.bits {
		r.ScaleAdd(phases, b, -(uint64(1) << i))
	}
	m.started = true
	return m.advance([]mpc.Message{m.send(phases)})
}

func (m *Machine) phases() ([]uint64, error) {
	d := m.code.Degree()
	out := make([]uint64, m.count*d)
	block := make([]uint32, m.key.n+1)
	for i := range m.count {
		m.blocks.SwitchedLWE(i, m.shape.K, block)
		if err := m.key.phase(out[i*d:(i+1)*d], block); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// gather joins the stock's batches.
func (m *Machine) gather() {
	join := func(part func(*preproc.Batch) []uint64) []uint64 {
		out := make([]uint64, 0, m.count*m.code.Degree())
		for _, b := range m.stock {
			out = append(out, part(b)...)
		}
		return out
	}
	for i := range int(m.shape.K) {
		m.bits = append(m.bits, join(func(b *preproc.Batch) []uint64 { return b.Bits(i) }))
	}
	g := 0
	for _, level := range m.levels {
		for _, p := range level {
			x := preproc.Material{X: join(func(b *preproc.Batch) []uint64 { return b.Product(g).X })}
			for q := range p.Products() {
				x.Y = append(x.Y, join(func(b *preproc.Batch) []uint64 { return b.Product(g).Y[q] }))
				x.Z = append(x.Z, join(func(b *preproc.Batch) []uint64 { return b.Product(g).Z[q] }))
			}
			m.products = append(m.products, x)
			g++
		}
	}
	for _, b := range m.stock {
		b.Zero()
	}
	m.stock = nil
}

// send makes the message of the current round and takes the own shares.
func (m *Machine) send(shares []uint64) mpc.Message {
	k := m.width(m.round)
	ring.Reduce(shares, k)
	payload := ring.AppendPacked(make([]byte, 0, ring.PackedLen(len(shares), k)+8), shares, k)
	m.openers[m.round].Add(m.self, shares)
	return mpc.Message{Round: uint16(m.round), Payload: payload} // #nosec G115 -- few rounds
}

// Receive takes another party's shares of any round, early or late.
func (m *Machine) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from < 1 || from > m.code.N() || from == m.self || int(round) >= len(m.openers) {
		return nil, nil
	}
	opener := m.openers[round]
	if opener.Have().Has(from) {
		return nil, nil
	}
	shares := make([]uint64, m.openings(int(round))*m.code.Degree())
	if err := ring.Unpack(shares, payload, m.width(int(round))); err != nil {
		m.wrong = m.wrong.With(from)
		return nil, nil
	}
	opener.Add(from, shares)
	if !m.started {
		return nil, nil
	}
	return m.advance(nil)
}

// advance goes on as long as the values of the current round are known.
func (m *Machine) advance(out []mpc.Message) ([]mpc.Message, error) {
	for m.values == nil && m.openers[m.round].Done() {
		values := make([]uint64, m.openings(m.round))
		if i := m.code.Integers(values, m.openers[m.round].Values()); i >= 0 {
			return out, fmt.Errorf("%w: round %d, index %d", ErrInconsistent, m.round, i)
		}
		last := m.Rounds() - 1
		if m.round == last {
			m.values = values
			m.erase()
			return out, nil
		}
		if m.round == 0 {
			m.c = values
			m.carry = m.leaves()
		} else {
			m.combine(m.round-1, values)
		}
		m.round++
		var shares []uint64
		if m.round == last {
			shares = m.result()
		} else {
			shares = m.differences(m.round - 1)
		}
		out = append(out, m.send(shares))
	}
	return out, nil
}

func (m *Machine) erase() {
	for _, b := range m.bits {
		clear(b)
	}
	for i := range m.products {
		m.products[i].Zero()
	}
	m.carry.zero()
	m.bits, m.products = nil, nil
}

// String hides the shares.
func (m *Machine) String() string {
	return fmt.Sprintf("decrypt.Machine(%d blocks, redacted)", m.count)
}

// GoString hides the shares.
func (m *Machine) GoString() string { return m.String() }

// Done reports whether the values are known.
func (m *Machine) Done() bool { return m.values != nil }

// Values returns for each block the top W bits of its phase, rounded: message,
// carries and padding bit, below 2^W. Nil before Done.
func (m *Machine) Values() []uint64 { return m.values }

// Culprits returns the parties that sent malformed or wrong shares so far. The
// own index among them means that the own key share or stock is damaged.
func (m *Machine) Culprits() sharing.Parties {
	out := m.wrong
	for _, o := range m.openers {
		out |= o.Wrong()
	}
	return out
}
