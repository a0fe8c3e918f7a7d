package decrypt

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// MaxBlocks bounds the blocks of one session.
const MaxBlocks = 1 << 15

// Config is what a Machine needs.
type Config struct {
	// Code and Self are the parties and the own index.
	Code *sharing.Code
	Self int
	// Session is the id of the session; Identity signs in it what was sent. They are
	// not needed if n = 1.
	Session  mpc.Digest
	Identity *mpc.Identity
	// Phases are those of the blocks, of one request or of several, in the order that
	// the session id fixes. A party that lacks one of them stays out of the session.
	Phases []*Phases
	// Stock has an item for each block, in order; the machine takes it over and
	// erases it. It is not needed if n = 1.
	Stock []*preproc.Batch
	// Lift, with Keep only, are further items, one for each block, of a shape whose W is
	// greater than that of Stock and whose lowest digit has as many bits as that: the
	// shares that are kept are then over R_W for the greater W.
	Lift []*preproc.Batch
	// Keep, if not nil, makes the session end with the party's shares of the values
	// (Shares), which nobody then learns. Its context must cover the blocks and
	// whom the shares are for, and nothing else: sessions that decrypt the same for
	// the same with other stock have it in common, and then their shares, too.
	Keep *prss.Source
}

// Machine decrypts blocks, or ends with shares of their values. After Done it goes on checking the shares that come
// late, so that Culprits becomes complete. It is a mpc.Machine.
type Machine struct {
	code   *sharing.Code
	self   int
	shape  preproc.Shape
	d      int
	count  int
	phases []*Phases

	segments []segment
	memory   *arena
	carrier  carrier
	keeper   *keeper // nil if the values are opened
	lifter   *lifter // nil if what is kept is over the ring that the values are found in
	openers  []*sharing.Opener
	record   *transcript.Record
	wrong    sharing.Parties
	round    int // the round whose values are waited for
	started  bool

	c      []uint64 // the opened masked phases
	done   bool
	values []uint64 // or, with a keeper, shares
}

// New returns a machine, ErrConfig, or preproc.ErrSpent if the stock was used
// before.
func New(c Config) (*Machine, error) {
	code := c.Code
	if err := mpc.CheckParties(code.N(), code.T(), c.Self); err != nil {
		return nil, err
	}
	m := &Machine{code: code, self: c.Self, d: code.Degree(), phases: c.Phases}
	for i, p := range c.Phases {
		if p.key.code.N() != code.N() || p.key.code.Degree() != m.d || i > 0 && p.key.shape != m.shape {
			return nil, fmt.Errorf("%w: phases of other parties or shapes", ErrConfig)
		}
		m.shape = p.key.shape
		m.count += p.count
	}
	if m.count < 1 || m.count > MaxBlocks {
		return nil, fmt.Errorf("%w: %d blocks", ErrConfig, m.count)
	}
	if c.Keep != nil {
		if err := checkSource(c.Keep, code, c.Self); err != nil {
			return nil, err
		}
		m.keeper = &keeper{m: m, source: c.Keep, w: m.shape.W}
	}
	if code.N() == 1 {
		return m, nil
	}
	if c.Identity == nil || c.Identity.N() != code.N() || c.Identity.Self() != c.Self {
		return nil, fmt.Errorf("%w: signing keys", ErrConfig)
	}
	if err := m.takeStock(c.Stock, c.Lift); err != nil {
		return nil, err
	}
	if err := m.prepare(c.Session, c.Identity); err != nil {
		return nil, err
	}
	return m, nil
}

// checkSource returns ErrConfig if the source is another party's.
func checkSource(s *prss.Source, c *sharing.Code, self int) error {
	if s == nil || s.Self() != self || s.Code().N() != c.N() || s.Code().T() != c.T() || s.Code().Degree() != c.Degree() {
		return fmt.Errorf("%w: %v", ErrConfig, s)
	}
	return nil
}

// prepare lays out the rounds, takes the memory for them and draws what hides values
// that are kept.
func (m *Machine) prepare(session mpc.Digest, identity *mpc.Identity) error {
	if m.shape.Chain {
		m.carrier = &chain{digits: newDigits(m)}
	} else {
		m.carrier = newTree(m)
	}
	layout := transcript.Layout{Degree: m.d, Runs: make([]transcript.Run, 0, m.Rounds())}
	words := m.carrier.words()
	for r := range m.Rounds() {
		layout.Runs = append(layout.Runs, transcript.Run{K: m.width(r), Count: m.openings(r)})
		m.openers = append(m.openers, m.opener(r))
		words += m.openings(r) * m.d * m.code.N()
	}
	m.record = transcript.NewRecord(session, 0, layout, identity)
	if m.keeper == nil {
		m.memory = newArena(words)
		return nil
	}
	m.memory = newArena(words + (m.count+m.keeper.elements())*m.d)
	return m.keeper.draw()
}

func (m *Machine) opener(r int) *sharing.Opener {
	if m.keeper != nil && r == m.last() {
		return m.code.NewElementOpener(m.width(r), m.openings(r))
	}
	return m.code.NewOpener(m.width(r), m.openings(r))
}

// Start masks the phases and sends the first shares.
func (m *Machine) Start() ([]mpc.Message, error) {
	if m.code.N() == 1 {
		for _, p := range m.phases {
			for i := range p.count {
				m.values = append(m.values, p.shares[i*m.d]>>m.shape.Low())
			}
			if m.keeper != nil { // coordinate by coordinate a value is its own share
				m.values = append(m.values, make([]uint64, m.packed(p)*m.d-p.count)...)
			}
		}
		m.done = true
		return nil, nil
	}
	shares := m.memory.take(m.count * m.d)
	at := 0
	for _, p := range m.phases {
		at += copy(shares[at:], p.shares)
	}
	for _, s := range m.segments {
		part := shares[s.first*m.d:][:s.count*m.d]
		for i := range int(m.shape.K) {
			m.code.Ring().ScaleAdd(part, s.batch.Bits(i), -(uint64(1) << i))
		}
	}
	m.started = true
	return m.advance([]mpc.Message{m.send(shares)})
}

// send makes the message of the current round and takes the own shares.
func (m *Machine) send(shares []uint64) mpc.Message {
	k := m.width(m.round)
	ring.Reduce(shares, k)
	payload := ring.AppendPacked(make([]byte, 0, ring.PackedLen(len(shares), k)+8), shares, k)
	m.record.Add(m.self, m.round, payload)
	m.openers[m.round].Add(m.self, shares)
	return mpc.Message{Round: uint16(m.round), Payload: payload} // #nosec G115 -- few rounds
}

// Receive takes another party's shares of any round, early or late, and its signed
// root.
func (m *Machine) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from < 1 || from > m.code.N() || from == m.self || m.memory == nil || int(round) > len(m.openers) {
		return nil, nil
	}
	if (m.wrong | m.record.Wrong()).Has(from) { // a bound on the work that a liar makes
		return nil, nil
	}
	if int(round) == len(m.openers) {
		m.record.Receive(from, payload)
		return m.tell(nil), nil
	}
	opener := m.openers[round]
	if opener.Have().Has(from) {
		return nil, nil
	}
	shares := m.memory.take(m.openings(int(round)) * m.d)
	if err := ring.Unpack(shares, payload, m.width(int(round))); err != nil {
		m.wrong = m.wrong.With(from)
		return nil, nil
	}
	m.record.Add(from, int(round), payload)
	opener.Add(from, shares)
	if !m.started {
		return nil, nil
	}
	return m.advance(nil)
}

// advance goes on as long as the values of the current round are known.
func (m *Machine) advance(out []mpc.Message) ([]mpc.Message, error) {
	for !m.done && m.openers[m.round].Done() {
		values, err := m.openers[m.round].Values()
		if err != nil {
			return out, fmt.Errorf("%w: round %d: %w", ErrInconsistent, m.round, err)
		}
		switch m.round {
		case m.last():
			m.values, m.done = values, true
			if m.keeper != nil {
				m.values = m.keeper.finish(values)
			}
			m.erase()
			out = append(out, m.record.Sign())
			return m.tell(out), nil
		case 0:
			m.c = values
			m.carrier.start(values)
		case m.lifting():
			m.lifter.opened = values
		default:
			m.carrier.combine(m.round-1, values)
		}
		m.round++
		out = append(out, m.send(m.next()))
	}
	return m.tell(out), nil
}

// next returns what the current round opens.
func (m *Machine) next() []uint64 {
	shares := m.memory.take(m.openings(m.round) * m.d)
	switch {
	case m.round <= m.carrier.levels():
		m.carrier.shares(m.round-1, shares)
	case m.round == m.lifting():
		m.result(shares)
		m.lifter.mask(shares)
	case m.keeper != nil:
		values := m.memory.take(m.count * m.d)
		if m.lifter != nil {
			m.lifter.lift(values)
		} else {
			m.result(values)
		}
		m.keeper.shares(shares, values)
	default:
		m.result(shares)
	}
	return shares
}

// tell shows the others what parties found wrong have signed.
func (m *Machine) tell(out []mpc.Message) []mpc.Message {
	return m.record.Tell(out, m.Culprits())
}

// result adds c_hi + r_hi + carry over R_W to shares.
func (m *Machine) result(shares []uint64) {
	low := m.shape.Low()
	m.carrier.add(shares)
	for b, c := range m.c {
		shares[b*m.d] += c >> low
	}
	for _, s := range m.segments {
		part := shares[s.first*m.d:][:s.count*m.d]
		for j := range int(m.shape.W) {
			m.code.Ring().ScaleAdd(part, s.batch.Bits(low+j), 1<<j)
		}
	}
}

// erase drops what no later message depends on.
func (m *Machine) erase() {
	for _, s := range m.segments {
		s.batch.Zero()
	}
	m.segments = nil
	if m.lifter != nil {
		m.lifter.erase()
	}
}

// Release erases what is left of the session and gives its memory back; the machine
// takes no more messages. Values, Shares, Culprits and Evidence stay.
func (m *Machine) Release() {
	if m.memory == nil {
		return
	}
	m.erase()
	m.memory.release()
	m.memory = nil
}

// String hides the shares.
func (m *Machine) String() string {
	return fmt.Sprintf("decrypt.Machine(%d blocks, redacted)", m.count)
}

// GoString hides the shares.
func (m *Machine) GoString() string { return m.String() }

// Done reports whether the values, or the shares of them, are known.
func (m *Machine) Done() bool { return m.done }

// Layout returns what a party sends to be opened, a run a round, as its signature
// names it; nothing if n = 1.
func (m *Machine) Layout() transcript.Layout {
	if m.record == nil {
		return transcript.Layout{}
	}
	return m.record.Layout()
}

// Values returns for each block the top W bits of its phase, rounded: message,
// carries and padding bit, below 2^W. Nil before Done, and if they are kept.
func (m *Machine) Values() []uint64 {
	if m.keeper != nil {
		return nil
	}
	return m.values
}

// Culprits returns the parties that sent malformed or wrong shares so far. The
// own index among them means that the own key share or stock is damaged.
func (m *Machine) Culprits() sharing.Parties {
	out := m.wrong
	for _, o := range m.openers {
		out |= o.Wrong()
	}
	if m.record != nil {
		out |= m.record.Wrong()
	}
	return out
}

// Evidence returns what convicts culprits before others: shares that they signed
// and that are wrong, and two roots signed by one. It looks at the roots, so that
// Culprits afterwards also has those who signed another root than that of what they
// sent here; that is no evidence, nor is a malformed message. Call it when nothing
// more is to come.
func (m *Machine) Evidence() ([]transcript.WrongOpening, []transcript.Equivocation) {
	if m.record == nil {
		return nil, nil
	}
	return m.record.Openings(m.code, m.Culprits()), m.record.Equivocations()
}
