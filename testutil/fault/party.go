package fault

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// DefaultDelay is how long each message of a late party waits: far longer than a
// round takes, far shorter than others wait before they call a party absent.
const DefaultDelay = 300 * time.Millisecond

// Party is a faulty party. It is safe for concurrent use by its sessions.
type Party struct {
	// Kind is what it does.
	Kind Kind
	// Delay replaces DefaultDelay if it is not zero.
	Delay time.Duration
	// Random draws garbage, one message after the other; nil is another each time.
	Random *rand.Rand

	mu     sync.Mutex
	memory map[place][]byte
}

// place is where a message was sent: an earlier one of the same place is what a
// receiver would take most easily for the present one.
type place struct {
	round  uint16
	length int
}

// Wrap returns machine with its messages to the members of the session changed.
// Identity is the party's own: it signs what it changed. A nil Party is honest.
func (p *Party) Wrap(session mpc.Digest, members sharing.Parties, identity *mpc.Identity, machine mpc.Machine) mpc.Machine {
	if p == nil || !spoilable(machine) {
		return machine
	}
	return &faulty{
		Machine: machine, party: p, members: members.Without(sharing.PartiesOf(identity.Self())).List(),
		signer: newSigner(p.Kind, session, members, identity, machine),
	}
}

// spoilable reports whether a machine is of the offline phase or opens values. A
// daemon may have embedded it.
func spoilable(machine mpc.Machine) bool {
	if _, ok := machine.(offline); ok {
		return true
	}
	_, ok := machine.(opening)
	return ok
}

// recall returns an older message of the same place. If there is none, it keeps the
// present one, which then goes out as it is.
func (p *Party) recall(m mpc.Message) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := place{m.Round, len(m.Payload)}
	if old := p.memory[at]; old != nil {
		return slices.Clone(old)
	}
	if p.memory == nil {
		p.memory = map[place][]byte{}
	}
	p.memory[at] = slices.Clone(m.Payload)
	return m.Payload
}

// faulty is a machine whose messages are changed.
type faulty struct {
	mpc.Machine
	party   *Party
	members []int
	signer  *signer
	kept    bool // the shares that the session ends with were changed
}

// keeping is a machine that ends with shares.
type keeping interface{ Shares() []uint64 }

// Start implements mpc.Machine.
func (f *faulty) Start() ([]mpc.Message, error) {
	out, err := f.Machine.Start()
	f.spoilKept()
	return f.spoil(out), err
}

// Receive implements mpc.Machine.
func (f *faulty) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if f.signer.hides(round) {
		return nil, nil
	}
	out, err := f.Machine.Receive(from, round, payload)
	f.spoilKept()
	return f.spoil(out), err
}

// spoilKept changes the lowest bit of the first share that the session ended with,
// where the machine has it.
func (f *faulty) spoilKept() {
	machine, ok := f.Machine.(keeping)
	if !ok || f.kept || f.party.Kind != BadShare {
		return
	}
	if shares := machine.Shares(); len(shares) > 0 {
		shares[0] ^= 1
		f.kept = true
	}
}

// Done implements mpc.Machine.
func (f *faulty) Done() bool { return f.signer.givenUp() || f.Machine.Done() }

func (f *faulty) spoil(out []mpc.Message) []mpc.Message {
	switch f.party.Kind {
	case Silent:
		return nil
	case Late:
		if len(out) > 0 {
			delay := f.party.Delay
			if delay == 0 {
				delay = DefaultDelay
			}
			time.Sleep(delay)
		}
		return out
	}
	var spoiled []mpc.Message
	for _, m := range out {
		switch f.party.Kind {
		case BadShare, WrongSession:
			m.Payload = f.signer.forge(m)
			spoiled = append(spoiled, m)
		case Garbage:
			m.Payload = f.party.noise(len(m.Payload))
			spoiled = append(spoiled, m)
		case Replay:
			m.Payload = f.party.recall(m)
			spoiled = append(spoiled, m)
		case Equivocate, Split:
			spoiled = append(spoiled, f.twoFaced(m)...)
		}
	}
	return spoiled
}

// twoFaced sends a message as it is to parties of odd index and spoiled to the
// others. The spoiled one is signed by who equivocates.
func (f *faulty) twoFaced(m mpc.Message) []mpc.Message {
	other := m
	if f.party.Kind == Equivocate {
		other.Payload = f.signer.forge(m)
	} else {
		other.Payload = f.signer.alter(m)
	}
	var out []mpc.Message
	for _, to := range f.members {
		if m.To != mpc.Everyone && m.To != to {
			continue
		}
		single := m
		if to%2 == 0 {
			single = other
		}
		single.To = to
		out = append(out, single)
	}
	return out
}

func (p *Party) noise(length int) []byte {
	draw := rand.Uint32 // #nosec G404 -- garbage
	if p.Random != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		draw = p.Random.Uint32
	}
	out := make([]byte, length)
	for i := range out {
		out[i] = byte(draw())
	}
	return out
}
