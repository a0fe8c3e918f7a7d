package bench

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/devnet/console"
	"github.com/tkms-network/tkms/testutil/measure"
)

// RotationOptions of a run that changes the committee.
type RotationOptions struct {
	Bin, Dir string
	// From is the size of the first committee, To are those of the following ones, in
	// order: the first so many parties of the network each. The same size again is a
	// refresh.
	From int
	To   []int
	// Params of the network's key.
	Params string
	// Progress is for a person who waits.
	Progress io.Writer
}

// rotation is a run that changes the committee while a user reads values.
type rotation struct {
	options RotationOptions
	console *console.Console
	net     *devnet.Devnet
	reader  *reader
}

// RunRotation changes the committee of a network with a key, again and again, and measures
// what that takes and how long a user waits for her values meanwhile.
func RunRotation(ctx context.Context, o RotationOptions) (report *RotationReport, err error) {
	report = &RotationReport{CPUs: runtime.NumCPU(), Params: o.Params}
	r := &rotation{options: o, console: console.New(o.Progress)}
	cfg := devnet.Config{Bin: o.Bin, Dir: o.Dir, Parties: max(o.From, slices.Max(o.To)), Seats: o.From, Params: o.Params}
	if r.net, err = devnet.New(cfg); err != nil {
		return report, err
	}
	defer func() {
		if stopErr := r.net.Stop(); err == nil {
			err = stopErr
		}
	}()
	if _, err := bringUp(ctx, r.net, r.console, ""); err != nil {
		return report, err
	}
	if r.reader, err = newReader(ctx, r.net, tfhe.EUint64); err != nil {
		return report, fmt.Errorf("a user keeps a value: %w", err)
	}
	report.LoadBefore = measure.LoadAverage()
	for n, before := range r.sizes() {
		change := Change{From: before, To: o.To[n]}
		name := fmt.Sprintf("from %d to %d parties, a user goes on reading", change.From, change.To)
		if _, _, err := r.console.Step("", name, func() (string, error) { return r.change(ctx, &change) }); err != nil {
			return report, fmt.Errorf("%s: %w", name, err)
		}
		report.Changes = append(report.Changes, change)
	}
	report.LoadAfter = measure.LoadAverage()
	return report, nil
}

// sizes are those of the committees before each change.
func (r *rotation) sizes() []int {
	return append([]int{r.options.From}, r.options.To[:len(r.options.To)-1]...)
}

// change measures one change, and reads before and during it.
func (r *rotation) change(ctx context.Context, c *Change) (string, error) {
	var idle []time.Duration
	for i := range idleReads {
		r.console.Progress("idle, %d of %d", i+1, idleReads)
		latency, err := r.reader.latency(ctx)
		if err != nil {
			return "", err
		}
		idle = append(idle, latency)
		pauseFor(ctx, rotationPause)
	}
	c.Idle = figure(idle, 0)
	id, err := r.net.ProposeRotation(ctx, devnet.Rotation{Members: r.net.Parties[:c.To]})
	if err != nil {
		return "", err
	}
	sent, err := r.net.Sent(ctx)
	if err != nil {
		return "", err
	}
	before := r.net.Usage()
	over := make(chan error, 1)
	go func() {
		rotated, err := r.net.FollowRotation(ctx, id, func(p devnet.Phase) {
			r.console.Progress("%s is over", p.Name)
			c.Phases = append(c.Phases, Stage{Name: p.Name, Seconds: p.Took.Seconds()})
		})
		if err == nil {
			c.Seconds, err = r.net.Between(ctx, rotated.Epoch.CreatedHeight, rotated.Epoch.ActiveHeight)
		}
		over <- err
	}()
	busy, err := r.readUntil(ctx, over)
	if err != nil {
		return "", err
	}
	c.Busy, c.Reads = figure(busy, 0), len(busy)
	c.Processes = processes(before, r.net.Usage())
	after, err := r.net.Sent(ctx)
	if err != nil {
		return "", err
	}
	c.SentMB = (after - sent) / float64(c.parties()) / 1e6
	return fmt.Sprintf("active after %.1f s; reads p50 %.0f ms, idle %.0f ms", c.Seconds, c.Busy.P50, c.Idle.P50), nil
}

// rotationPause is the pause between two reads.
const rotationPause = 200 * time.Millisecond

// readUntil has the user read her value until a change is over.
func (r *rotation) readUntil(ctx context.Context, over <-chan error) (all []time.Duration, err error) {
	for {
		latency, err := r.reader.latency(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, latency)
		select {
		case err := <-over:
			return all, err
		case <-time.After(rotationPause):
		}
	}
}
