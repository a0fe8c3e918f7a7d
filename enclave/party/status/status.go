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

// Party is where the party stands.
type Party struct {
	Moniker     string `json:"moniker"`
	ID          uint64 `json:"id"`
	Index       int    `json:"index"`
	Epoch       uint64 `json:"epoch"`
	EpochStatus string `json:"epoch_status"`
	// Excluded says that the chain does not wait for this party.
	Excluded bool `json:"excluded"`
	// Height of the newest verified block.
	Height    int64     `json:"height"`
	BlockTime time.Time `json:"block_time"`
	// StockItems are offline items made and not assigned to a request yet.
	StockItems int `json:"stock_items"`
	// NextItem is the first offline item that no request has.
	NextItem uint64   `json:"next_item"`
	Keys     []string `json:"keys"`
	Peers    []Peer   `json:"peers"`
	// Margin is how many more parties may fail before requests stop.
	Margin int `json:"margin"`
	// Culprits are the latest cheats found, the last one last.
	Culprits  []Culprit `json:"culprits,omitempty"`
	Simulated []string  `json:"simulated,omitempty"`
	// Trouble lists what the self-check found, as sentences to the operator.
	Trouble []string `json:"trouble,omitempty"`
	// Failing says that some of it keeps this party from its work. Other members
	// that are away, or a registration that lapses soon, do not.
	Failing bool `json:"failing"`
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

// Party returns the party's standing.
func (b *Board) Party() Party {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.party
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
		write(w, code, map[string]any{"ok": code == http.StatusOK, "trouble": party.Trouble, "height": party.Height})
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
