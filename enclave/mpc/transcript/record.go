package transcript

import (
	"crypto/ed25519"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Record is what one party heard in a session whose values are opened at degree t:
// the runs of every party and the roots that they signed. Roots are sent when the
// result is known, and looked at only if somebody is wrong. It keeps the slices
// that it is given, and is not safe for concurrent use.
type Record struct {
	session  mpc.Digest
	batch    uint32
	layout   Layout
	identity *mpc.Identity

	sent   [][][]byte // by party and run
	signed []Signed   // by party, unverified but for the own one
	from   []int      // who showed it
	told   sharing.Parties

	equivocations []Equivocation
	wrong         sharing.Parties
}

// NewRecord returns the record of a session and batch of which each party sends
// the runs of the layout. It panics if Layout.Check refuses that.
func NewRecord(session mpc.Digest, batch uint32, layout Layout, identity *mpc.Identity) *Record {
	if err := layout.Check(); err != nil {
		panic(err.Error()) // layouts are made by protocols
	}
	n := identity.N()
	r := &Record{session: session, batch: batch, layout: layout, identity: identity, sent: make([][][]byte, n+1), signed: make([]Signed, n+1), from: make([]int, n+1)}
	runs := make([][]byte, (n+1)*len(layout.Runs))
	for i := range r.sent {
		r.sent[i], runs = runs[:len(layout.Runs):len(layout.Runs)], runs[len(layout.Runs):]
	}
	return r
}

// Layout returns what each party sends.
func (r *Record) Layout() Layout { return r.layout }

// Add keeps the packed bytes of a run, of the length that the layout says, the
// first that a party sends of it. It panics on another length or party.
func (r *Record) Add(party, run int, packed []byte) {
	if len(packed) != r.layout.Bytes(run) {
		panic("transcript: a run of the wrong length")
	}
	if r.sent[party][run] == nil {
		r.sent[party][run] = packed
	}
}

func (r *Record) statement(party int, root mpc.Digest) mpc.Digest {
	return Statement{Session: r.session, Batch: r.batch, Phase: PhaseOpenings, Layout: r.layout.Digest(), Party: party, Root: root}.Digest()
}

// leaves returns the leaves of all that a party sent, nil if some run is missing.
func (r *Record) leaves(party int) [][]byte {
	leaves := make([][]byte, 0, r.layout.Leaves())
	for run, packed := range r.sent[party] {
		if packed == nil {
			return nil
		}
		leaves = r.layout.AppendLeaves(leaves, run, packed)
	}
	return leaves
}

// rootMessage is party (1) ‖ root ‖ signature.
const rootMessage = 1 + mpc.DigestSize + ed25519.SignatureSize

func encodeRoot(party int, s Signed) []byte {
	out := append(make([]byte, 0, rootMessage), byte(party))
	return append(append(out, s.Root[:]...), s.Signature...)
}

// message tells the others a root, in the round after those of the runs.
func (r *Record) message(party int) mpc.Message {
	return mpc.Message{Round: uint16(len(r.layout.Runs)), Payload: encodeRoot(party, r.signed[party])} // #nosec G115 -- at most maxRuns
}

// Sign signs the root of all that the party itself sent, which is complete, and
// returns the message that tells the others, in the round after the last run's.
func (r *Record) Sign() mpc.Message {
	self := r.identity.Self()
	leaves := r.leaves(self)
	if leaves == nil {
		panic("transcript: signs before all is sent")
	}
	root := merkle.Root(leaves)
	r.signed[self], r.from[self] = Signed{Root: root, Signature: r.identity.Sign(r.statement(self, root))}, self
	return r.message(self)
}

// Receive takes a message of Sign or Tell.
func (r *Record) Receive(from int, payload []byte) {
	if len(payload) != rootMessage || int(payload[0]) < 1 || int(payload[0]) > r.identity.N() {
		r.wrong = r.wrong.With(from)
		return
	}
	party := int(payload[0])
	got := Signed{Root: mpc.Digest(payload[1:]), Signature: payload[1+mpc.DigestSize:]}
	known := &r.signed[party]
	convicted := slices.ContainsFunc(r.equivocations, func(e Equivocation) bool { return e.Party == party })
	switch {
	case convicted || party == r.identity.Self() || known.Signature != nil && known.Root == got.Root:
	case known.Signature == nil:
		*known, r.from[party] = got, from
	case !r.verified(party, got):
		r.wrong = r.wrong.With(from)
	case !r.verified(party, *known):
		r.wrong = r.wrong.With(r.from[party])
		*known, r.from[party] = got, from
	default:
		layout := r.layout.Digest()
		r.equivocations = append(r.equivocations, Equivocation{
			Batch: r.batch, Phase: PhaseOpenings, Party: party, Layouts: [2]mpc.Digest{layout, layout}, Signed: [2]Signed{*known, got},
		})
		r.wrong = r.wrong.With(party)
	}
}

func (r *Record) verified(party int, s Signed) bool {
	return r.identity.Verify(party, r.statement(party, s.Root), s.Signature)
}

// Tell appends the messages that show the others the roots of parties found wrong,
// each once: who signed another one to them is convicted. A root that its owner did
// not sign is dropped: who passes it on looks like its forger.
func (r *Record) Tell(out []mpc.Message, wrong sharing.Parties) []mpc.Message {
	for _, party := range wrong.Without(r.told).List() {
		known := &r.signed[party]
		switch {
		case party == r.identity.Self() || known.Signature == nil:
		case !r.verified(party, *known):
			r.wrong = r.wrong.With(r.from[party])
			*known = Signed{}
		default:
			r.told = r.told.With(party)
			out = append(out, r.message(party))
		}
	}
	return out
}

// Wrong returns the parties whose roots are malformed, not theirs, or not those of
// what they sent: the last is known of parties that Openings looked at.
func (r *Record) Wrong() sharing.Parties { return r.wrong }

// Equivocations returns what convicts parties that signed two roots.
func (r *Record) Equivocations() []Equivocation { return r.equivocations }

// Openings returns what convicts the parties of wrong, as far as they signed what
// they sent: a share of each that misses the polynomial of n−t others, the first.
func (r *Record) Openings(code *sharing.Code, wrong sharing.Parties) []WrongOpening {
	if wrong == 0 {
		return nil
	}
	leaves := make([][][]byte, code.N()+1)
	var shown sharing.Parties
	for i := 1; i <= code.N(); i++ {
		if r.signed[i].Signature == nil {
			continue
		}
		if leaves[i] = r.leaves(i); leaves[i] == nil {
			continue
		}
		if merkle.Root(leaves[i]) != r.signed[i].Root || !r.verified(i, r.signed[i]) {
			r.wrong = r.wrong.With(i)
			continue
		}
		shown = shown.With(i)
	}
	good := shown.Without(wrong)
	if good.Count() < code.Quorum() {
		return nil
	}
	good = sharing.PartiesOf(good.List()[:code.Quorum()]...)
	var out []WrongOpening
	for _, party := range wrong.List() {
		if !shown.Has(party) || party == r.identity.Self() {
			continue
		}
		if run, element := r.firstOff(code, good, party); run >= 0 {
			out = append(out, r.opening(leaves, good, party, run, element))
		}
	}
	return out
}

func (r *Record) opening(leaves [][][]byte, good sharing.Parties, party, run, element int) WrongOpening {
	share := func(i int) Share {
		s, err := NewShare(r.layout, leaves[i], i, r.signed[i].Signature, run, element)
		if err != nil {
			panic(err.Error()) // the element is one of the layout's, and the leaves are complete
		}
		return s
	}
	w := WrongOpening{Batch: r.batch, Phase: PhaseOpenings, Layout: r.layout, Run: run, Element: element, Wrong: share(party)}
	for _, i := range good.List() {
		w.Good = append(w.Good, share(i))
	}
	return w
}

// firstOff returns the first element that a party sent which misses the polynomial
// through those of the parties of good, −1 if there is none.
func (r *Record) firstOff(code *sharing.Code, good sharing.Parties, party int) (run, element int) {
	from := sharing.PartiesOf(good.List()[:code.T()+1]...).With(party)
	vectors := make([][]wide.Word, code.N()+1)
	for run, bounds := range r.layout.Runs {
		for _, i := range from.List() {
			vectors[i] = make([]wide.Word, bounds.Count*r.layout.Degree)
			if wide.Unpack(vectors[i], r.sent[i][run], bounds.K) != nil {
				return -1, -1
			}
		}
		if off := code.OpenAllWide(nil, code.T(), from, vectors, bounds.K); off >= 0 {
			return run, off
		}
	}
	return -1, -1
}
