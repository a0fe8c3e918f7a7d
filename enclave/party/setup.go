package party

import (
	"context"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/recall"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func setupObject(kind string, c *committee.Committee) seal.Object {
	return seal.Object{Kind: kind, Key: fmt.Sprintf("attempt-%d", c.Epoch.Attempt), Epoch: c.Epoch.Id}
}

func (s *seat) setupDigest(c *committee.Committee) mpc.Digest {
	return partiestypes.SetupID(s.party.cfg.ChainID, c.Epoch.Id, c.Epoch.Attempt)
}

// contribution returns the own contribution to a set-up attempt, made and sealed
// when it is first asked for: the root that is posted must be openable later.
func (s *seat) contribution(c *committee.Committee) (*prss.Contribution, error) {
	object := setupObject(kindContribution, c)
	raw, err := s.party.cfg.Store.Get(object)
	if err == nil {
		defer raw.Zero()
		return prss.UnmarshalContribution(raw)
	}
	if !errors.Is(err, seal.ErrNotFound) {
		return nil, err
	}
	own, err := prss.NewContribution(s.party.random, s.setupDigest(c), c.Self, c.N, c.T)
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
	keys, err := s.loadKeys(c)
	if err != nil {
		return err
	}
	if keys == nil {
		s.startSetup(c)
		return nil
	}
	if c.Said(c.Epoch.Confirmations) {
		return nil
	}
	return s.postTranscript(ctx, c)
}

// loadKeys returns the keys of the current set-up attempt, nil if there are none.
func (s *seat) loadKeys(c *committee.Committee) (*prss.Keys, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.setupDigest(c)
	if s.keys != nil && s.keys.Epoch() == id {
		return s.keys, nil
	}
	raw, err := s.party.cfg.Store.Get(setupObject(kindKeys, c))
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
	if err := s.rememberSetup(c); err != nil {
		return nil, err
	}
	s.keys = keys
	return keys, nil
}

// setupOwner keeps what was sent in a set-up as long as the seat: a member that
// missed it may come for it while the epoch lives.
const setupOwner = "set-up"

func (s *seat) setupSession(c *committee.Committee) session.ID {
	return session.ID(mpc.Session{
		ChainID: s.party.cfg.ChainID, Subject: mpc.Uint64(c.Epoch.Id), Epoch: c.Epoch.Id, Attempt: c.Epoch.Attempt,
		Protocol: "set-up", Parties: sharing.AllParties(c.N), T: c.T,
	}.ID())
}

// rememberSetup makes what was sent in an earlier life of this process available
// to members that missed it.
func (s *seat) rememberSetup(c *committee.Committee) error {
	raw, err := s.party.cfg.Store.Get(setupObject(kindSetupSent, c))
	if errors.Is(err, seal.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	messages, err := recall.Decode(raw)
	if err != nil {
		return err
	}
	s.sent.Restore(s.setupSession(c), setupOwner, sharing.AllParties(c.N), messages)
	return nil
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

// setup gets the keys of the epoch. What is posted about them is decided by what
// the chain says then: the epoch may have begun without this party.
func (s *seat) setup(ctx context.Context, c *committee.Committee) error {
	roots, err := c.Roots()
	if err != nil {
		return err
	}
	own, err := s.contribution(c)
	if err != nil {
		return err
	}
	defer own.Zero()
	machine, err := prss.NewSetup(own, roots)
	if err != nil {
		return err
	}
	id := s.setupSession(c)
	if err := s.run(ctx, id, setupOwner, sharing.AllParties(c.N), machine); err != nil {
		return err
	}
	sent := recall.EncodeAll(s.sent.Export(id))
	defer clear(sent)
	if err := s.party.cfg.Store.Put(setupObject(kindSetupSent, c), sent); err != nil {
		return err
	}
	encoded, err := machine.Keys().MarshalBinary()
	if err != nil {
		return err
	}
	defer clear(encoded)
	if err := s.party.cfg.Store.Put(setupObject(kindKeys, c), encoded); err != nil {
		return err
	}
	s.mu.Lock()
	s.keys = machine.Keys()
	s.mu.Unlock()
	if now := s.current(); now.Epoch.Status == partiestypes.EPOCH_STATUS_CONFIRMING && now.Epoch.Attempt == c.Epoch.Attempt {
		return s.postTranscript(ctx, now)
	}
	return nil
}

func (s *seat) transcript(c *committee.Committee) (mpc.Digest, error) {
	roots, err := c.Roots()
	return prss.TranscriptOf(s.setupDigest(c), c.N, c.T, roots, nil), err
}

func (s *seat) postTranscript(ctx context.Context, c *committee.Committee) error {
	return s.party.once(fmt.Sprintf("confirm %d/%d", c.Epoch.Id, c.Epoch.Attempt), func() error {
		transcript, err := s.transcript(c)
		if err != nil {
			return err
		}
		return s.party.poster.Message(ctx, &partiestypes.MsgConfirmSetup{
			Account: s.party.account(), EpochId: c.Epoch.Id, Attempt: c.Epoch.Attempt, Transcript: transcript[:],
		})
	})
}
