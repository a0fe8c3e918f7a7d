package party

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/courtesy"
	"github.com/tkms-network/tkms/enclave/party/blob"
	"github.com/tkms-network/tkms/enclave/party/metrics"
	"github.com/tkms-network/tkms/enclave/party/post"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/party/trialcache"
	"github.com/tkms-network/tkms/enclave/transport"
	"github.com/tkms-network/tkms/x/kms/client"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Errors of this package.
var (
	// ErrNoKeys reports an epoch whose set-up this party missed.
	ErrNoKeys = errors.New("party: no keys of the epoch")
	// ErrStopped reports work that ended because the party stops.
	ErrStopped = errors.New("party: stopping")
	// ErrOtherKeys reports a registration with keys that are not this party's.
	ErrOtherKeys = errors.New("party: registered with other keys than this party has; register this one anew with 'tkms-party register-message'")
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
	trials  *trialcache.Cache
	random  io.Reader
	slots   chan struct{} // downloads under way
	hosts   hosts

	ctx     context.Context
	running sync.WaitGroup

	// Used by the goroutine that follows the chain only.

	id        uint64
	newest    uint64           // epoch up to which all were looked at
	moves     map[uint64]*move // by epoch: the resharings that this party has a part in
	port      *transport.Port  // for peers; nil before the first seat
	cursor    int64            // work of blocks up to here was taken
	checkedAt int64            // height of the latest look at the registration
	standing  []finding
	earlier   map[string]bool // attempts to generate keys of which an earlier life left something

	mu     sync.Mutex
	height int64 // newest height with provable state
	posted map[string]int64
	seats  map[uint64]*seat // by epoch
	tasks  map[string]*task
	seen   time.Time // when the latest header came
	found  []finding
	told   map[string]bool // trouble that is in the log
}

// New makes a party; Run starts it.
func New(cfg Config, board *status.Board, m *metrics.Metrics) *Party {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Background == nil {
		cfg.Background = courtesy.Go
	}
	p := &Party{
		cfg: cfg, board: board, metrics: m, random: rand.Reader, blobs: blob.Fetcher{Client: cfg.HTTP},
		posted: map[string]int64{}, tasks: map[string]*task{}, slots: make(chan struct{}, max(1, cfg.Requests)), told: map[string]bool{},
		trials: &trialcache.Cache{Store: cfg.Store, Log: cfg.Log},
		hosts:  hosts{known: map[uint64]provenHost{}}, seats: map[uint64]*seat{}, moves: map[uint64]*move{},
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
		p.leaveAll()
		p.running.Wait()
	}()
	p.ctx = ctx
	p.publish()
	p.running.Go(func() { p.poster.Run(ctx) })
	p.running.Go(func() { p.watchSync(ctx) })
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
	p.height, p.seen = height, p.cfg.Now()
	p.mu.Unlock()
	var found []finding
	note := func(hint string, err error) {
		if err != nil && ctx.Err() == nil {
			found = append(found, finding{hint, hint + ": " + err.Error(), true})
		}
	}
	// Work first: its latency is the user's.
	note("cannot read the chain's work", p.takeWork(ctx, height))
	for _, s := range p.allSeats() {
		note("cannot follow the epoch", p.followEpoch(ctx, s, height))
	}
	note("cannot take a seat", p.takeSeats(ctx, height))
	note("cannot follow the resharing", p.followMoves(ctx, height))
	found = append(found, p.selfCheck(ctx, height, at)...)
	p.forget()
	p.metrics.Height.Set(float64(height))
	p.mu.Lock()
	p.found = found
	p.mu.Unlock()
	p.board.Update(func(s *status.Party) { s.Height, s.BlockTime = height, at })
	p.publish()
	p.refreshStatus()
}

// serving reports whether the seat's epoch answers requests, with this party.
func (p *Party) serving(s *seat) bool {
	c := s.current()
	return !c.Removed && !s.sharesOnly && (c.Epoch.Status == partiestypes.EPOCH_STATUS_ACTIVE || c.Epoch.Status == partiestypes.EPOCH_STATUS_DRAINING)
}
