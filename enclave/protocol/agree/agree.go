package agree

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Rounds are numbered from Config.Round on. The last two are only seen if a party lacks
// a vector that others agreed on.
const (
	RoundVector = iota
	RoundEcho
	RoundFetch
	RoundFetched
	// Rounds is the number of rounds that an agreement takes room for.
	Rounds
)

// ErrEquivocation reports a party that signed two vectors for one batch. The batch is
// dropped; the error is a mpc.CulpritError.
var ErrEquivocation = errors.New("agree: a party signed two vectors for one batch")

// Config is what an Agreement needs.
type Config struct {
	// Code is that of the parties.
	Code *sharing.Code
	// Session is the id of the session, Batch the number of the batch in it.
	Session mpc.Digest
	Batch   uint32
	// Round is the number of the first round.
	Round uint16
	// From is E, this party among them. All of them are waited for, nobody else is heard.
	From sharing.Parties
	// Identity signs the vector and the ECHO.
	Identity *mpc.Identity
	// Layout is the digest of what a vector consists of; signatures are bound to it.
	Layout mpc.Digest
	// Length is that of a vector in bytes.
	Length int
	// Root returns the root of a vector of that length, false if it is malformed.
	Root func(vector []byte) (mpc.Digest, bool)
	// Journal keeps the ECHO over a restart. Without one a party that restarts must
	// stay out of its sessions.
	Journal Journal
}

// Agreement is one party's side. It is not safe for concurrent use.
type Agreement struct {
	Config
	self int

	vectors [][]byte     // by party: what was received and signed
	roots   []mpc.Digest // by party: the root that it signed
	signed  [][]byte     // by party: its signature on the root, nil if none is known
	wrong   sharing.Parties

	echoed   bool
	shown    []transcript.Signed // by party: the first ECHO that it signed
	echoes   map[mpc.Digest]sharing.Parties
	heard    sharing.Parties // whose valid ECHO was counted
	agreed   *mpc.Digest
	asked    sharing.Parties // for vectors
	answered map[[2]int]bool

	evidence  []transcript.Equivocation
	convicted sharing.Parties
}

// New returns an agreement. The caller has checked that the parties fit each other.
func New(c Config) *Agreement {
	n := c.Code.N()
	return &Agreement{
		Config: c, self: c.Identity.Self(),
		vectors: make([][]byte, n+1), roots: make([]mpc.Digest, n+1), signed: make([][]byte, n+1),
		shown: make([]transcript.Signed, n+1), echoes: map[mpc.Digest]sharing.Parties{}, answered: map[[2]int]bool{},
	}
}

// Start signs the own vector, which lies in payload behind room for a signature, and
// returns it with the ECHO of an earlier life if the journal has one.
func (a *Agreement) Start(payload []byte) ([]mpc.Message, error) {
	vector := payload[ed25519.SignatureSize:]
	root, ok := a.Root(vector)
	if !ok || len(vector) != a.Length {
		panic("agree: the own vector is malformed")
	}
	a.vectors[a.self], a.roots[a.self] = vector, root
	a.signed[a.self] = a.Identity.Sign(a.vectorStatement(a.self, root))
	copy(payload, a.signed[a.self])
	resumed, err := a.resume()
	if err != nil {
		return nil, err
	}
	return append([]mpc.Message{{Round: a.Round + RoundVector, Payload: payload}}, resumed...), nil
}

// Receive takes another party's message of one of the agreement's rounds. An error says
// that the batch is dropped.
func (a *Agreement) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from == a.self || !a.From.Has(from) {
		return nil, nil
	}
	switch round - a.Round { // also when it is complete: a second root is evidence whenever it comes
	case RoundVector:
		return nil, a.takeVector(from, from, payload)
	case RoundEcho:
		return nil, a.takeEcho(from, payload)
	case RoundFetch:
		return a.answer(from, payload), nil
	case RoundFetched:
		if len(payload) > 0 && a.From.Has(int(payload[0])) {
			return nil, a.takeVector(from, int(payload[0]), payload[1:])
		}
	}
	return nil, nil
}

// takeVector takes party i's signed vector, sent by sender.
func (a *Agreement) takeVector(sender, i int, payload []byte) error {
	if len(payload) != ed25519.SignatureSize+a.Length {
		a.wrong = a.wrong.With(sender)
		return nil
	}
	signature, vector := payload[:ed25519.SignatureSize], payload[ed25519.SignatureSize:]
	root, ok := a.Root(vector)
	if !ok {
		a.wrong = a.wrong.With(sender)
		return nil
	}
	if err := a.learn(sender, i, root, signature); err != nil {
		return err
	}
	if a.signed[i] != nil && a.roots[i] == root && a.vectors[i] == nil {
		a.vectors[i] = vector
	}
	return nil
}

// Advance sends the own ECHO, recognizes the quorum, and asks for what is missing. Call
// it after Start and after Receive.
func (a *Agreement) Advance() ([]mpc.Message, error) {
	var out []mpc.Message
	missing := a.Lacking()
	if missing == 0 && !a.echoed {
		echo, err := a.sendEcho()
		if err != nil {
			return nil, err
		}
		out = append(out, echo)
	}
	if a.agreed == nil {
		for digest, who := range a.echoes {
			if who.Count() >= a.Code.Quorum() { // no two can: they would share an honest party
				a.agreed = &digest
			}
		}
	}
	return append(out, a.fetch(missing)...), nil
}

// fetch asks who sent an ECHO, and so holds all vectors if it is honest, for those
// that are missing: the first t+1, of which one is honest. It does not wait for that
// many. Who sends its vector to a single honest party would else keep the others
// from sending an ECHO, and the single one would call them missing. Of more than t
// missing vectors some are on their way.
func (a *Agreement) fetch(missing sharing.Parties) (out []mpc.Message) {
	if missing == 0 || missing.Count() > a.Code.T() {
		return nil
	}
	for _, i := range a.heard.Without(a.asked).List() {
		if a.asked.Count() <= a.Code.T() {
			a.asked = a.asked.With(i)
			out = append(out, mpc.Message{To: i, Round: a.Round + RoundFetch, Payload: mpc.Uint64(uint64(missing))})
		}
	}
	return out
}

// answer sends the vectors that a party asks for, each once.
func (a *Agreement) answer(to int, payload []byte) []mpc.Message {
	if len(payload) != 8 {
		a.wrong = a.wrong.With(to)
		return nil
	}
	asked := binary.BigEndian.Uint64(payload)
	var out []mpc.Message
	for _, i := range a.From.List() {
		if asked>>i&1 == 0 || a.vectors[i] == nil || a.answered[[2]int{to, i}] {
			continue
		}
		a.answered[[2]int{to, i}] = true
		body := append([]byte{byte(i)}, a.signed[i]...)
		out = append(out, mpc.Message{To: to, Round: a.Round + RoundFetched, Payload: append(body, a.vectors[i]...)})
	}
	return out
}

// Lacking returns the parties of E whose vectors are not there.
func (a *Agreement) Lacking() sharing.Parties {
	var out sharing.Parties
	for _, i := range a.From.List() {
		if a.vectors[i] == nil {
			out = out.With(i)
		}
	}
	return out
}

// Complete reports whether a quorum agreed and all of its vectors are there.
func (a *Agreement) Complete() bool { return a.agreed != nil && a.Lacking() == 0 }

// Missing returns the parties of E that are waited for: for their vectors, else for
// their ECHOs; nobody if the agreement is complete.
func (a *Agreement) Missing() sharing.Parties {
	if lacking := a.Lacking(); lacking != 0 {
		return lacking
	}
	if a.agreed == nil {
		return a.From.Without(a.heard).Without(sharing.PartiesOf(a.self))
	}
	return 0
}

// Echo returns the digest that n−t parties echoed, nil before that.
func (a *Agreement) Echo() *mpc.Digest { return a.agreed }

// Vector returns what a party signed, nil if it is not there. The caller does not change
// it.
func (a *Agreement) Vector(party int) []byte { return a.vectors[party] }

// Signature returns a party's signature on its vector, nil if none is known.
func (a *Agreement) Signature(party int) []byte { return a.signed[party] }

// Wrong returns the parties that sent malformed or unsigned messages. It is no
// evidence: nobody else can check it.
func (a *Agreement) Wrong() sharing.Parties { return a.wrong }

// Evidence returns what was found, at most one a party, Convicted whom it convicts.
func (a *Agreement) Evidence() []transcript.Equivocation { return a.evidence }

// Convicted returns the parties that signed two statements.
func (a *Agreement) Convicted() sharing.Parties { return a.convicted }
