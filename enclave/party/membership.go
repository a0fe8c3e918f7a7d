package party

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tkms-network/tkms/enclave/party/backup"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/transport"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// membersEvery is how often, in blocks, the members' records are proven anew: a
// renewed registration may have another address, and the epoch does not show it.
const membersEvery = 20

// epochsEvery is how often, in blocks, a party with a seat looks for new epochs.
const epochsEvery = 4

// takeSeats takes this party's seats in the epochs that it has not looked at yet. That
// there are none is proven: no node can hide an epoch.
func (p *Party) takeSeats(ctx context.Context, height int64) error {
	if p.id == 0 {
		id, err := p.findSelf(ctx, height)
		if err != nil || id == 0 {
			return err
		}
		p.id = id
		p.board.Update(func(s *status.Party) { s.ID = id })
	}
	if len(p.allSeats()) > 0 && height%epochsEvery != 0 {
		return nil
	}
	last, err := provenNumber(ctx, p.cfg.Chain, partiestypes.StoreKey, partiestypes.LastEpochKey(), height)
	if err != nil {
		return err
	}
	if p.newest == 0 {
		if p.newest, err = p.firstEpoch(ctx, last, height); err != nil {
			return err
		}
	}
	for ; p.newest < last; p.newest++ {
		if err := p.enter(ctx, p.newest+1, height); err != nil {
			return err
		}
	}
	return nil
}

// firstEpoch returns the epoch after which a party that has just started looks at all:
// those before have ended, or nothing of them is under seal here.
func (p *Party) firstEpoch(ctx context.Context, last uint64, height int64) (uint64, error) {
	objects, err := p.cfg.Store.List()
	if err != nil {
		return 0, err
	}
	first := last
	active, err := provenNumber(ctx, p.cfg.Chain, partiestypes.StoreKey, partiestypes.ActiveEpochKey(), height)
	if err != nil {
		return 0, err
	}
	if active > 0 {
		first = active - 1
	} else if last > 0 {
		first = last - 1
	}
	for _, o := range objects {
		if secretOfEpoch(o.Kind) && o.Epoch > 0 {
			first = min(first, o.Epoch-1)
		}
	}
	return first, nil
}

// enter looks at an epoch for the first time: it takes the party's seat, and its part
// in what the epoch takes over from another.
func (p *Party) enter(ctx context.Context, id uint64, height int64) error {
	c, err := loadCommittee(ctx, p.cfg.Chain, id, p.id, height)
	if err != nil {
		return err
	}
	if ended(c.Epoch.Status) {
		return p.eraseEpoch(id)
	}
	if err := p.listen(); err != nil {
		return fmt.Errorf("take the seat in epoch %d: %w", id, err)
	}
	if c.Self != 0 {
		s, err := newSeat(p, c)
		if err != nil {
			return fmt.Errorf("take the seat in epoch %d: %w", id, err)
		}
		p.cfg.Log.Info("took a seat", "epoch", id, "index", c.Self, "of", c.N)
		p.mu.Lock()
		p.seats[id] = s // it does what the record asks for with the next block
		p.mu.Unlock()
	}
	if c.Epoch.From != 0 && (c.Self != 0 || p.seatOf(c.Epoch.From) != nil) {
		p.moves[id] = &move{party: p, epoch: id, from: c.Epoch.From}
	}
	return nil
}

// listen opens the port for peers, unless it is open.
func (p *Party) listen() (err error) {
	if p.port == nil {
		p.port, err = transport.Listen(p.cfg.Listen, p.cfg.Identity.TLS, p.cfg.Log)
	}
	return err
}

// seatOf returns the seat in an epoch, nil if there is none.
func (p *Party) seatOf(epoch uint64) *seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seats[epoch]
}

// allSeats returns the seats, that of the earliest epoch first.
func (p *Party) allSeats() []*seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*seat, 0, len(p.seats))
	for _, epoch := range slices.Sorted(maps.Keys(p.seats)) {
		out = append(out, p.seats[epoch])
	}
	return out
}

// ended reports a proven status in which the epoch's secrets are of no more use.
func ended(s partiestypes.EpochStatus) bool {
	switch s {
	case partiestypes.EPOCH_STATUS_FAILED, partiestypes.EPOCH_STATUS_RETIRED, partiestypes.EPOCH_STATUS_REHEARSED:
		return true
	default:
		return false
	}
}

// findSelf finds the own registration, 0 if there is none; a node's answer is a
// hint that is proven.
func (p *Party) findSelf(ctx context.Context, height int64) (uint64, error) {
	var parties partiestypes.QueryPartiesResponse
	if err := query(ctx, p.cfg.Chain, "/tkms.parties.v1.Query/Parties", &partiestypes.QueryPartiesRequest{}, &parties); err != nil {
		return 0, err
	}
	for _, hint := range parties.Parties {
		if !bytes.Equal(hint.SigningKey, p.cfg.Identity.Signing.PubKey().Bytes()) {
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
		return proven.Id, p.checkKeys(&proven)
	}
	return 0, nil
}

// checkKeys compares a registration with the keys that this party holds.
func (p *Party) checkKeys(r *partiestypes.Party) error {
	own, pin := p.cfg.Identity, p.cfg.Identity.TLS.Pin()
	for _, key := range []struct {
		name             string
		registered, held []byte
	}{
		{"signing key", r.SigningKey, own.Signing.PubKey().Bytes()},
		{"session key", r.SessionKey, own.SessionPublic()},
		{"TLS key", r.TlsKeyHash, pin[:]},
		{"encryption key", r.EncryptionKey, own.Encryption.PublicKey().Bytes()},
	} {
		if !bytes.Equal(key.registered, key.held) {
			return fmt.Errorf("%w: party %d, %s", ErrOtherKeys, r.Id, key.name)
		}
	}
	return nil
}

// followEpoch proves the epoch's record anew and hands it to the seat.
func (p *Party) followEpoch(ctx context.Context, s *seat, height int64) error {
	c := s.current()
	var epoch partiestypes.Epoch
	if err := record(ctx, p.cfg.Chain, partiestypes.StoreKey, partiestypes.EpochKey(c.Epoch.Id), height, &epoch); err != nil {
		return err
	}
	if ended(epoch.Status) {
		p.cfg.Log.Info("the epoch has ended: leaving the seat and erasing its secrets", "epoch", epoch.Id, "status", epoch.Status.String())
		p.leave(s)
		return p.eraseEpoch(epoch.Id)
	}
	if !sameRecord(&epoch, &c.Epoch) || height%membersEvery == 0 {
		var err error
		if c, err = loadCommittee(ctx, p.cfg.Chain, epoch.Id, p.id, height); err != nil {
			return err
		}
	}
	return s.observe(ctx, c)
}

// leaveAll gives up all seats and closes the port.
func (p *Party) leaveAll() {
	for _, s := range p.allSeats() {
		p.leave(s)
	}
	for _, m := range p.moves {
		m.end()
	}
	if p.port != nil {
		_ = p.port.Close()
	}
}

// leave gives up a seat and everything done in it.
func (p *Party) leave(s *seat) {
	epoch := s.epochID()
	for id, m := range p.moves {
		if id == epoch || m.from == epoch {
			m.end()
			delete(p.moves, id)
		}
	}
	p.mu.Lock()
	delete(p.seats, epoch)
	p.mu.Unlock()
	s.close()
	p.mu.Lock()
	for id, t := range p.tasks {
		if t.seat == s {
			delete(p.tasks, id)
		}
	}
	p.mu.Unlock()
}

// eraseEpoch deletes the secrets of an epoch that is proven to be over: they are
// of use to nobody but a thief.
func (p *Party) eraseEpoch(epoch uint64) error {
	objects, err := p.cfg.Store.List()
	if err != nil {
		return err
	}
	for _, object := range objects {
		if object.Epoch != epoch || !secretOfEpoch(object.Kind) {
			continue
		}
		if err := p.cfg.Store.Delete(object); err != nil {
			return fmt.Errorf("erase the secrets of epoch %d: %w", epoch, err)
		}
	}
	if p.cfg.Backups != nil {
		return p.cfg.Backups.Forget(epoch)
	}
	return nil
}

// secretOfEpoch reports whether objects of a kind go with their epoch.
func secretOfEpoch(kind string) bool {
	switch kind {
	case kindContribution, kindOpenings, kindComplaint, kindKeys, kindBatch, kindKeyShare, kindKeyOpened, kindKeyStep, kindVector, kindDealing, backup.KindRestored:
		return true
	default:
		return false
	}
}

func sameRecord(a, b *partiestypes.Epoch) bool {
	x, errX := a.Marshal()
	y, errY := b.Marshal()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func (p *Party) stockChanged(int) { p.refreshStatus() }

// refreshStatus copies what the seats know to the board, and logs what the margins have
// come to.
func (p *Party) refreshStatus() {
	seats := p.allSeats()
	epochs := make([]status.Epoch, 0, len(seats))
	for _, s := range seats {
		epochs = append(epochs, s.status())
	}
	raised, over := p.board.SetEpochs(epochs)
	main := p.board.Party().Main()
	p.metrics.Stock.Set(float64(main.StockItems))
	p.metrics.Margin.Set(float64(main.Margin))
	for _, w := range raised {
		p.cfg.Log.Warn("the margin is low", "epoch", w.Epoch, "level", w.Level, "text", w.Text)
	}
	for _, w := range over {
		p.cfg.Log.Info("the margin is back, or the epoch is over", "epoch", w.Epoch)
	}
}

// status is what an operator may know of a seat.
func (s *seat) status() status.Epoch {
	keys := s.heldKeys()
	s.mu.Lock()
	c := s.committee
	out := status.Epoch{ID: c.Epoch.Id, State: epochStatus(c.Epoch.Status), Index: c.Self, N: c.N, T: c.T, Keys: keys, NextItem: s.next}
	for _, st := range s.stocks {
		if !st.Rare() { // a few of the others are made ahead
			out.StockItems += st.Available()
		}
		out.NextItem = max(out.NextItem, st.NextItem())
	}
	s.mu.Unlock()
	for _, i := range sharing.AllParties(c.N).Without(c.Active).List() {
		if c.Epoch.IsConvicted(uint32(i)) { // #nosec G115 -- at most n
			out.Convicted = append(out.Convicted, i)
		} else {
			out.Excluded = append(out.Excluded, i)
		}
	}
	connected := 0
	for _, link := range s.mesh.Status() {
		if link.Up {
			connected++
		}
		out.Peers = append(out.Peers, status.Peer{Index: link.Index, Connected: link.Up})
	}
	out.Margin, out.SharesOnly = connected+1-(c.N-c.T), s.sharesOnly
	return out
}

// heldKeys returns the ids of the keys that are ready for use, in hex.
func (s *seat) heldKeys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.held))
}

func epochStatus(s partiestypes.EpochStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "EPOCH_STATUS_"))
}
