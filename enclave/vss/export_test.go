package vss

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"math/bits"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/agree"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Rounds and kinds.
const (
	RoundShare     = roundShare
	RoundLists     = roundLists
	RoundCoins     = roundCoins
	RoundChecks    = roundChecks
	RoundEchoes    = roundChecks + agree.RoundEcho
	RoundComplaint = roundComplaint
	RoundAnswer    = roundAnswer
	RoundExposure  = roundExposure
	RoundSeeds     = roundSeeds
	Integers       = int(integers)
	Elements       = int(elements)
	Zeros          = int(zeros)
)

// StartWith is Start of a dealer that adds to the first sharing of each pool of a kind,
// for each member, an error.
func StartWith(m *Dealing, of int, err func(member int) wide.Elem) ([]mpc.Message, error) {
	dealt := m.plan.deal(m.origin.seed)
	for _, i := range m.From.List() {
		m.plan.spoil(dealt[i], kind(of), err(i))
	}
	return m.send(dealt)
}

// spoil adds an error to the first sharing of each pool of a kind of a share.
func (p *plan) spoil(share []byte, of kind, err wide.Elem) {
	d := p.code.Degree()
	for at, q := range p.pools {
		if q.kind == of && q.extracted {
			count := min(8, q.block)
			size := count * d
			words := make([]wide.Word, size)
			begin := 0
			for _, before := range p.pools[:at] {
				begin += before.bytes(d)
			}
			part := share[begin:][:(size*int(q.k)+7)/8]
			if wide.Unpack(words, part, q.k) != nil {
				panic("malformed share")
			}
			for c := range d {
				words[c] = words[c].Add(err[c])
			}
			copy(part, wide.AppendPacked(nil, words, q.k))
		}
	}
}

// Cover lets a member of a dealer's clique answer the check as if the dealer had not added
// an error to its share. Call it when the member has its shares.
func Cover(m *Dealing, dealer, of int, err wide.Elem) bool {
	if m.shares[dealer] == nil || m.checking {
		return false
	}
	m.plan.spoil(m.shares[dealer], kind(of), err)
	return true
}

// SignVector signs a list, or else a check, as a party, and returns it behind the signature.
func SignVector(m *Dealing, id *mpc.Identity, vector []byte, check bool) []byte {
	layout := m.plan.digest()
	st := transcript.Statement{Session: m.Session, Batch: batchLists, Phase: transcript.PhaseVector, Layout: mpc.Hash("tkms/v1/vss/lists", layout[:]), Party: id.Self()}
	if check {
		st.Batch, st.Layout = batchChecks, mpc.Hash("tkms/v1/vss/checks", layout[:])
	}
	st.Root, _ = digestOf(vector)
	return append(id.Sign(st.Digest()), vector...)
}

// WrongAnswer is a dealer's answer with another share, sealed and signed.
func WrongAnswer(m *Dealing, payload []byte) []byte {
	c, _ := m.readComplaint(payload[:complaintBytes])
	key, err := answerKEM.NewPublicKey(c.key)
	if err != nil {
		panic(err)
	}
	sealed, err := hpke.Seal(key, answerKDF, answerAEAD, answerInfo(m.Session, c.pair), make([]byte, mpc.DigestSize+m.plan.shareBytes()))
	if err != nil {
		panic(err)
	}
	return append(append(c.encode(), sealed...), m.Identity.Sign(answerDigest(m.Session, c, sealed))...)
}

// Complaint is one of a party about a dealer.
func Complaint(m *Dealing, dealer int) []byte {
	key, err := answerKEM.DeriveKeyPair(bytes.Repeat([]byte{1}, keySize))
	if err != nil {
		panic(err)
	}
	c := complaint{pair: pair{m.self, dealer}, key: key.PublicKey().Bytes()}
	c.signature = m.Identity.Sign(c.digest(m.Session))
	return c.encode()
}

// Expose is the exposure of an answer to what Complaint returned.
func Expose(answer []byte) []byte {
	key, err := answerKEM.DeriveKeyPair(bytes.Repeat([]byte{1}, keySize))
	if err != nil {
		panic(err)
	}
	private, err := key.Bytes()
	if err != nil {
		panic(err)
	}
	return append(private, answer...)
}

// SignatureSize is where the vector of an agreement's message begins.
const SignatureSize = ed25519.SignatureSize

// Extraction returns the number of outputs of dealers of which t are corrupt, and the
// least number of dealers in a sum of outputs.
func Extraction(dealers, t int) (outputs, distance int) {
	rows := extractorFor(dealers, t).rows
	distance = dealers
	for set := 1; set < 1<<len(rows); set++ {
		var sum uint32
		for j, row := range rows {
			if set>>j&1 == 1 {
				sum ^= row
			}
		}
		distance = min(distance, bits.OnesCount32(sum))
	}
	return len(rows), distance
}
