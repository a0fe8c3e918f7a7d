package keygen

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// vector is a vector of elements of R_k, in the one form or the other: narrow for k up
// to 64, else wide.
type vector struct {
	narrow []uint64
	wide   []wide.Word
}

// run opens the elements of one vector, sent in one message.
type run struct {
	k      uint
	narrow *sharing.Opener
	wide   *sharing.WideOpener
}

func newRun(code *sharing.Code, bounds transcript.Run) run {
	if bounds.K > 64 {
		return run{k: bounds.K, wide: code.NewWideOpener(bounds.K, bounds.Count)}
	}
	return run{k: bounds.K, narrow: code.NewElementOpener(bounds.K, bounds.Count)}
}

func (r run) done() bool {
	if r.wide != nil {
		return r.wide.Done()
	}
	return r.narrow.Done()
}

func (r run) wrong() sharing.Parties {
	if r.wide != nil {
		return r.wide.Wrong()
	}
	return r.narrow.Wrong()
}

func (r run) have() sharing.Parties {
	if r.wide != nil {
		return r.wide.Have()
	}
	return r.narrow.Have()
}

// add takes a party's shares in their packed form.
func (r run) add(party int, packed []byte, words int) error {
	if r.wide != nil {
		v := make([]wide.Word, words)
		if err := wide.Unpack(v, packed, r.k); err != nil {
			return err
		}
		r.wide.Add(party, v)
		return nil
	}
	v := make([]uint64, words)
	if err := ring.Unpack(v, packed, r.k); err != nil {
		return err
	}
	r.narrow.Add(party, v)
	return nil
}

// values returns what was opened.
func (r run) values() (vector, error) {
	if r.wide != nil {
		return vector{wide: r.wide.Values()}, nil
	}
	v, err := r.narrow.Values()
	return vector{narrow: v}, err
}

// Opening opens vectors of elements at degree t, all at once: run i in a message of
// round i. When all are known one more message has the signed root of all that the
// party sent. After Done it goes on checking late shares. It is a mpc.Machine.
type Opening struct {
	attempt   mpc.Digest
	step      int
	code      *sharing.Code
	self      int
	from      sharing.Parties
	layout    transcript.Layout
	runs      []run
	record    *transcript.Record
	malformed sharing.Parties
	started   bool
	done      bool
	// shares returns the party's own of a run.
	shares func(run int) (vector, error)
}

// newOpening returns ErrMaterial if more is to be opened than a transcript has room
// for.
func (a *Attempt) newOpening(step int, runs []transcript.Run, shares func(run int) (vector, error)) (*Opening, error) {
	o := &Opening{
		attempt: a.id, step: step, code: a.code, self: a.Identity.Self(), from: a.From,
		layout: transcript.Layout{Degree: a.code.Degree(), Runs: runs}, shares: shares,
	}
	if err := o.layout.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMaterial, err)
	}
	o.record = transcript.NewRecord(a.Session(step), 0, o.layout, a.Identity)
	for _, bounds := range runs {
		o.runs = append(o.runs, newRun(a.code, bounds))
	}
	return o, nil
}

func (o *Opening) words(run int) int { return o.layout.Runs[run].Count * o.layout.Degree }

// Start sends the shares of all runs.
func (o *Opening) Start() ([]mpc.Message, error) {
	var out []mpc.Message
	for i, r := range o.runs {
		v, err := o.shares(i)
		if err != nil {
			return nil, err
		}
		packed := make([]byte, 0, o.layout.Bytes(i))
		if r.wide != nil {
			packed = wide.AppendPacked(packed, v.wide, r.k)
			r.wide.Add(o.self, v.wide)
		} else {
			packed = ring.AppendPacked(packed, v.narrow, r.k)
			r.narrow.Add(o.self, v.narrow)
		}
		o.record.Add(o.self, i, packed)
		out = append(out, mpc.Message{Round: uint16(i), Payload: packed}) // #nosec G115 -- few runs
	}
	o.shares, o.started = nil, true
	return o.advance(out), nil
}

// advance signs what was sent when all values are known.
func (o *Opening) advance(out []mpc.Message) []mpc.Message {
	if !o.started || o.done {
		return o.tell(out)
	}
	for _, r := range o.runs {
		if !r.done() {
			return o.tell(out)
		}
	}
	o.done = true
	return o.tell(append(out, o.record.Sign()))
}

// Receive takes another party's shares of any run, and its signed root.
func (o *Opening) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from == o.self || !o.from.Has(from) || int(round) > len(o.runs) {
		return nil, nil
	}
	if (o.malformed | o.record.Wrong()).Has(from) { // a bound on the work that a liar makes
		return nil, nil
	}
	if int(round) == len(o.runs) {
		o.record.Receive(from, payload)
		return o.tell(nil), nil
	}
	r := o.runs[round]
	if r.have().Has(from) {
		return nil, nil
	}
	if len(payload) != o.layout.Bytes(int(round)) || r.add(from, payload, o.words(int(round))) != nil {
		o.malformed = o.malformed.With(from)
		return nil, nil
	}
	o.record.Add(from, int(round), payload)
	return o.advance(nil), nil
}

// tell shows the others what parties found wrong have signed.
func (o *Opening) tell(out []mpc.Message) []mpc.Message { return o.record.Tell(out, o.Culprits()) }

// Done reports whether all values are known.
func (o *Opening) Done() bool { return o.done }

// Layout returns what a party sends to be opened, as its signature names it.
func (o *Opening) Layout() transcript.Layout { return o.layout }

// Culprits returns the parties that sent malformed or wrong shares so far, also after
// Done.
func (o *Opening) Culprits() sharing.Parties {
	out := o.malformed | o.record.Wrong()
	for _, r := range o.runs {
		out |= r.wrong()
	}
	return out
}

// Missing returns the parties whose shares of some run have not come.
func (o *Opening) Missing() sharing.Parties {
	all := o.from.Without(sharing.PartiesOf(o.self))
	missing := sharing.Parties(0)
	for _, r := range o.runs {
		missing |= all.Without(r.have())
	}
	return missing
}

// Evidence returns what convicts culprits before others: shares that they signed and
// that are wrong, and two roots signed by one. It looks at the roots, so that Culprits
// afterwards also has those who signed another root than that of what they sent here;
// that is no evidence, nor is a malformed message. Call it when nothing more is to
// come.
func (o *Opening) Evidence() ([]transcript.WrongOpening, []transcript.Equivocation) {
	return o.record.Openings(o.code, o.Culprits()), o.record.Equivocations()
}

// String hides the shares.
func (o *Opening) String() string {
	return fmt.Sprintf("keygen.Opening(%d runs, redacted)", len(o.runs))
}

// GoString hides the shares.
func (o *Opening) GoString() string { return o.String() }
