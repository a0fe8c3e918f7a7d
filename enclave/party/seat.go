package party

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/stock"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/transport"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Kinds of sealed objects of an epoch.
const (
	kindContribution = "prss-contribution"
	kindKeys         = "prss-keys"
	kindBatch        = "offline-batch"
	kindKeyShare     = "key-share"
)

// seat is the party's place in one epoch: links to the other members, the keys
// of the set-up, and the offline stock.
type seat struct {
	party    *Party
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	mesh     *transport.Mesh
	router   *session.Router
	identity *mpc.Identity
	code     *sharing.Code

	mu        sync.Mutex
	committee *committee.Committee
	settingUp uint32 // attempt whose set-up session runs
	keys      *prss.Keys
	stocks    map[preproc.Shape]*stock.Stock
	held      map[string]*heldKey // by key id in hex
}

// newSeat takes the party's place in an epoch that it is a member of.
func newSeat(p *Party, c *committee.Committee) (*seat, error) {
	code, err := sharing.New(c.N, c.T, sharing.DegreeFor(c.N))
	if err != nil {
		return nil, err
	}
	registered := make([]ed25519.PublicKey, c.N)
	copy(registered, c.Session[1:])
	identity, err := mpc.NewIdentity(c.Self, p.cfg.Identity.Session, registered)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", p.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for peers on %s: %w", p.cfg.Listen, err)
	}
	mesh, err := transport.New(transport.Config{
		Self: c.Self, Network: mpc.Hash("tkms/v1/network", []byte(p.cfg.ChainID), mpc.Uint64(c.Epoch.Id)),
		Identity: p.cfg.Identity.TLS, Listener: listener, Log: p.cfg.Log, Metrics: p.metrics,
	})
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	router, err := session.New(session.Config{Mesh: mesh, Parties: c.N, Log: p.cfg.Log})
	if err == nil {
		err = errors.Join(mesh.SetPeers(c.Peers), mesh.Start(router.Receive))
	}
	if err != nil {
		_ = mesh.Close()
		return nil, err
	}
	s := &seat{party: p, mesh: mesh, router: router, identity: identity, code: code, stocks: map[preproc.Shape]*stock.Stock{}, held: map[string]*heldKey{}}
	s.ctx, s.cancel = context.WithCancel(p.ctx)
	return s, nil
}

// close leaves the seat and waits for its work to end.
func (s *seat) close() {
	s.cancel()
	s.router.Close()
	_ = s.mesh.Close()
	s.running.Wait()
}

// observe takes a newly proven committee record and does what its state asks for.
func (s *seat) observe(ctx context.Context, c *committee.Committee) error {
	s.mu.Lock()
	s.committee = c
	stocks := make([]*stock.Stock, 0, len(s.stocks))
	for _, st := range s.stocks {
		stocks = append(stocks, st)
	}
	s.mu.Unlock()
	if err := s.mesh.SetPeers(c.Peers); err != nil {
		return fmt.Errorf("update peers: %w", err)
	}
	switch c.Epoch.Status {
	case partiestypes.EPOCH_STATUS_COMMITTING:
		return s.commit(ctx, c)
	case partiestypes.EPOCH_STATUS_CONFIRMING:
		return s.confirm(ctx, c)
	case partiestypes.EPOCH_STATUS_ACTIVE, partiestypes.EPOCH_STATUS_DRAINING:
		for _, st := range stocks {
			st.SetMembers(c.Epoch.Generation, c.Active)
		}
		if c.Excluded && !c.Ready() {
			return s.ready(ctx, c)
		}
	}
	return nil
}

func attemptKey(attempt uint32) string { return fmt.Sprintf("attempt-%d", attempt) }

// contribution returns the own contribution to a set-up attempt, made and sealed
// when it is first asked for: the root that is posted must be openable later.
func (s *seat) contribution(c *committee.Committee) (*prss.Contribution, error) {
	object := seal.Object{Kind: kindContribution, Key: attemptKey(c.Epoch.Attempt), Epoch: c.Epoch.Id}
	raw, err := s.party.cfg.Store.Get(object)
	if err == nil {
		defer raw.Zero()
		return prss.UnmarshalContribution(raw)
	}
	if !errors.Is(err, seal.ErrNotFound) {
		return nil, err
	}
	own, err := prss.NewContribution(s.party.random, committee.SetupID(s.party.cfg.ChainID, c.Epoch.Id, c.Epoch.Attempt), c.Self, c.N, c.T)
	if err != nil {
		return nil, err
	}
	encoded, err := own.MarshalBinary()
	if err != nil {
		return nil, err
	}
	defer clear(encoded)
	return own, s.party.cfg.Store.Put(object, encoded)
}

// commit posts the root of the own contribution.
func (s *seat) commit(ctx context.Context, c *committee.Committee) error {
	if c.Said(c.Epoch.Roots) {
		return nil
	}
	return s.party.once(fmt.Sprintf("commit %d/%d", c.Epoch.Id, c.Epoch.Attempt), func() error {
		own, err := s.contribution(c)
		if err != nil {
			return fmt.Errorf("set-up contribution: %w", err)
		}
		defer own.Zero()
		root := own.Root()
		return s.party.poster.Message(ctx, &partiestypes.MsgCommitSetup{
			Account: s.party.account(), EpochId: c.Epoch.Id, Attempt: c.Epoch.Attempt, Root: root[:],
		})
	})
}

// confirm runs the set-up's exchange, seals the keys and posts the transcript.
func (s *seat) confirm(ctx context.Context, c *committee.Committee) error {
	if c.Said(c.Epoch.Confirmations) {
		return nil
	}
	keys, err := s.loadKeys(c)
	if err != nil {
		return err
	}
	if keys == nil {
		s.startSetup(c)
		return nil
	}
	return s.postTranscript(ctx, c)
}

// loadKeys returns the keys of the current set-up attempt, nil if there are none.
func (s *seat) loadKeys(c *committee.Committee) (*prss.Keys, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := committee.SetupID(s.party.cfg.ChainID, c.Epoch.Id, c.Epoch.Attempt)
	if s.keys != nil && s.keys.Epoch() == id {
		return s.keys, nil
	}
	raw, err := s.party.cfg.Store.Get(seal.Object{Kind: kindKeys, Key: attemptKey(c.Epoch.Attempt), Epoch: c.Epoch.Id})
	if errors.Is(err, seal.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer raw.Zero()
	keys, err := prss.UnmarshalKeys(raw)
	if err != nil {
		return nil, err
	}
	s.keys = keys
	return keys, nil
}

// startSetup runs the exchange of one attempt, once.
func (s *seat) startSetup(c *committee.Committee) {
	s.mu.Lock()
	started := s.settingUp == c.Epoch.Attempt
	s.settingUp = c.Epoch.Attempt
	s.mu.Unlock()
	if started {
		return
	}
	s.running.Go(func() {
		if err := s.setup(s.ctx, c); err != nil && s.ctx.Err() == nil {
			s.party.cfg.Log.Error("epoch set-up failed", "epoch", c.Epoch.Id, "attempt", c.Epoch.Attempt, "culprits", mpc.Culprits(err).String(), "err", err)
		}
	})
}

func (s *seat) setup(ctx context.Context, c *committee.Committee) error {
	roots, err := c.Roots()
	if err != nil {
		return err
	}
	own, err := s.contribution(c)
	if err != nil {
		return err
	}
	machine, err := prss.NewSetup(own, roots)
	if err != nil {
		return err
	}
	id := mpc.Session{
		ChainID: s.party.cfg.ChainID, Subject: mpc.Uint64(c.Epoch.Id), Epoch: c.Epoch.Id, Attempt: c.Epoch.Attempt,
		Protocol: "set-up", Parties: sharing.AllParties(c.N), T: c.T,
	}.ID()
	if err := s.router.Run(ctx, session.ID(id), machine); err != nil {
		return err
	}
	encoded, err := machine.Keys().MarshalBinary()
	if err != nil {
		return err
	}
	defer clear(encoded)
	if err := s.party.cfg.Store.Put(seal.Object{Kind: kindKeys, Key: attemptKey(c.Epoch.Attempt), Epoch: c.Epoch.Id}, encoded); err != nil {
		return err
	}
	s.mu.Lock()
	s.keys = machine.Keys()
	s.mu.Unlock()
	own.Zero()
	return s.postTranscript(ctx, c)
}

func (s *seat) postTranscript(ctx context.Context, c *committee.Committee) error {
	return s.party.once(fmt.Sprintf("confirm %d/%d", c.Epoch.Id, c.Epoch.Attempt), func() error {
		roots, err := c.Roots()
		if err != nil {
			return err
		}
		transcript := prss.TranscriptOf(committee.SetupID(s.party.cfg.ChainID, c.Epoch.Id, c.Epoch.Attempt), c.N, c.T, roots)
		return s.party.poster.Message(ctx, &partiestypes.MsgConfirmSetup{
			Account: s.party.account(), EpochId: c.Epoch.Id, Attempt: c.Epoch.Attempt, Transcript: transcript[:],
		})
	})
}

// ready tells the chain that this party is back.
func (s *seat) ready(ctx context.Context, c *committee.Committee) error {
	return s.party.once(fmt.Sprintf("ready %d/%d", c.Epoch.Id, c.Epoch.Generation), func() error {
		digest := partiestypes.ReadyDigest(c.Epoch.Transcript, c.Epoch.Generation)
		s.party.cfg.Log.Info("excluded as absent: asking to be counted again", "epoch", c.Epoch.Id, "generation", c.Epoch.Generation)
		return s.party.poster.Message(ctx, &partiestypes.MsgReady{Account: s.party.account(), EpochId: c.Epoch.Id, Digest: digest[:]})
	})
}

// reportAbsent tells the chain who the offline phase waits for.
func (s *seat) reportAbsent(ctx context.Context, generation uint32, missing sharing.Parties) {
	s.mu.Lock()
	c := s.committee
	s.mu.Unlock()
	var indices []uint32
	for _, i := range missing.List() {
		indices = append(indices, uint32(i))
	}
	err := s.party.once(fmt.Sprintf("absent %d/%d/%s", c.Epoch.Id, generation, missing), func() error {
		s.party.cfg.Log.Info("members are silent in the offline phase", "epoch", c.Epoch.Id, "generation", generation, "missing", missing.String())
		return s.party.poster.Message(ctx, &partiestypes.MsgReportAbsent{
			Account: s.party.account(), EpochId: c.Epoch.Id, Generation: generation, Indices: indices,
		})
	})
	if err != nil {
		s.party.cfg.Log.Warn("report of absence was not posted", "err", err)
	}
}

// stock returns the offline stock of a shape, loaded when it is first asked for.
func (s *seat) stock(shape preproc.Shape) (*stock.Stock, error) {
	s.mu.Lock()
	c := s.committee
	s.mu.Unlock()
	keys, err := s.loadKeys(c)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, fmt.Errorf("%w: this party did not take part in the set-up of epoch %d", ErrNoKeys, c.Epoch.Id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.stocks[shape]; st != nil {
		return st, nil
	}
	source, err := prss.NewSource(keys, s.code, keys.Epoch())
	if err != nil {
		return nil, err
	}
	st, err := stock.New(stock.Config{
		ChainID: s.party.cfg.ChainID, Epoch: c.Epoch.Id, Shape: shape, Source: source, Identity: s.identity, Sessions: s.router,
		Store:  batchStore{s.party.cfg.Store, c.Epoch.Id, fmt.Sprintf("k%d-w%d-", shape.K, shape.W)},
		Target: s.party.cfg.StockTarget, Patience: s.party.cfg.Patience, ReportAbsent: s.reportAbsent, Log: s.party.cfg.Log,
		Changed: s.party.stockChanged,
	})
	if err != nil {
		return nil, err
	}
	st.SetMembers(c.Epoch.Generation, c.Active)
	s.stocks[shape] = st
	if c.N > 1 {
		s.running.Go(func() { st.Run(s.ctx) })
	}
	return st, nil
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
