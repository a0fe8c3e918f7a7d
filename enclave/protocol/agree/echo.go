package agree

import (
	"crypto/ed25519"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// vectorStatement is what party i signs about its vector.
func (a *Agreement) vectorStatement(i int, root mpc.Digest) mpc.Digest {
	return transcript.Statement{
		Session: a.Session, Batch: a.Batch, Phase: transcript.PhaseVector, Layout: a.Layout, Party: i, Root: root,
	}.Digest()
}

// statement is what party i signs about its ECHO.
func (a *Agreement) statement(i int, echo mpc.Digest) mpc.Digest {
	return transcript.Statement{Session: a.Session, Batch: a.Batch, Phase: transcript.PhaseEcho, Party: i, Root: echo}.Digest()
}

// EchoDigest is ECHO = H(session, batch, E, all roots); roots are by party.
func EchoDigest(session mpc.Digest, batch uint32, from sharing.Parties, roots []mpc.Digest) mpc.Digest {
	list := make([]byte, 0, from.Count()*mpc.DigestSize)
	for _, i := range from.List() {
		list = append(list, roots[i][:]...)
	}
	return mpc.Hash("tkms/v1/agree/echo", session[:], mpc.Uint64(uint64(batch)), mpc.Uint64(uint64(from)), list)
}

func (a *Agreement) echo(roots []mpc.Digest) mpc.Digest {
	return EchoDigest(a.Session, a.Batch, a.From, roots)
}

// learn records the root that party i signed, as shown by sender.
func (a *Agreement) learn(sender, i int, root mpc.Digest, signature []byte) error {
	if a.signed[i] != nil && (a.roots[i] == root || a.convicted.Has(i)) {
		return nil
	}
	if !a.Identity.Verify(i, a.vectorStatement(i, root), signature) {
		a.wrong = a.wrong.With(sender)
		return nil
	}
	if a.signed[i] == nil {
		a.roots[i], a.signed[i] = root, signature
		return nil
	}
	a.convict(i, transcript.Equivocation{
		Batch: a.Batch, Phase: transcript.PhaseVector, Party: i, Layouts: [2]mpc.Digest{a.Layout, a.Layout},
		Signed: [2]transcript.Signed{{Root: a.roots[i], Signature: a.signed[i]}, {Root: root, Signature: signature}},
	})
	if a.agreed != nil {
		return nil // the quorum is about the root known before
	}
	return &mpc.CulpritError{Culprits: sharing.PartiesOf(i), Err: ErrEquivocation}
}

func (a *Agreement) convict(i int, e transcript.Equivocation) {
	a.convicted = a.convicted.With(i)
	a.evidence = append(a.evidence, e)
}

// takeEcho counts a party's ECHO: the signed roots of E and its signature.
func (a *Agreement) takeEcho(from int, payload []byte) error {
	roots, signatures, own, ok := a.parseEcho(payload)
	if !ok {
		a.wrong = a.wrong.With(from)
		return nil
	}
	digest := a.echo(roots)
	switch first := a.shown[from]; {
	case first.Signature != nil:
		a.compareEcho(from, first, transcript.Signed{Root: digest, Signature: own})
		if first.Root != digest || a.heard.Has(from) {
			return nil // one ECHO a party, ever
		}
	case a.Complete() && digest == *a.agreed:
		// Nothing hangs on it any more, unless another one comes to compare it with.
		a.shown[from] = transcript.Signed{Root: digest, Signature: own}
		return nil
	case !a.Identity.Verify(from, a.statement(from, digest), own):
		a.wrong = a.wrong.With(from)
		return nil
	default:
		a.shown[from] = transcript.Signed{Root: digest, Signature: own}
	}
	for _, i := range a.From.List() {
		if err := a.learn(from, i, roots[i], signatures[i]); err != nil {
			return err
		}
		if a.signed[i] == nil || a.roots[i] != roots[i] {
			return nil // it shows a root that its owner did not sign
		}
	}
	a.heard = a.heard.With(from)
	a.echoes[digest] = a.echoes[digest].With(from)
	return nil
}

// compareEcho looks at another ECHO of a party: two different ones convict it.
func (a *Agreement) compareEcho(from int, first, second transcript.Signed) {
	if first.Root == second.Root || a.convicted.Has(from) {
		return
	}
	for _, s := range []transcript.Signed{first, second} {
		if !a.Identity.Verify(from, a.statement(from, s.Root), s.Signature) {
			return
		}
	}
	a.convict(from, transcript.Equivocation{
		Batch: a.Batch, Phase: transcript.PhaseEcho, Party: from, Signed: [2]transcript.Signed{first, second},
	})
}

// sendEcho signs the ECHO of all roots, once, and has it on disk before it leaves.
func (a *Agreement) sendEcho() (mpc.Message, error) {
	digest := a.echo(a.roots)
	payload := make([]byte, 0, a.echoLen())
	for _, i := range a.From.List() {
		payload = append(payload, a.roots[i][:]...)
		payload = append(payload, a.signed[i]...)
	}
	payload = append(payload, a.Identity.Sign(a.statement(a.self, digest))...)
	if err := a.save(payload); err != nil {
		return mpc.Message{}, err
	}
	a.countOwn(digest)
	return mpc.Message{Round: a.Round + RoundEcho, Payload: payload}, nil
}

func (a *Agreement) countOwn(digest mpc.Digest) {
	a.echoed = true
	a.echoes[digest] = a.echoes[digest].With(a.self)
}

// echoEntry is a root and its owner's signature.
const echoEntry = mpc.DigestSize + ed25519.SignatureSize

func (a *Agreement) echoLen() int { return echoEntry*a.From.Count() + ed25519.SignatureSize }

// parseEcho returns the roots and signatures, by party, that an ECHO shows, and
// its sender's signature.
func (a *Agreement) parseEcho(payload []byte) (roots []mpc.Digest, signatures [][]byte, own []byte, ok bool) {
	if len(payload) != a.echoLen() {
		return nil, nil, nil, false
	}
	roots, signatures = make([]mpc.Digest, a.Code.N()+1), make([][]byte, a.Code.N()+1)
	for _, i := range a.From.List() {
		roots[i] = mpc.Digest(payload)
		signatures[i] = payload[mpc.DigestSize:echoEntry:echoEntry]
		payload = payload[echoEntry:]
	}
	return roots, signatures, payload, true
}
