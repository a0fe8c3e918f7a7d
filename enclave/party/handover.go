package party

import (
	"bytes"
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
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/transport"
	"github.com/tkms-network/tkms/enclave/vss"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// errMember reports a resharing that this party has no part in.
var errMember = errors.New("party: a member of neither epoch of the resharing")

// stepEvery is how often a resharing looks at what came in meanwhile.
const stepEvery = 50 * time.Millisecond

// receiptMargin is how many blocks before the end of its phase a member says what it
// received, although vectors are missing.
const receiptMargin = 12

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

// proof is what a member found when it took the new shares.
type proof struct {
	transcript mpc.Digest
	wrong      sharing.Parties
	err        error
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
	for _, id := range r.KeyIds {
		key := new(kmstypes.Key)
		if err := record(ctx, p.cfg.Chain, kmstypes.StoreKey, kmstypes.StoreKeyOfKey(id), height, key); err != nil {
			return err
		}
		h.keys = append(h.keys, under(key, m.from))
	}
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

// reshareConfig is what all members of both epochs know of an attempt alike.
func (p *Party) reshareConfig(next, previous *committee.Committee, keys []*kmstypes.Key) (c reshare.Config, err error) {
	c.OldSelf, c.NewSelf, c.Members = previous.Self, next.Self, reshareMembers(next)
	if c.Old, err = sharing.New(previous.N, previous.T, sharing.DegreeFor(previous.N)); err != nil {
		return c, err
	}
	if c.New, err = sharing.New(next.N, next.T, sharing.DegreeFor(next.N)); err != nil {
		return c, err
	}
	for _, key := range keys {
		parameters, err := tfhe.ByName(key.Params)
		if err != nil {
			return c, err
		}
		if len(key.Id) != mpc.DigestSize {
			return c, fmt.Errorf("%w: key %x", committee.ErrRecord, key.Id)
		}
		c.Items = append(c.Items, reshare.Item{KeyID: mpc.Digest(key.Id), Parameters: parameters})
	}
	c.Union = reshare.Union(memberIDs(previous), memberIDs(next))
	c.Session = p.reshareSession(next, "resharing", sharing.AllParties(next.N)).ID()
	return c, nil
}

// reshareMembers are those of the new epoch that take part in the attempt now: members
// may be excluded in the course of it.
func reshareMembers(next *committee.Committee) sharing.Parties {
	members := sharing.AllParties(next.N)
	for _, index := range next.Epoch.Resharing.Without {
		members = members.Without(sharing.PartiesOf(int(index)))
	}
	return members
}

func memberIDs(c *committee.Committee) []uint64 {
	ids := make([]uint64, 0, c.N)
	for _, member := range c.Epoch.Members {
		ids = append(ids, member.PartyId)
	}
	return ids
}

// reshareSession names a protocol of the attempt that a record is at, among members.
func (p *Party) reshareSession(next *committee.Committee, protocol string, members sharing.Parties) mpc.Session {
	r := next.Epoch.Resharing
	subject := mpc.Hash("tkms/v1/resharing", mpc.Uint64(next.Epoch.From), bytes.Join(r.KeyIds, nil))
	return mpc.Session{
		ChainID: p.cfg.ChainID, Subject: subject[:], Epoch: next.Epoch.Id, Attempt: r.Attempt,
		Protocol: protocol, Parties: members, T: next.T,
	}
}

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

// exchange runs the machine that masks and vectors go through.
func (h *handover) exchange() {
	machine, err := h.begin()
	if err != nil {
		h.mu.Lock()
		h.broken = err
		h.mu.Unlock()
		if h.ctx.Err() == nil {
			h.party.cfg.Log.Error("a resharing cannot begin", "attempt", h.attempt, "err", err)
		}
		return
	}
	h.mu.Lock()
	h.machine = machine
	h.mu.Unlock()
	defer machine.Zero()
	var members sharing.Parties
	for _, at := range h.config.Union {
		members = members.With(at)
	}
	members |= sharing.AllParties(h.config.New.N())
	id := session.ID(h.session)
	asking, stop := context.WithCancel(h.ctx)
	defer stop()
	h.running.Go(func() { recall.Ask(asking, h.router, h.mesh.Self(), members, id, recall.Short) })
	var running mpc.Machine = machine
	if wrap := h.party.cfg.Wrap; wrap != nil {
		running = wrap(h.session, members, h.identity(), running)
	}
	running = h.sent.Record(id, "resharing", members, running)
	err = h.router.Run(h.ctx, id, running, session.WithParties(members.List()...), session.WithBulk())
	if err != nil && h.ctx.Err() == nil {
		h.party.cfg.Log.Error("the exchange of a resharing ended", "attempt", h.attempt, "err", err)
	}
	// Members that were away come for what was sent as long as the attempt goes on.
	<-h.ctx.Done()
}

// begin returns the machine of the exchange. Where masks are dealt that comes first.
func (h *handover) begin() (*reshare.Handover, error) {
	if h.new != nil && h.config.Masks == nil {
		if err := h.dealMasks(); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	machine, err := reshare.NewHandover(h.config)
	h.forgetShares() // the machine has what it needs
	return machine, err
}

// dealMasks has the members of the new epoch that take part deal each other the masks.
func (h *handover) dealMasks() error {
	var demand []prss.Demand
	for _, d := range h.config.Draws() {
		layout := prss.Layout{Integers: 1}
		if d.Elements {
			layout = prss.Layout{Elements: 1}
		}
		demand = append(demand, prss.Demand{Address: d.Address, Layout: layout, Count: d.Count})
	}
	h.mu.Lock()
	named := h.party.reshareSession(h.next, "dealing for a resharing", h.config.Members)
	h.mu.Unlock()
	source, err := h.new.deal(h.ctx, named, reshareOwner(h.next), h.session, demand)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.config.Masks = source
	return nil
}

// exchanged returns the machine of the exchange, nil before it runs.
func (h *handover) exchanged() *reshare.Handover {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machine
}

// identity signs as the member that this party is.
func (h *handover) identity() *mpc.Identity {
	if h.new != nil {
		return h.new.identity
	}
	return h.old.identity
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

// post posts the digest of the own vector.
func (h *handover) post(next *committee.Committee) error {
	machine, self := h.exchanged(), h.config.OldSelf
	if machine == nil {
		return nil
	}
	vector, ok := machine.Vector()
	if !ok || digestOf(next.Epoch.Resharing, self) != nil {
		return nil
	}
	p, digest := h.party, reshare.VectorDigest(h.session, self, vector)
	return p.once(fmt.Sprintf("reshare %d/%d", next.Epoch.Id, h.attempt), func() error {
		return p.poster.Message(h.ctx, &partiestypes.MsgCommitResharing{Account: p.account(), EpochId: next.Epoch.Id, Attempt: h.attempt, Digest: digest[:]})
	})
}

// posted returns the old members that posted digests.
func posted(r *partiestypes.Resharing) []uint32 {
	var out []uint32
	for _, entry := range r.Digests {
		out = append(out, entry.Index)
	}
	return out
}

// digestOf returns the digest that an old member posted, nil if none.
func digestOf(r *partiestypes.Resharing, old int) []byte {
	for _, entry := range r.Digests {
		if int(entry.Index) == old {
			return entry.Digest
		}
	}
	return nil
}

func vectorObject(epoch uint64, attempt uint32, old int) seal.Object {
	return seal.Object{Kind: kindVector, Key: fmt.Sprintf("%d-%d", attempt, old), Epoch: epoch}
}

// load reads the vectors that an earlier life of this party sealed.
func (h *handover) load() error {
	if h.new == nil {
		return nil
	}
	for old := 1; old <= h.config.Old.N(); old++ {
		raw, err := h.party.cfg.Store.Get(vectorObject(h.new.epochID(), h.attempt, old))
		if errors.Is(err, seal.ErrNotFound) || errors.Is(err, seal.ErrDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		h.vectors[old] = raw
	}
	return nil
}

// keepVectors seals the vectors that are those of the chain: who says that it has one
// can pass it on.
func (h *handover) keepVectors(r *partiestypes.Resharing) error {
	machine := h.exchanged()
	if machine == nil {
		return nil
	}
	for _, entry := range r.Digests {
		old := int(entry.Index)
		h.mu.Lock()
		held := h.vectors[old] != nil
		h.mu.Unlock()
		if held {
			continue
		}
		if vector, ok := machine.Received(old); ok {
			if err := h.keep(entry, vector); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep seals a vector if it is the one that was posted.
func (h *handover) keep(entry partiestypes.SetupEntry, vector []byte) error {
	old := int(entry.Index)
	if digest := reshare.VectorDigest(h.session, old, vector); !bytes.Equal(digest[:], entry.Digest) || len(vector) != h.config.VectorBytes() {
		return nil
	}
	if err := h.party.cfg.Store.Put(vectorObject(h.new.epochID(), h.attempt, old), vector); err != nil {
		return fmt.Errorf("seal the vector of old member %d: %w", old, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.vectors[old] = vector
	return nil
}

// fetchMissing asks the other new members for vectors that are missing here.
func (h *handover) fetchMissing(of []uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.next.Epoch.Resharing
	for _, index := range of {
		old := int(index)
		at := slices.IndexFunc(r.Digests, func(e partiestypes.SetupEntry) bool { return e.Index == index })
		if at < 0 || h.vectors[old] != nil || h.fetching[old] {
			continue
		}
		h.fetching[old] = true
		entry := r.Digests[at]
		h.running.Go(func() {
			defer func() {
				h.mu.Lock()
				delete(h.fetching, old)
				h.mu.Unlock()
			}()
			vector := h.new.askVector(h.ctx, h.session, h.attempt, entry)
			if vector == nil {
				pause(h.ctx, retryPause)
				return
			}
			if err := h.keep(entry, vector); err != nil {
				h.party.cfg.Log.Warn("a vector that was passed on is not kept", "err", err)
			}
		})
	}
}

// receipt says whose vectors this party holds, when it has all or must not wait longer.
func (h *handover) receipt(next *committee.Committee, height int64) error {
	r := next.Epoch.Resharing
	if slices.ContainsFunc(r.Receipts, func(x partiestypes.Receipt) bool { return int(x.Index) == h.config.NewSelf }) {
		return nil
	}
	h.mu.Lock()
	var received []uint32
	for _, index := range posted(r) {
		if h.vectors[int(index)] != nil {
			received = append(received, index)
		}
	}
	h.mu.Unlock()
	if len(received) < len(r.Digests) && height < next.Epoch.Deadline-receiptMargin {
		return nil
	}
	p := h.party
	return p.once(fmt.Sprintf("receipt %d/%d", next.Epoch.Id, h.attempt), func() error {
		return p.poster.Message(h.ctx, &partiestypes.MsgReceiveResharing{Account: p.account(), EpochId: next.Epoch.Id, Attempt: h.attempt, Received: received})
	})
}

// fetchKeys brings what is published of the keys into the own vault: a member serves it,
// and tests its shares with it.
func (h *handover) fetchKeys(vaults []string) {
	var trials sync.WaitGroup
	trials.Go(func() {
		for _, item := range h.config.Items {
			if err := h.takeTrials(item); err != nil && h.ctx.Err() == nil {
				h.party.cfg.Log.Warn("what tests a key is to be computed here", "err", err)
			}
		}
	})
	defer trials.Wait()
	for _, key := range h.keys {
		for said := false; ; said = true {
			err := h.party.cfg.Vault.FetchKey(h.ctx, h.party.cfg.HTTP, key, vaults)
			if err == nil {
				break
			}
			if !said && h.ctx.Err() == nil {
				h.party.cfg.Log.Warn("the files of a key cannot be fetched yet", "key", fmt.Sprintf("%x", key.Id), "err", err)
			}
			if !pause(h.ctx, retryPause) {
				return
			}
		}
	}
	trials.Wait()
	close(h.fetched)
}

// prove takes the new shares, tests them, and confirms that they are right.
func (h *handover) prove(next *committee.Committee) error {
	r := next.Epoch.Resharing
	if slices.ContainsFunc(r.Words, func(w partiestypes.ReshareWord) bool { return int(w.Index) == h.config.NewSelf }) {
		return nil
	}
	if members := reshareMembers(next); members != h.members {
		// Whoever is excluded is not waited for: the others begin anew.
		if h.forsake != nil {
			h.forsake()
		}
		h.members, h.proof, h.proven = members, nil, nil
	}
	switch {
	case h.proven != nil && h.proven.err != nil:
		return h.proven.err
	case h.proven != nil:
		return h.confirm(next)
	case h.proof != nil:
		return nil
	}
	select {
	case <-h.fetched:
	default:
		return nil
	}
	if h.exchanged() == nil {
		return nil // there are no masks yet
	}
	vectors := map[int][]byte{}
	h.mu.Lock()
	for _, index := range r.Used {
		if h.vectors[int(index)] == nil {
			h.mu.Unlock()
			return nil
		}
		vectors[int(index)] = h.vectors[int(index)]
	}
	h.mu.Unlock()
	ended := make(chan *proof, 1)
	h.proof = ended
	var ctx context.Context
	ctx, h.forsake = context.WithCancel(h.ctx)
	h.mu.Lock()
	config := h.config
	h.mu.Unlock()
	config.Members = h.members
	h.running.Go(func() {
		found := h.new.takeOver(ctx, config, h.keys, next, vectors)
		if found.err != nil && ctx.Err() == nil {
			h.party.cfg.Log.Error("the new shares cannot be used", "epoch", next.Epoch.Id, "attempt", h.attempt, "culprits", mpc.Culprits(found.err).String(), "err", found.err)
		}
		ended <- found
	})
	return nil
}

// confirm posts that the new shares are sealed and decrypt.
func (h *handover) confirm(next *committee.Committee) error {
	var wrong []uint32
	for _, old := range h.proven.wrong.List() {
		wrong = append(wrong, uint32(old)) // #nosec G115 -- an index
	}
	p := h.party
	return p.once(fmt.Sprintf("reshared %d/%d", next.Epoch.Id, h.attempt), func() error {
		return p.poster.Message(h.ctx, &partiestypes.MsgConfirmResharing{
			Account: p.account(), EpochId: next.Epoch.Id, Attempt: h.attempt, Transcript: h.proven.transcript[:], Wrong: wrong,
		})
	})
}

// sealReshared seals new shares.
func (s *seat) sealReshared(keys []*kmstypes.Key, shares []*keygen.KeyShare) error {
	for i, key := range keys {
		encoded, err := shares[i].MarshalBinary()
		if err != nil {
			return err
		}
		err = s.party.cfg.Store.Put(keyObject(kindKeyShare, under(key, s.epochID())), encoded)
		clear(encoded)
		if err != nil {
			return fmt.Errorf("seal the share of key %x: %w", key.Id, err)
		}
	}
	return nil
}
