package preproc

import (
	"crypto/ed25519"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Rounds. The last two are only seen if a party lacks a vector that others
// agreed on.
const (
	roundVector  = 0
	roundEcho    = 1
	roundFetch   = 2
	roundFetched = 3
	// Rounds is the number of rounds when nothing has to be fetched.
	Rounds = 2
)

// leafSize cuts a vector into leaves of its Merkle tree.
const leafSize = 1024

// Config is what a Machine needs.
type Config struct {
	// Source draws the randomness; its context is the epoch or session that the
	// sections' addresses belong to.
	Source *prss.Source
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
}

// Machine makes a batch of correlated randomness. After Done it goes on answering
// parties that fetch vectors. It is a mpc.Machine.
type Machine struct {
	Config
	code     *sharing.Code
	self     int
	material []Material

	vectors [][]byte     // by party: what was received and signed
	roots   []mpc.Digest // by party: the root that it signed
	signed  [][]byte     // by party: its signature on the root, nil if none is known
	wrong   sharing.Parties

	echoed   bool
	echoes   map[mpc.Digest]sharing.Parties
	heard    sharing.Parties // whose valid ECHO was counted
	agreed   *mpc.Digest
	fetched  bool
	evidence []Evidence
	answered map[[2]int]bool
	opened   []byte
	done     bool
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
	if err := checkSections(c.Sections); err != nil {
		return nil, err
	}
	return &Machine{
		Config: c, code: code, self: self,
		vectors: make([][]byte, n+1), roots: make([]mpc.Digest, n+1), signed: make([][]byte, n+1),
		echoes: map[mpc.Digest]sharing.Parties{}, answered: map[[2]int]bool{},
	}, nil
}

func (m *Machine) vectorLen() int {
	total := 0
	for _, s := range m.Sections {
		total += s.vectorLen(m.code.Degree())
	}
	return total
}

// Start draws the randomness and sends the signed vector.
func (m *Machine) Start() ([]mpc.Message, error) {
	vector := make([]byte, 0, m.vectorLen())
	for _, s := range m.Sections {
		material, masked, err := s.generateAfter(m.Source, m.material)
		if err != nil {
			return nil, err
		}
		m.material = append(m.material, material)
		for _, v := range masked {
			vector = ring.AppendPacked(vector, v, s.K)
		}
	}
	root := merkle.Root(merkle.Chunks(vector, leafSize))
	m.vectors[m.self], m.roots[m.self] = vector, root
	m.signed[m.self] = m.Identity.Sign(m.statement(m.self, root))
	out := []mpc.Message{{Round: roundVector, Payload: append(append([]byte(nil), m.signed[m.self]...), vector...)}}
	return m.advance(out)
}

// Root returns the root that the party signed, known after Start. The caller has
// (session, batch, root) on disk before the messages of Start leave, and the ECHO
// before that leaves: after a restart a party sends the same bytes or nothing.
func (m *Machine) Root() mpc.Digest { return m.roots[m.self] }

// Receive takes a message of another party of E.
func (m *Machine) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from == m.self || !m.From.Has(from) {
		return nil, nil
	}
	if round == roundFetch {
		return m.answer(from, payload), nil
	}
	var err error
	switch round { // also after Done: a second root is evidence whenever it comes
	case roundVector:
		err = m.takeVector(from, from, payload)
	case roundFetched:
		if len(payload) > 0 && m.From.Has(int(payload[0])) {
			err = m.takeVector(from, int(payload[0]), payload[1:])
		}
	case roundEcho:
		err = m.takeEcho(from, payload)
	}
	if err != nil {
		return nil, err
	}
	return m.advance(nil)
}

// takeVector takes party i's signed vector, sent by sender.
func (m *Machine) takeVector(sender, i int, payload []byte) error {
	if len(payload) != ed25519.SignatureSize+m.vectorLen() {
		m.wrong = m.wrong.With(sender)
		return nil
	}
	signature, vector := payload[:ed25519.SignatureSize], payload[ed25519.SignatureSize:]
	root := merkle.Root(merkle.Chunks(vector, leafSize))
	if err := m.learn(sender, i, root, signature); err != nil {
		return err
	}
	if m.signed[i] != nil && m.roots[i] == root && m.vectors[i] == nil {
		m.vectors[i] = append([]byte(nil), vector...)
	}
	return nil
}

// advance sends the own ECHO, recognizes the quorum, and finishes.
func (m *Machine) advance(out []mpc.Message) ([]mpc.Message, error) {
	missing := m.missing()
	if missing == 0 && !m.echoed {
		m.echoed = true
		digest := m.echo(m.roots)
		m.echoes[digest] = m.echoes[digest].With(m.self)
		var payload []byte
		for _, i := range m.From.List() {
			payload = append(payload, m.roots[i][:]...)
			payload = append(payload, m.signed[i]...)
		}
		payload = append(payload, m.Identity.Sign(digest)...)
		out = append(out, mpc.Message{Round: roundEcho, Payload: payload})
	}
	if m.agreed == nil {
		for digest, who := range m.echoes {
			if who.Count() >= m.code.Quorum() { // no two can: they would share an honest party
				m.agreed = &digest
			}
		}
	}
	// Of t+1 parties that sent an ECHO one is honest and holds all vectors.
	if missing != 0 && !m.fetched && m.heard.Count() > m.code.T() {
		m.fetched = true
		for _, i := range m.heard.List()[:m.code.T()+1] {
			out = append(out, mpc.Message{To: i, Round: roundFetch, Payload: mpc.Uint64(uint64(missing))})
		}
	}
	if m.agreed == nil || m.done || missing != 0 {
		return out, nil
	}
	if err := m.verdict(); err != nil {
		return out, err
	}
	m.done = true
	return out, nil
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

// verdict opens every index of the agreed vectors and finishes the material.
func (m *Machine) verdict() error {
	d, offset := m.code.Degree(), 0
	vectors := make([][]uint64, m.code.N()+1)
	for a, s := range m.Sections {
		size := ring.PackedLen(s.Count*d, s.K)
		opened := make([][]uint64, s.openings())
		for q := range opened {
			for _, i := range m.From.List() {
				if cap(vectors[i]) < s.Count*d {
					vectors[i] = make([]uint64, s.Count*d)
				}
				vectors[i] = vectors[i][:s.Count*d]
				if err := ring.Unpack(vectors[i], m.vectors[i][offset:offset+size], s.K); err != nil {
					return &mpc.CulpritError{Culprits: sharing.PartiesOf(i), Err: fmt.Errorf("%w: %w", ErrBatchBad, err)}
				}
			}
			offset += size
			values, bad := s.open(m.code, m.From, vectors)
			if bad >= 0 {
				return fmt.Errorf("%w: section %d, index %d", ErrBatchBad, a, bad)
			}
			opened[q] = values
			m.opened = ring.AppendPacked(m.opened, values, s.K)
		}
		if bad := s.finishLast(m.material[:a+1], d, opened); bad >= 0 {
			return fmt.Errorf("%w: section %d, index %d is odd", ErrBatchBad, a, bad)
		}
	}
	return nil
}

// String hides the material.
func (m *Machine) String() string {
	return fmt.Sprintf("preproc.Machine(%d sections, redacted)", len(m.Sections))
}

// GoString hides the material.
func (m *Machine) GoString() string { return m.String() }

// Done reports whether the material may be used.
func (m *Machine) Done() bool { return m.done }

// Missing returns the parties of E whose vectors are waited for.
func (m *Machine) Missing() sharing.Parties { return m.missing() }

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
