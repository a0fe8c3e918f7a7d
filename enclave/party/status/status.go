// Package status keeps what an operator may see of a party: where it stands and
// how each request fared. Nothing secret ever enters it.
package status

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// State of a request at this party.
type State string

// States of a request.
const (
	StateFetching  State = "fetching"
	StateWaiting   State = "waiting for offline items"
	StateComputing State = "computing"
	StatePosted    State = "posted"
	StateFulfilled State = "fulfilled"
	StateExpired   State = "expired"
	// StateRefused: this party does not answer; Reason says why. It goes on trying
	// where bytes or shares are missing, which may come before the deadline.
	StateRefused State = "refused"
)

// Reason is a stable code for why a party refuses a request.
type Reason string

// Reasons of a refusal.
const (
	ReasonDigest      Reason = "digest_mismatch"
	ReasonMalformed   Reason = "malformed_ciphertext"
	ReasonCarries     Reason = "carries_not_clean"
	ReasonUnavailable Reason = "bytes_unavailable"
	ReasonTooLarge    Reason = "bytes_too_large"
	ReasonUnknownKey  Reason = "no_share_of_key"
	ReasonProtocol    Reason = "protocol_failed"
	ReasonUnsupported Reason = "unsupported_request"
)

// Kinds of a request.
const (
	KindPublic = "public decryption"
	KindUser   = "user decryption"
)

// Request is the progress of one request.
type Request struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Attempt uint32 `json:"attempt"`
	State   State  `json:"state"`
	Reason  Reason `json:"reason,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// EngineMicros is the time from the proven request with its bytes at hand to
	// the last opening.
	EngineMicros int64 `json:"engine_us,omitempty"`
	// CiphertextBytes are those that were fetched and decrypted.
	CiphertextBytes int64 `json:"ciphertext_bytes,omitempty"`
	// FromStock says whether all offline items were ready when it came.
	FromStock bool `json:"from_stock"`
	// Culprits are the indices whose shares were wrong.
	Culprits []int     `json:"culprits,omitempty"`
	Updated  time.Time `json:"updated"`
}

// Peer is one link to another party.
type Peer struct {
	Index     int  `json:"index"`
	Connected bool `json:"connected"`
}

// Culprit is a member that this party found to cheat.
type Culprit struct {
	Index   int    `json:"index"`
	Moniker string `json:"moniker"`
	// Protocol is what it cheated in.
	Protocol string `json:"protocol"`
	// Evidence is the kind of evidence against it, empty if there is none.
	Evidence string    `json:"evidence,omitempty"`
	Found    time.Time `json:"found"`
}

// Epoch is the party's seat in one epoch.
type Epoch struct {
	ID uint64 `json:"id"`
	// State is that on the chain, in lower case.
	State string `json:"state"`
	// Index is the own one of N members, of whom T may be corrupt.
	Index int `json:"index"`
	N     int `json:"n"`
	T     int `json:"t"`
	// Margin is how many more members may fail before the epoch answers no request:
	// those connected and this one, less N−T. It is T at most, and below 0 when there
	// are too few.
	Margin int    `json:"margin"`
	Peers  []Peer `json:"peers"`
	// Keys are the ids of the keys whose shares are ready for use, in hex.
	Keys []string `json:"keys"`
	// SharesOnly says that the party has shares but not what the epoch's offline phase
	// needs: it was restored from a backup and counts as absent until the next epoch.
	SharesOnly bool `json:"shares_only,omitempty"`
	// StockItems are offline items made and not assigned to a request yet.
	StockItems int `json:"stock_items"`
	// NextItem is the first offline item that no request has.
	NextItem uint64 `json:"next_item"`
	// Excluded are the members that the offline phase does not wait for, Convicted those
	// of them that evidence is against.
	Excluded  []int `json:"excluded,omitempty"`
	Convicted []int `json:"convicted,omitempty"`
}

// Serving reports whether requests are answered in the epoch.
func (e *Epoch) Serving() bool { return e.State == StateActive || e.State == StateDraining }

// States of an epoch in which it serves.
const (
	StateActive   = "active"
	StateDraining = "draining"
)

// Party is where the party stands.
type Party struct {
	Moniker string `json:"moniker"`
	ID      uint64 `json:"id"`
	// Height of the newest verified block.
	Height    int64     `json:"height"`
	BlockTime time.Time `json:"block_time"`
	// LagMillis is how far the newest verified block is behind this machine's clock.
	LagMillis int64 `json:"lag_ms"`
	// Epochs are the seats, that of the earliest epoch first.
	Epochs []Epoch `json:"epochs"`
	// Culprits are the latest cheats found, the last one last.
	Culprits  []Culprit `json:"culprits,omitempty"`
	Simulated []string  `json:"simulated,omitempty"`
	// Trouble lists what the self-check found, as sentences to the operator.
	Trouble []string `json:"trouble,omitempty"`
	// Failing says that some of it keeps this party from its work. Other members
	// that are away, or a registration that lapses soon, do not.
	Failing bool `json:"failing"`
	// Warnings say that a committee is about to lose its margin, or has.
	Warnings []Warning `json:"warnings,omitempty"`
}

// Main is the epoch that new requests come to, or else the newest one; all its fields
// are zero if there is none.
func (p Party) Main() Epoch {
	for _, e := range p.Epochs {
		if e.State == StateActive {
			return e
		}
	}
	if len(p.Epochs) == 0 {
		return Epoch{}
	}
	return p.Epochs[len(p.Epochs)-1]
}

// keep bounds the requests remembered, keepCulprits the cheats.
const (
	keep         = 4096
	keepCulprits = 64
)

// Board is the state behind the status pages. It is safe for concurrent use.
type Board struct {
	now func() time.Time

	mu       sync.Mutex
	party    Party
	monitor  monitor
	requests map[string]Request
	order    []string
}

// NewBoard makes an empty board; now stamps updates.
func NewBoard(now func() time.Time) *Board {
	return &Board{now: now, requests: map[string]Request{}}
}

// Update changes the party's standing.
func (b *Board) Update(change func(*Party)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.party)
}

// Culprit remembers a cheat.
func (b *Board) Culprit(c Culprit) {
	c.Found = b.now()
	b.Update(func(p *Party) {
		p.Culprits = append(slices.Clone(p.Culprits), c)
		p.Culprits = p.Culprits[max(0, len(p.Culprits)-keepCulprits):]
	})
}

// SetEpochs replaces the seats. It returns the warnings that are new, and those that
// are over, for the log.
func (b *Board) SetEpochs(epochs []Epoch) (raised, over []Warning) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.party.Epochs = epochs
	b.party.Warnings, raised, over = b.monitor.observe(b.now(), epochs)
	return raised, over
}

// Party returns the party's standing.
func (b *Board) Party() Party {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.party
	if !p.BlockTime.IsZero() {
		p.LagMillis = b.now().Sub(p.BlockTime).Milliseconds()
	}
	return p
}

// Request changes the progress of a request, made when it is new.
func (b *Board) Request(id string, change func(*Request)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	request, known := b.requests[id]
	if !known {
		request.ID = id
		b.order = append(b.order, id)
		if len(b.order) > keep {
			delete(b.requests, b.order[0])
			b.order = b.order[1:]
		}
	}
	change(&request)
	request.Updated = b.now()
	b.requests[id] = request
}

// Handler serves /health, /status and /requests/{id} as JSON.
func (b *Board) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		party := b.Party()
		code := http.StatusOK
		if party.Failing {
			code = http.StatusServiceUnavailable
		}
		write(w, code, map[string]any{
			"ok": code == http.StatusOK, "degraded": len(party.Warnings) > 0, "trouble": party.Trouble, "warnings": party.Warnings, "height": party.Height,
		})
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, b.Party()) })
	mux.HandleFunc("GET /requests/{id}", func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		request, known := b.requests[r.PathValue("id")]
		b.mu.Unlock()
		if !known {
			write(w, http.StatusNotFound, map[string]string{"error": "this party has not seen the request"})
			return
		}
		write(w, http.StatusOK, request)
	})
	return mux
}

func write(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value)
}
