package preproc

import (
	"crypto/ed25519"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// statement is what party i signs about its vector.
func statement(session mpc.Digest, batch uint32, i int, root mpc.Digest) mpc.Digest {
	return mpc.Hash("tkms/v1/preproc/vector", session[:], mpc.Uint64(uint64(batch)), mpc.Uint64(uint64(i)), root[:])
}

func (m *Machine) statement(i int, root mpc.Digest) mpc.Digest {
	return statement(m.Session, m.Batch, i, root)
}

// echo is ECHO = H(session, batch, E, all roots).
func (m *Machine) echo(roots []mpc.Digest) mpc.Digest {
	var list []byte
	for _, i := range m.From.List() {
		list = append(list, roots[i][:]...)
	}
	return mpc.Hash("tkms/v1/preproc/echo", m.Session[:], mpc.Uint64(uint64(m.Batch)), mpc.Uint64(uint64(m.From)), list)
}

// learn records the root that party i signed, as shown by sender.
func (m *Machine) learn(sender, i int, root mpc.Digest, signature []byte) error {
	if m.signed[i] != nil && m.roots[i] == root {
		return nil
	}
	if !m.Identity.Verify(i, m.statement(i, root), signature) {
		m.wrong = m.wrong.With(sender)
		return nil
	}
	if m.signed[i] != nil {
		m.evidence = append(m.evidence, Evidence{
			Party: i, Roots: [2]mpc.Digest{m.roots[i], root},
			Signatures: [2][]byte{m.signed[i], append([]byte(nil), signature...)},
		})
		if m.done {
			return nil
		}
		return &mpc.CulpritError{Culprits: sharing.PartiesOf(i), Err: ErrEquivocation}
	}
	m.roots[i], m.signed[i] = root, append([]byte(nil), signature...)
	return nil
}

// Evidence is two roots that one party signed for one batch. It convinces anybody
// who knows the session, the number of the batch and the party's registered key.
type Evidence struct {
	Party      int
	Roots      [2]mpc.Digest
	Signatures [2][]byte
}

// Evidence returns what was found, also after Done; at most one entry a message.
func (m *Machine) Evidence() []Evidence { return m.evidence }

// Verify reports whether e convicts e.Party in the given session and batch. Any
// party's identity will do.
func (e Evidence) Verify(id *mpc.Identity, session mpc.Digest, batch uint32) bool {
	if e.Roots[0] == e.Roots[1] {
		return false
	}
	for i, root := range e.Roots {
		if !id.Verify(e.Party, statement(session, batch, e.Party, root), e.Signatures[i]) {
			return false
		}
	}
	return true
}

// echoEntry is a root and the signature on it.
const echoEntry = mpc.DigestSize + ed25519.SignatureSize

// takeEcho counts a party's ECHO: the signed roots of E and its signature.
func (m *Machine) takeEcho(from int, payload []byte) error {
	if m.heard.Has(from) {
		return nil // one ECHO a party, ever
	}
	members := m.From.List()
	if len(payload) != echoEntry*len(members)+ed25519.SignatureSize {
		m.wrong = m.wrong.With(from)
		return nil
	}
	roots := make([]mpc.Digest, m.code.N()+1)
	for a, i := range members {
		roots[i] = mpc.Digest(payload[a*echoEntry:])
	}
	digest := m.echo(roots)
	if !m.Identity.Verify(from, digest, payload[echoEntry*len(members):]) {
		m.wrong = m.wrong.With(from)
		return nil
	}
	for a, i := range members {
		entry := payload[a*echoEntry:][:echoEntry]
		if err := m.learn(from, i, roots[i], entry[mpc.DigestSize:]); err != nil {
			return err
		}
		if m.signed[i] == nil || m.roots[i] != roots[i] {
			return nil // it shows a root that its owner did not sign
		}
	}
	m.heard = m.heard.With(from)
	m.echoes[digest] = m.echoes[digest].With(from)
	return nil
}
