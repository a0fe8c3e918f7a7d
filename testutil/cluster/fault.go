package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// ErrFault reports a text that names no fault.
var ErrFault = errors.New("cluster: not a fault")

// Fault is what a faulty party does in the online phase of a decryption.
type Fault string

const (
	// BadShare sends well-formed messages with wrong shares in them.
	BadShare Fault = "bad-share"
	// Silent sends nothing.
	Silent Fault = "silent"
	// Garbage sends random bytes of the right length.
	Garbage Fault = "garbage"
)

// Faults returns all kinds of fault.
func Faults() []Fault { return []Fault{BadShare, Silent, Garbage} }

// ParseFaults reads "p2=bad-share,p4=silent" for n parties.
func ParseFaults(text string, n int) (map[int]Fault, error) {
	faults := map[int]Fault{}
	if text == "" {
		return faults, nil
	}
	for _, item := range strings.Split(text, ",") {
		party, kind, ok := strings.Cut(item, "=")
		index, err := strconv.Atoi(strings.TrimPrefix(party, "p"))
		if !ok || err != nil || !strings.HasPrefix(party, "p") {
			return nil, fmt.Errorf("%q, want pN=KIND: %w", item, ErrFault)
		}
		if index < 1 || index > n {
			return nil, fmt.Errorf("%q: there are parties p1 to p%d: %w", item, n, ErrFault)
		}
		if !slices.Contains(Faults(), Fault(kind)) {
			return nil, fmt.Errorf("%q: the kinds are %v: %w", item, Faults(), ErrFault)
		}
		if _, twice := faults[index]; twice {
			return nil, fmt.Errorf("%q: p%d has a fault already: %w", item, index, ErrFault)
		}
		faults[index] = Fault(kind)
	}
	return faults, nil
}

// faulty makes a party's machine misbehave: it changes what the machine sends.
type faulty struct {
	mpc.Machine
	fault  Fault
	random *rand.Rand
}

func (f *faulty) Start() ([]mpc.Message, error) {
	out, err := f.Machine.Start()
	return f.spoil(out), err
}

func (f *faulty) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	out, err := f.Machine.Receive(from, round, payload)
	return f.spoil(out), err
}

func (f *faulty) spoil(out []mpc.Message) []mpc.Message {
	if f.fault == Silent {
		return nil
	}
	for i := range out {
		payload := slices.Clone(out[i].Payload)
		switch f.fault {
		case BadShare:
			if len(payload) > 0 {
				// The first share's lowest bit: wrong by one, still in range.
				payload[0] ^= 1
			}
		case Garbage:
			for j := range payload {
				payload[j] = byte(f.random.Uint32())
			}
		}
		out[i].Payload = payload
	}
	return out
}
