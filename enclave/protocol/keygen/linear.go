package keygen

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// linear runs rounds of degree-t openings over R_64, each computed from the values
// opened before.
type linear struct {
	code    *sharing.Code
	self    int
	counts  []int // values opened by each round
	openers []*sharing.Opener
	wrong   sharing.Parties
	round   int
	started bool
	done    bool
	// step returns the shares that round opens; values are those that the round
	// before opened. After the last round it is called once more.
	step func(round int, values []uint64) ([]uint64, error)
}

func newLinear(code *sharing.Code, self int, counts ...int) linear {
	l := linear{code: code, self: self, counts: counts}
	for _, n := range counts {
		l.openers = append(l.openers, code.NewOpener(64, n))
	}
	return l
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
		return out, nil
	}
	payload := ring.AppendPacked(make([]byte, 0, 8*len(shares)), shares, 64)
	out = append(out, mpc.Message{Round: uint16(l.round), Payload: payload}) // #nosec G115 -- few rounds
	l.openers[l.round].Add(l.self, shares)
	return l.advance(out)
}

func (l *linear) advance(out []mpc.Message) ([]mpc.Message, error) {
	if l.done || !l.openers[l.round].Done() {
		return out, nil
	}
	values, err := l.openers[l.round].Integers()
	if err != nil {
		return out, fmt.Errorf("%w: round %d: %w", ErrInconsistent, l.round, err)
	}
	l.round++
	return l.enter(out, values)
}

// Receive takes another party's shares of any round, early or late.
func (l *linear) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from < 1 || from > l.code.N() || from == l.self || int(round) >= len(l.openers) || l.openers[round].Have().Has(from) {
		return nil, nil
	}
	shares := make([]uint64, l.counts[round]*l.code.Degree())
	if err := ring.Unpack(shares, payload, 64); err != nil {
		l.wrong = l.wrong.With(from)
		return nil, nil
	}
	l.openers[round].Add(from, shares)
	if !l.started {
		return nil, nil
	}
	return l.advance(nil)
}

// Done reports whether the result is known.
func (l *linear) Done() bool { return l.done }

// Culprits returns the parties that sent malformed or wrong shares so far, also
// after Done.
func (l *linear) Culprits() sharing.Parties {
	out := l.wrong
	for _, o := range l.openers {
		out |= o.Wrong()
	}
	return out
}
