package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// grace is how long parties without a result are waited for once n−t have it.
const grace = 5 * time.Second

// errPatience ends a session that some party keeps from going on.
var errPatience = errors.New("cluster: waited long enough")

// ending is how a session ended at one party.
type ending struct {
	party int
	done  bool // it has the result
	at    time.Time
	err   error
	heard sharing.Parties
}

// attentive is a machine that notes whom it hears.
type attentive struct {
	mpc.Machine
	heard sharing.Parties
	moved func()
}

func (a *attentive) Start() ([]mpc.Message, error) {
	defer a.moved()
	return a.Machine.Start()
}

func (a *attentive) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	defer a.moved()
	a.heard = a.heard.With(from)
	return a.Machine.Receive(from, round, payload)
}

// stage is a running session.
type stage struct {
	mpc.Session
	moved func() // called when something has happened
	done  chan struct{}
	ended chan ending
}

// play runs one machine for each member, faulty ones among them, and returns how
// the session ended at each, by party. It ends when it has ended everywhere, a
// grace after n−t parties are done, or when nothing has moved for as long as
// patience says, if that is not 0. Then no machine is touched any more.
func (c *Cluster) play(ctx context.Context, s mpc.Session, machines map[int]mpc.Machine, patience time.Duration) map[int]ending {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Each party tells either once, and none ever waits for the reader.
	st := &stage{Session: s, moved: func() {}, done: make(chan struct{}, len(machines)), ended: make(chan ending, len(machines))}
	if patience > 0 {
		idle := time.AfterFunc(patience, func() { cancel(errPatience) })
		defer idle.Stop()
		st.moved = func() { idle.Reset(patience) }
	}
	for _, i := range s.Parties.List() {
		go c.runOne(ctx, st, c.parties[i-1], machines[i])
	}
	endings, finished := map[int]ending{}, 0
	for len(endings) < s.Parties.Count() {
		select {
		case <-st.done:
			if finished++; finished == c.code.Quorum() {
				defer time.AfterFunc(grace, func() { cancel(errPatience) }).Stop()
			}
		case e := <-st.ended:
			endings[e.party] = e
		}
	}
	return endings
}

// runOne runs one party's machine and tells when it is done and when it has ended.
func (c *Cluster) runOne(ctx context.Context, st *stage, p *party, machine mpc.Machine) {
	id, e := st.ID(), ending{party: p.index}
	listening := &attentive{Machine: p.fault.Wrap(id, st.Parties, p.identity, machine), moved: st.moved}
	err := c.net.nodes[p.index-1].router.Run(ctx, session.ID(id), listening, session.WithParties(st.Parties.List()...),
		session.WithLinger(c.cfg.Linger, func() {
			if e.done = machine.Done(); e.done { // a faulty one may only have given up
				e.at = time.Now()
				st.done <- struct{}{}
			}
		}, func() {
			e.heard = listening.heard
			st.ended <- e
		}))
	if err != nil {
		e.err, e.heard = fmt.Errorf("party %d: %w", p.index, err), listening.heard
		st.ended <- e
	}
}

// sum adds up how a session ended: who was done, when enough of them were (zero if
// they never were), and what failed.
func (c *Cluster) sum(endings map[int]ending, enough int) (done sharing.Parties, at time.Time, failure error) {
	var failures []error
	var times []time.Time
	for i := 1; i <= c.code.N(); i++ {
		switch e, member := endings[i]; {
		case member && e.done:
			done, times = done.With(i), append(times, e.at)
		case member && e.err != nil:
			failures = append(failures, e.err)
		}
	}
	if slices.SortFunc(times, time.Time.Compare); len(times) >= enough {
		at = times[enough-1]
	}
	return done, at, errors.Join(failures...)
}
