package party

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tkms-network/tkms/enclave/evidence"
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// maxAccusations bounds the evidence that is remembered; each convicts its culprit
// for the epoch, so a few are enough.
const maxAccusations = 256

// accusation is evidence that was found.
type accusation struct {
	culprit int
	encoded []byte
}

// accuse tells the operator and the chain what convicts a member in a session. It
// is posted until the chain has convicted the member, of this or of something else.
func (s *seat) accuse(ctx context.Context, named mpc.Session, body evidence.Body) {
	log := s.party.cfg.Log.With("protocol", named.Protocol, "subject", fmt.Sprintf("%x", named.Subject))
	found := evidence.New(named, body)
	c := s.current()
	culprit, err := found.Verify(s.party.cfg.ChainID, c.Epoch.Id, c.Session[1:], c.T)
	if err != nil {
		log.Error("evidence that convinces nobody was not posted", "kind", found.Kind().String(), "err", err)
		return
	}
	encoded, err := found.Encode()
	if err != nil {
		log.Error("evidence without an encoding was not posted", "kind", found.Kind().String(), "err", err)
		return
	}
	digest := mpc.Hash("tkms/v1/party/accusation", encoded)
	s.mu.Lock()
	_, known := s.accused[digest]
	if !known && len(s.accused) < maxAccusations {
		s.accused[digest] = accusation{culprit, encoded}
	}
	s.mu.Unlock()
	if known {
		return
	}
	log.Warn("evidence against a member", "kind", found.Kind().String(), "index", culprit, "party", c.Names[culprit])
	s.party.metrics.Evidence.WithLabelValues(fmt.Sprint(culprit), found.Kind().String()).Inc()
	s.party.board.Culprit(status.Culprit{Index: culprit, Moniker: c.Names[culprit], Protocol: named.Protocol, Evidence: found.Kind().String()})
	if !c.Epoch.IsConvicted(uint32(culprit)) { // #nosec G115 -- at most n
		s.postAccusation(ctx, c, digest, encoded)
	}
}

// accuseAll passes on what a protocol found: evidence, or culprits of whom there is
// none, whom the chain excludes if enough members report them like absent ones.
func (s *seat) accuseAll(ctx context.Context, named mpc.Session, found []preproc.Evidence, culprits sharing.Parties) {
	for _, body := range found {
		s.accuse(ctx, named, body)
	}
	if len(found) > 0 {
		return
	}
	s.name(named, culprits)
}

// name tells the operator who sent something wrong in a session that is no request's.
func (s *seat) name(named mpc.Session, culprits sharing.Parties) {
	c := s.current()
	for _, i := range culprits.List() {
		s.party.cfg.Log.Warn("a member sent something wrong", "protocol", named.Protocol, "index", i, "party", c.Names[i])
		s.party.metrics.Culprits.WithLabelValues(fmt.Sprint(i)).Inc()
		s.party.board.Culprit(status.Culprit{Index: i, Moniker: c.Names[i], Protocol: named.Protocol})
	}
}

// openingLinger is how long a finished opening of a few values goes on checking late
// shares.
const openingLinger = 3 * time.Second

// opening is a machine that opens values at degree t.
type opening interface {
	mpc.Machine
	Culprits() sharing.Parties
	Evidence() ([]transcript.WrongOpening, []transcript.Equivocation)
}

// lingering lets an opening go on when it is done, and at the end passes on what it
// found: to name who sent something wrong, and of these who is convicted by evidence,
// to the chain the evidence.
func (s *seat) lingering(of mpc.Session, machine opening, linger time.Duration, done func(), name func(culprits, convicted sharing.Parties)) session.Option {
	return session.WithLinger(linger, done, func() {
		wrong, twice := machine.Evidence() // it may find more culprits
		var convicted sharing.Parties
		found := make([]evidence.Body, 0, len(wrong)+len(twice))
		for _, e := range wrong {
			convicted, found = convicted.With(e.Wrong.Party), append(found, e)
		}
		for _, e := range twice {
			convicted, found = convicted.With(e.Party), append(found, e)
		}
		name(machine.Culprits(), convicted)
		for _, body := range found {
			s.accuse(s.ctx, of, body)
		}
	})
}

// postAccusation posts evidence unless it was posted in the last blocks. That the
// chain has it already is as good.
func (s *seat) postAccusation(ctx context.Context, c *committee.Committee, digest mpc.Digest, encoded []byte) {
	err := s.party.once(fmt.Sprintf("evidence %x", digest), func() error {
		err := s.party.poster.Costly(ctx, &partiestypes.MsgSubmitEvidence{Account: s.party.account(), EpochId: c.Epoch.Id, Evidence: encoded})
		if errors.Is(err, partiestypes.ErrKnownEvidence) {
			return nil
		}
		return err
	})
	if err != nil {
		s.party.cfg.Log.Warn("evidence was not posted", "err", err)
	}
}

// repeatAccusations posts evidence again that the chain has not acted on.
func (s *seat) repeatAccusations(ctx context.Context, c *committee.Committee) {
	s.mu.Lock()
	pending := map[mpc.Digest][]byte{}
	for digest, a := range s.accused {
		if !c.Epoch.IsConvicted(uint32(a.culprit)) { // #nosec G115 -- at most n
			pending[digest] = a.encoded
		}
	}
	s.mu.Unlock()
	for digest, encoded := range pending {
		s.postAccusation(ctx, c, digest, encoded)
	}
}
