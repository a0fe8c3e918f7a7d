package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// patience is how long nothing moves before messages on their way count as lost, as the
// transport does not promise delivery: far longer than many parties on a busy machine
// take for their first step.
const patience = 5 * time.Minute

// errQuiet ends a session in which no message is on its way any more.
var errQuiet = errors.New("cluster: nothing more is to come")

// ending is how a session ended at one party.
type ending struct {
	party int
	done  bool // it has the result
	at    time.Time
	err   error // why it has none
	heard sharing.Parties
}

// stage is a running session and how much is on its way in it, so that it ends when
// all is said: what parties show then does not depend on how fast they are.
type stage struct {
	mpc.Session
	options []session.Option
	quiet   func() // called when nothing is on its way any more
	idle    *time.Timer

	mu  sync.Mutex
	due map[int]int // by member that listens: its start and the messages to it
}

func newStage(s mpc.Session, players sharing.Parties, quiet func()) *stage {
	st := &stage{Session: s, quiet: quiet, idle: time.AfterFunc(patience, quiet), due: map[int]int{}}
	for _, i := range players.List() {
		st.due[i] = 1
	}
	return st
}

// took notes what a member sends in answer to its start or to a message, before it is
// sent.
func (st *stage) took(member int, out []mpc.Message) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, m := range out {
		for to := range st.due {
			if to != member && (m.To == mpc.Everyone || m.To == to) {
				st.due[to]++
			}
		}
	}
	st.due[member]--
	st.idle.Reset(patience)
	st.look()
}

// left notes a member that listens no more.
func (st *stage) left(member int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.due, member)
	st.look()
}

func (st *stage) look() {
	for _, messages := range st.due {
		if messages > 0 {
			return
		}
	}
	st.quiet()
}

// listener is a party's machine that listens as long as anything may come, and how
// that ends.
type listener struct {
	mpc.Machine             // with the party's faults
	honest      mpc.Machine // without
	stage       *stage
	ending
}

// Start implements mpc.Machine.
func (l *listener) Start() ([]mpc.Message, error) {
	out, err := l.Machine.Start()
	l.moved(out)
	return out, err
}

// Receive implements mpc.Machine.
func (l *listener) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	l.heard = l.heard.With(from)
	out, err := l.Machine.Receive(from, round, payload)
	l.moved(out)
	return out, err
}

// Done implements mpc.Machine: late messages still name who sent wrong ones.
func (l *listener) Done() bool { return false }

func (l *listener) moved(out []mpc.Message) {
	if !l.done && l.honest.Done() { // a faulty one may only have given up
		l.done, l.at = true, time.Now()
	}
	l.stage.took(l.party, out)
}

// play runs the members' machines, faulty ones among them, until nothing is on its way
// between them, and returns how the session ended at each, by party. Then no machine is
// touched any more. A member without a machine is away.
func (c *Cluster) play(ctx context.Context, s mpc.Session, machines map[int]mpc.Machine, options ...session.Option) map[int]ending {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var players sharing.Parties
	for i := range machines {
		players = players.With(i)
	}
	st := newStage(s, players, func() { cancel(errQuiet) })
	st.options = append(options, session.WithParties(s.Parties.List()...))
	defer st.idle.Stop()
	ended := make(chan ending)
	for _, i := range players.List() {
		go func() { ended <- c.runOne(ctx, st, c.parties[i-1], machines[i]) }()
	}
	endings := map[int]ending{}
	for range machines {
		e := <-ended
		endings[e.party] = e
	}
	return endings
}

// runOne runs one party's machine and returns how that ended.
func (c *Cluster) runOne(ctx context.Context, st *stage, p *party, machine mpc.Machine) ending {
	id := st.ID()
	l := &listener{Machine: p.fault.Wrap(id, st.Parties, p.identity, machine), honest: machine, stage: st, ending: ending{party: p.index}}
	err := c.net.nodes[p.index-1].router.Run(ctx, session.ID(id), l, st.options...)
	st.left(p.index)
	if !l.done {
		l.err = fmt.Errorf("party %d: %w", p.index, err)
	}
	return l.ending
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
