package stock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// BatchItems is the number of items in a batch. All members must agree on it.
const BatchItems = 512

// methodOpened names the peer call by which a member that was away asks for the
// opened values of a batch.
func methodOpened(shape preproc.Shape) string {
	return fmt.Sprintf("stock/opened/%d/%d", shape.K, shape.W)
}

// Errors of this package.
var (
	// ErrDisagree reports that no t+1 peers vouch for the same opened values.
	ErrDisagree = errors.New("stock: no t+1 peers vouch for the same batch")
	// ErrRequest reports a malformed peer call.
	ErrRequest = errors.New("stock: malformed request for a batch")
	// ErrMissing reports that a peer asks for a batch that this party has not.
	ErrMissing = errors.New("stock: this party does not hold the batch")
	// ErrRange reports an item range that cannot be.
	ErrRange = errors.New("stock: item range out of bounds")
)

// Store keeps sealed objects by name.
type Store interface {
	Put(name string, data []byte) error
	Get(name string) ([]byte, error)
	List() ([]string, error)
	Delete(name string) error
}

// Sessions runs protocols with the other members.
type Sessions interface {
	// Run runs a machine with some of them, and sees to it that one that was away
	// gets the messages that it missed.
	Run(ctx context.Context, id session.ID, among sharing.Parties, machine mpc.Machine, options ...session.Option) error
	Call(ctx context.Context, peer int, method string, body []byte) ([]byte, error)
	Handle(method string, handler session.Handler)
}

// Config is what a Stock needs.
type Config struct {
	ChainID  string
	Epoch    uint64
	Shape    preproc.Shape
	Source   *prss.Source
	Identity *mpc.Identity
	Sessions Sessions
	Store    Store
	// Target is how many unassigned items are kept ahead.
	Target uint64
	// Patience is how long a batch may wait before Missing names who is silent.
	Patience time.Duration
	// Changed is called when a batch was added or dropped.
	Changed func(items int)
	Log     *slog.Logger
}

// members is the set that the offline phase runs with.
type members struct {
	generation uint32
	active     sharing.Parties
}

// Stock is one epoch's offline material. It is safe for concurrent use.
type Stock struct {
	cfg Config

	mu      sync.Mutex
	batches map[uint64]*preproc.Batch
	making  map[uint64]bool
	opened  map[uint64]openedValues
	members members
	next    uint64                     // first item not assigned to a request
	open    map[string]extent          // open requests
	silent  map[uint64]sharing.Parties // whom a batch in the making waits for, beyond patience
	changed chan struct{}              // closed and replaced on every change
}

type extent struct{ first, end uint64 }

type openedValues struct {
	digest mpc.Digest
	data   []byte
}

// New loads what the store holds.
func New(cfg Config) (*Stock, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(int) {}
	}
	s := &Stock{
		cfg: cfg, batches: map[uint64]*preproc.Batch{}, making: map[uint64]bool{}, opened: map[uint64]openedValues{},
		open: map[string]extent{}, silent: map[uint64]sharing.Parties{}, changed: make(chan struct{}),
	}
	names, err := cfg.Store.List()
	if err != nil {
		return nil, fmt.Errorf("stock: list: %w", err)
	}
	for _, name := range names {
		number, ok := parseName(name)
		if !ok {
			continue
		}
		if err := s.load(name, number); err != nil {
			// It can be made again or fetched: no reason to serve nothing.
			cfg.Log.Error("stock: a sealed batch is dropped", "batch", number, "err", err)
			if err := cfg.Store.Delete(name); err != nil {
				return nil, fmt.Errorf("stock: drop a damaged batch: %w", err)
			}
		}
	}
	cfg.Sessions.Handle(methodOpened(cfg.Shape), s.serveOpened)
	return s, nil
}

func name(number uint64) string { return fmt.Sprintf("batch-%016x", number) }

func parseName(text string) (uint64, bool) {
	var number uint64
	if _, err := fmt.Sscanf(text, "batch-%016x", &number); err != nil {
		return 0, false
	}
	return number, name(number) == text
}

func (s *Stock) load(file string, number uint64) error {
	raw, err := s.cfg.Store.Get(file)
	if err != nil {
		return fmt.Errorf("stock: read %s: %w", file, err)
	}
	batch, err := preproc.UnmarshalBatch(raw)
	clear(raw)
	if err != nil {
		return fmt.Errorf("stock: read %s: %w", file, err)
	}
	first, count := batch.Range()
	if first != number*BatchItems || count != BatchItems || batch.Shape() != s.cfg.Shape || batch.Context() != s.cfg.Source.Context() || !batch.Fits(s.cfg.Source.Code(), s.cfg.Source.Self()) {
		return fmt.Errorf("stock: %s belongs to another epoch or member: %w", file, preproc.ErrEncoding)
	}
	s.batches[number] = batch
	s.opened[number] = openedValues{digest: batch.OpenedDigest(), data: batch.Opened()}
	return nil
}

// SetMembers tells the set that the offline phase runs with from now on; batches
// that are being made with another generation start anew.
func (s *Stock) SetMembers(generation uint32, active sharing.Parties) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members.generation != generation || s.members.active != active {
		s.members = members{generation: generation, active: active}
		s.notify()
	}
}

// Missing returns the members that the making of batches under a generation of
// the excluded set has waited for longer than is usual.
func (s *Stock) Missing(generation uint32) sharing.Parties {
	s.mu.Lock()
	defer s.mu.Unlock()
	var missing sharing.Parties
	if s.members.generation == generation {
		for _, silent := range s.silent {
			missing |= silent
		}
	}
	return missing
}

// Assigned tells that the chain has assigned items up to next.
func (s *Stock) Assigned(next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next > s.next {
		s.next = next
		s.notify()
	}
}

// Hold keeps the items first … end−1 until Release: a request is open.
func (s *Stock) Hold(request string, first, end uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.open[request]; held {
		return
	}
	s.open[request] = extent{first, end}
	s.next = max(s.next, end)
	s.notify()
}

// Release tells that a request is closed. Batches that no open request can need
// any more are erased.
func (s *Stock) Release(request string) {
	s.mu.Lock()
	delete(s.open, request)
	s.mu.Unlock()
	s.Sweep()
}

// Sweep erases batches whose items are all assigned and none of which an open
// request holds.
func (s *Stock) Sweep() {
	s.mu.Lock()
	var done []uint64
	for number, batch := range s.batches {
		if s.spent(number) {
			batch.Zero()
			delete(s.batches, number)
			delete(s.opened, number)
			done = append(done, number)
		}
	}
	items := s.available()
	s.mu.Unlock()
	for _, number := range done {
		if err := s.cfg.Store.Delete(name(number)); err != nil {
			s.cfg.Log.Error("stock: a spent batch could not be erased", "batch", number, "err", err)
		}
	}
	if len(done) > 0 {
		s.cfg.Changed(items)
	}
}

// spent reports whether all items of a batch belong to closed requests.
func (s *Stock) spent(number uint64) bool {
	first, end := number*BatchItems, (number+1)*BatchItems
	if end > s.next {
		return false
	}
	for _, held := range s.open {
		if held.first < end && first < held.end {
			return false
		}
	}
	return true
}

func (s *Stock) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Available returns the number of items made and not assigned.
func (s *Stock) Available() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.available()
}

// NextItem returns the first item that no request has.
func (s *Stock) NextItem() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

func (s *Stock) available() int {
	items := 0
	for number := range s.batches {
		end := (number + 1) * BatchItems
		if end > s.next {
			items += int(end - max(s.next, number*BatchItems))
		}
	}
	return items
}

// Take returns copies of the items first … first+count−1, made or yet to be
// made, and whether they were all there at once.
func (s *Stock) Take(ctx context.Context, first uint64, count int) (pieces []*preproc.Batch, atOnce bool, err error) {
	if count < 1 || first+uint64(count) < first {
		return nil, false, ErrRange
	}
	for waited := false; ; waited = true {
		s.mu.Lock()
		changed := s.changed
		pieces, err = s.cut(first, count)
		s.mu.Unlock()
		if err != nil || pieces != nil {
			return pieces, !waited, err
		}
		select {
		case <-ctx.Done():
			return nil, false, fmt.Errorf("stock: items %d to %d: %w", first, first+uint64(count)-1, context.Cause(ctx))
		case <-changed:
		}
	}
}

// cut returns nil if a batch is not there yet.
func (s *Stock) cut(first uint64, count int) ([]*preproc.Batch, error) {
	end := first + uint64(count)
	for number := first / BatchItems; number*BatchItems < end; number++ {
		if s.batches[number] == nil {
			return nil, nil
		}
	}
	var pieces []*preproc.Batch
	for at := first; at < end; {
		number := at / BatchItems
		stop := min(end, (number+1)*BatchItems)
		piece, err := s.batches[number].Cut(at, int(stop-at))
		if err != nil {
			return nil, fmt.Errorf("stock: cut: %w", err)
		}
		pieces = append(pieces, piece)
		at = stop
	}
	return pieces, nil
}
