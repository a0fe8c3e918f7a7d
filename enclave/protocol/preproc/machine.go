package preproc

import (
	"crypto/ed25519"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Rounds. Those after the second are only seen if a party lacks a vector that
// others agreed on, or if the batch is bad.
const (
	roundVector  = 0
	roundEcho    = 1
	roundFetch   = 2
	roundFetched = 3
	roundClaim   = 4
	// Rounds is the number of rounds when all goes well.
	Rounds = 2
)

// Config is what a Machine needs.
type Config struct {
	// Source draws the randomness; its context is the epoch or session that the
	// sections' addresses belong to.
	Source prss.Randomness
	// Session is the id of the session, Batch the number of the batch in it.
	Session mpc.Digest
	Batch   uint32
	// From is E: the parties not excluded on the chain, this one among them. All of
	// them are waited for, nobody else is heard.
	From sharing.Parties
	// Identity signs vectors and ECHOs.
	Identity *mpc.Identity
	// Sections is what to make.
	Sections []Section
	// Journal keeps the ECHO over a restart. Without one a party that restarts must
	// stay out of its sessions.
	Journal Journal
	// Workers calls f(0) … f(n−1), in any order and perhaps at once, and returns when all
	// have returned; nil does it one by one. Sections with packed openings are drawn and
	// opened by it.
	Workers func(n int, f func(i int))
}

// Machine makes a batch of correlated randomness. After Done it goes on answering
// parties that fetch vectors. It is a mpc.Machine.
type Machine struct {
	Config
	code         *sharing.Code
	self         int
	layout       transcript.Layout // a run for each opening of each section
	layoutDigest mpc.Digest
	material     []Material
	memory       []uint64 // that the material lies in

	vectors [][]byte     // by party: what was received and signed
	roots   []mpc.Digest // by party: the root that it signed
	signed  [][]byte     // by party: its signature on the root, nil if none is known
	wrong   sharing.Parties

	echoed   bool
	shown    []transcript.Signed // by party: the first ECHO that it signed
	echoes   map[mpc.Digest]sharing.Parties
	heard    sharing.Parties // whose valid ECHO was counted
	agreed   *mpc.Digest
	asked    sharing.Parties // for vectors
	answered map[[2]int]bool

	claims    [][]byte // by party: what it says about the failing index
	blame     *blame   // nil unless the agreed vectors fail
	evidence  []Evidence
	convicted sharing.Parties

	opened  []byte
	done    bool
	failure error
}

// New returns a machine, ErrConfig or ErrSection.
func New(c Config) (*Machine, error) {
	code := c.Source.Code()
	n, t, self := code.N(), code.T(), c.Source.Self()
	if err := mpc.CheckParties(n, t, self); err != nil {
		return nil, err
	}
	if !c.From.Within(n) || !c.From.Has(self) || c.From.Count() < code.Quorum() {
		return nil, fmt.Errorf("%w: %v of %d", ErrConfig, c.From, n)
	}
	if c.Identity.N() != n || c.Identity.Self() != self {
		return nil, fmt.Errorf("%w: signing keys", ErrConfig)
	}
	if c.Workers == nil {
		c.Workers = serial
	}
	m := &Machine{
		Config: c, code: code, self: self, layout: transcript.Layout{Degree: code.Degree()},
		vectors: make([][]byte, n+1), roots: make([]mpc.Digest, n+1), signed: make([][]byte, n+1),
		shown: make([]transcript.Signed, n+1), claims: make([][]byte, n+1),
		echoes: map[mpc.Digest]sharing.Parties{}, answered: map[[2]int]bool{},
	}
	if err := checkSections(c.Sections); err != nil {
		return nil, err
	}
	runs := 0
	for _, s := range c.Sections {
		runs += s.openings()
	}
	m.layout.Runs = make([]transcript.Run, 0, runs)
	for _, s := range c.Sections {
		for q := range s.openings() {
			m.layout.Runs = append(m.layout.Runs, transcript.Run{K: s.ring(q), Count: s.elements()})
		}
	}
	if len(m.layout.Runs) > 0 { // bits modulo 2 are opened nowhere
		if err := m.layout.Check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSection, err)
		}
		m.layoutDigest = m.layout.Digest()
	}
	return m, nil
}

func (m *Machine) vectorLen() int {
	total := 0
	for i := range m.layout.Runs {
		total += m.layout.Bytes(i)
	}
	return total
}

// leaves cuts a vector into the leaves that its owner signs the root of.
func (m *Machine) leaves(vector []byte) [][]byte {
	leaves := make([][]byte, 0, m.layout.Leaves())
	for i := range m.layout.Runs {
		size := m.layout.Bytes(i)
		leaves = m.layout.AppendLeaves(leaves, i, vector[:size:size])
		vector = vector[size:]
	}
	return leaves
}

// canonical reports whether the bits that fill up the last byte of each run are 0.
func (m *Machine) canonical(vector []byte) bool {
	for i, r := range m.layout.Runs {
		size := m.layout.Bytes(i)
		if used := r.Count * m.layout.Degree * int(r.K) % 8; used != 0 && vector[size-1]>>used != 0 {
			return false
		}
		vector = vector[size:]
	}
	return true
}

// Start draws the randomness and sends the signed vector, and the ECHO of an
// earlier life if the journal has one.
func (m *Machine) Start() ([]mpc.Message, error) {
	// What is sent is made in one piece, as the vector may be large.
	payload := make([]byte, ed25519.SignatureSize, ed25519.SignatureSize+m.vectorLen())
	var err error
	if m.material, m.memory, payload, err = generate(m.Source, m.Sections, payload, m.Workers); err != nil {
		return nil, err
	}
	vector := payload[ed25519.SignatureSize:]
	root := merkle.Root(m.leaves(vector))
	m.vectors[m.self], m.roots[m.self] = vector, root
	m.signed[m.self] = m.Identity.Sign(m.vectorStatement(m.self, root))
	copy(payload, m.signed[m.self])
	resumed, err := m.resume()
	if err != nil {
		return nil, err
	}
	out := []mpc.Message{{Round: roundVector, Payload: payload}}
	return m.advance(append(out, resumed...))
}

// Receive takes a message of another party of E.
func (m *Machine) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from == m.self || !m.From.Has(from) {
		return nil, nil
	}
	var err error
	switch round { // also after Done: a second root is evidence whenever it comes
	case roundFetch:
		return m.answer(from, payload), nil
	case roundVector:
		err = m.takeVector(from, from, payload)
	case roundFetched:
		if len(payload) > 0 && m.From.Has(int(payload[0])) {
			err = m.takeVector(from, int(payload[0]), payload[1:])
		}
	case roundEcho:
		err = m.takeEcho(from, payload)
	case roundClaim:
		if !m.done {
			m.takeClaim(from, payload)
		}
	}
	if err != nil || m.done || m.failure != nil {
		return nil, err
	}
	return m.advance(nil)
}

// takeVector takes party i's signed vector, sent by sender.
func (m *Machine) takeVector(sender, i int, payload []byte) error {
	if len(payload) != ed25519.SignatureSize+m.vectorLen() || !m.canonical(payload[ed25519.SignatureSize:]) {
		m.wrong = m.wrong.With(sender)
		return nil
	}
	signature, vector := payload[:ed25519.SignatureSize], payload[ed25519.SignatureSize:]
	root := merkle.Root(m.leaves(vector))
	if err := m.learn(sender, i, root, signature); err != nil {
		return err
	}
	if m.signed[i] != nil && m.roots[i] == root && m.vectors[i] == nil {
		m.vectors[i] = vector
	}
	return nil
}

// advance sends the own ECHO, recognizes the quorum, and finishes.
func (m *Machine) advance(out []mpc.Message) ([]mpc.Message, error) {
	missing := m.missing()
	if missing == 0 && !m.echoed {
		echo, err := m.sendEcho()
		if err != nil {
			return nil, err
		}
		out = append(out, echo)
	}
	if m.agreed == nil {
		for digest, who := range m.echoes {
			if who.Count() >= m.code.Quorum() { // no two can: they would share an honest party
				m.agreed = &digest
			}
		}
	}
	out = append(out, m.fetch(missing)...)
	if m.agreed == nil || missing != 0 {
		return out, nil
	}
	if m.blame == nil {
		bad, err := m.verdict()
		if err != nil {
			return out, err
		}
		if bad == nil {
			m.done = true
			return out, nil
		}
		claim, err := m.accuse(*bad)
		if err != nil {
			return out, err
		}
		out = append(out, claim)
	}
	if err := m.conclude(); err != nil {
		return out, m.fail(err)
	}
	return out, nil
}

// fail ends the session without a batch and erases what would have been one.
func (m *Machine) fail(err error) error {
	m.failure = err
	for i := range m.material {
		m.material[i].Zero()
	}
	return err
}

// fetch asks who sent an ECHO, and so holds all vectors if it is honest, for those
// that are missing: the first t+1, of which one is honest. It does not wait for that
// many. Who sends its vector to a single honest party would else keep the others
// from sending an ECHO, and the single one would call them missing. Of more than t
// missing vectors some are on their way.
func (m *Machine) fetch(missing sharing.Parties) (out []mpc.Message) {
	if missing == 0 || missing.Count() > m.code.T() {
		return nil
	}
	for _, i := range m.heard.Without(m.asked).List() {
		if m.asked.Count() <= m.code.T() {
			m.asked = m.asked.With(i)
			out = append(out, mpc.Message{To: i, Round: roundFetch, Payload: mpc.Uint64(uint64(missing))})
		}
	}
	return out
}

func (m *Machine) missing() sharing.Parties {
	var out sharing.Parties
	for _, i := range m.From.List() {
		if m.vectors[i] == nil {
			out = out.With(i)
		}
	}
	return out
}

// answer sends the vectors that a party asks for, each once.
func (m *Machine) answer(to int, payload []byte) []mpc.Message {
	if len(payload) != 8 {
		m.wrong = m.wrong.With(to)
		return nil
	}
	var asked uint64
	for _, b := range payload {
		asked = asked<<8 | uint64(b)
	}
	var out []mpc.Message
	for _, i := range m.From.List() {
		if asked>>i&1 == 0 || m.vectors[i] == nil || m.answered[[2]int{to, i}] {
			continue
		}
		m.answered[[2]int{to, i}] = true
		body := append([]byte{byte(i)}, m.signed[i]...)
		out = append(out, mpc.Message{To: to, Round: roundFetched, Payload: append(body, m.vectors[i]...)})
	}
	return out
}

// String hides the material.
func (m *Machine) String() string {
	return fmt.Sprintf("preproc.Machine(%d sections, redacted)", len(m.Sections))
}

// GoString hides the material.
func (m *Machine) GoString() string { return m.String() }

// Done reports whether the material may be used.
func (m *Machine) Done() bool { return m.done }

// Missing returns the parties of E that are waited for: for their vectors, else
// for their ECHOs, else for their claims about a bad batch.
func (m *Machine) Missing() sharing.Parties {
	others := m.From.Without(sharing.PartiesOf(m.self))
	switch missing := m.missing(); {
	case missing != 0:
		return missing
	case m.done || m.failure != nil:
		return 0
	case m.agreed == nil:
		return others.Without(m.heard)
	}
	for _, i := range others.List() {
		if m.claims[i] != nil {
			others = others.Without(sharing.PartiesOf(i))
		}
	}
	return others
}

// Layout returns what the party's vector consists of, as its signature names it.
func (m *Machine) Layout() transcript.Layout { return m.layout }

// Wrong returns the parties that sent malformed or unsigned messages. It is no
// evidence: nobody else can check it.
func (m *Machine) Wrong() sharing.Parties { return m.wrong }

// Echo returns the digest that n−t parties echoed, the zero digest before Done.
func (m *Machine) Echo() mpc.Digest {
	if !m.done {
		return mpc.Digest{}
	}
	return *m.agreed
}

// Material returns the sections' shares, nil before Done.
func (m *Machine) Material() []Material {
	if !m.done {
		return nil
	}
	return m.material
}

// Opened returns the public values that were opened, nil before Done. With them
// and its PRSS keys a party that was absent rebuilds its shares (Rebuild).
func (m *Machine) Opened() []byte {
	if !m.done {
		return nil
	}
	return m.opened
}
