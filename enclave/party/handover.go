package party

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/metrics"
	"github.com/tkms-network/tkms/enclave/party/recall"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/transport"
	"github.com/tkms-network/tkms/enclave/vss"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// errMember reports a resharing that this party has no part in.
var errMember = errors.New("party: a member of neither epoch of the resharing")

// stepEvery is how often a resharing looks at what came in meanwhile.
const stepEvery = 50 * time.Millisecond

// handover is one attempt at a resharing as this party sees it: links among the members
// of both epochs, the vectors that are handed over, and the new shares that follow from
// them. What to do follows from the chain's record and from what is sealed; masks and
// vectors are functions of keys, so that an attempt that is begun anew after a restart
// says the same.
type handover struct {
	party    *Party
	old, new *seat // nil for who has no seat there
	attempt  uint32
	keys     []*kmstypes.Key // as of the epoch before
	session  mpc.Digest
	config   reshare.Config
	mesh     *transport.Mesh
	links    *metrics.Links
	router   *session.Router
	sent     *recall.Log

	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	wake    chan struct{} // capacity 1
	fetched chan struct{} // closed when the vault has the keys' files

	mu       sync.Mutex
	next     *committee.Committee // of the new epoch, as last proven
	machine  *reshare.Handover    // of the exchange, nil before that begins
	height   int64
	broken   error          // why there is no exchange
	err      error          // of the latest step
	vectors  map[int][]byte // that are sealed here, by old index
	fetching map[int]bool   // old indices whose vectors are asked for

	// Used by the goroutine of live only.

	proof   chan *proof // nil unless new shares are taken
	proven  *proof
	members sharing.Parties // that take the new shares
	forsake context.CancelFunc
}

// newHandover joins the attempt that the record of the new epoch is at.
func newHandover(ctx context.Context, m *move, height int64) (*handover, error) {
	h := &handover{
		party: m.party, old: m.party.seatOf(m.from), new: m.party.seatOf(m.epoch), attempt: m.next.Epoch.Resharing.Attempt,
		next: m.next, height: height, sent: recall.New(), wake: make(chan struct{}, 1), fetched: make(chan struct{}), vectors: map[int][]byte{}, fetching: map[int]bool{},
	}
	if h.old == nil && h.new == nil {
		return nil, errMember
	}
	if err := h.configure(ctx, m, height); err != nil {
		return nil, err
	}
	if err := h.load(); err != nil {
		return nil, err
	}
	if err := h.connect(m); err != nil {
		return nil, err
	}
	h.ctx, h.stop = context.WithCancel(h.party.ctx)
	h.running.Go(h.exchange)
	h.running.Go(h.live)
	if h.new != nil {
		vaults := slices.Concat(m.previous.Vaults, m.next.Vaults)
		h.running.Go(func() { h.fetchKeys(vaults) })
	}
	h.party.cfg.Log.Info("resharing", "epoch", m.epoch, "from", m.from, "attempt", h.attempt, "keys", len(h.keys), "old_index", h.config.OldSelf, "new_index", h.config.NewSelf)
	return h, nil
}

// configure reads the keys and whatever this party's part in the attempt needs.
func (h *handover) configure(ctx context.Context, m *move, height int64) error {
	p, r := h.party, m.next.Epoch.Resharing
	keys, err := p.resharedKeys(ctx, r, m.from, height)
	if err != nil {
		return err
	}
	h.keys = keys
	config, err := p.reshareConfig(m.next, m.previous, h.keys)
	if err != nil {
		return err
	}
	h.config, h.session = config, config.Session
	if h.new != nil && !m.next.Epoch.Dealt {
		if h.config.Masks, err = h.new.source(h.session); err != nil {
			return err
		}
	}
	if h.old == nil {
		return nil
	}
	for _, key := range h.keys {
		share, err := h.old.openShare(key)
		if err != nil {
			p.cfg.Log.Warn("no usable share of a key: nothing to hand over", "key", fmt.Sprintf("%x", key.Id), "err", err)
			p.startRestore(h.old, key)
			h.forgetShares()
			return nil
		}
		h.config.Shares = append(h.config.Shares, share)
	}
	return nil
}

// forgetShares lets go of the shares.
func (h *handover) forgetShares() { h.config.Shares = nil }

// connect opens links to the members of both epochs.
func (h *handover) connect(m *move) error {
	p := h.party
	self := h.config.NewSelf
	if self == 0 {
		self = h.config.Union[h.config.OldSelf-1]
	}
	h.links = p.metrics.Links(fmt.Sprintf("%d to %d", m.from, m.epoch))
	var err error
	h.mesh, err = transport.New(transport.Config{
		Self: self, Network: mpc.Hash("tkms/v1/handover", []byte(p.cfg.ChainID), mpc.Uint64(m.epoch)),
		Identity: p.cfg.Identity.TLS, Port: p.port, Background: p.cfg.Background, Log: p.cfg.Log, Metrics: h.links,
	})
	if err != nil {
		return err
	}
	h.router, err = session.New(session.Config{Mesh: h.mesh, Parties: max(h.config.New.N(), slices.Max(h.config.Union)), Log: p.cfg.Log})
	if err == nil {
		h.router.Handle(recall.Method, h.sent.Serve)
		h.router.Handle(methodTrials, h.serveTrials)
		err = errors.Join(h.mesh.SetPeers(h.peers(m.next, m.previous)), h.mesh.Start(h.router.Receive))
	}
	if err != nil {
		_ = h.mesh.Close()
	}
	return err
}

// peers are the members of both epochs by their index among both.
func (h *handover) peers(next, previous *committee.Committee) []transport.Peer {
	out := slices.Clone(next.Peers)
	for _, peer := range previous.Peers {
		if at := h.config.Union[peer.Index-1]; at > next.N {
			peer.Index = at
			out = append(out, peer)
		}
	}
	return out
}

// close ends the attempt at this party.
func (h *handover) close() {
	h.stop()
	h.router.Close()
	_ = h.mesh.Close()
	h.running.Wait()
	if dealt, ok := h.config.Masks.(*vss.Source); ok {
		dealt.Zero()
	}
	h.links.Forget()
}

// observe takes newly proven records and returns what is wrong with the attempt.
func (h *handover) observe(next, previous *committee.Committee, height int64) error {
	h.mu.Lock()
	h.next, h.height = next, height
	err := errors.Join(h.err, h.broken)
	h.mu.Unlock()
	h.signal()
	return errors.Join(err, h.mesh.SetPeers(h.peers(next, previous)))
}

func (h *handover) signal() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// live takes a step whenever the exchange or the record has gone on.
func (h *handover) live() {
	ticker := time.NewTicker(stepEvery)
	defer ticker.Stop()
	for {
		h.mu.Lock()
		next, height := h.next, h.height
		h.mu.Unlock()
		err := h.step(next, height)
		h.mu.Lock()
		h.err = err
		h.mu.Unlock()
		select {
		case <-h.ctx.Done():
			return
		case h.proven = <-h.proof:
			h.proof = nil
		case <-h.wake:
		case <-ticker.C:
		}
	}
}

// step does what the record asks for.
func (h *handover) step(next *committee.Committee, height int64) error {
	r := next.Epoch.Resharing
	if r == nil || r.Attempt != h.attempt {
		return nil
	}
	if h.config.OldSelf > 0 && next.Epoch.Status == partiestypes.EPOCH_STATUS_RESHARING {
		if err := h.post(next); err != nil {
			return err
		}
	}
	if h.new == nil {
		return nil
	}
	if err := h.keepVectors(r); err != nil {
		return err
	}
	if !reshareMembers(next).Has(h.config.NewSelf) {
		return nil
	}
	switch next.Epoch.Status {
	case partiestypes.EPOCH_STATUS_RECEIVING:
		h.fetchMissing(posted(r))
		return h.receipt(next, height)
	case partiestypes.EPOCH_STATUS_PROVING:
		h.fetchMissing(r.Used)
		return h.prove(next)
	}
	return nil
}
