package preproc

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// ErrJournal reports an ECHO in the journal that this party did not sign for this
// batch: the journal is damaged, or the party's vector is no longer what it was.
// The party stays out of the session.
var ErrJournal = errors.New("preproc: the journal's ECHO does not belong to this batch and vector")

// Journal keeps the ECHO that a party sends in a session, so that a restart does
// not make it sign another one. The vector needs no journal: it is a function of
// keys, context and sections, and so is its signature.
type Journal interface {
	// Load returns what was saved for a batch of a session, nil if nothing was.
	Load(session mpc.Digest, batch uint32) ([]byte, error)
	// Save returns when the ECHO is on disk. It leaves after that.
	Save(session mpc.Digest, batch uint32, echo []byte) error
}

// resume takes over the ECHO of an earlier life: it is sent again, byte for byte,
// whatever roots come now.
func (m *Machine) resume() ([]mpc.Message, error) {
	if m.Journal == nil {
		return nil, nil
	}
	payload, err := m.Journal.Load(m.Session, m.Batch)
	if err != nil {
		return nil, fmt.Errorf("preproc: read the journal: %w", err)
	}
	if payload == nil {
		return nil, nil
	}
	roots, signatures, own, ok := m.parseEcho(payload)
	if !ok || roots[m.self] != m.roots[m.self] || !m.Identity.Verify(m.self, m.statement(m.self, m.echo(roots)), own) {
		return nil, ErrJournal
	}
	for _, i := range m.From.List() {
		if !m.Identity.Verify(i, m.vectorStatement(i, roots[i]), signatures[i]) {
			return nil, ErrJournal
		}
		m.roots[i], m.signed[i] = roots[i], signatures[i]
	}
	m.countOwn(m.echo(roots))
	return []mpc.Message{{Round: roundEcho, Payload: payload}}, nil
}

// sendEcho signs the ECHO of all roots, once, and has it on disk before it leaves.
func (m *Machine) sendEcho() (mpc.Message, error) {
	digest := m.echo(m.roots)
	payload := make([]byte, 0, m.echoLen())
	for _, i := range m.From.List() {
		payload = append(payload, m.roots[i][:]...)
		payload = append(payload, m.signed[i]...)
	}
	payload = append(payload, m.Identity.Sign(m.statement(m.self, digest))...)
	if m.Journal != nil {
		if err := m.Journal.Save(m.Session, m.Batch, payload); err != nil {
			return mpc.Message{}, fmt.Errorf("preproc: write the journal: %w", err)
		}
	}
	m.countOwn(digest)
	return mpc.Message{Round: roundEcho, Payload: payload}, nil
}

func (m *Machine) countOwn(digest mpc.Digest) {
	m.echoed = true
	m.echoes[digest] = m.echoes[digest].With(m.self)
}

// echoEntry is a root and its owner's signature.
const echoEntry = mpc.DigestSize + ed25519.SignatureSize

func (m *Machine) echoLen() int { return echoEntry*m.From.Count() + ed25519.SignatureSize }

// parseEcho returns the roots and signatures, by party, that an ECHO shows, and
// its sender's signature.
func (m *Machine) parseEcho(payload []byte) (roots []mpc.Digest, signatures [][]byte, own []byte, ok bool) {
	if len(payload) != m.echoLen() {
		return nil, nil, nil, false
	}
	roots, signatures = make([]mpc.Digest, m.code.N()+1), make([][]byte, m.code.N()+1)
	for _, i := range m.From.List() {
		roots[i] = mpc.Digest(payload)
		signatures[i] = payload[mpc.DigestSize:echoEntry:echoEntry]
		payload = payload[echoEntry:]
	}
	return roots, signatures, payload, true
}
