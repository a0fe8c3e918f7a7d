package recall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Method names the peer call.
const Method = "session/sent"

// Pauses before the first call for a session, longer than it takes when nobody is
// away: one whose messages are few, and one whose messages are large.
const (
	Short = time.Second
	Long  = 20 * time.Second
)

// A pause is twice the one before, up to some calls' time.
const (
	growth   = 16
	callTime = 5 * time.Second
)

// Errors of this package.
var (
	// ErrRequest reports a malformed call.
	ErrRequest = errors.New("recall: malformed call")
	// ErrUnknown reports a session that this party remembers nothing of, or that
	// the caller is not in.
	ErrUnknown = errors.New("recall: no messages of this session for the caller")
	// ErrEncoding reports bytes that are no list of messages.
	ErrEncoding = errors.New("recall: malformed list of messages")
)

// Provider makes again what this party sent in a session that it is done with, or
// returns nil if it knows no such session of the peer's. It bounds what that costs.
type Provider func(id session.ID, peer int) []mpc.Message

// Log remembers what this party sent. It is safe for concurrent use.
type Log struct {
	mu        sync.Mutex
	sessions  map[session.ID]*record
	providers map[string]Provider // by owner
}

type record struct {
	owner    string
	members  sharing.Parties
	messages []mpc.Message
}

// New returns an empty Log.
func New() *Log {
	return &Log{sessions: map[session.ID]*record{}, providers: map[string]Provider{}}
}

// Record returns machine with everything that it sends remembered as the
// session's, until Drop is called with the same owner.
func (l *Log) Record(id session.ID, owner string, members sharing.Parties, machine mpc.Machine) mpc.Machine {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := &record{owner: owner, members: members}
	l.sessions[id] = kept
	return &recorded{Machine: machine, log: l, kept: kept}
}

// Provide lets the owner make again what is too large to be remembered, until Drop.
func (l *Log) Provide(owner string, provider Provider) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.providers[owner] = provider
}

// Forget drops one session, whose messages the owner can make again.
func (l *Log) Forget(id session.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, id)
}

// Drop forgets the sessions of an owner, and its provider.
func (l *Log) Drop(owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.providers, owner)
	for id, kept := range l.sessions {
		if kept.owner == owner {
			delete(l.sessions, id)
		}
	}
}

// recorded is a machine whose messages are remembered.
type recorded struct {
	mpc.Machine
	log  *Log
	kept *record
}

// Start implements mpc.Machine.
func (r *recorded) Start() ([]mpc.Message, error) {
	out, err := r.Machine.Start()
	return r.log.note(r.kept, out), err
}

// Receive implements mpc.Machine.
func (r *recorded) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	out, err := r.Machine.Receive(from, round, payload)
	return r.log.note(r.kept, out), err
}

func (l *Log) note(kept *record, out []mpc.Message) []mpc.Message {
	if len(out) > 0 {
		l.mu.Lock()
		kept.messages = append(kept.messages, out...)
		l.mu.Unlock()
	}
	return out
}

// Serve answers the call of a peer: body is a session id, the answer the messages
// that were sent to that peer.
func (l *Log) Serve(peer int, body []byte) ([]byte, error) {
	var id session.ID
	if len(body) != len(id) {
		return nil, ErrRequest
	}
	copy(id[:], body)
	l.mu.Lock()
	kept := l.sessions[id]
	if kept != nil && kept.members.Has(peer) {
		defer l.mu.Unlock()
		return Encode(meantFor(kept.messages, peer)), nil
	}
	providers := slices.Collect(maps.Values(l.providers))
	l.mu.Unlock()
	if kept != nil {
		return nil, ErrUnknown
	}
	for _, provide := range providers { // of one owner at most
		if again := provide(id, peer); again != nil {
			return Encode(meantFor(again, peer)), nil
		}
	}
	return nil, ErrUnknown
}

// Restore remembers messages that an earlier life of this process sent, unless the
// session is known.
func (l *Log) Restore(id session.ID, owner string, members sharing.Parties, messages []mpc.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[id] == nil {
		l.sessions[id] = &record{owner: owner, members: members, messages: messages}
	}
}

// maxMessages bounds those of one session to a member: one round for each secret of many keys, and
// a list of empty messages would take many times its bytes.
const maxMessages = 1 << 16

// header of a message: receiver (1) ‖ round (2) ‖ length (4), big-endian.
const header = 7

// meantFor returns the messages to a receiver, those to everyone among them.
func meantFor(messages []mpc.Message, to int) []mpc.Message {
	var out []mpc.Message
	for _, m := range messages {
		if m.To == mpc.Everyone || m.To == to {
			out = append(out, m)
		}
	}
	return out
}

// Encode lists messages.
func Encode(messages []mpc.Message) []byte {
	var out []byte
	for _, m := range messages {
		out = append(out, byte(m.To))
		out = binary.BigEndian.AppendUint16(out, m.Round)
		out = binary.BigEndian.AppendUint32(out, uint32(len(m.Payload))) // #nosec G115 -- far below a frame's bound
		out = append(out, m.Payload...)
	}
	return out
}

// Decode reads what Encode wrote, ErrEncoding else. The payloads share its memory.
func Decode(raw []byte) ([]mpc.Message, error) {
	var out []mpc.Message
	for len(raw) > 0 {
		if len(raw) < header {
			return nil, fmt.Errorf("%w: %d bytes left", ErrEncoding, len(raw))
		}
		m := mpc.Message{To: int(raw[0]), Round: binary.BigEndian.Uint16(raw[1:])}
		size := binary.BigEndian.Uint32(raw[3:])
		raw = raw[header:]
		if uint64(size) > uint64(len(raw)) || m.To > sharing.MaxParties {
			return nil, fmt.Errorf("%w: a message of %d bytes to %d", ErrEncoding, size, m.To)
		}
		if len(out) == maxMessages {
			return nil, fmt.Errorf("%w: more than %d messages", ErrEncoding, maxMessages)
		}
		m.Payload, raw = raw[:size:size], raw[size:]
		out = append(out, m)
	}
	return out, nil
}

// Sessions calls peers and hands messages to running machines; session.Router is
// one.
type Sessions interface {
	Call(ctx context.Context, peer int, method string, body []byte) ([]byte, error)
	Deliver(from int, id session.ID, round uint16, payload []byte)
}

// Ask asks the other members for their messages of a session, again and again
// with pauses that grow from the first, until ctx ends: the session is to end it.
func Ask(ctx context.Context, sessions Sessions, self int, members sharing.Parties, id session.ID, first time.Duration) {
	for pause := first; ; pause = min(2*pause, growth*first) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		askOnce(ctx, sessions, self, members, id)
	}
}

func askOnce(ctx context.Context, sessions Sessions, self int, members sharing.Parties, id session.ID) {
	calling, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var asked sync.WaitGroup
	defer asked.Wait()
	for _, peer := range members.List() {
		if peer == self {
			continue
		}
		asked.Go(func() {
			raw, err := sessions.Call(calling, peer, Method, id[:])
			if err != nil {
				return
			}
			messages, err := Decode(raw)
			if err != nil {
				return
			}
			for _, m := range messages {
				if m.To == mpc.Everyone || m.To == self {
					sessions.Deliver(peer, id, m.Round, m.Payload)
				}
			}
		})
	}
}
