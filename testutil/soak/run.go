package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/devnet/console"
	"github.com/tkms-network/tkms/testutil/measure"
)

// askers is how many requests are under way at once.
const askers = 6

// ErrViolated reports a run after which something does not hold that must.
var ErrViolated = errors.New("the run ended with violations")

// RunOptions of a run.
type RunOptions struct {
	Options
	// Bin is the folder of the binaries, Dir that of homes and logs.
	Bin, Dir string
	// Out is for a person.
	Out io.Writer
}

// Report is what became of a run.
type Report struct {
	// Asked are the requests of the plan; Answered those with the right answer, Refunded
	// those that expired with their fee returned.
	Asked, Answered, Refunded int
	// Accepted are the requests as the chain has them, of which so many are Fulfilled and
	// Expired: what is asked again while it is known is none of its own.
	Accepted, Fulfilled, Expired int
	// Faults are those that happened, by kind; Restarts the parties that did not work
	// again by themselves after theirs.
	Faults   map[FaultKind]int
	Restarts int
	// Convictions are those on the chain; Logs were searched for Secrets.
	Convictions, Logs, Secrets int
	// Median and Slowest are of the requests that were answered.
	Median, Slowest time.Duration
	// Violations are what must not be.
	Violations []string
}

// run is one run.
type run struct {
	plan    *Plan
	net     *devnet.Devnet
	nodes   []*devnet.Devnet // by validator
	wire    *wire
	began   time.Time
	public  []*value
	readers []*reader
	ledger  *ledger
	report  *Report
	// epoch is the one that serves, rotating the change to the next one; operator the
	// account that registered the parties.
	epoch    atomic.Uint64
	rotating sync.WaitGroup
	operator string
	damages  map[string]damage
	clocks   int
	restarts int

	mu      sync.Mutex // guards what follows
	console *console.Console
	answers []*answer
}

// Run prints the plan, brings a network up, does what the plan says, judges, and stops
// the network. The error is ErrViolated if it went through and something does not hold.
func Run(ctx context.Context, o RunOptions) (report *Report, err error) {
	r := &run{
		plan: NewPlan(o.Options), wire: &wire{}, began: time.Now(), ledger: newLedger(), console: console.New(o.Out),
		damages: map[string]damage{}, report: &Report{Faults: map[FaultKind]int{}},
	}
	r.epoch.Store(devnet.FirstEpoch)
	r.console.Line("%s", r.plan)
	r.console.Line("load average %s", measure.LoadAverage())
	r.net, err = devnet.New(devnet.Config{
		Bin: o.Bin, Dir: o.Dir, Parties: r.plan.Parties, Seats: r.plan.seats(), Validators: r.plan.Validators, StockItems: stockItems, ReadyBlocks: readyBlocks,
		Route: r.wire.route, Carry: r.wire.carry,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.net.Stop(), r.wire.close()) }()
	if err := r.all(ctx); err != nil {
		return r.report, err
	}
	r.sum()
	r.console.Line("%s", r.report)
	if len(r.report.Violations) > 0 {
		return r.report, fmt.Errorf("%w: %d", ErrViolated, len(r.report.Violations))
	}
	return r.report, nil
}

func (r *run) all(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	account, err := r.net.Layout.Account(devnet.OperatorAccount)
	if err != nil {
		return err
	}
	r.operator = account.Address
	for _, f := range r.plan.Faults {
		if f.Kind == PartyStale {
			if err := backup(r.net.Parties[f.Target-1]); err != nil {
				return err
			}
		}
	}
	r.serveAll(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := r.settle(ctx); err != nil {
		r.ledger.violate("%s", err)
	}
	return r.judge(ctx)
}

// serveAll makes all requests and faults of the plan.
func (r *run) serveAll(ctx context.Context) {
	slots := make(chan struct{}, askers)
	var asking sync.WaitGroup
	for _, a := range r.plan.Asks {
		r.turn(ctx, a.Number)
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			r.note(r.serve(ctx, a))
		})
		if ctx.Err() != nil {
			break
		}
	}
	asking.Wait()
	r.rotating.Wait()
	r.turn(ctx, r.plan.Requests+1)
}

// turn ends and begins the faults that are due before a request. A party that is to fail
// waits for the one before it in its lane, so that no more are faulty than planned.
func (r *run) turn(ctx context.Context, number int) {
	for _, f := range r.plan.Faults {
		if f.End != number || f.End == r.plan.Requests+1 && lasting(f) {
			continue
		}
		if err := r.end(ctx, f); err != nil && ctx.Err() == nil {
			r.ledger.violate("after %s: %s", f, err)
			r.say("%4d FAILED to end: %s: %s", number, f, err)
		}
	}
	for _, f := range r.plan.Faults {
		if f.Begin != number {
			continue
		}
		r.say("%4d %s", number, f)
		r.report.Faults[f.Kind]++
		if err := r.begin(ctx, f); err != nil && ctx.Err() == nil {
			r.ledger.violate("%s: %s", f, err)
			r.say("%4d FAILED to begin: %s: %s", number, f, err)
		}
	}
}

// lasting tells whether a fault stays until the run is over: its party cannot work again
// in this epoch, or would hide what it did.
func lasting(f Fault) bool { return f.Kind == PartyStale || f.Kind == PartyCheating }

// note keeps what became of a request.
func (r *run) note(a *answer) {
	if a.err != nil {
		r.ledger.violate("request %d (%s), after %d tries: %s", a.ask.Number, a.ask, a.tries, a.err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, a)
	state := "right"
	switch {
	case a.err != nil:
		state = "FAILED: " + a.err.Error()
	case a.expired:
		state = "refunded"
	}
	if a.tries > 1 {
		state += fmt.Sprintf(", %d tries", a.tries)
	}
	if len(a.refusals) > 0 {
		state += fmt.Sprintf(", refused with %v", a.refusals)
	}
	r.console.Line("%4d %-8s %10s  %s", a.ask.Number, a.ask.Kind, console.Duration(a.took), state)
}

// say prints a line.
func (r *run) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.console.Line(format, args...)
}

// sum adds the answers up.
func (r *run) sum() {
	var latencies []time.Duration
	for _, a := range r.answers {
		switch {
		case a.expired:
			r.report.Refunded++
		case a.err == nil:
			r.report.Answered++
			latencies = append(latencies, a.took)
		}
	}
	if len(latencies) > 0 {
		r.report.Median, r.report.Slowest = measure.Quantile(latencies, 50), slices.Max(latencies)
	}
	r.report.Asked, r.report.Restarts = len(r.plan.Asks), r.restarts
	r.report.Violations = slices.Clone(r.ledger.violations)
}
