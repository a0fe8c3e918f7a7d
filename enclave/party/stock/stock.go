package stock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
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
	return fmt.Sprintf("stock/opened/%d/%d/%t", shape.K, shape.W, shape.Chain)
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
	// Put returns when the object is on disk.
	Put(name string, data []byte) error
	// Get returns an object of List.
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
	ChainID string
	Epoch   uint64
	Shape   preproc.Shape
	Code    *sharing.Code
	// Source returns the randomness of a generation of the excluded set: no two have
	// a context in common.
	Source func(generation uint32) (*prss.Source, error)
	// Deal, if not nil, takes the place of Source: the members deal each other what the
	// session of a batch draws. Who was not there then cannot have the batch.
	Deal     func(ctx context.Context, batch mpc.Session, demand []prss.Demand) (prss.Randomness, error)
	Identity *mpc.Identity
	Sessions Sessions
	Store    Store
	// Journal keeps the ECHOs that were sent.
	Journal preproc.Journal
	// Target is how many unassigned items are kept ahead.
	Target uint64
	// OnDemand tells which batches are not made ahead but when somebody awaits their
	// items; none if it is nil. All members must agree on it.
	OnDemand func(number uint64) bool
	// Patience is how long a batch may wait before Missing names who is silent, and
	// how long the chain may take to exclude a culprit.
	Patience time.Duration
	// Changed is called when a batch was added or dropped.
	Changed func(items int)
	// Accuse is called with what convicts members in a session, and with those that
	// made its batch fail.
	Accuse func(session mpc.Session, evidence []preproc.Evidence, culprits sharing.Parties)
	Log    *slog.Logger
}

// members is the set that the offline phase runs with.
type members struct {
	generation uint32
	active     sharing.Parties
}

// made is a batch as one generation made it.
type made struct {
	generation uint32
	batch      *preproc.Batch
}

// keptGenerations bounds how often one batch is held.
const keptGenerations = 2

// Stock is one epoch's offline material. It is safe for concurrent use.
type Stock struct {
	cfg Config

	mu      sync.Mutex
	batches map[uint64][]made // by number, ascending by generation
	sources map[uint32]*prss.Source
	making  map[uint64]bool
	needed  map[uint64]bool // batches on demand that somebody awaits
	members members
	counted bool                       // whether next is known
	next    uint64                     // first item not assigned to a request
	open    map[string]extent          // open requests
	silent  map[uint64]sharing.Parties // whom a batch in the making waits for, beyond patience
	changed chan struct{}              // closed and replaced on every change
}

type extent struct{ first, end uint64 }

// New loads what the store holds. Nothing is made before Assigned and SetMembers
// say what is wanted, with whom.
func New(cfg Config) (*Stock, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(int) {}
	}
	if cfg.Accuse == nil {
		cfg.Accuse = func(mpc.Session, []preproc.Evidence, sharing.Parties) {}
	}
	s := &Stock{
		cfg: cfg, batches: map[uint64][]made{}, sources: map[uint32]*prss.Source{}, making: map[uint64]bool{},
		needed: map[uint64]bool{}, open: map[string]extent{}, silent: map[uint64]sharing.Parties{}, changed: make(chan struct{}),
	}
	names, err := cfg.Store.List()
	if err != nil {
		return nil, fmt.Errorf("stock: list: %w", err)
	}
	for _, file := range names {
		number, generation, ok := parseName(file)
		if !ok {
			continue
		}
		if err := s.load(file, number, generation); err != nil {
			// It can be made again or fetched: no reason to serve nothing.
			cfg.Log.Error("stock: a sealed batch is dropped", "batch", number, "err", err)
			if err := cfg.Store.Delete(file); err != nil {
				return nil, fmt.Errorf("stock: drop a damaged batch: %w", err)
			}
		}
	}
	cfg.Sessions.Handle(methodOpened(cfg.Shape), s.serveOpened)
	cfg.Sessions.Handle(methodNeeded(cfg.Shape), s.serveNeeded)
	return s, nil
}

// batchName is the name of an object, by the number of a batch and a generation.
const batchName = "batch-%016x-%08x"

func parseName(text string) (number uint64, generation uint32, ok bool) {
	if _, err := fmt.Sscanf(text, batchName, &number, &generation); err != nil {
		return 0, 0, false
	}
	return number, generation, fmt.Sprintf(batchName, number, generation) == text
}

func (s *Stock) load(file string, number uint64, generation uint32) error {
	raw, err := s.cfg.Store.Get(file)
	if err != nil {
		return fmt.Errorf("stock: read %s: %w", file, err)
	}
	batch, err := preproc.UnmarshalBatch(raw)
	clear(raw)
	if err != nil {
		return fmt.Errorf("stock: read %s: %w", file, err)
	}
	context := batch.Context() // of a dealt one no other word than the seal's
	if s.cfg.Deal == nil {
		source, err := s.source(generation)
		if err != nil {
			return err
		}
		context = source.Context()
	}
	first, count := batch.Range()
	if first != number*BatchItems || count != BatchItems || batch.Shape() != s.cfg.Shape || batch.Context() != context || !batch.Fits(s.cfg.Code, s.cfg.Identity.Self()) {
		return fmt.Errorf("stock: %s belongs to another epoch or member: %w", file, preproc.ErrEncoding)
	}
	s.insert(number, made{generation, batch})
	return nil
}

// source returns the randomness of a generation; the latest ones are kept.
func (s *Stock) source(generation uint32) (*prss.Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if source := s.sources[generation]; source != nil {
		return source, nil
	}
	source, err := s.cfg.Source(generation)
	if err != nil {
		return nil, err
	}
	if len(s.sources) > keptGenerations {
		clear(s.sources)
	}
	s.sources[generation] = source
	return source, nil
}

// insert adds a batch and returns the generations that are no longer kept.
func (s *Stock) insert(number uint64, m made) (dropped []uint32) {
	list := s.batches[number]
	at, held := slices.BinarySearchFunc(list, m.generation, func(m made, g uint32) int { return cmp.Compare(m.generation, g) })
	if held {
		return nil
	}
	list = slices.Insert(list, at, m)
	for ; len(list) > keptGenerations; list = list[1:] {
		list[0].batch.Zero()
		dropped = append(dropped, list[0].generation)
	}
	s.batches[number] = list
	return dropped
}

// newest returns the newest generation that a batch is held of.
func (s *Stock) newest(number uint64) (generation uint32, held bool) {
	list := s.batches[number]
	if len(list) == 0 {
		return 0, false
	}
	return list[len(list)-1].generation, true
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

// Assigned tells that the chain has assigned items up to next, and that those of
// them which are open are held. What is neither is over and not made again.
func (s *Stock) Assigned(next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next > s.next || !s.counted {
		s.next, s.counted = max(s.next, next), true
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
	var done []string
	erased := false
	for number, list := range s.batches {
		if !s.spent(number) {
			continue
		}
		for _, m := range list {
			m.batch.Zero()
			done = append(done, fmt.Sprintf(batchName, number, m.generation))
		}
		delete(s.batches, number)
		erased = true
	}
	maps.DeleteFunc(s.needed, func(number uint64, _ bool) bool { return s.spent(number) })
	items := s.available()
	s.mu.Unlock()
	s.erase(done...)
	if erased {
		s.cfg.Changed(items)
	}
}

func (s *Stock) erase(names ...string) {
	for _, name := range names {
		if err := s.cfg.Store.Delete(name); err != nil {
			s.cfg.Log.Error("stock: what is spent could not be erased", "object", name, "err", err)
		}
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

// Rare reports whether some batches are not made ahead.
func (s *Stock) Rare() bool { return s.cfg.OnDemand != nil }

// onDemand reports whether a batch is made only when its items are awaited.
func (s *Stock) onDemand(number uint64) bool { return s.Rare() && s.cfg.OnDemand(number) }

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
