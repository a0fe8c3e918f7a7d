package soak

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// ledger is what a run knows of the requests that it made, and what it saw that must not
// be. It is safe for concurrent use.
type ledger struct {
	mu sync.Mutex
	// expected are the requests by id, with what a public decryption must give.
	expected map[string][]byte
	// ids are those of the plan's requests, by number.
	ids map[int]string
	// seen are the plaintexts that records showed first, by id and attempt.
	seen map[string][]byte
	// wrong are the indices of parties whose shares were wrong for a user.
	wrong      map[int]bool
	violations []string
}

func newLedger() *ledger {
	return &ledger{expected: map[string][]byte{}, ids: map[int]string{}, seen: map[string][]byte{}, wrong: map[int]bool{}}
}

// expect notes that a request of the plan is about to be made.
func (l *ledger) expect(number int, id, words []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids[number] = string(id)
	l.expected[string(id)] = words
}

// blame notes parties whose shares were wrong.
func (l *ledger) blame(indices []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range indices {
		l.wrong[i] = true
	}
}

// violate notes what must not be.
func (l *ledger) violate(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(fmt.Sprintf(format, args...))
}

// note adds a violation once.
func (l *ledger) note(text string) {
	if !slices.Contains(l.violations, text) {
		l.violations = append(l.violations, text)
	}
}

// record judges a request as a node shows it.
func (l *ledger) record(node string, request kmstypes.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := fmt.Sprintf("request %s, attempt %d, by %s", hex.EncodeToString(request.Id), request.Attempt, node)
	want, known := l.expected[string(request.Id)]
	if !known {
		l.note(name + ": nobody asked for it")
	}
	if request.Status != kmstypes.REQUEST_STATUS_FULFILLED {
		if len(request.Plaintext) != 0 {
			l.note(name + ": it is not fulfilled and has a plaintext")
		}
		return
	}
	if request.Kind != kmstypes.REQUEST_KIND_PUBLIC_DECRYPTION {
		return
	}
	if known && !bytes.Equal(request.Plaintext, want) {
		l.note(fmt.Sprintf("%s: the plaintext is %x, encrypted was %x", name, request.Plaintext, want))
	}
	at := fmt.Sprintf("%x/%d", request.Id, request.Attempt)
	if first, ok := l.seen[at]; !ok {
		l.seen[at] = bytes.Clone(request.Plaintext)
	} else if !bytes.Equal(first, request.Plaintext) {
		l.note(fmt.Sprintf("%s: it is answered with %x, and was with %x", name, request.Plaintext, first))
	}
}
