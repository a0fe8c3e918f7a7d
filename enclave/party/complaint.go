package party

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// errComplaintKey reports a complaint on the chain to whose answer this party has
// no key: it lost its secrets. Nothing is to be revealed then.
var errComplaintKey = errors.New("party: the one-time key of the own complaint is lost")

// complaintKey returns the one-time key for the answers of one accused. All of an
// attempt come from one secret, sealed before the first is used.
func (s *seat) complaintKey(c *committee.Committee, accused uint32) (private, public []byte, err error) {
	object := setupObject(kindComplaint, c)
	seed, err := s.party.cfg.Store.Get(object)
	if errors.Is(err, seal.ErrNotFound) {
		seed = make([]byte, prss.ComplaintKeySize)
		if _, err = io.ReadFull(s.party.random, seed); err == nil {
			err = s.party.cfg.Store.Put(object, seed)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	defer clear(seed)
	derived := mpc.Hash("tkms/v1/party/complaint-key", seed, mpc.Uint64(uint64(accused)))
	defer clear(derived[:])
	return prss.NewComplaintKey(bytes.NewReader(derived[:]))
}

// complain says on the chain which openings are missing when most of the phase is
// over, once.
func (r *setupRun) complain(ctx context.Context, c *committee.Committee) error {
	s := r.seat
	if c.Epoch.Status != partiestypes.EPOCH_STATUS_CONFIRMING || c.Complained() || c.Said(c.Epoch.Confirmations) {
		return nil
	}
	if late, err := s.lastCall(ctx, c); err != nil || !late {
		return err
	}
	r.mu.Lock()
	grievances, wrong := r.machine.Grievances(), r.machine.Wrong()
	r.mu.Unlock()
	return s.party.once(fmt.Sprintf("complain %d/%d", c.Epoch.Id, c.Epoch.Attempt), func() error {
		msg := &partiestypes.MsgComplainSetup{Account: s.party.account(), EpochId: c.Epoch.Id, Attempt: c.Epoch.Attempt}
		for accused := 1; accused <= c.N; accused++ {
			if len(grievances[accused]) == 0 {
				continue
			}
			g := partiestypes.Grievance{Accused: uint32(accused)} // #nosec G115 -- at most n
			for _, set := range grievances[accused] {
				g.Sets = append(g.Sets, uint32(set)) // #nosec G115 -- a position in a short list
			}
			private, public, err := s.complaintKey(c, g.Accused)
			if err != nil {
				return fmt.Errorf("complain about the set-up: %w", err)
			}
			clear(private)
			g.RecipientKey = public
			msg.Grievances = append(msg.Grievances, g)
		}
		s.party.cfg.Log.Warn("complaining about missing openings in the set-up", "epoch", c.Epoch.Id, "attempt", c.Epoch.Attempt, "about", len(msg.Grievances), "sent wrong ones", wrong.String())
		return s.party.poster.Costly(ctx, msg)
	})
}

// answerComplaints answers what others complain about: an honest party's openings
// open its commitments, so that whoever says else convicts itself.
func (s *seat) answerComplaints(ctx context.Context, c *committee.Committee) error {
	for i := range c.Epoch.Complaints {
		complaint := &c.Epoch.Complaints[i]
		if int(complaint.Accused) != c.Self || complaint.Answered {
			continue
		}
		err := s.party.once(fmt.Sprintf("answer %d/%d/%d", c.Epoch.Id, c.Epoch.Attempt, complaint.Accuser), func() error {
			return s.answerComplaint(ctx, c, complaint)
		})
		if err != nil {
			return fmt.Errorf("answer the complaint of member %d: %w", complaint.Accuser, err)
		}
	}
	return nil
}

func (s *seat) answerComplaint(ctx context.Context, c *committee.Committee, complaint *partiestypes.Complaint) error {
	own, err := s.contribution(c)
	if err != nil {
		return err
	}
	defer own.Zero()
	msg := &partiestypes.MsgAnswerComplaint{Account: s.party.account(), EpochId: c.Epoch.Id, Attempt: c.Epoch.Attempt, Accuser: complaint.Accuser}
	for _, set := range complaint.Sets {
		commitment, path, opening := own.Answer(int(set))
		sealed, err := prss.SealOpening(s.party.random, complaint.RecipientKey, s.answerContext(c, complaint, set), opening)
		clear(opening)
		if err != nil {
			return err
		}
		answer := partiestypes.OpeningAnswer{Set: set, Commitment: commitment, Sealed: sealed}
		for _, node := range path {
			answer.Path = append(answer.Path, node[:])
		}
		msg.Openings = append(msg.Openings, answer)
	}
	s.party.cfg.Log.Warn("answering a complaint in the set-up", "epoch", c.Epoch.Id, "attempt", c.Epoch.Attempt, "of", complaint.Accuser, "sets", len(complaint.Sets))
	return s.party.poster.Costly(ctx, msg)
}

func (s *seat) answerContext(c *committee.Committee, complaint *partiestypes.Complaint, set uint32) prss.AnswerContext {
	return prss.AnswerContext{Setup: s.setupDigest(c), Accused: int(complaint.Accused), Accuser: int(complaint.Accuser), Set: int(set)}
}

// takeAnswers takes the openings out of the answers to the own complaint, and
// reveals the one-time key of a wrong answer.
func (r *setupRun) takeAnswers(ctx context.Context, c *committee.Committee) error {
	s := r.seat
	if !c.Epoch.HoldsAnswers() {
		return nil
	}
	for i := range c.Epoch.Complaints {
		complaint := &c.Epoch.Complaints[i]
		if int(complaint.Accuser) != c.Self || !complaint.Answered || complaint.Revealed {
			continue
		}
		private, public, err := s.complaintKey(c, complaint.Accused)
		if err != nil {
			return err
		}
		if !bytes.Equal(public, complaint.RecipientKey) {
			return fmt.Errorf("%w: about member %d", errComplaintKey, complaint.Accused)
		}
		right, err := r.takeAnswer(ctx, c, complaint, private)
		if err == nil && !right && c.Epoch.Status == partiestypes.EPOCH_STATUS_REVEALING {
			err = s.reveal(ctx, c, complaint, private)
		}
		clear(private)
		if err != nil {
			return fmt.Errorf("the answer of member %d: %w", complaint.Accused, err)
		}
	}
	return nil
}

// takeAnswer takes the openings of one answer and reports whether all are right.
// An answer that was taken already is not asked for again.
func (r *setupRun) takeAnswer(ctx context.Context, c *committee.Committee, complaint *partiestypes.Complaint, private []byte) (bool, error) {
	s := r.seat
	if slices.Contains(r.taken, complaint.Accused) {
		return true, nil
	}
	s.party.mu.Lock()
	height := s.party.height
	s.party.mu.Unlock()
	var answer partiestypes.ComplaintAnswer
	key := partiestypes.SetupAnswerKey(c.Epoch.Id, complaint.Accuser, complaint.Accused)
	if err := record(ctx, s.party.cfg.Chain, partiestypes.StoreKey, key, height, &answer); err != nil {
		return false, err
	}
	right := true
	for _, o := range answer.Openings {
		opening, err := prss.OpenAnswer(private, s.answerContext(c, complaint, o.Set), o.Sealed)
		if err == nil {
			path := make([]merkle.Hash, len(o.Path))
			for i, node := range o.Path {
				copy(path[i][:], node) // the chain took hashes only
			}
			r.mu.Lock()
			err = r.machine.Supply(int(complaint.Accused), int(o.Set), opening, path)
			r.mu.Unlock()
			clear(opening)
		}
		right = right && err == nil
	}
	if right {
		r.taken = append(r.taken, complaint.Accused)
	}
	return right, nil
}

// reveal publishes the one-time key that shows an answer to be wrong.
func (s *seat) reveal(ctx context.Context, c *committee.Committee, complaint *partiestypes.Complaint, private []byte) error {
	return s.party.once(fmt.Sprintf("reveal %d/%d/%d", c.Epoch.Id, c.Epoch.Attempt, complaint.Accused), func() error {
		s.party.cfg.Log.Warn("showing that an answer in the set-up is wrong", "epoch", c.Epoch.Id, "attempt", c.Epoch.Attempt, "of", complaint.Accused)
		return s.party.poster.Costly(ctx, &partiestypes.MsgRevealComplaint{
			Account: s.party.account(), EpochId: c.Epoch.Id, Attempt: c.Epoch.Attempt, Accused: complaint.Accused, PrivateKey: bytes.Clone(private),
		})
	})
}
