package decrypt

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// floodKind names the streams of what floods phases; each set draws twice.
const (
	floodKind  = "decrypt/flood"
	floodDraws = 2
)

// FloodConfig is what a Flooding needs.
type FloodConfig struct {
	// Code, Self, Session and Identity are those of Config.
	Code     *sharing.Code
	Self     int
	Session  mpc.Digest
	Identity *mpc.Identity
	// Phases are those of the blocks, in the order that the session id fixes.
	Phases []*FloodPhases
	// Source draws what floods the phases. Its context must cover all blocks, in their
	// order, so that no two inputs are ever flooded with the same. It is not needed if
	// n = 1.
	Source *prss.Source
}

// Flooding decrypts blocks mod 2^128 in one round, without offline material: it opens
// their phases, to which every set of n−t parties has added noise that hides that of
// the blocks statistically, and the values are rounded in the clear. After Done it goes
// on checking the shares that come late. It is a mpc.Machine.
type Flooding struct {
	code   *sharing.Code
	self   int
	w      uint
	phases []*FloodPhases

	shares []wide.Word // the own, until they are sent
	opener *sharing.WideOpener
	record *transcript.Record
	wrong  sharing.Parties
	done   bool
	values []uint64
}

// NewFlooding returns a machine, or ErrConfig.
func NewFlooding(c FloodConfig) (*Flooding, error) {
	code := c.Code
	if err := mpc.CheckParties(code.N(), code.T(), c.Self); err != nil {
		return nil, err
	}
	m := &Flooding{code: code, self: c.Self, phases: c.Phases}
	total := 0
	for i, p := range c.Phases {
		if other := p.key.code; other.N() != code.N() || other.T() != code.T() || other.Degree() != code.Degree() || i > 0 && p.key.w != m.w {
			return nil, fmt.Errorf("%w: phases of other parties or values", ErrConfig)
		}
		m.w = p.key.w
		total += p.count
	}
	if total < 1 || total > MaxBlocks {
		return nil, fmt.Errorf("%w: %d blocks", ErrConfig, total)
	}
	if code.N() == 1 {
		return m, nil
	}
	if c.Identity == nil || c.Identity.N() != code.N() || c.Identity.Self() != c.Self {
		return nil, fmt.Errorf("%w: signing keys", ErrConfig)
	}
	if err := checkSource(c.Source, code, c.Self); err != nil {
		return nil, err
	}
	if err := m.flood(c.Source); err != nil {
		return nil, err
	}
	count := len(m.shares) / code.Degree()
	m.opener = code.NewWideOpener(128, count)
	m.record = transcript.NewRecord(c.Session, 0, transcript.Layout{Degree: code.Degree(), Runs: []transcript.Run{{K: 128, Count: count}}}, c.Identity)
	return m, nil
}

// flood makes what the party sends: the phases and what all its sets draw for them.
func (m *Flooding) flood(source *prss.Source) error {
	for _, p := range m.phases {
		m.shares = append(m.shares, p.shares...)
	}
	noise := make([]wide.Word, len(m.shares))
	defer clear(noise)
	for draw := range uint16(floodDraws) {
		if err := source.DrawWideNoise(prss.Address{Kind: floodKind, K: 128, Sub: draw}, floodBits, noise); err != nil {
			return err
		}
		for i, e := range noise {
			m.shares[i] = m.shares[i].Add(e)
		}
	}
	return nil
}

// Rounds returns the number of rounds: 1, or 0 if n = 1. One more message has the signed
// root of what the party sent.
func (m *Flooding) Rounds() int {
	if m.record == nil {
		return 0
	}
	return 1
}

// Start sends the flooded phases.
func (m *Flooding) Start() ([]mpc.Message, error) {
	if m.record == nil {
		return nil, m.finish(nil)
	}
	payload := wide.AppendPacked(nil, m.shares, 128)
	m.record.Add(m.self, 0, payload)
	out := []mpc.Message{{Payload: payload}}
	return m.add(out, m.self, m.shares)
}

// Receive takes another party's shares, early or late, and its signed root.
func (m *Flooding) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if m.record == nil || m.opener == nil || from < 1 || from > m.code.N() || from == m.self || round > 1 {
		return nil, nil
	}
	if (m.wrong | m.record.Wrong()).Has(from) { // a bound on the work that a liar makes
		return nil, nil
	}
	if round == 1 {
		m.record.Receive(from, payload)
		return m.tell(nil), nil
	}
	if m.opener.Have().Has(from) {
		return nil, nil
	}
	shares := make([]wide.Word, len(m.shares))
	if err := wide.Unpack(shares, payload, 128); err != nil {
		m.wrong = m.wrong.With(from)
		return nil, nil
	}
	m.record.Add(from, 0, payload)
	return m.add(nil, from, shares)
}

// add takes a party's shares. The values wait for the own ones, which are signed with
// the result.
func (m *Flooding) add(out []mpc.Message, party int, shares []wide.Word) ([]mpc.Message, error) {
	m.opener.Add(party, shares)
	if m.opener.Done() && m.opener.Have().Has(m.self) && !m.done {
		if err := m.finish(m.opener.Values()); err != nil {
			return out, err
		}
		out = append(out, m.record.Sign())
	}
	return m.tell(out), nil
}

// finish rounds the opened phases, of n = 1 the party's own.
func (m *Flooding) finish(opened []wide.Word) error {
	d, half := m.code.Degree(), wide.Word{Lo: 1}.Shl(127-m.w)
	for _, p := range m.phases {
		if m.record == nil {
			opened = p.shares
		}
		for i := range elements(p.count) {
			for c, x := range opened[i*d : (i+1)*d] {
				value := x.Add(half).Shr(128 - m.w).Lo
				at := packing*i + c
				if c < packing && at < p.count {
					m.values = append(m.values, value)
				} else if value != 0 {
					m.values = nil
					return fmt.Errorf("%w: coordinate %d of element %d", ErrInconsistent, c, i)
				}
			}
		}
		opened = opened[elements(p.count)*d:]
	}
	m.done = true
	return nil
}

// tell shows the others what parties found wrong have signed.
func (m *Flooding) tell(out []mpc.Message) []mpc.Message { return m.record.Tell(out, m.Culprits()) }

// Release erases the shares; the machine takes no more messages. Values, Culprits and
// Evidence stay.
func (m *Flooding) Release() {
	clear(m.shares)
	m.shares = nil
	if m.opener != nil {
		m.wrong |= m.opener.Wrong()
		m.opener = nil
	}
}

// String hides the shares.
func (m *Flooding) String() string {
	return fmt.Sprintf("decrypt.Flooding(%d ciphertexts, redacted)", len(m.phases))
}

// GoString hides the shares.
func (m *Flooding) GoString() string { return m.String() }

// Done reports whether the values are known.
func (m *Flooding) Done() bool { return m.done }

// Layout returns what a party sends to be opened, as its signature names it; nothing if
// n = 1.
func (m *Flooding) Layout() transcript.Layout {
	if m.record == nil {
		return transcript.Layout{}
	}
	return m.record.Layout()
}

// Values returns for each block the top bits of its phase, rounded: message, carries
// and padding bit. Nil before Done.
func (m *Flooding) Values() []uint64 { return m.values }

// Culprits returns the parties that sent malformed or wrong shares so far, as Machine's.
func (m *Flooding) Culprits() sharing.Parties {
	out := m.wrong
	if m.opener != nil {
		out |= m.opener.Wrong()
	}
	if m.record != nil {
		out |= m.record.Wrong()
	}
	return out
}

// Evidence returns what convicts culprits before others, as Machine's.
func (m *Flooding) Evidence() ([]transcript.WrongOpening, []transcript.Equivocation) {
	if m.record == nil {
		return nil, nil
	}
	return m.record.Openings(m.code, m.Culprits()), m.record.Equivocations()
}
