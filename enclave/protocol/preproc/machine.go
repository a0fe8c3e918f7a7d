package preproc

import (
	"crypto/ed25519"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/agree"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Rounds: those of the agreement on the vectors, and one that is only seen if the batch
// is bad.
const (
	roundClaim = agree.Rounds
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

	agreement *agree.Agreement
	wrong     sharing.Parties // that claimed what is malformed or unsigned

	claimed  []int    // by party: the claims that came
	claims   [][]byte // by party: what it says about the failing index
	blame    *blame   // nil unless the agreed vectors fail
	evidence []*WrongVector

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
	if dealt, ok := c.Source.(Dealt); ok && dealt.From() != c.From {
		return nil, fmt.Errorf("%w: %v dealt", ErrConfig, dealt.From())
	}
	if c.Identity.N() != n || c.Identity.Self() != self {
		return nil, fmt.Errorf("%w: signing keys", ErrConfig)
	}
	if c.Workers == nil {
		c.Workers = serial
	}
	m := &Machine{
		Config: c, code: code, self: self, layout: transcript.Layout{Degree: code.Degree()},
		claimed: make([]int, n+1), claims: make([][]byte, n+1),
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
	m.agreement = agree.New(agree.Config{
		Code: code, Session: c.Session, Batch: c.Batch, From: c.From, Identity: c.Identity,
		Layout: m.layoutDigest, Length: m.vectorLen(), Root: m.root, Journal: c.Journal,
	})
	return m, nil
}

// root returns the root that is signed for a vector, false if the vector is malformed.
func (m *Machine) root(vector []byte) (mpc.Digest, bool) {
	if !m.canonical(vector) {
		return mpc.Digest{}, false
	}
	return merkle.Root(m.leaves(vector)), true
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
	out, err := m.agreement.Start(payload)
	if err != nil {
		return nil, err
	}
	return m.advance(out)
}

// Receive takes a message of another party of E.
func (m *Machine) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from == m.self || !m.From.Has(from) {
		return nil, nil
	}
	var out []mpc.Message
	if round == roundClaim {
		if !m.done {
			m.takeClaim(from, payload)
		}
	} else {
		var err error
		if out, err = m.agreement.Receive(from, round, payload); err != nil {
			return out, m.fail(err)
		}
	}
	if m.done || m.failure != nil {
		return out, nil
	}
	return m.advance(out)
}

// advance finishes when the vectors are agreed on.
func (m *Machine) advance(out []mpc.Message) ([]mpc.Message, error) {
	more, err := m.agreement.Advance()
	if err != nil {
		return nil, err
	}
	out = append(out, more...)
	if !m.agreement.Complete() {
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
	if m.blame.seeds == nil {
		err = m.conclude()
	} else {
		more, err = m.concludeSeeds()
		out = append(out, more...)
	}
	if err != nil {
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
	missing := m.agreement.Missing()
	if missing != 0 || m.done || m.failure != nil {
		return missing
	}
	if m.blame != nil && m.blame.seeds != nil {
		return m.lackingSeeds()
	}
	for _, i := range m.From.Without(sharing.PartiesOf(m.self)).List() {
		if m.claims[i] == nil {
			missing = missing.With(i)
		}
	}
	return missing
}

// Layout returns what the party's vector consists of, as its signature names it.
func (m *Machine) Layout() transcript.Layout { return m.layout }

// Wrong returns the parties that sent malformed or unsigned messages. It is no
// evidence: nobody else can check it.
func (m *Machine) Wrong() sharing.Parties { return m.wrong | m.agreement.Wrong() }

// Echo returns the digest that n−t parties echoed, the zero digest before Done.
func (m *Machine) Echo() mpc.Digest {
	if !m.done {
		return mpc.Digest{}
	}
	return *m.agreement.Echo()
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
