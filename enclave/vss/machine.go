package vss

import (
	"bytes"
	"crypto/ed25519"
	"crypto/subtle"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/agree"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Rounds. Those from roundComplaint on are only seen if something is wrong, or slow.
const (
	roundShare     = 0
	roundLists     = 1 // and the three after it
	roundCoins     = roundLists + agree.Rounds
	roundChecks    = roundCoins + 1 // and the three after it
	roundComplaint = roundChecks + agree.Rounds
	roundAnswer    = roundComplaint + 1
	roundExposure  = roundAnswer + 1
	roundSeeds     = roundExposure + 1
)

// Batches of the session that are agreed on.
const (
	batchLists  = 0
	batchChecks = 1
)

// Config is what a Dealing needs.
type Config struct {
	// Code is that of the parties.
	Code *sharing.Code
	// Session is the id of the dealing's session. Context is that of the session, or the
	// sessions that are burnt together, that draw from it.
	Session, Context mpc.Digest
	// From is E: the parties not excluded on the chain, this one among them. All of them
	// deal and are waited for, nobody else is heard.
	From sharing.Parties
	// Identity signs what is sent.
	Identity *mpc.Identity
	// Secret is the party's own for the epoch, uniform and told nobody. What it deals is a
	// function of it and the session, so that a restart deals the same.
	Secret [SeedSize]byte
	// Demand is what to deal, the same at all parties.
	Demand []prss.Demand
	// Journal keeps the ECHOs over a restart. Without one a party that restarts must
	// stay out of its sessions.
	Journal agree.Journal
}

// Dealing is one party's side. It is a mpc.Machine.
type Dealing struct {
	Config
	plan   *plan
	self   int
	origin *origin

	lists  *agree.Agreement
	checks *agree.Agreement

	shares   [][]byte // by dealer: what it dealt this party, as its list says
	received [][]byte // by dealer: what came before its list
	wrong    sharing.Parties

	coins     secrets
	told      bool // the own coin
	checking  bool
	disputes  disputes
	revealing bool

	source  *Source
	failure error
}

// New returns a machine, ErrConfig or ErrDemand.
func New(c Config) (*Dealing, error) {
	n, self := c.Code.N(), c.Identity.Self()
	if err := mpc.CheckParties(n, c.Code.T(), self); err != nil {
		return nil, err
	}
	if !c.From.Within(n) || !c.From.Has(self) || c.From.Count() < c.Code.Quorum() || c.Identity.N() != n {
		return nil, fmt.Errorf("%w: %v of %d parties", ErrConfig, c.From, n)
	}
	p, err := newPlan(c.Code, c.From, c.Demand)
	if err != nil {
		return nil, err
	}
	m := &Dealing{
		Config: c, plan: p, self: self, origin: newOrigin(p, c.Session, c.Secret),
		shares: make([][]byte, n+1), received: make([][]byte, n+1), coins: newSecrets(p),
	}
	m.disputes.init()
	layout := p.digest()
	m.lists = agree.New(agree.Config{
		Code: c.Code, Session: c.Session, Batch: batchLists, Round: roundLists, From: c.From, Identity: c.Identity,
		Layout: mpc.Hash("tkms/v1/vss/lists", layout[:]), Length: p.listBytes(), Root: digestOf, Journal: c.Journal,
	})
	m.checks = agree.New(agree.Config{
		Code: c.Code, Session: c.Session, Batch: batchChecks, Round: roundChecks, From: c.From, Identity: c.Identity,
		Layout: mpc.Hash("tkms/v1/vss/checks", layout[:]), Length: p.checkBytes(), Root: digestOf, Journal: c.Journal,
	})
	return m, nil
}

// digestOf is the root of vectors that are only ever shown as a whole.
func digestOf(vector []byte) (mpc.Digest, bool) { return mpc.Hash("tkms/v1/vss/vector", vector), true }

// Start deals.
func (m *Dealing) Start() ([]mpc.Message, error) {
	return m.send(m.plan.deal(m.origin.seed))
}

// send sends what was dealt, by party, and the list.
func (m *Dealing) send(dealt [][]byte) ([]mpc.Message, error) {
	defer clearAll(dealt)
	m.shares[m.self] = bytes.Clone(dealt[m.self])
	var out []mpc.Message
	for _, i := range m.From.Without(sharing.PartiesOf(m.self)).List() {
		blind := m.origin.blind(i)
		out = append(out, mpc.Message{To: i, Round: roundShare, Payload: append(blind[:], dealt[i]...)})
	}
	payload := make([]byte, ed25519.SignatureSize, ed25519.SignatureSize+m.plan.listBytes())
	own, err := m.lists.Start(append(payload, m.origin.list(m.origin.seed, m.self, dealt)...))
	if err != nil {
		return nil, err
	}
	m.coins.have[m.self] = coinOf(m.origin.seed)
	return m.advance(append(out, own...))
}

// Receive takes a message of another party of E.
func (m *Dealing) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from == m.self || !m.From.Has(from) {
		return nil, nil
	}
	var out []mpc.Message
	var err error
	switch {
	case round == roundShare:
		m.takeShare(from, payload)
	case round < roundCoins:
		out, err = m.lists.Receive(from, round, payload)
	case round == roundCoins:
		m.hear(&m.coins, from, payload)
	case round < roundComplaint:
		out, err = m.checks.Receive(from, round, payload)
	case m.source != nil || m.failure != nil:
	case round == roundComplaint:
		out = m.takeComplaint(from, payload)
	case round == roundAnswer:
		out, err = m.takeAnswer(from, payload)
	case round == roundExposure:
		m.disputes.keepExposure(from, payload)
	case round == roundSeeds:
		m.hear(&m.origin.seeds, from, payload)
	}
	if err != nil {
		return out, m.fail(err)
	}
	if m.source != nil || m.failure != nil {
		return out, nil
	}
	return m.advance(out)
}

// takeShare keeps what a dealer sent until its list says whether it is right.
func (m *Dealing) takeShare(from int, payload []byte) {
	if m.shares[from] != nil || m.received[from] != nil {
		return
	}
	if len(payload) != mpc.DigestSize+m.plan.shareBytes() || !m.plan.canonical(payload[mpc.DigestSize:]) {
		m.wrong = m.wrong.With(from)
		return
	}
	m.received[from] = payload
}

// accept takes over a share, behind its blind, if it is what the dealer's list says.
func (m *Dealing) accept(dealer int, payload []byte) bool {
	if !m.plan.opens(m.lists.Vector(dealer), m.Session, dealer, m.self, payload) {
		return false
	}
	m.shares[dealer] = payload[mpc.DigestSize:]
	return true
}

// lacking returns the dealers whose shares are not there.
func (m *Dealing) lacking() sharing.Parties {
	var out sharing.Parties
	for _, i := range m.From.List() {
		if m.shares[i] == nil {
			out = out.With(i)
		}
	}
	return out
}

// advance does what can be done.
func (m *Dealing) advance(out []mpc.Message) ([]mpc.Message, error) {
	more, err := m.lists.Advance()
	out = append(out, more...)
	if err != nil || !m.lists.Complete() {
		return out, err
	}
	if !m.told {
		m.told = true
		m.origin.lists = m.listVectors()
		out = append(out, m.tellCoins())
	}
	m.openShares()
	if more, err = m.dispute(); err != nil {
		return append(out, more...), m.fail(err)
	}
	out = append(out, more...)
	m.coins.take(func(i int, coin []byte) bool { return m.plan.commitsCoin(m.lists.Vector(i), m.Session, i, coin) })
	if !m.checking && m.coins.lacking() == 0 && m.lacking() == 0 {
		if more, err = m.startChecks(); err != nil {
			return out, err
		}
		out = append(out, more...)
	}
	if !m.checking {
		return out, nil
	}
	if more, err = m.checks.Advance(); err != nil {
		return out, err
	}
	out = append(out, more...)
	if !m.checks.Complete() {
		return out, nil
	}
	return m.conclude(out)
}

// listVectors returns the lists that were agreed on, by party.
func (m *Dealing) listVectors() [][]byte {
	out := make([][]byte, m.Code.N()+1)
	for _, i := range m.From.List() {
		out[i] = m.lists.Vector(i)
	}
	return out
}

// openShares looks at shares that came before their lists were agreed on.
func (m *Dealing) openShares() {
	for _, i := range m.lacking().List() {
		if m.received[i] != nil && !m.accept(i, m.received[i]) {
			m.wrong = m.wrong.With(i)
		}
		m.received[i] = nil
	}
}

// tellCoins sends the coins that are known: at first the own, then those of all, so that
// who shows its coin to one party shows it to all.
func (m *Dealing) tellCoins() mpc.Message {
	return mpc.Message{Round: roundCoins, Payload: m.coins.join()}
}

// hear keeps what a party says about coins or seeds.
func (m *Dealing) hear(s *secrets, from int, payload []byte) {
	if !s.hear(from, payload) {
		m.wrong = m.wrong.With(from)
	}
}

// challenge is what chooses the sums: a hash of all coins.
func (m *Dealing) challenge() mpc.Digest {
	return mpc.Hash("tkms/v1/vss/challenge", m.Session[:], m.coins.join())
}

// startChecks signs and sends the own shares of the sums.
func (m *Dealing) startChecks() ([]mpc.Message, error) {
	m.checking = true
	s, challenge := m.plan.newSums(), m.challenge()
	for _, i := range m.From.List() {
		if err := s.add(challenge, i, m.shares[i]); err != nil {
			return nil, fmt.Errorf("vss: read a share: %w", err)
		}
	}
	payload := make([]byte, ed25519.SignatureSize, ed25519.SignatureSize+m.plan.checkBytes())
	out, err := m.checks.Start(s.encode(payload))
	return append(out, m.tellCoins()), err
}

// conclude takes the result or, if the sums are not right, looks for who made them so.
func (m *Dealing) conclude(out []mpc.Message) ([]mpc.Message, error) {
	agreed := make([][]byte, m.Code.N()+1)
	for _, i := range m.From.List() {
		agreed[i] = m.checks.Vector(i)
	}
	if !m.revealing {
		ok, err := m.plan.verdict(agreed)
		if err != nil {
			return out, fmt.Errorf("vss: read the sums: %w", err)
		}
		if ok {
			m.source, err = m.extract()
			return out, err
		}
		m.revealing = true
		m.origin.seeds.have[m.self] = m.origin.seed[:]
		out = append(out, mpc.Message{Round: roundSeeds, Payload: m.origin.seeds.join()})
	}
	m.origin.seeds.take(m.origin.isSeed)
	if m.origin.seeds.lacking() != 0 {
		return out, nil
	}
	// What convinced this party shall convince all others, whoever showed its seed to it only.
	out = append(out, mpc.Message{Round: roundSeeds, Payload: m.origin.seeds.join()})
	culprits, err := m.origin.blame(m.challenge(), agreed)
	if err != nil {
		return out, err
	}
	return out, m.fail(&mpc.CulpritError{Culprits: culprits, Err: ErrBad})
}

// fail ends the session without a source and erases what would have been one.
func (m *Dealing) fail(err error) error {
	m.failure = err
	clearAll(m.shares)
	clearAll(m.received)
	return err
}

func clearAll(vectors [][]byte) {
	for _, v := range vectors {
		clear(v)
	}
}

// Done reports whether the source is ready.
func (m *Dealing) Done() bool { return m.source != nil }

// Source returns what the party draws from, nil before Done.
func (m *Dealing) Source() *Source { return m.source }

// Missing returns the parties of E that are waited for. Who complained that it lacks
// dealers' shares is not, these are, until they have answered.
func (m *Dealing) Missing() sharing.Parties {
	self := sharing.PartiesOf(m.self)
	switch {
	case m.source != nil || m.failure != nil:
		return 0
	case !m.lists.Complete():
		return m.lists.Missing().Without(self)
	case m.coins.lacking()|m.lacking() != 0:
		return m.coins.lacking() | m.lacking()
	case m.revealing:
		return m.origin.seeds.lacking()
	}
	missing := m.checks.Missing().Without(self)
	var out sharing.Parties
	for _, i := range missing.List() {
		if unanswered := m.disputes.unanswered(i); unanswered != 0 && m.checks.Vector(i) == nil {
			out |= unanswered
		} else {
			out = out.With(i)
		}
	}
	return out
}

// Wrong returns the parties that sent malformed or unsigned messages, or shares that are
// not those of their lists. It is no evidence: nobody else can check it.
func (m *Dealing) Wrong() sharing.Parties {
	return m.wrong | m.lists.Wrong() | m.checks.Wrong()
}

// String hides the shares.
func (m *Dealing) String() string {
	return fmt.Sprintf("vss.Dealing(party %d, redacted)", m.self)
}

// GoString hides the shares.
func (m *Dealing) GoString() string { return m.String() }

// same compares secrets with what they have to be.
func same(a, b mpc.Digest) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
