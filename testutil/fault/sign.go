package fault

import (
	"crypto/ed25519"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/agree"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Rounds of the offline phase.
const (
	roundVector  = 0 // signature ‖ vector
	roundEcho    = 1 // root ‖ signature of each member ‖ own signature
	roundFetch   = 2
	roundFetched = 3 // owner ‖ signature ‖ vector
)

// offline is a machine of package preproc, which signs a vector.
type offline interface {
	Layout() transcript.Layout
	Echo() mpc.Digest
}

// opening is a machine that opens values, of package decrypt or keygen, which at the
// end signs all that it sent: owner ‖ root ‖ signature, in the round after the last run
// of its layout.
type opening interface {
	Layout() transcript.Layout
	Culprits() sharing.Parties
}

// signer changes one party's messages in one session and signs what it changed.
type signer struct {
	session  mpc.Digest
	kind     Kind
	identity *mpc.Identity
	members  sharing.Parties

	offline offline // nil in another phase
	vector  []byte  // the forged one with its signature, nil before
	root    mpc.Digest
	echoed  bool

	opening opening  // nil in another phase
	runs    [][]byte // the forged ones
}

func newSigner(kind Kind, session mpc.Digest, members sharing.Parties, identity *mpc.Identity, machine mpc.Machine) *signer {
	s := &signer{session: session, kind: kind, identity: identity, members: members}
	if kind == WrongSession {
		s.session = mpc.Hash("another session", session[:])
	}
	s.offline, _ = machine.(offline)
	s.opening, _ = machine.(opening)
	return s
}

// hides reports whether a message must not reach the party's own machine: what
// others say about its vector would show it that it signed two.
func (s *signer) hides(round uint16) bool {
	return s.vector != nil && round != roundVector && round != roundFetch
}

// givenUp reports whether the machine has nothing left to do after its lies.
func (s *signer) givenUp() bool { return s.vector != nil && s.echoed }

// alter returns the payload with the lowest bit of the first share changed: wrong
// by one, still in range, and not what a signature in it is on. In a wrong session
// nothing but the signatures is wrong.
func (s *signer) alter(m mpc.Message) []byte {
	payload := slices.Clone(m.Payload)
	if s.kind == WrongSession {
		return payload
	}
	at := 0
	if s.offline != nil && m.Round == roundVector {
		at = ed25519.SignatureSize
	}
	if at < len(payload) {
		payload[at] ^= 1
	}
	return payload
}

// forge is alter with a signature on what was changed.
func (s *signer) forge(m mpc.Message) []byte {
	switch {
	case s.offline != nil:
		return s.forgeOffline(m)
	case s.opening != nil:
		return s.forgeOpening(m)
	}
	return s.alter(m)
}

func (s *signer) forgeOpening(m mpc.Message) []byte {
	layout := s.opening.Layout()
	if int(m.Round) < len(layout.Runs) {
		payload := s.alter(m)
		s.runs = append(s.runs, payload)
		return payload
	}
	if len(m.Payload) == 0 || int(m.Payload[0]) != s.identity.Self() {
		return m.Payload // it tells what another party signed
	}
	root := merkle.Root(leavesOf(layout, slices.Concat(s.runs...)))
	out := append([]byte{m.Payload[0]}, root[:]...)
	return append(out, s.sign(transcript.PhaseOpenings, layout.Digest(), root)...)
}

func (s *signer) forgeOffline(m mpc.Message) []byte {
	switch m.Round {
	case roundVector:
		return s.forgeVector(m)
	case roundEcho:
		s.echoed = true
		return s.forgeEcho(m.Payload)
	case roundFetched:
		if self := s.identity.Self(); len(m.Payload) > 0 && int(m.Payload[0]) == self {
			return append([]byte{byte(self)}, s.vector...)
		}
	}
	return m.Payload
}

func (s *signer) forgeVector(m mpc.Message) []byte {
	vector := s.alter(m)[ed25519.SignatureSize:]
	layout := s.offline.Layout()
	s.root = merkle.Root(leavesOf(layout, vector))
	s.vector = append(s.sign(transcript.PhaseVector, layout.Digest(), s.root), vector...)
	return slices.Clone(s.vector)
}

func leavesOf(layout transcript.Layout, packed []byte) [][]byte {
	var leaves [][]byte
	for i := range layout.Runs {
		size := layout.Bytes(i)
		leaves = layout.AppendLeaves(leaves, i, packed[:size:size])
		packed = packed[size:]
	}
	return leaves
}

func (s *signer) sign(phase transcript.Phase, layout, root mpc.Digest) []byte {
	return s.identity.Sign(transcript.Statement{
		Session: s.session, Phase: phase, Layout: layout, Party: s.identity.Self(), Root: root,
	}.Digest())
}

// forgeEcho puts the forged root into an ECHO.
func (s *signer) forgeEcho(payload []byte) []byte {
	const entry = mpc.DigestSize + ed25519.SignatureSize
	out := slices.Clone(payload[:len(payload)-ed25519.SignatureSize])
	roots := make([]mpc.Digest, sharing.MaxParties+1)
	for a, i := range s.members.List() {
		at := out[a*entry:][:entry]
		if i == s.identity.Self() {
			copy(at, s.root[:])
			copy(at[mpc.DigestSize:], s.vector)
		}
		roots[i] = mpc.Digest(at)
	}
	return append(out, s.sign(transcript.PhaseEcho, mpc.Digest{}, agree.EchoDigest(s.session, 0, s.members, roots))...)
}
