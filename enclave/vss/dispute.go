package vss

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Answers are sealed as those to complaints about a set-up of package prss are, with HPKE
// (RFC 9180) in base mode.
var (
	answerKEM  = hpke.DHKEM(ecdh.X25519())
	answerKDF  = hpke.HKDFSHA256()
	answerAEAD = hpke.AES128GCM()
)

const keySize = prss.ComplaintKeySize

// sealedExtra is what a sealed share is longer by: the encapsulated key and a tag.
const sealedExtra = keySize + 16

// pair is a dispute: who complains about which dealer.
type pair struct{ complainer, dealer int }

// complaint says that its sender lacks the share of a dealer: the two parties' indices (1
// each), the one-time key that the answer is to be sealed to, and a signature.
type complaint struct {
	pair
	key       []byte
	signature []byte
}

const complaintBytes = 2 + keySize + ed25519.SignatureSize

func (c complaint) digest(session mpc.Digest) mpc.Digest {
	return mpc.Hash("tkms/v1/vss/complaint", session[:], []byte{byte(c.complainer), byte(c.dealer)}, c.key)
}

func (c complaint) encode() []byte {
	return append(append([]byte{byte(c.complainer), byte(c.dealer)}, c.key...), c.signature...)
}

// readComplaint reads what encode wrote of a member of E about another one, and signed;
// false else.
func (m *Dealing) readComplaint(raw []byte) (complaint, bool) {
	if len(raw) != complaintBytes {
		return complaint{}, false
	}
	c := complaint{pair{int(raw[0]), int(raw[1])}, raw[2 : 2+keySize], raw[2+keySize:]}
	ok := c.complainer != c.dealer && m.From.Has(c.complainer) && m.From.Has(c.dealer) && prss.CheckComplaintKey(c.key) == nil &&
		m.Identity.Verify(c.complainer, c.digest(m.Session), c.signature)
	return c, ok
}

// disputes are what was said about shares that did not come. Of each pair the first
// complaint counts.
type disputes struct {
	own      map[int][]byte // by dealer: the private key of the own complaint
	made     map[pair]complaint
	answered map[pair]bool
	exposed  map[int][]byte // by party: the first exposure that it sent
}

func (d *disputes) init() {
	d.own, d.made, d.answered, d.exposed = map[int][]byte{}, map[pair]complaint{}, map[pair]bool{}, map[int][]byte{}
}

// unanswered returns the dealers that a party complained about and that did not answer.
func (d *disputes) unanswered(complainer int) sharing.Parties {
	var out sharing.Parties
	for p := range d.made {
		if p.complainer == complainer && !d.answered[p] {
			out = out.With(p.dealer)
		}
	}
	return out
}

func (d *disputes) keepExposure(from int, payload []byte) {
	if d.exposed[from] == nil {
		d.exposed[from] = payload
	}
}

// dispute is called once the lists are agreed on. It complains about dealers whose shares
// are not there although some party has all of its own, since it has sent its sums: that
// is no matter of patience only, or costs an answer if it is. Then it judges exposures.
func (m *Dealing) dispute() ([]mpc.Message, error) {
	var out []mpc.Message
	if lacking := m.lacking(); lacking != 0 && m.checks.Lacking() != m.From {
		for _, dealer := range lacking.List() {
			if m.disputes.own[dealer] != nil {
				continue
			}
			private, public, err := prss.NewComplaintKey(bytes.NewReader(m.complaintSeed(dealer)))
			if err != nil {
				return nil, err
			}
			c := complaint{pair: pair{m.self, dealer}, key: public}
			c.signature = m.Identity.Sign(c.digest(m.Session))
			m.disputes.own[dealer], m.disputes.made[c.pair] = private, c
			out = append(out, mpc.Message{Round: roundComplaint, Payload: c.encode()})
		}
	}
	for _, i := range m.From.List() {
		if c, made := m.disputes.made[pair{i, m.self}]; made && !m.disputes.answered[c.pair] {
			answer, err := m.answer(c)
			if err != nil {
				return out, err
			}
			out = append(out, answer)
		}
	}
	for _, from := range m.From.List() {
		if err := m.judge(from); err != nil {
			return out, err
		}
	}
	return out, nil
}

// complaintSeed is what the one-time key of a complaint comes from: the same after a restart.
func (m *Dealing) complaintSeed(dealer int) []byte {
	seed := mpc.Hash("tkms/v1/vss/complaint key", m.origin.seed[:], mpc.Uint64(uint64(dealer))) // #nosec G115 -- an index
	return seed[:]
}

// takeComplaint takes notice of a complaint, and tells the dealer in case that the
// complainer did not.
func (m *Dealing) takeComplaint(from int, payload []byte) []mpc.Message {
	c, ok := m.readComplaint(payload)
	if !ok {
		m.wrong = m.wrong.With(from)
		return nil
	}
	if _, known := m.disputes.made[c.pair]; known || c.complainer == m.self {
		return nil
	}
	m.disputes.made[c.pair] = c
	if c.dealer == m.self {
		return nil
	}
	return []mpc.Message{{To: c.dealer, Round: roundComplaint, Payload: payload}}
}

// answerDigest is what a dealer signs about an answer.
func answerDigest(session mpc.Digest, c complaint, sealed []byte) mpc.Digest {
	return mpc.Hash("tkms/v1/vss/answer", session[:], c.encode(), sealed)
}

// answerInfo is what the sealing of an answer is bound to.
func answerInfo(session mpc.Digest, p pair) []byte {
	h := mpc.Hash("tkms/v1/vss/answer to", session[:], []byte{byte(p.complainer), byte(p.dealer)})
	return h[:]
}

// answerBytes is the length of an answer: the complaint, the sealed share behind its
// blind, and the dealer's signature.
func (m *Dealing) answerBytes() int {
	return complaintBytes + mpc.DigestSize + m.plan.shareBytes() + sealedExtra + ed25519.SignatureSize
}

// answer returns the own share for a complainer, sealed. Who complains gets nothing that
// it is not to have anyway.
func (m *Dealing) answer(c complaint) (mpc.Message, error) {
	m.disputes.answered[c.pair] = true
	dealt := m.plan.deal(m.origin.seed)
	defer clearAll(dealt)
	key, err := answerKEM.NewPublicKey(c.key)
	if err != nil {
		return mpc.Message{}, fmt.Errorf("vss: seal an answer: %w", err)
	}
	blind := m.origin.blind(c.complainer)
	share := append(blind[:], dealt[c.complainer]...)
	defer clear(share)
	sealed, err := hpke.Seal(key, answerKDF, answerAEAD, answerInfo(m.Session, c.pair), share)
	if err != nil {
		return mpc.Message{}, fmt.Errorf("vss: seal an answer: %w", err)
	}
	payload := append(c.encode(), sealed...)
	return mpc.Message{Round: roundAnswer, Payload: append(payload, m.Identity.Sign(answerDigest(m.Session, c, sealed))...)}, nil
}

// readAnswer reads a signed answer, false if it is none.
func (m *Dealing) readAnswer(raw []byte) (c complaint, sealed []byte, ok bool) {
	if len(raw) != m.answerBytes() {
		return complaint{}, nil, false
	}
	if c, ok = m.readComplaint(raw[:complaintBytes]); !ok {
		return complaint{}, nil, false
	}
	sealed = raw[complaintBytes : len(raw)-ed25519.SignatureSize]
	return c, sealed, m.Identity.Verify(c.dealer, answerDigest(m.Session, c, sealed), raw[len(raw)-ed25519.SignatureSize:])
}

// takeAnswer passes an answer on to the complainer, or opens it: if it is wrong it shows
// the one-time key.
func (m *Dealing) takeAnswer(from int, payload []byte) ([]mpc.Message, error) {
	c, sealed, ok := m.readAnswer(payload)
	if !ok {
		m.wrong = m.wrong.With(from)
		return nil, nil
	}
	if c.complainer != m.self {
		if m.disputes.answered[c.pair] || c.dealer == m.self {
			return nil, nil
		}
		m.disputes.made[c.pair], m.disputes.answered[c.pair] = c, true
		return []mpc.Message{{To: c.complainer, Round: roundAnswer, Payload: payload}}, nil
	}
	private := m.disputes.own[c.dealer]
	if private == nil || m.shares[c.dealer] != nil || !bytes.Equal(c.key, m.disputes.made[c.pair].key) {
		return nil, nil
	}
	if share, ok := m.openAnswer(private, c, sealed); ok && m.accept(c.dealer, share) {
		return nil, nil
	}
	out := []mpc.Message{{Round: roundExposure, Payload: append(bytes.Clone(private), payload...)}}
	return out, &mpc.CulpritError{Culprits: sharing.PartiesOf(c.dealer), Err: ErrDispute}
}

// openAnswer opens a sealed share, false if it is none.
func (m *Dealing) openAnswer(private []byte, c complaint, sealed []byte) ([]byte, bool) {
	key, err := answerKEM.NewPrivateKey(private)
	if err != nil {
		return nil, false
	}
	share, err := hpke.Open(key, answerKDF, answerAEAD, answerInfo(m.Session, c.pair), sealed)
	return share, err == nil && m.plan.canonical(share[mpc.DigestSize:])
}

// judge looks at what a party exposed: a dealer's answer to its complaint, and the one-time
// key. Of the two one is a culprit. Who has sent its sums has its shares.
func (m *Dealing) judge(from int) error {
	payload := m.disputes.exposed[from]
	delete(m.disputes.exposed, from)
	if payload == nil || m.checks.Vector(from) != nil {
		return nil
	}
	if len(payload) != keySize+m.answerBytes() {
		m.wrong = m.wrong.With(from)
		return nil
	}
	c, sealed, ok := m.readAnswer(payload[keySize:])
	public, err := prss.ComplaintPublicKey(payload[:keySize])
	if !ok || c.complainer != from || err != nil || !bytes.Equal(public, c.key) {
		m.wrong = m.wrong.With(from)
		return nil
	}
	culprit := c.dealer
	if share, ok := m.openAnswer(payload[:keySize], c, sealed); ok && m.plan.opens(m.lists.Vector(c.dealer), m.Session, c.dealer, from, share) {
		culprit = from
	}
	return &mpc.CulpritError{Culprits: sharing.PartiesOf(culprit), Err: ErrDispute}
}
