package keygen

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// linear runs rounds of degree-t openings over R_64, each computed from the values
// opened before. One more message, when the last values are known, has the signed
// root of all that the party sent.
type linear struct {
	code    *sharing.Code
	self    int
	counts  []int // values opened by each round
	openers []*sharing.Opener
	record  *transcript.Record
	wrong   sharing.Parties
	round   int
	started bool
	done    bool
	// step returns the shares that round opens; values are those that the round
	// before opened. After the last round it is called once more.
	step func(round int, values []uint64) ([]uint64, error)
}

// newLinear returns ErrMaterial if the identity is not one of the code's parties, or
// if more is to be opened than a transcript has room for.
func newLinear(code *sharing.Code, session mpc.Digest, identity *mpc.Identity, counts ...int) (linear, error) {
	if identity == nil || identity.N() != code.N() {
		return linear{}, fmt.Errorf("%w: signing keys", ErrMaterial)
	}
	layout := transcript.Layout{Degree: code.Degree()}
	for _, n := range counts {
		layout.Runs = append(layout.Runs, transcript.Run{K: 64, Count: n})
	}
	if err := layout.Check(); err != nil {
		return linear{}, fmt.Errorf("%w: %w", ErrMaterial, err)
	}
	l := linear{code: code, self: identity.Self(), counts: counts, record: transcript.NewRecord(session, 0, layout, identity)}
	for _, n := range counts {
		l.openers = append(l.openers, code.NewOpener(64, n))
	}
	return l, nil
}

// Start sends the shares of the first round.
func (l *linear) Start() ([]mpc.Message, error) {
	l.started = true
	return l.enter(nil, nil)
}

// enter sends the shares of the current round and goes on as long as openings are
// known.
func (l *linear) enter(out []mpc.Message, values []uint64) ([]mpc.Message, error) {
	shares, err := l.step(l.round, values)
	if err != nil {
		return out, err
	}
	if l.round == len(l.counts) {
		l.done = true
		return l.tell(append(out, l.record.Sign())), nil
	}
	payload := ring.AppendPacked(make([]byte, 0, 8*len(shares)), shares, 64)
	l.record.Add(l.self, l.round, payload)
	out = append(out, mpc.Message{Round: uint16(l.round), Payload: payload}) // #nosec G115 -- few rounds
	l.openers[l.round].Add(l.self, shares)
	return l.advance(out)
}

func (l *linear) advance(out []mpc.Message) ([]mpc.Message, error) {
	if l.done || !l.openers[l.round].Done() {
		return l.tell(out), nil
	}
	values, err := l.openers[l.round].Values()
	if err != nil {
		return out, fmt.Errorf("%w: round %d: %w", ErrInconsistent, l.round, err)
	}
	l.round++
	return l.enter(out, values)
}

// Receive takes another party's shares of any round, early or late, and its signed
// root.
func (l *linear) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from < 1 || from > l.code.N() || from == l.self || int(round) > len(l.openers) {
		return nil, nil
	}
	if (l.wrong | l.record.Wrong()).Has(from) { // a bound on the work that a liar makes
		return nil, nil
	}
	if int(round) == len(l.openers) {
		l.record.Receive(from, payload)
		return l.tell(nil), nil
	}
	if l.openers[round].Have().Has(from) {
		return nil, nil
	}
	shares := make([]uint64, l.counts[round]*l.code.Degree())
	if err := ring.Unpack(shares, payload, 64); err != nil {
		l.wrong = l.wrong.With(from)
		return nil, nil
	}
	l.record.Add(from, int(round), payload)
	l.openers[round].Add(from, shares)
	if !l.started {
		return nil, nil
	}
	return l.advance(nil)
}

// tell shows the others what parties found wrong have signed.
func (l *linear) tell(out []mpc.Message) []mpc.Message {
	return l.record.Tell(out, l.Culprits())
}

// Done reports whether the result is known.
func (l *linear) Done() bool { return l.done }

// Layout returns what a party sends to be opened, a run a round, as its signature
// names it.
func (l *linear) Layout() transcript.Layout { return l.record.Layout() }

// Culprits returns the parties that sent malformed or wrong shares so far, also
// after Done.
func (l *linear) Culprits() sharing.Parties {
	out := l.wrong | l.record.Wrong()
	for _, o := range l.openers {
		out |= o.Wrong()
	}
	return out
}

// Evidence returns what convicts culprits before others: shares that they signed
// and that are wrong, and two roots signed by one. It looks at the roots, so that
// Culprits afterwards also has those who signed another root than that of what they
// sent here; that is no evidence, nor is a malformed message. Call it when nothing
// more is to come.
func (l *linear) Evidence() ([]transcript.WrongOpening, []transcript.Equivocation) {
	return l.record.Openings(l.code, l.Culprits()), l.record.Equivocations()
}
