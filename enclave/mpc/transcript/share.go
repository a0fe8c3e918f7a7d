package transcript

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Phase names what a root stands for.
type Phase byte

// Phases. A party signs at most one root of each in a session and batch.
const (
	// PhaseVector is the vector of an offline batch.
	PhaseVector Phase = 1
	// PhaseEcho is the ECHO of an offline batch: the root is ECHO's digest, there
	// is no layout.
	PhaseEcho Phase = 2
	// PhaseOpenings is all that a party sent to be opened at degree t.
	PhaseOpenings Phase = 3
)

// Known reports whether p is one of the phases.
func (p Phase) Known() bool { return p >= PhaseVector && p <= PhaseOpenings }

// Statement is what a party signs.
type Statement struct {
	// Session is the id of the session, Batch the number of the batch in it.
	Session mpc.Digest
	Batch   uint32
	Phase   Phase
	// Layout is the digest of the layout, zero for PhaseEcho.
	Layout mpc.Digest
	// Party is the index of the signer.
	Party int
	Root  mpc.Digest
}

// Digest returns what the signature is on.
func (s Statement) Digest() mpc.Digest {
	return mpc.Hash("tkms/v1/transcript/root", s.Session[:], mpc.Uint64(uint64(s.Batch)), []byte{byte(s.Phase)}, s.Layout[:],
		mpc.Uint64(uint64(s.Party)), s.Root[:])
}

// Signed is a party's signature on a root.
type Signed struct {
	Root      mpc.Digest
	Signature []byte
}

// Share is an element that a party sent, with what convinces others that it did.
type Share struct {
	Party     int
	Signature []byte
	Leaf      []byte
	Path      []merkle.Hash
}

// NewShare returns the share of an element from all that the party sent, as
// leaves, and its signature on their root.
func NewShare(l Layout, leaves [][]byte, party int, signature []byte, run, element int) (Share, error) {
	leaf, err := l.Leaf(run, element)
	if err != nil {
		return Share{}, err
	}
	if len(leaves) != l.Leaves() {
		return Share{}, fmt.Errorf("%w: %d leaves, not %d", ErrLayout, len(leaves), l.Leaves())
	}
	return Share{Party: party, Signature: signature, Leaf: leaves[leaf], Path: merkle.Path(leaves, leaf)}, nil
}

// Element returns the element that s proves its party to have sent in the session,
// or ErrShare. Verify checks a party's signature; s itself says whose it is.
func (s Share) Element(st Statement, l Layout, run, element int, verify func(party int, d mpc.Digest, signature []byte) bool) (wide.Elem, error) {
	leaf, err := l.Leaf(run, element)
	if err != nil {
		return wide.Elem{}, err
	}
	root, ok := merkle.Climb(s.Leaf, leaf, l.Leaves(), s.Path)
	if !ok {
		return wide.Elem{}, fmt.Errorf("%w: path of party %d", ErrShare, s.Party)
	}
	st.Layout, st.Party, st.Root = l.Digest(), s.Party, root
	if !verify(s.Party, st.Digest(), s.Signature) {
		return wide.Elem{}, fmt.Errorf("%w: signature of party %d", ErrShare, s.Party)
	}
	return l.element(run, element, s.Leaf)
}
