package fault

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrKind reports a text that names no fault.
var ErrKind = errors.New("fault: not a fault")

// Kind is what a faulty party does.
type Kind string

const (
	// BadShare sends the same well-formed, signed messages with a wrong share in them
	// to everyone. Shares that a session ends with, for a user, are wrong too.
	BadShare Kind = "bad-share"
	// Silent sends nothing.
	Silent Kind = "silent"
	// Late sends all that it should, but each message long after it was ready.
	Late Kind = "late"
	// Equivocate sends different well-formed messages to different parties, and signs
	// both.
	Equivocate Kind = "equivocate"
	// Split sends good messages to some parties and, under the signature of the good
	// ones, bad messages to the others.
	Split Kind = "split"
	// Replay sends the messages of an earlier session.
	Replay Kind = "replay"
	// Garbage sends random bytes of the right length.
	Garbage Kind = "garbage"
	// WrongSession sends messages whose signatures are for another session.
	WrongSession Kind = "wrong-session"
)

// Faults of a whole process, for networks of processes.
const (
	// CrashLoop is a party that is killed and started again, for ever.
	CrashLoop Kind = "crash-loop"
	// LyingNode is an honest party whose own TKMS node forges its answers.
	LyingNode Kind = "lying-node"
)

// Kinds returns all kinds of messages that a faulty party sends.
func Kinds() []Kind {
	return []Kind{BadShare, Silent, Late, Equivocate, Split, Replay, Garbage, WrongSession}
}

// ProcessKinds returns all that can happen to a party's process.
func ProcessKinds() []Kind { return append(Kinds(), CrashLoop, LyingNode) }

// OfMessages reports whether a kind is one of Kinds.
func (k Kind) OfMessages() bool { return slices.Contains(Kinds(), k) }

// ParseKind reads one of Kinds by its name, ErrKind else.
func ParseKind(text string) (Kind, error) { return parseKind(text, Kinds()) }

func parseKind(text string, kinds []Kind) (Kind, error) {
	if !slices.Contains(kinds, Kind(text)) {
		return "", fmt.Errorf("%q: the kinds are %v: %w", text, kinds, ErrKind)
	}
	return Kind(text), nil
}

// Parse reads "p2=bad-share,p4=silent" for n parties and some kinds, ErrKind else.
func Parse(text string, n int, kinds []Kind) (map[int]Kind, error) {
	faults := map[int]Kind{}
	if text == "" {
		return faults, nil
	}
	for _, item := range strings.Split(text, ",") {
		party, name, ok := strings.Cut(item, "=")
		index, err := strconv.Atoi(strings.TrimPrefix(party, "p"))
		if !ok || err != nil || !strings.HasPrefix(party, "p") {
			return nil, fmt.Errorf("%q, want pN=KIND: %w", item, ErrKind)
		}
		if index < 1 || index > n {
			return nil, fmt.Errorf("%q: there are parties p1 to p%d: %w", item, n, ErrKind)
		}
		if faults[index] != "" {
			return nil, fmt.Errorf("%q: p%d has a fault already: %w", item, index, ErrKind)
		}
		if faults[index], err = parseKind(name, kinds); err != nil {
			return nil, err
		}
	}
	return faults, nil
}
