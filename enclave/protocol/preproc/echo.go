package preproc

import (
	"encoding"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Evidence convicts a party before anybody who knows the session, the code of its
// parties and their registered keys.
type Evidence interface {
	encoding.BinaryMarshaler
	Verify(session mpc.Digest, code *sharing.Code, verify func(party int, d mpc.Digest, signature []byte) bool) (culprit int, err error)
}

// vectorStatement is what party i signs about its vector.
func (m *Machine) vectorStatement(i int, root mpc.Digest) mpc.Digest {
	return transcript.Statement{
		Session: m.Session, Batch: m.Batch, Phase: transcript.PhaseVector, Layout: m.layoutDigest, Party: i, Root: root,
	}.Digest()
}

// statement is what party i signs about its ECHO.
func (m *Machine) statement(i int, echo mpc.Digest) mpc.Digest {
	return transcript.Statement{Session: m.Session, Batch: m.Batch, Phase: transcript.PhaseEcho, Party: i, Root: echo}.Digest()
}

// echo is ECHO = H(session, batch, E, all roots).
func (m *Machine) echo(roots []mpc.Digest) mpc.Digest {
	list := make([]byte, 0, m.code.N()*mpc.DigestSize)
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
	if m.signed[i] != nil && m.convicted.Has(i) {
		return nil
	}
	if !m.Identity.Verify(i, m.vectorStatement(i, root), signature) {
		m.wrong = m.wrong.With(sender)
		return nil
	}
	if m.signed[i] == nil {
		m.roots[i], m.signed[i] = root, signature
		return nil
	}
	m.convict(i, transcript.Equivocation{
		Batch: m.Batch, Phase: transcript.PhaseVector, Party: i, Layouts: [2]mpc.Digest{m.layoutDigest, m.layoutDigest},
		Signed: [2]transcript.Signed{{Root: m.roots[i], Signature: m.signed[i]}, {Root: root, Signature: signature}},
	})
	if m.agreed != nil {
		return nil // the quorum is about the root known before
	}
	return m.fail(&mpc.CulpritError{Culprits: sharing.PartiesOf(i), Err: ErrEquivocation})
}

func (m *Machine) convict(i int, e Evidence) {
	m.convicted = m.convicted.With(i)
	m.evidence = append(m.evidence, e)
}

// Evidence returns what was found, also after Done and after a failure: at most
// one Equivocation or WrongVector a party.
func (m *Machine) Evidence() []Evidence { return m.evidence }

// takeEcho counts a party's ECHO: the signed roots of E and its signature.
func (m *Machine) takeEcho(from int, payload []byte) error {
	roots, signatures, own, ok := m.parseEcho(payload)
	if !ok {
		m.wrong = m.wrong.With(from)
		return nil
	}
	digest := m.echo(roots)
	switch first := m.shown[from]; {
	case first.Signature != nil:
		m.compareEcho(from, first, transcript.Signed{Root: digest, Signature: own})
		if first.Root != digest || m.heard.Has(from) {
			return nil // one ECHO a party, ever
		}
	case m.done && digest == *m.agreed:
		// Nothing hangs on it any more, unless another one comes to compare it with.
		m.shown[from] = transcript.Signed{Root: digest, Signature: own}
		return nil
	case !m.Identity.Verify(from, m.statement(from, digest), own):
		m.wrong = m.wrong.With(from)
		return nil
	default:
		m.shown[from] = transcript.Signed{Root: digest, Signature: own}
	}
	for _, i := range m.From.List() {
		if err := m.learn(from, i, roots[i], signatures[i]); err != nil {
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

// compareEcho looks at another ECHO of a party: two different ones convict it.
func (m *Machine) compareEcho(from int, first, second transcript.Signed) {
	if first.Root == second.Root || m.convicted.Has(from) {
		return
	}
	for _, s := range []transcript.Signed{first, second} {
		if !m.Identity.Verify(from, m.statement(from, s.Root), s.Signature) {
			return
		}
	}
	m.convict(from, transcript.Equivocation{
		Batch: m.Batch, Phase: transcript.PhaseEcho, Party: from, Signed: [2]transcript.Signed{first, second},
	})
}
