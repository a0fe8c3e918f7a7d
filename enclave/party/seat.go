package party

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/backup"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/metrics"
	"github.com/tkms-network/tkms/enclave/party/recall"
	"github.com/tkms-network/tkms/enclave/party/stock"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/transport"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Kinds of sealed objects of an epoch.
const (
	kindContribution = "prss-contribution"
	kindOpenings     = "prss-openings"
	kindComplaint    = "prss-complaint-key"
	kindKeys         = "prss-keys"
	kindBatch        = "offline-batch"
	kindKeyShare     = backup.KindKeyShare
	kindKeyOpened    = "key-opened"
	kindKeyStep      = "key-step"
)

// seat is the party's place in one epoch: links to the other members, the keys
// of the set-up, and the offline stock.
type seat struct {
	party    *Party
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	mesh     *transport.Mesh
	links    *metrics.Links
	router   *session.Router
	identity *mpc.Identity
	code     *sharing.Code
	sent     *recall.Log // what members that were away may ask for
	erased   bool        // what only the set-up needed is gone; used by the goroutine that follows the chain
	// sharesOnly says that this party was restored from a backup: it has nothing of the
	// set-up, hands its shares over at the next resharing, and does nothing else.
	sharesOnly bool
	backedUp   int  // number of keys that custodians have shares of; used by the same goroutine
	caughtUp   bool // what was open when this party came was taken; used by the same goroutine

	mu        sync.Mutex
	committee *committee.Committee
	setup     *setupRun // nil when none is under way
	keys      *prss.Keys
	stocks    map[preproc.Shape]*stock.Stock
	open      map[string]itemRange // items of open requests, by task
	next      uint64               // first item that no request has
	counted   bool                 // whether next is known, and all of the rest that is open
	held      map[string]*heldKey  // by key id in hex

	silent  map[string]sharing.Parties // whom key generations wait for, by task
	accused map[mpc.Digest]accusation

	dealing sync.Mutex
	pinging sync.Mutex
	pinged  uint32 // round trip in microseconds, 0 before it is measured
}

type itemRange struct{ first, end uint64 }

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
	s := &seat{
		party: p, identity: identity, code: code, sent: recall.New(), committee: c,
		stocks: map[preproc.Shape]*stock.Stock{}, open: map[string]itemRange{}, held: map[string]*heldKey{}, silent: map[string]sharing.Parties{},
		accused: map[mpc.Digest]accusation{}, links: p.metrics.Links(fmt.Sprint(c.Epoch.Id)),
	}
	if s.sharesOnly, err = backup.Restored(p.cfg.Store, c.Epoch.Id); err != nil {
		return nil, err
	}
	s.mesh, err = transport.New(transport.Config{
		Self: c.Self, Network: mpc.Hash("tkms/v1/network", []byte(p.cfg.ChainID), mpc.Uint64(c.Epoch.Id)),
		Identity: p.cfg.Identity.TLS, Port: p.port, Background: p.cfg.Background, Log: p.cfg.Log, Metrics: s.links,
	})
	if err != nil {
		return nil, err
	}
	s.router, err = session.New(session.Config{Mesh: s.mesh, Parties: c.N, Log: p.cfg.Log})
	if err == nil {
		s.router.Handle(recall.Method, s.sent.Serve)
		s.router.Handle(methodKeyOpened, s.serveOpened)
		s.router.Handle(methodVector, s.serveVector)
		s.router.Handle(methodPing, servePing)
		err = errors.Join(s.mesh.SetPeers(c.Peers), s.mesh.Start(s.router.Receive))
	}
	if err != nil {
		_ = s.mesh.Close()
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(p.ctx)
	return s, nil
}

// backUp gives custodians the shares of an epoch that serves, whenever there are more.
func (s *seat) backUp(c *committee.Committee) {
	held := len(s.heldKeys())
	if s.party.cfg.Backups == nil || held == s.backedUp {
		return
	}
	s.backedUp = held
	s.running.Go(func() {
		made, err := s.party.cfg.Backups.Keep(c.Epoch.Id)
		switch {
		case err != nil:
			s.party.cfg.Log.Error("the shares are not backed up", "epoch", c.Epoch.Id, "err", err)
		case made:
			s.party.cfg.Log.Info("shares backed up", "epoch", c.Epoch.Id, "keys", held)
		}
	})
}

// close leaves the seat and waits for its work to end.
func (s *seat) close() {
	s.cancel()
	s.router.Close()
	_ = s.mesh.Close()
	s.running.Wait()
	s.links.Forget()
}

// current returns the committee as last proven.
func (s *seat) current() *committee.Committee {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committee
}

func (s *seat) epochID() uint64 { return s.current().Epoch.Id }

// run runs one machine with the members. What it sends is remembered until the
// owner is done, and what others sent is asked for if it takes long: some party,
// perhaps this one, was away.
func (s *seat) run(ctx context.Context, id session.ID, owner string, members sharing.Parties, machine mpc.Machine, options ...session.Option) error {
	return s.runFor(ctx, id, owner, members, machine, recall.Short, options...)
}

// runFor is run for a machine that usually takes no longer than so much.
func (s *seat) runFor(ctx context.Context, id session.ID, owner string, members sharing.Parties, machine mpc.Machine, usual time.Duration, options ...session.Option) error {
	self := s.identity.Self()
	asking, stop := context.WithCancel(ctx)
	var asked sync.WaitGroup
	if wrap := s.party.cfg.Wrap; wrap != nil {
		machine = wrap(mpc.Digest(id), members, s.identity, machine)
	}
	if members != sharing.PartiesOf(self) {
		machine = s.sent.Record(id, owner, members, machine)
		asked.Go(func() { recall.Ask(asking, s.router, self, members, id, usual) })
	}
	err := s.router.Run(ctx, id, machine, append(options, session.WithParties(members.List()...))...)
	stop()
	asked.Wait()
	return err
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
	if c.Removed || s.sharesOnly {
		return nil
	}
	if c.Convicted && !c.Epoch.Serving() {
		s.endSetup()
		return nil
	}
	switch c.Epoch.Status {
	case partiestypes.EPOCH_STATUS_COMMITTING:
		return s.commit(ctx, c)
	case partiestypes.EPOCH_STATUS_CONFIRMING, partiestypes.EPOCH_STATUS_CONCLUDING:
		return s.confirm(ctx, c)
	case partiestypes.EPOCH_STATUS_ANSWERING, partiestypes.EPOCH_STATUS_REVEALING:
		return s.settle(ctx, c)
	case partiestypes.EPOCH_STATUS_RESHARING, partiestypes.EPOCH_STATUS_RECEIVING, partiestypes.EPOCH_STATUS_PROVING:
		if err := s.holdKeys(c); err != nil || c.Excluded {
			return err
		}
		return s.reportAbsent(ctx, c, stocks)
	case partiestypes.EPOCH_STATUS_ACTIVE, partiestypes.EPOCH_STATUS_DRAINING:
		for _, st := range stocks {
			st.SetMembers(c.Epoch.Generation, c.Active)
		}
		if c.Excluded || c.Convicted {
			return s.comeBack(ctx, c)
		}
		if err := s.finishSetup(c); err != nil {
			return err
		}
		s.backUp(c)
		s.repeatAccusations(ctx, c)
		return s.reportAbsent(ctx, c, stocks)
	}
	return nil
}
