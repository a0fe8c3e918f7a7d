// Package mpctest runs the parties of a protocol in one process: messages are
// copied through their wire form, delivered in a seeded random order, and may be
// dropped, altered or held back for tests. It is deterministic.
package mpctest

import (
	"crypto/sha3"
	"encoding/binary"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// Envelope is a message on its way.
type Envelope struct {
	From, To int
	Round    uint16
	Payload  []byte
}

// Network delivers messages. The zero value delivers all.
type Network struct {
	// Seed shuffles the order of delivery, unless InOrder keeps the order of sending.
	Seed    uint64
	InOrder bool
	// Tap sees each envelope (with its own copy of the payload) once for each
	// receiver and returns what to deliver instead: nothing to drop it.
	Tap func(Envelope) []Envelope
	// Late reports envelopes that are delivered only when all others are.
	Late func(Envelope) bool
	// Bytes counts the payload bytes sent by each party, Messages the envelopes,
	// and Rounds is one more than the highest round seen.
	Bytes    map[int]int
	Messages int
	Rounds   int

	queue, late []Envelope
	random      *sha3.SHAKE
	errs        map[int]error
	machines    map[int]mpc.Machine
}

// Run starts the machines, keyed by party, and delivers messages until none is
// left. A machine whose Start or Receive fails gets no more messages; the errors
// are returned by party. Parties without a machine swallow what they are sent.
func (n *Network) Run(machines map[int]mpc.Machine, parties int) map[int]error {
	n.random = Random(n.Seed)
	n.errs, n.machines = map[int]error{}, machines
	if n.Bytes == nil {
		n.Bytes = map[int]int{}
	}
	n.queue, n.late = nil, nil
	for i := 1; i <= parties; i++ {
		if m := machines[i]; m != nil {
			out, err := m.Start()
			n.take(i, parties, out, err)
		}
	}
	for len(n.queue)+len(n.late) > 0 {
		if len(n.queue) == 0 {
			n.queue, n.late = n.late, nil
			held := n.Late
			n.Late = nil
			defer func() { n.Late = held }()
		}
		e := n.next()
		m := machines[e.To]
		if m == nil || n.errs[e.To] != nil {
			continue
		}
		out, err := m.Receive(e.From, e.Round, e.Payload)
		n.take(e.To, parties, out, err)
	}
	return n.errs
}

func (n *Network) next() Envelope {
	if n.InOrder {
		e := n.queue[0]
		n.queue = n.queue[1:]
		return e
	}
	var word [8]byte
	_, _ = n.random.Read(word[:]) // never fails
	i := int(binary.LittleEndian.Uint64(word[:]) % uint64(len(n.queue)))
	e := n.queue[i]
	n.queue[i] = n.queue[len(n.queue)-1]
	n.queue = n.queue[:len(n.queue)-1]
	return e
}

func (n *Network) take(from, parties int, out []mpc.Message, err error) {
	if err != nil {
		n.errs[from] = err
	}
	for _, m := range out {
		n.Rounds = max(n.Rounds, int(m.Round)+1)
		for to := 1; to <= parties; to++ {
			if to == from || m.To != mpc.Everyone && m.To != to {
				continue
			}
			n.Bytes[from] += len(m.Payload)
			n.Messages++
			e := Envelope{From: from, To: to, Round: m.Round, Payload: append([]byte(nil), m.Payload...)}
			out := []Envelope{e}
			if n.Tap != nil {
				out = n.Tap(e)
			}
			for _, e := range out {
				if n.Late != nil && n.Late(e) {
					n.late = append(n.late, e)
				} else {
					n.queue = append(n.queue, e)
				}
			}
		}
	}
}

// Random returns the reproducible bytes of a seed.
func Random(seed uint64) *sha3.SHAKE {
	s := sha3.NewSHAKE128()
	_, _ = s.Write(binary.BigEndian.AppendUint64([]byte("mpctest"), seed)) // never fails
	return s
}

// FirstError returns one of errs with its party, or nil.
func FirstError(errs map[int]error) error {
	for i := 1; i <= 31; i++ {
		if errs[i] != nil {
			return fmt.Errorf("party %d: %w", i, errs[i])
		}
	}
	return nil
}
