package party

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/stock"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// source returns what the party draws from its keys of the epoch in a context.
func (s *seat) source(context mpc.Digest) (*prss.Source, error) {
	keys, err := s.loadKeys(s.current())
	if err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, ErrNoKeys
	}
	return prss.NewSource(keys, s.code, context)
}

// stock returns the offline stock of a shape, loaded when it is first asked for.
func (s *seat) stock(shape preproc.Shape) (*stock.Stock, error) {
	c := s.current()
	keys, err := s.loadKeys(c)
	if err != nil {
		return nil, err
	}
	if keys == nil && !c.Epoch.Dealt {
		return nil, fmt.Errorf("%w: this party did not take part in the set-up of epoch %d", ErrNoKeys, c.Epoch.Id)
	}
	st, fresh, err := s.openStock(shape, s.onDemand(shape), c, keys)
	if err != nil || !fresh {
		return st, err
	}
	// Outside the lock: the stock tells the party what it erases.
	st.Sweep()
	if c.N > 1 {
		s.running.Go(func() { st.Run(s.ctx) })
	}
	return st, nil
}

// onDemand tells which batches of a shape are not kept ahead: none of the shapes that
// ciphertexts under some set's compute key have, which computations leave and inputs
// come in, and most of the others.
func (s *seat) onDemand(shape preproc.Shape) func(number uint64) bool {
	for _, name := range tfhe.Names() {
		p, err := tfhe.ByName(name)
		if err == nil && shape == s.shapeOf(p, tfhe.ComputeKey) {
			return nil
		}
	}
	every := s.party.cfg.RareStockEvery
	return func(number uint64) bool { return every == 0 || number%every != 0 }
}

// openStock returns the stock of a shape and whether it was loaded just now.
func (s *seat) openStock(shape preproc.Shape, onDemand func(number uint64) bool, c *committee.Committee, keys *prss.Keys) (*stock.Stock, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.stocks[shape]; st != nil {
		return st, false, nil
	}
	config := stock.Config{
		ChainID: s.party.cfg.ChainID, Epoch: c.Epoch.Id, Shape: shape, Code: s.code, Identity: s.identity, Sessions: batchSessions{s},
		Source: func(generation uint32) (*prss.Source, error) {
			return prss.NewSource(keys, s.code, preproc.Context(keys.Epoch(), generation))
		},
		Store:   batchStore{s.party.cfg.Store, c.Epoch.Id, fmt.Sprintf("k%d-w%d-chain-%t-", shape.K, shape.W, shape.Chain)},
		Journal: s.party.cfg.Journal,
		Target:  s.party.cfg.StockTarget, OnDemand: onDemand, Patience: s.party.cfg.Patience, Log: s.party.cfg.Log,
		Changed: s.party.stockChanged,
		Accuse: func(named mpc.Session, found []preproc.Evidence, culprits sharing.Parties) {
			s.accuseAll(s.ctx, named, found, culprits)
		},
	}
	if c.Epoch.Dealt {
		config.Deal = func(ctx context.Context, batch mpc.Session, demand []prss.Demand) (prss.Randomness, error) {
			named := batch
			named.Protocol = "dealing for an offline batch"
			owner := "batch " + session.ID(batch.ID()).String()
			defer s.sent.Drop(owner + ", dealing")
			return s.deal(ctx, named, owner+", dealing", batch.ID(), demand)
		}
	}
	st, err := stock.New(config)
	if err != nil {
		return nil, false, err
	}
	// What is open is held before anything is known to be assigned: see Sweep.
	for task, items := range s.open {
		st.Hold(task, items.first, items.end)
	}
	if s.counted {
		st.Assigned(s.next)
	}
	st.SetMembers(c.Epoch.Generation, c.Active)
	s.stocks[shape] = st
	return st, true, nil
}

// hold keeps the items of an open request, in whatever shape they are needed.
func (s *seat) hold(task string, first, end uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[task] = itemRange{first, end}
	s.next = max(s.next, end)
	for _, st := range s.stocks {
		st.Hold(task, first, end)
	}
}

// assigned tells what the chain has assigned; batches of which nothing is open any
// more are erased.
func (s *seat) assigned(next uint64) {
	s.mu.Lock()
	s.next, s.counted = max(s.next, next), true
	s.mu.Unlock()
	for _, st := range s.allStocks() {
		st.Assigned(next)
		st.Sweep()
	}
}

// release tells the stocks that a request is closed: they erase the batches that
// no open request can need.
func (s *seat) release(task string) {
	s.mu.Lock()
	delete(s.open, task)
	s.mu.Unlock()
	for _, st := range s.allStocks() {
		st.Release(task)
	}
}

func (s *seat) allStocks() []*stock.Stock {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.stocks))
}

// batchSessions runs the making of batches.
type batchSessions struct{ *seat }

// Run implements stock.Sessions. What was sent is forgotten when the batch is
// made: from then on its opened values are what members ask for.
func (b batchSessions) Run(ctx context.Context, id session.ID, among sharing.Parties, machine mpc.Machine, options ...session.Option) error {
	owner := "batch " + id.String()
	defer b.sent.Drop(owner)
	return b.run(ctx, id, owner, among, machine, options...)
}

// Call implements stock.Sessions.
func (b batchSessions) Call(ctx context.Context, peer int, method string, body []byte) ([]byte, error) {
	return b.router.Call(ctx, peer, method, body)
}

// Handle implements stock.Sessions.
func (b batchSessions) Handle(method string, handler session.Handler) {
	b.router.Handle(method, handler)
}

// batchStore keeps one epoch's batches of one shape in the sealed store.
type batchStore struct {
	store  *seal.Store
	epoch  uint64
	prefix string
}

func (b batchStore) object(name string) seal.Object {
	return seal.Object{Kind: kindBatch, Key: b.prefix + name, Epoch: b.epoch}
}

// Put implements stock.Store.
func (b batchStore) Put(name string, data []byte) error { return b.store.Put(b.object(name), data) }

// Get implements stock.Store.
func (b batchStore) Get(name string) ([]byte, error) { return b.store.Get(b.object(name)) }

// Delete implements stock.Store.
func (b batchStore) Delete(name string) error { return b.store.Delete(b.object(name)) }

// List implements stock.Store.
func (b batchStore) List() ([]string, error) {
	objects, err := b.store.List()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, o := range objects {
		if name, ours := strings.CutPrefix(o.Key, b.prefix); ours && o.Kind == kindBatch && o.Epoch == b.epoch {
			names = append(names, name)
		}
	}
	return names, nil
}
