package party

import (
	"context"
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/stock"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// comeBack does what an excluded member must before the chain waits for it again:
// it gets the epoch's keys if it missed the set-up, and says READY. Without keys
// it stays out: counted again it would stop everybody's offline phase. A convicted
// one stays out whatever it says.
func (s *seat) comeBack(ctx context.Context, c *committee.Committee) error {
	if c.Convicted {
		return nil
	}
	if !c.Epoch.Dealt {
		if ready, err := s.hasKeys(c); err != nil || !ready {
			return err
		}
	}
	if c.Ready() {
		return nil
	}
	return s.party.once(fmt.Sprintf("ready %d/%d", c.Epoch.Id, c.Epoch.Generation), func() error {
		digest := partiestypes.ReadyDigest(c.Epoch.Transcript, c.Epoch.Generation)
		s.party.cfg.Log.Info("excluded as absent: asking to be counted again", "epoch", c.Epoch.Id, "generation", c.Epoch.Generation)
		return s.party.poster.Message(ctx, &partiestypes.MsgReady{Account: s.party.account(), EpochId: c.Epoch.Id, Digest: digest[:]})
	})
}

// hasKeys reports whether this party has the keys of the epoch, and gets them else.
func (s *seat) hasKeys(c *committee.Committee) (bool, error) {
	if err := s.holdKeys(c); err != nil {
		return false, err
	}
	if keys, err := s.loadKeys(c); err != nil || keys == nil {
		return false, err
	}
	transcript, err := s.transcript(c)
	if err != nil {
		return false, err
	}
	if transcript != mpc.Digest(c.Epoch.Transcript) {
		return false, fmt.Errorf("%w: the keys held are of another set-up than the epoch's", ErrNoKeys)
	}
	return true, nil
}

// reportAbsent makes the chain's record of what this party reports what this party
// finds: a message has the full list, so it reports, repeats a report that lapsed
// or was voided, and withdraws the reports about members that are back.
func (s *seat) reportAbsent(ctx context.Context, c *committee.Committee, stocks []*stock.Stock) error {
	var missing sharing.Parties
	for _, st := range stocks {
		missing |= st.Missing(c.Epoch.Generation)
	}
	s.mu.Lock()
	for _, silent := range s.silent {
		missing |= silent
	}
	s.mu.Unlock()
	// With more than t silent it is this party that is cut off, or nothing helps.
	if missing = missing & c.Active; missing.Count() > c.T {
		missing = 0
	}
	if missing == c.Reported {
		return nil
	}
	return s.party.once(fmt.Sprintf("absent %d/%d/%s", c.Epoch.Id, c.Epoch.Generation, missing), func() error {
		var indices []uint32
		for _, i := range missing.List() {
			indices = append(indices, uint32(i)) // #nosec G115 -- at most n
		}
		s.party.cfg.Log.Info("members are silent in the offline phase", "epoch", c.Epoch.Id, "generation", c.Epoch.Generation, "missing", missing.String(), "before", c.Reported.String())
		return s.party.poster.Message(ctx, &partiestypes.MsgReportAbsent{
			Account: s.party.account(), EpochId: c.Epoch.Id, Generation: c.Epoch.Generation, Indices: indices,
		})
	})
}

// watchedMachine lets another goroutine ask a running machine whom it waits for.
type watchedMachine struct {
	*preproc.Machine
	mu sync.Mutex
}

// Start implements mpc.Machine.
func (w *watchedMachine) Start() ([]mpc.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Machine.Start()
}

// Receive implements mpc.Machine.
func (w *watchedMachine) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Machine.Receive(from, round, payload)
}

// watchedDealing lets another goroutine ask a running dealing whom it waits for.
type watchedDealing struct {
	*vss.Dealing
	mu sync.Mutex
}

// Start implements mpc.Machine.
func (w *watchedDealing) Start() ([]mpc.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Dealing.Start()
}

// Receive implements mpc.Machine.
func (w *watchedDealing) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Dealing.Receive(from, round, payload)
}

func (w *watchedDealing) missing() sharing.Parties {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Missing()
}

func (w *watchedMachine) missing() sharing.Parties {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Missing()
}

// watching runs something of the offline phase that gives way to other work, and notes
// whom it waits for beyond patience.
func (s *seat) watching(ctx context.Context, what string, missing func() sharing.Parties, run func() error) error {
	ctx, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer s.note(what, 0)
		for pause(ctx, slowness*s.party.cfg.Patience) {
			s.note(what, missing())
		}
	})
	err := run()
	stop()
	watch.Wait()
	return err
}

func (s *seat) note(what string, missing sharing.Parties) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if missing == 0 {
		delete(s.silent, what)
	} else {
		s.silent[what] = missing
	}
}
