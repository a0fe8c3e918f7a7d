package party

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/metrics"
	"github.com/tkms-network/tkms/enclave/party/post"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/x/kms/client"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Errors of this package.
var (
	// ErrNoKeys reports an epoch whose set-up this party missed.
	ErrNoKeys = errors.New("party: no keys of the epoch")
	// ErrStopped reports work that ended because the party stops.
	ErrStopped = errors.New("party: stopping")
)

// repostAfter is how many blocks a posted message may take to show in proven
// state before it is posted again.
const repostAfter = 10

// Party is one running party.
type Party struct {
	cfg     Config
	board   *status.Board
	poster  *post.Poster
	blobs   blob.Fetcher
	metrics *metrics.Metrics
	random  io.Reader

	ctx     context.Context
	running sync.WaitGroup

	mu     sync.Mutex
	height int64 // newest height with provable state
	posted map[string]int64
	seat   *seat
	id     uint64
	tasks  map[string]*task
	cursor int64 // work of blocks up to here was taken
	slots  chan struct{}
}

// New makes a party; Run starts it.
func New(cfg Config, board *status.Board, m *metrics.Metrics) *Party {
	p := &Party{
		cfg: cfg, board: board, metrics: m, random: rand.Reader, blobs: blob.Fetcher{Client: cfg.HTTP},
		posted: map[string]int64{}, tasks: map[string]*task{}, slots: make(chan struct{}, cfg.Requests),
	}
	signer := client.Signer{ChainID: cfg.ChainID, Key: cfg.Identity.Signing}
	p.poster = post.New(postChain{cfg.Chain}, signer, func(err error) { cfg.Log.Warn("post failed", "err", err) })
	board.Update(func(s *status.Party) { s.Moniker, s.Simulated = cfg.Moniker, cfg.Simulated })
	return p
}

func (p *Party) account() string {
	return sdk.AccAddress(p.cfg.Identity.Signing.PubKey().Address()).String()
}

// Run follows the chain until ctx ends or the light client stops for good.
func (p *Party) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		cancel(ErrStopped)
		p.mu.Lock()
		current := p.seat
		p.mu.Unlock()
		if current != nil {
			current.close()
		}
		p.running.Wait()
	}()
	p.ctx = ctx
	p.running.Go(func() { p.poster.Run(ctx) })
	return p.cfg.Chain.Follow(ctx, func(h Header) error {
		// The header of a height proves the state after the block before it.
		p.poster.Advance(h.Time)
		p.observe(ctx, h.Height-1, h.Time)
		return nil
	})
}

// once calls f unless the same thing was done in the last blocks.
func (p *Party) once(what string, f func() error) error {
	p.mu.Lock()
	last, done := p.posted[what]
	if done && p.height < last+repostAfter {
		p.mu.Unlock()
		return nil
	}
	p.posted[what] = p.height
	p.mu.Unlock()
	err := f()
	if err != nil {
		p.mu.Lock()
		delete(p.posted, what)
		p.mu.Unlock()
	}
	return err
}

// forget drops notes of what was posted long ago.
func (p *Party) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for what, height := range p.posted {
		if height+100*repostAfter < p.height {
			delete(p.posted, what)
		}
	}
}

// observe looks at the state after a block.
func (p *Party) observe(ctx context.Context, height int64, at time.Time) {
	p.mu.Lock()
	p.height = height
	current := p.seat
	p.mu.Unlock()
	var trouble []string
	note := func(hint string, err error) {
		if err != nil && ctx.Err() == nil {
			p.cfg.Log.Warn(hint, "height", height, "err", err)
			trouble = append(trouble, fmt.Sprintf("%s: %v", hint, err))
		}
	}
	if current == nil {
		note("cannot take a seat", p.takeSeat(ctx, height))
	} else {
		// Work first: its latency is the user's.
		if p.serving(current) {
			note("cannot read the chain's work", p.takeWork(ctx, current, height))
		}
		note("cannot follow the epoch", p.followEpoch(ctx, current, height))
	}
	p.forget()
	p.metrics.Height.Set(float64(height))
	p.board.Update(func(s *status.Party) { s.Height, s.BlockTime, s.Trouble = height, at, trouble })
	p.refreshStatus()
}

func (p *Party) serving(s *seat) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committee != nil && (s.committee.Epoch.Status == partiestypes.EPOCH_STATUS_ACTIVE || s.committee.Epoch.Status == partiestypes.EPOCH_STATUS_DRAINING)
}

// takeSeat looks for a live epoch that this party is a member of.
func (p *Party) takeSeat(ctx context.Context, height int64) error {
	if p.id == 0 {
		id, err := p.findSelf(ctx, height)
		if err != nil || id == 0 {
			return err
		}
		p.id = id
		p.board.Update(func(s *status.Party) { s.ID = id })
	}
	var epochs partiestypes.QueryEpochsResponse
	if err := query(ctx, p.cfg.Chain, "/tkms.parties.v1.Query/Epochs", &partiestypes.QueryEpochsRequest{}, &epochs); err != nil {
		return err
	}
	for _, hint := range epochs.Epochs {
		if hint.Status == partiestypes.EPOCH_STATUS_FAILED || hint.Status == partiestypes.EPOCH_STATUS_RETIRED {
			continue
		}
		c, err := loadCommittee(ctx, p.cfg.Chain, hint.Id, p.id, height)
		if errors.Is(err, committee.ErrNotMember) || errors.Is(err, ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		s, err := newSeat(p, c)
		if err != nil {
			return fmt.Errorf("take the seat in epoch %d: %w", hint.Id, err)
		}
		p.cfg.Log.Info("took a seat", "epoch", hint.Id, "index", c.Self, "of", c.N)
		p.mu.Lock()
		p.seat, p.cursor = s, 0
		p.mu.Unlock()
		return s.observe(ctx, c)
	}
	return nil
}

// findSelf finds the own registration; the answer is a hint that is proven.
func (p *Party) findSelf(ctx context.Context, height int64) (uint64, error) {
	var parties partiestypes.QueryPartiesResponse
	if err := query(ctx, p.cfg.Chain, "/tkms.parties.v1.Query/Parties", &partiestypes.QueryPartiesRequest{}, &parties); err != nil {
		return 0, err
	}
	own := p.cfg.Identity.Signing.PubKey().Bytes()
	for _, hint := range parties.Parties {
		if !bytes.Equal(hint.SigningKey, own) {
			continue
		}
		var proven partiestypes.Party
		err := record(ctx, p.cfg.Chain, partiestypes.StoreKey, partiestypes.PartyKey(hint.Id), height, &proven)
		if errors.Is(err, ErrAbsent) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		pin := p.cfg.Identity.TLS.Pin()
		if !bytes.Equal(proven.SigningKey, own) || !bytes.Equal(proven.TlsKeyHash, pin[:]) || !bytes.Equal(proven.SessionKey, p.cfg.Identity.SessionPublic()) {
			return 0, fmt.Errorf("party %d is registered with other keys than this party has: register this one anew", hint.Id)
		}
		return proven.Id, nil
	}
	return 0, nil
}

// followEpoch proves the epoch's record anew and hands it to the seat.
func (p *Party) followEpoch(ctx context.Context, s *seat, height int64) error {
	s.mu.Lock()
	old := s.committee
	s.mu.Unlock()
	var epoch partiestypes.Epoch
	if err := record(ctx, p.cfg.Chain, partiestypes.StoreKey, partiestypes.EpochKey(old.Epoch.Id), height, &epoch); err != nil {
		return err
	}
	c := old
	if !sameRecord(&epoch, &old.Epoch) {
		var err error
		if c, err = loadCommittee(ctx, p.cfg.Chain, epoch.Id, p.id, height); err != nil {
			return err
		}
	}
	if epoch.Status == partiestypes.EPOCH_STATUS_FAILED || epoch.Status == partiestypes.EPOCH_STATUS_RETIRED {
		p.cfg.Log.Info("the epoch has ended: leaving the seat", "epoch", epoch.Id, "status", epoch.Status.String())
		p.mu.Lock()
		p.seat = nil
		p.mu.Unlock()
		s.close()
		return nil
	}
	return s.observe(ctx, c)
}

func sameRecord(a, b *partiestypes.Epoch) bool {
	x, errX := a.Marshal()
	y, errY := b.Marshal()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func (p *Party) stockChanged(int) { p.refreshStatus() }

// refreshStatus copies what the seat knows to the board.
func (p *Party) refreshStatus() {
	p.mu.Lock()
	s := p.seat
	p.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	c := s.committee
	items, next := 0, uint64(0)
	for _, st := range s.stocks {
		items += st.Available()
		next = max(next, st.NextItem())
	}
	keys := make([]string, 0, len(s.held))
	for id := range s.held {
		keys = append(keys, id)
	}
	s.mu.Unlock()
	if c == nil {
		return
	}
	links := s.mesh.Status()
	connected := 0
	peers := make([]status.Peer, 0, len(links))
	for _, link := range links {
		if link.Up {
			connected++
		}
		peers = append(peers, status.Peer{Index: link.Index, Connected: link.Up})
	}
	p.metrics.Stock.Set(float64(items))
	p.board.Update(func(b *status.Party) {
		b.Epoch, b.EpochStatus, b.Index, b.Excluded = c.Epoch.Id, epochStatus(c.Epoch.Status), c.Self, c.Excluded
		b.StockItems, b.NextItem, b.Keys, b.Peers = items, next, keys, peers
		b.Margin = connected + 1 - (c.N - c.T)
	})
}

func epochStatus(s partiestypes.EpochStatus) string {
	return string(bytes.ToLower(bytes.TrimPrefix([]byte(s.String()), []byte("EPOCH_STATUS_"))))
}
