package preproc

import (
	"bytes"
	"crypto/ed25519"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/agree"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// SignVector signs a vector for a party as the machine of another one would its
// own.
func SignVector(m *Machine, id *mpc.Identity, vector []byte) []byte {
	return id.Sign(transcript.Statement{
		Session: m.Session, Batch: m.Batch, Phase: transcript.PhaseVector, Layout: m.layoutDigest,
		Party: id.Self(), Root: merkle.Root(m.leaves(vector)),
	}.Digest())
}

// EchoOf returns the ECHO of id's party that shows the same signed roots as
// another party's ECHO.
func EchoOf(m *Machine, id *mpc.Identity, other []byte) []byte {
	roots, shown := make([]mpc.Digest, m.code.N()+1), bytes.Clone(other[:len(other)-ed25519.SignatureSize])
	for rest, members := shown, m.From.List(); len(rest) > 0; rest, members = rest[mpc.DigestSize+ed25519.SignatureSize:], members[1:] {
		roots[members[0]] = mpc.Digest(rest)
	}
	echo := agree.EchoDigest(m.Session, m.Batch, m.From, roots)
	return append(shown, id.Sign(transcript.Statement{
		Session: m.Session, Batch: m.Batch, Phase: transcript.PhaseEcho, Party: id.Self(), Root: echo,
	}.Digest())...)
}

// Rounds that are seen only if something is wrong.
const (
	RoundFetched = agree.RoundFetched
	RoundClaim   = roundClaim
)

// Alter makes a machine that was just started a liar: it signs and sends another
// vector, and goes on with that.
func Alter(m *Machine, started []mpc.Message, alter func(vector []byte)) []mpc.Message {
	payload := bytes.Clone(started[0].Payload)
	alter(payload[ed25519.SignatureSize:])
	c := m.agreement.Config
	c.Root = func(vector []byte) (mpc.Digest, bool) { return merkle.Root(m.leaves(vector)), true } // malformed or not
	m.agreement = agree.New(c)
	out, err := m.agreement.Start(payload)
	if err != nil {
		panic(err)
	}
	return append(out, started[1:]...)
}

// RunBytes returns where a run of the machine's vectors begins and ends.
func RunBytes(m *Machine, run int) (lo, hi int) {
	for i := range run {
		lo += m.layout.Bytes(i)
	}
	return lo, lo + m.layout.Bytes(run)
}

// Runs returns the number of runs.
func Runs(m *Machine) int { return len(m.layout.Runs) }

// Claims returns the claims that a machine which blames would send, with each
// set's words altered and signed.
func Claims(m *Machine, alter func(words []byte)) []byte {
	payload := bytes.Clone(m.claims[m.self])
	sets, _ := prss.SharingSets(m.code, m.self)
	size := len(payload) / len(sets)
	for q, set := range sets {
		part := payload[q*size : (q+1)*size]
		words := part[:size-ed25519.SignatureSize]
		alter(words)
		copy(part[len(words):], m.Identity.Sign(m.claim().digest(m.self, set, words)))
	}
	return payload
}

// SignClaim signs a claim of evidence for any party and set.
func SignClaim(e *WrongVector, id *mpc.Identity, session mpc.Digest, set sharing.Parties, words []byte) Signer {
	said := claim{session, e.Echo, e.Batch, e.Run, e.Element, e.recipe}
	return Signer{id.Self(), [ed25519.SignatureSize]byte(id.Sign(said.digest(id.Self(), set, words)))}
}

// Erased reports whether nothing is left of what a machine has drawn.
func Erased(m *Machine) bool {
	for _, material := range m.material {
		for _, v := range slices.Concat([][]uint64{material.Bits, material.X, material.Noise, material.drawn}, material.Y, material.Z, material.Tables) {
			if slices.ContainsFunc(v, func(x uint64) bool { return x != 0 }) {
				return false
			}
		}
		if slices.ContainsFunc(slices.Concat(material.wideDrawn, material.WideBits), func(x wide.Word) bool { return x != wide.Word{} }) {
			return false
		}
	}
	return true
}

// ShareOf returns the signed share of an element that a party sent.
func ShareOf(m *Machine, party, run, element int) (transcript.Share, error) {
	return transcript.NewShare(m.layout, m.leaves(m.agreement.Vector(party)), party, m.agreement.Signature(party), run, element)
}

// CPUTime is cpuTime.
var CPUTime = cpuTime
