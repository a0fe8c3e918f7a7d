package preproc

import (
	"crypto/ed25519"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/mpc/wire"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// ErrEvidence reports evidence that convicts nobody.
var ErrEvidence = errors.New("preproc: the evidence convicts nobody")

// Evidence convicts a party before anybody who knows the session, the code of its
// parties and their registered keys.
type Evidence interface {
	encoding.BinaryMarshaler
	Verify(session mpc.Digest, code *sharing.Code, verify func(party int, d mpc.Digest, signature []byte) bool) (culprit int, err error)
}

// Evidence returns what was found, also after Done and after a failure: at most
// one Equivocation or WrongVector a party.
func (m *Machine) Evidence() []Evidence {
	var out []Evidence
	for _, e := range m.agreement.Evidence() {
		out = append(out, e)
	}
	for _, e := range m.evidence {
		if !m.agreement.Convicted().Has(e.Wrong.Party) {
			out = append(out, e)
		}
	}
	return out
}

// Signer is a party's signature on a claim.
type Signer struct {
	Party     int
	Signature [ed25519.SignatureSize]byte
}

// Claim is what t+1 members of a set say that its stream gave for an index.
type Claim struct {
	// Words are packed draw by draw.
	Words   []byte
	Signers []Signer
}

// WrongVector proves that a party signed and sent a share of an offline batch that
// is not what its keys give: of the members of each set of n−t parties that it is
// in t+1 say what the set's stream gave, so one honest one does, and that does not
// make the share.
type WrongVector struct {
	Batch uint32
	// Echo is the ECHO that n−t parties sent: claims are made after it.
	Echo   mpc.Digest
	Layout transcript.Layout
	// Run is that of the section's first opening, Opening counts from it, Element is
	// the item's place in the runs.
	Run, Opening, Element int
	// Wrong is the culprit's share.
	Wrong transcript.Share
	// Claims are those of each set that the culprit is in, in the order of
	// prss.SharingSets.
	Claims []Claim

	recipe recipe
}

// maxClaims bounds the sets of a party: C(9, 3).
const maxClaims = 84

// signerLen is the encoded length of a Signer.
const signerLen = 1 + ed25519.SignatureSize

// MarshalBinary returns the one encoding, of big-endian numbers: batch (4), ECHO
// (32), run and opening (2 each), element (4); K, products, bits of the digit,
// digits of the chain and how the openings are packed (1 each; 0 not at all, 1 bits,
// 2 products of a matrix) and for each bit its ring (1); the layout behind its
// length (2); the share (transcript.Share.Append); the number of claims (1), of
// each one's signers (1) and of its bytes of words (4); then each claim's words and
// for each signer its index (1) and signature (64).
func (e *WrongVector) MarshalBinary() ([]byte, error) {
	layout, err := e.Layout.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	if err := e.recipe.check(); err != nil {
		return nil, err
	}
	if len(e.Claims) == 0 || len(e.Claims) > maxClaims {
		return nil, fmt.Errorf("%w: %d claims", ErrEvidence, len(e.Claims))
	}
	out := binary.BigEndian.AppendUint32(nil, e.Batch)
	out = append(out, e.Echo[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(e.Run))     // #nosec G115 -- a layout has at most 2^12 runs
	out = binary.BigEndian.AppendUint16(out, uint16(e.Opening)) // #nosec G115 -- as before
	out = binary.BigEndian.AppendUint32(out, uint32(e.Element)) // #nosec G115 -- at most 2^20 elements
	out = append(out, e.recipe.encode()...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(layout))) // #nosec G115 -- 5 bytes a run
	if out, err = e.Wrong.Append(append(out, layout...)); err != nil {
		return nil, err
	}
	words, signers := len(e.Claims[0].Words), len(e.Claims[0].Signers)
	out = append(out, byte(len(e.Claims)), byte(signers))
	out = binary.BigEndian.AppendUint32(out, uint32(words)) // #nosec G115 -- an item's
	for _, c := range e.Claims {
		if len(c.Words) != words || len(c.Signers) != signers {
			return nil, fmt.Errorf("%w: claims of different lengths", ErrEvidence)
		}
		out = append(out, c.Words...)
		for _, s := range c.Signers {
			out = append(out, byte(s.Party))
			out = append(out, s.Signature[:]...)
		}
	}
	return out, nil
}

// UnmarshalWrongVector reads what MarshalBinary wrote: bounds before memory is
// taken, exact length, ErrEncoding else. Whether it convicts is for Verify to say.
func UnmarshalWrongVector(raw []byte) (*WrongVector, error) {
	r := wire.NewReader(raw)
	e := &WrongVector{Batch: r.Uint32(), Echo: r.Digest(), Run: int(r.Uint16()), Opening: int(r.Uint16()), Element: int(r.Uint32())}
	var err error
	if e.recipe, err = readRecipe(r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if e.Layout, err = transcript.UnmarshalLayout(r.Bytes(int(r.Uint16()))); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if e.Wrong, err = transcript.ReadShare(r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	claims, signers, words := int(r.Uint8()), int(r.Uint8()), int(r.Uint32())
	if claims == 0 || claims > maxClaims || len(raw) < claims*(words+signers*signerLen) {
		return nil, fmt.Errorf("%w: evidence with %d claims", ErrEncoding, claims)
	}
	e.Claims = make([]Claim, claims)
	for i := range e.Claims {
		e.Claims[i] = Claim{Words: r.Bytes(words), Signers: make([]Signer, signers)}
		for a := range e.Claims[i].Signers {
			e.Claims[i].Signers[a].Party = int(r.Uint8())
			copy(e.Claims[i].Signers[a].Signature[:], r.Bytes(ed25519.SignatureSize))
		}
	}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	return e, nil
}

// Verify returns the culprit, ErrEvidence if e does not convict. The session's id
// has the right parties in it, and verify checks signatures by their registered
// keys; both are the caller's to see to.
func (e *WrongVector) Verify(session mpc.Digest, code *sharing.Code, verify func(party int, d mpc.Digest, signature []byte) bool) (int, error) {
	openings := e.recipe.section.openings()
	if e.recipe.check() != nil || e.Layout.Check() != nil || e.Layout.Degree != code.Degree() || code.N() > maxEvidenceParties ||
		e.Run < 0 || e.Opening < 0 || e.Opening >= openings || e.Run > len(e.Layout.Runs)-openings ||
		e.Wrong.Party < 1 || e.Wrong.Party > code.N() {
		return 0, fmt.Errorf("%w: it does not fit its layout", ErrEvidence)
	}
	for _, r := range e.Layout.Runs[e.Run : e.Run+openings] {
		if r.K != e.recipe.section.K {
			return 0, fmt.Errorf("%w: openings over other rings", ErrEvidence)
		}
	}
	words, err := e.checkClaims(session, code, verify)
	if err != nil {
		return 0, err
	}
	st := transcript.Statement{Session: session, Batch: e.Batch, Phase: transcript.PhaseVector}
	sent, err := e.Wrong.Element(st, e.Layout, e.Run+e.Opening, e.Element, verify)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	right, err := e.recipe.openings(code, e.Wrong.Party, words)
	if err != nil {
		return 0, err
	}
	if right[e.Opening] == sent {
		return 0, fmt.Errorf("%w: the share is right", ErrEvidence)
	}
	return e.Wrong.Party, nil
}

// checkClaims returns the words of each set that the accused is in.
func (e *WrongVector) checkClaims(session mpc.Digest, code *sharing.Code, verify func(party int, d mpc.Digest, signature []byte) bool) ([][]byte, error) {
	sets, err := prss.SharingSets(code, e.Wrong.Party)
	if err != nil || len(sets) != len(e.Claims) {
		return nil, fmt.Errorf("%w: %d claims", ErrEvidence, len(e.Claims))
	}
	said := claim{session, e.Echo, e.Batch, e.Run, e.Element, e.recipe}
	size := e.recipe.wordsLen(code)
	words := make([][]byte, len(sets))
	for q, c := range e.Claims {
		if len(c.Words) != size || len(c.Signers) != code.T()+1 {
			return nil, fmt.Errorf("%w: a claim of %d bytes and %d signers", ErrEvidence, len(c.Words), len(c.Signers))
		}
		last := 0
		for _, s := range c.Signers {
			if s.Party <= last || !sets[q].Has(s.Party) || !verify(s.Party, said.digest(s.Party, sets[q], c.Words), s.Signature[:]) {
				return nil, fmt.Errorf("%w: claim of party %d about %v", ErrEvidence, s.Party, sets[q])
			}
			last = s.Party
		}
		words[q] = c.Words
	}
	return words, nil
}
