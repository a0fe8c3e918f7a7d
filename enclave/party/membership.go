package party

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/status"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// membersEvery is how often, in blocks, the members' records are proven anew: a
// renewed registration may have another address, and the epoch does not show it.
const membersEvery = 20

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
		c, err := loadCommittee(ctx, p.cfg.Chain, hint.Id, p.id, height)
		if errors.Is(err, committee.ErrNotMember) || errors.Is(err, ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		if ended(c.Epoch.Status) {
			if err := p.eraseEpoch(hint.Id); err != nil {
				return err
			}
			continue
		}
		s, err := newSeat(p, c)
		if err != nil {
			return fmt.Errorf("take the seat in epoch %d: %w", hint.Id, err)
		}
		p.cfg.Log.Info("took a seat", "epoch", hint.Id, "index", c.Self, "of", c.N)
		p.mu.Lock()
		p.seat = s
		p.mu.Unlock()
		p.cursor = 0
		return s.observe(ctx, c)
	}
	return nil
}

// ended reports a proven status in which the epoch's secrets are of no more use.
func ended(s partiestypes.EpochStatus) bool {
	return s == partiestypes.EPOCH_STATUS_FAILED || s == partiestypes.EPOCH_STATUS_RETIRED
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
		p.leave()
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

// leave gives up the seat, if there is one, and everything done in it.
func (p *Party) leave() {
	p.mu.Lock()
	s := p.seat
	p.seat = nil
	p.mu.Unlock()
	if s == nil {
		return
	}
	s.close()
	p.mu.Lock()
	clear(p.tasks)
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
		switch object.Kind {
		case kindContribution, kindOpenings, kindComplaint, kindKeys, kindBatch, kindKeyShare, kindKeyOpened, kindKeyStep:
			if object.Epoch != epoch {
				continue
			}
			if err := p.cfg.Store.Delete(object); err != nil {
				return fmt.Errorf("erase the secrets of epoch %d: %w", epoch, err)
			}
		}
	}
	return nil
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
	items, next := 0, s.next
	for _, st := range s.stocks {
		if !st.Rare() { // a few of the others are made ahead
			items += st.Available()
		}
		next = max(next, st.NextItem())
	}
	keys := make([]string, 0, len(s.held))
	for id := range s.held {
		keys = append(keys, id)
	}
	s.mu.Unlock()
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
	return strings.ToLower(strings.TrimPrefix(s.String(), "EPOCH_STATUS_"))
}
