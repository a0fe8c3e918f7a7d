// Package evidence is what convicts a party before anybody who has the registered
// keys: the session in full, so that nothing about it need be believed, and two
// statements, shares or claims in it that no honest party signs together.
//
// Encodings are strict and there is one for each piece of evidence. Verification is
// a pure function of the evidence, the chain's id, the epoch and its members' keys,
// so that all validators agree on it. It guarantees that of a committee of which at
// most t members lie no honest one is convicted, whoever made the evidence; that every
// cheat can be proven it does not: silence, lateness and wrong unsigned messages are
// none of its business. Evidence that is well formed, of the epoch and still convicts
// nobody accuses a member falsely; that, too, depends on nothing but these inputs.
package evidence

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/mpc/wire"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// ErrEvidence reports what convicts nobody, or bytes that are no evidence.
var ErrEvidence = errors.New("evidence: it convicts nobody")

// ErrFalse is the ErrEvidence of an accusation that is false for good: of a member, in
// a session of the very epoch that it was checked for, by the keys of that epoch.
// Whoever checks evidence before showing it never meets it.
var ErrFalse = fmt.Errorf("%w: the accusation is false", ErrEvidence)

// Kind is what a piece of evidence proves; the numbers are those of the chain's
// records and part of the encoding.
type Kind byte

// Kinds.
const (
	// KindEquivocation is transcript.Equivocation.
	KindEquivocation Kind = 1
	// KindWrongOpening is transcript.WrongOpening.
	KindWrongOpening Kind = 2
	// KindWrongVector is *preproc.WrongVector.
	KindWrongVector Kind = 3
)

// Body is what was signed, without the session that it was signed in.
type Body interface {
	MarshalBinary() ([]byte, error)
	// Verify returns the party that the body convicts in the session of that id.
	Verify(session mpc.Digest, code *sharing.Code, verify func(party int, d mpc.Digest, signature []byte) bool) (culprit int, err error)
}

// Evidence is a body and its session.
type Evidence struct {
	session mpc.Session
	kind    Kind
	body    Body
}

// New puts a body together with its session. It panics if the body is of no Kind.
func New(session mpc.Session, body Body) *Evidence {
	e := &Evidence{session: session, body: body}
	switch body.(type) {
	case transcript.Equivocation:
		e.kind = KindEquivocation
	case transcript.WrongOpening:
		e.kind = KindWrongOpening
	case *preproc.WrongVector:
		e.kind = KindWrongVector
	default:
		panic(fmt.Sprintf("evidence: %T is no evidence", body))
	}
	return e
}

// Session returns the session that the evidence is about.
func (e *Evidence) Session() mpc.Session { return e.session }

// Kind returns what the evidence proves.
func (e *Evidence) Kind() Kind { return e.kind }

// Accused returns the index of the member that the evidence is against, whether it
// convicts it or not.
func (e *Evidence) Accused() int {
	switch body := e.body.(type) {
	case transcript.Equivocation:
		return body.Party
	case transcript.WrongOpening:
		return body.Wrong.Party
	case *preproc.WrongVector:
		return body.Wrong.Party
	default:
		return 0
	}
}

// Encode returns the kind (1), the session behind its length (4, big-endian), and
// the body.
func (e *Evidence) Encode() ([]byte, error) {
	session, err := e.session.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	body, err := e.body.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	out := binary.BigEndian.AppendUint32([]byte{byte(e.kind)}, uint32(len(session))) // #nosec G115 -- the encoding is bounded
	return append(append(out, session...), body...), nil
}

// Decode reads what Encode wrote, in at most limit bytes; ErrEvidence else.
func Decode(raw []byte, limit int) (*Evidence, error) {
	if len(raw) > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrEvidence, len(raw), limit)
	}
	r := wire.NewReader(raw)
	e := &Evidence{kind: Kind(r.Uint8())}
	session, body := r.Bytes(int(r.Uint32())), r.Rest()
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	var err error
	if e.session, err = mpc.UnmarshalSession(session); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	switch e.kind {
	case KindEquivocation:
		e.body, err = transcript.UnmarshalEquivocation(body)
	case KindWrongOpening:
		e.body, err = transcript.UnmarshalWrongOpening(body)
	case KindWrongVector:
		e.body, err = preproc.UnmarshalWrongVector(body)
	default:
		err = fmt.Errorf("kind %d", e.kind)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return e, nil
}

// Verify returns the index of the member that the evidence convicts, or ErrEvidence;
// that is ErrFalse if the epoch is right and a member is accused. keys are the Ed25519 session keys of members 1..n at 0..n−1, nil where there is
// none; t are the corruptions that the epoch tolerates.
func (e *Evidence) Verify(chainID string, epoch uint64, keys []ed25519.PublicKey, t int) (culprit int, err error) {
	s := e.session
	n := len(keys)
	if s.ChainID != chainID || s.Epoch != epoch || s.T != t || !s.Parties.Within(n) {
		return 0, fmt.Errorf("%w: it is of another chain, epoch or committee", ErrEvidence)
	}
	code, err := sharing.New(n, t, sharing.DegreeFor(n))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	accused := e.Accused()
	if !s.Parties.Has(accused) {
		return 0, fmt.Errorf("%w: party %d takes no part in the session", ErrEvidence, accused)
	}
	verify := func(party int, d mpc.Digest, signature []byte) bool {
		return s.Parties.Has(party) && len(keys[party-1]) == ed25519.PublicKeySize && len(signature) == ed25519.SignatureSize &&
			ed25519.Verify(keys[party-1], d[:], signature)
	}
	if culprit, err = e.body.Verify(s.ID(), code, verify); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFalse, err)
	}
	return culprit, nil
}
