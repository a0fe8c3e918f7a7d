package transcript

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/wire"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// maxPath is more than the height of a tree over all leaves of a layout.
const maxPath = 32

// ErrEvidence reports what convicts nobody, or bytes that are no evidence.
var ErrEvidence = errors.New("transcript: the evidence convicts nobody")

// Equivocation shows that a party signed two things for one session, batch and
// phase.
type Equivocation struct {
	Batch uint32
	Phase Phase
	// Party is the signer, and guilty.
	Party int
	// Layouts and Signed are those of the two statements.
	Layouts [2]mpc.Digest
	Signed  [2]Signed
}

// Verify returns the party that e convicts in a session, or ErrEvidence. Verify
// checks a party's signature on a digest.
func (e Equivocation) Verify(session mpc.Digest, code *sharing.Code, verify func(party int, d mpc.Digest, signature []byte) bool) (culprit int, err error) {
	if !e.Phase.Known() || e.Party < 1 || e.Party > code.N() {
		return 0, fmt.Errorf("%w: phase %d of party %d", ErrEvidence, e.Phase, e.Party)
	}
	if e.Layouts[0] == e.Layouts[1] && e.Signed[0].Root == e.Signed[1].Root {
		return 0, fmt.Errorf("%w: both statements are the same", ErrEvidence)
	}
	for i, signed := range e.Signed {
		st := Statement{Session: session, Batch: e.Batch, Phase: e.Phase, Layout: e.Layouts[i], Party: e.Party, Root: signed.Root}
		if !verify(e.Party, st.Digest(), signed.Signature) {
			return 0, fmt.Errorf("%w: signature %d", ErrEvidence, i)
		}
	}
	return e.Party, nil
}

// MarshalBinary returns batch (4), phase (1), party (1), then for each statement
// layout, root (32 each) and signature (64), big-endian.
func (e Equivocation) MarshalBinary() ([]byte, error) {
	if err := checkHead(e.Phase, e.Party); err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint32(nil, e.Batch)
	out = append(out, byte(e.Phase), byte(e.Party))
	for i, signed := range e.Signed {
		if len(signed.Signature) != ed25519.SignatureSize {
			return nil, fmt.Errorf("%w: signature of %d bytes", ErrEvidence, len(signed.Signature))
		}
		out = append(out, e.Layouts[i][:]...)
		out = append(out, signed.Root[:]...)
		out = append(out, signed.Signature...)
	}
	return out, nil
}

// UnmarshalEquivocation reads what MarshalBinary wrote, ErrEvidence else.
func UnmarshalEquivocation(raw []byte) (Equivocation, error) {
	r := wire.NewReader(raw)
	e := Equivocation{Batch: r.Uint32(), Phase: Phase(r.Uint8()), Party: int(r.Uint8())}
	for i := range e.Signed {
		e.Layouts[i] = r.Digest()
		e.Signed[i] = Signed{Root: r.Digest(), Signature: r.Bytes(ed25519.SignatureSize)}
	}
	if err := r.Close(); err != nil {
		return Equivocation{}, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return e, checkHead(e.Phase, e.Party)
}

func checkHead(phase Phase, party int) error {
	if !phase.Known() || party < 1 || party > sharing.MaxParties {
		return fmt.Errorf("%w: phase %d of party %d", ErrEvidence, phase, party)
	}
	return nil
}

// WrongOpening shows that a share which a party sent to be opened at degree t is
// not on the polynomial of n−t others. At most t of these lie, so that t+1 honest
// ones fix the polynomial.
type WrongOpening struct {
	Batch uint32
	// Phase is PhaseOpenings: what is signed in the others is not of degree t.
	Phase  Phase
	Layout Layout
	// Run and Element say which share it is.
	Run, Element int
	// Wrong is the share of the guilty party.
	Wrong Share
	// Good are the shares of n−t other parties, ascending by party.
	Good []Share
}

// Verify returns the party that w convicts in a session, or ErrEvidence. Verify
// checks a party's signature on a digest.
func (w WrongOpening) Verify(session mpc.Digest, code *sharing.Code, verify func(party int, d mpc.Digest, signature []byte) bool) (culprit int, err error) {
	if w.Phase != PhaseOpenings || w.Layout.Check() != nil || w.Layout.Degree != code.Degree() || len(w.Good) != code.Quorum() {
		return 0, fmt.Errorf("%w: phase %d, degree %d, %d shares", ErrEvidence, w.Phase, w.Layout.Degree, len(w.Good))
	}
	st := Statement{Session: session, Batch: w.Batch, Phase: w.Phase}
	points := make([]wide.Elem, code.N()+1)
	var from sharing.Parties
	for _, s := range append([]Share{w.Wrong}, w.Good...) {
		if s.Party < 1 || s.Party > code.N() || from.Has(s.Party) {
			return 0, fmt.Errorf("%w: share of party %d", ErrEvidence, s.Party)
		}
		from = from.With(s.Party)
		if points[s.Party], err = s.Element(st, w.Layout, w.Run, w.Element, verify); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrEvidence, err)
		}
	}
	_, wrong, err := code.DecodeWide(from, points, w.Layout.Runs[w.Run].K, code.Quorum())
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	if wrong != sharing.PartiesOf(w.Wrong.Party) {
		return 0, fmt.Errorf("%w: not the share of party %d is wrong", ErrEvidence, w.Wrong.Party)
	}
	return w.Wrong.Party, nil
}

// MarshalBinary returns batch (4), phase (1), the layout behind its length (4), run
// and element (4 each), the number of good shares (1), then the wrong share and the
// good ones: party (1), signature (64), the leaf behind its length (2) and the path
// behind the number of its hashes (1); big-endian.
func (w WrongOpening) MarshalBinary() ([]byte, error) {
	layout, err := w.Layout.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	if err := w.check(); err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint32(nil, w.Batch)
	out = append(out, byte(w.Phase))
	out = binary.BigEndian.AppendUint32(out, uint32(len(layout))) // #nosec G115 -- at most 5·maxRuns+1
	out = append(out, layout...)
	out = binary.BigEndian.AppendUint32(out, uint32(w.Run))     // #nosec G115 -- checked
	out = binary.BigEndian.AppendUint32(out, uint32(w.Element)) // #nosec G115 -- checked
	out = append(out, byte(len(w.Good)))
	for _, s := range append([]Share{w.Wrong}, w.Good...) {
		if out, err = s.Append(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// UnmarshalWrongOpening reads what MarshalBinary wrote, ErrEvidence else.
func UnmarshalWrongOpening(raw []byte) (WrongOpening, error) {
	r := wire.NewReader(raw)
	w := WrongOpening{Batch: r.Uint32(), Phase: Phase(r.Uint8())}
	layout, err := UnmarshalLayout(r.Bytes(int(r.Uint32())))
	if err != nil {
		return WrongOpening{}, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	w.Layout, w.Run, w.Element = layout, int(r.Uint32()), int(r.Uint32())
	count := int(r.Uint8())
	if w.Wrong, err = ReadShare(r); err != nil {
		return WrongOpening{}, err
	}
	for range count {
		s, err := ReadShare(r)
		if err != nil {
			return WrongOpening{}, err
		}
		w.Good = append(w.Good, s)
	}
	if err := r.Close(); err != nil {
		return WrongOpening{}, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return w, w.check()
}

// check returns ErrEvidence unless w names an element of its layout, and the good
// shares in their order.
func (w WrongOpening) check() error {
	if err := checkHead(w.Phase, w.Wrong.Party); err != nil {
		return err
	}
	if _, err := w.Layout.Leaf(w.Run, w.Element); err != nil {
		return fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	last := 0
	for _, s := range w.Good {
		if s.Party <= last || s.Party > sharing.MaxParties {
			return fmt.Errorf("%w: good shares are of parties in ascending order", ErrEvidence)
		}
		last = s.Party
	}
	return nil
}

// Append appends the share's encoding, ErrEvidence if it has none: party (1),
// signature (64), the leaf behind its length (2), the path behind the number of its
// hashes (1).
func (s Share) Append(out []byte) ([]byte, error) {
	if s.Party < 1 || s.Party > sharing.MaxParties || len(s.Signature) != ed25519.SignatureSize || len(s.Leaf) > math.MaxUint16 || len(s.Path) > maxPath {
		return nil, fmt.Errorf("%w: share of party %d", ErrEvidence, s.Party)
	}
	out = append(append(out, byte(s.Party)), s.Signature...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(s.Leaf))) // #nosec G115 -- checked
	out = append(append(out, s.Leaf...), byte(len(s.Path)))
	for _, node := range s.Path {
		out = append(out, node[:]...)
	}
	return out, nil
}

// ReadShare reads what Append wrote, ErrEvidence else.
func ReadShare(r *wire.Reader) (Share, error) {
	s := Share{Party: int(r.Uint8()), Signature: r.Bytes(ed25519.SignatureSize)}
	s.Leaf = r.Bytes(int(r.Uint16()))
	nodes := int(r.Uint8())
	if r.Failed() || s.Party < 1 || s.Party > sharing.MaxParties || nodes > maxPath {
		return Share{}, fmt.Errorf("%w: malformed share", ErrEvidence)
	}
	for range nodes {
		s.Path = append(s.Path, merkle.Hash(r.Digest()))
	}
	return s, nil
}
