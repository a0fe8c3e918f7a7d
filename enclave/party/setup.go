package party

import (
	"context"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
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

// transcript is that of the set-up attempt as the chain records it now.
func (s *seat) transcript(c *committee.Committee) (mpc.Digest, error) {
	roots, err := c.Roots()
	return prss.TranscriptOf(s.setupDigest(c), c.N, c.T, roots, c.Dropped()), err
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

// settle answers complaints about this party, and gets what it complained about.
func (s *seat) settle(ctx context.Context, c *committee.Committee) error {
	if c.Epoch.Status == partiestypes.EPOCH_STATUS_ANSWERING {
		if err := s.answerComplaints(ctx, c); err != nil {
			return err
		}
	}
	keys, err := s.loadKeys(c)
	if err != nil || keys != nil && !c.Complained() {
		return err
	}
	return s.followSetup(c)
}

// confirm gets the keys of the set-up as it is recorded and posts their transcript.
func (s *seat) confirm(ctx context.Context, c *committee.Committee) error {
	keys, err := s.loadKeys(c)
	if err != nil {
		return err
	}
	if keys == nil {
		return s.followSetup(c)
	}
	return s.postTranscript(ctx, c)
}

// loadKeys returns the keys of the current set-up attempt, nil if there are none
// or, since contributions were dropped, no longer the right ones.
func (s *seat) loadKeys(c *committee.Committee) (*prss.Keys, error) {
	transcript, err := s.transcript(c)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys != nil && s.keys.Transcript() == transcript {
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
	if keys.Transcript() != transcript {
		return nil, nil
	}
	if err := s.rememberSetup(c, keys); err != nil {
		// The keys are right all the same.
		s.party.cfg.Log.Warn("members that missed the set-up cannot have this party's part of it", "epoch", c.Epoch.Id, "err", err)
	}
	s.keys = keys
	return keys, nil
}

// holdKeys gets the keys of a set-up that is over, if this party missed them.
func (s *seat) holdKeys(c *committee.Committee) error {
	if c.Epoch.Dealt {
		return nil
	}
	keys, err := s.loadKeys(c)
	if err != nil || keys != nil {
		return err
	}
	return s.followSetup(c)
}

// storeKeys seals keys and makes them the seat's, unless they are.
func (s *seat) storeKeys(c *committee.Committee, keys *prss.Keys) error {
	s.mu.Lock()
	known := s.keys != nil && s.keys.Transcript() == keys.Transcript()
	s.mu.Unlock()
	if known {
		return nil
	}
	encoded, err := keys.MarshalBinary()
	if err != nil {
		return err
	}
	defer clear(encoded)
	if err := s.party.cfg.Store.Put(setupObject(kindKeys, c), encoded); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
	return nil
}

// setupOwner keeps what was sent in a set-up as long as the seat: a member that
// missed it may come for it while the epoch lives.
const setupOwner = "set-up"

// setupSession is the session of the exchange of openings.
func (s *seat) setupSession(c *committee.Committee) session.ID {
	return s.setupPart(c, "set-up", mpc.Uint64(c.Epoch.Id))
}

// comparisonSession is the session that compares the keys of one transcript.
func (s *seat) comparisonSession(c *committee.Committee, transcript mpc.Digest) session.ID {
	return s.setupPart(c, "set-up comparison", transcript[:])
}

func (s *seat) setupPart(c *committee.Committee, protocol string, subject []byte) session.ID {
	return session.ID(mpc.Session{
		ChainID: s.party.cfg.ChainID, Subject: subject, Epoch: c.Epoch.Id, Attempt: c.Epoch.Attempt,
		Protocol: protocol, Parties: sharing.AllParties(c.N), T: c.T,
	}.ID())
}

// rememberSetup makes what was sent in an earlier life of this process available
// to members that missed it: it follows from the contribution and the keys.
func (s *seat) rememberSetup(c *committee.Committee, keys *prss.Keys) error {
	roots, err := c.Roots()
	if err != nil {
		return err
	}
	own, err := s.contribution(c)
	if err != nil {
		return err
	}
	defer own.Zero()
	exchange, err := prss.NewSetup(own, roots)
	if err != nil {
		return err
	}
	for id, machine := range map[session.ID]mpc.Machine{
		s.setupSession(c):                         exchange,
		s.comparisonSession(c, keys.Transcript()): prss.NewComparison(keys),
	} {
		messages, err := machine.Start()
		if err != nil {
			return err
		}
		s.sent.Restore(id, setupOwner, sharing.AllParties(c.N), messages)
	}
	return nil
}

// postTranscript confirms the set-up, unless this party's word is recorded or is a
// complaint.
func (s *seat) postTranscript(ctx context.Context, c *committee.Committee) error {
	complained := c.Epoch.Status == partiestypes.EPOCH_STATUS_CONFIRMING && c.Complained()
	if complained || c.Said(c.Epoch.Confirmations) {
		return nil
	}
	transcript, err := s.transcript(c)
	if err != nil {
		return err
	}
	// One transcript may be confirmed twice, before and after complaints.
	return s.party.once(fmt.Sprintf("confirm %d/%d/%d", c.Epoch.Id, c.Epoch.Attempt, c.Epoch.Status), func() error {
		return s.party.poster.Costly(ctx, &partiestypes.MsgConfirmSetup{
			Account: s.party.account(), EpochId: c.Epoch.Id, Attempt: c.Epoch.Attempt, Transcript: transcript[:],
			RoundTripMicros: s.roundTrip(ctx),
		})
	})
}
