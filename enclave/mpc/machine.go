// Package mpc defines how a protocol talks to the world: a pure state machine
// that turns received messages into messages to send. It has no clock, no I/O
// and no randomness but what is injected when it is made, so that a transcript
// replays to the same result.
package mpc

// Everyone addresses a Message to every other party of the session.
const Everyone = 0

// Message is one protocol message of a session.
type Message struct {
	// To is the index (1..n) of the receiver, or Everyone.
	To int
	// Round numbers the protocol's rounds from 0.
	Round uint16
	// Payload is the wire encoding; the receiver owns it after Receive.
	Payload []byte
}

// Machine is one party's side of one session of a protocol. It is not safe for
// concurrent use. Once Done reports true, further messages are ignored unless
// the protocol documents that it goes on checking late points.
type Machine interface {
	// Start returns the messages of the first round. It is called once.
	Start() ([]Message, error)
	// Receive takes one message from the party with index from (1..n, never the
	// own index) and returns what to send now. Messages may come in any order
	// and more than once. An error says that the session cannot go on, and what is
	// returned with it is still sent; a message that is merely wrong never is an
	// error: it is recorded against its sender.
	Receive(from int, round uint16, payload []byte) ([]Message, error)
	// Done reports whether the result is ready.
	Done() bool
}
