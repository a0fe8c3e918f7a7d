package bench

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/devnet/console"
	"github.com/tkms-network/tkms/testutil/measure"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

const (
	// idleReads is how many values are read before the key is requested.
	idleReads = 20
	// readPause is the pause between two reads: some land in every stage, and they are
	// not what keeps the machine busy.
	readPause = 500 * time.Millisecond
	// keyPoll is how often the key is looked at.
	keyPoll = 200 * time.Millisecond
)

// KeysOptions of a run that generates a key.
type KeysOptions struct {
	Bin, Dir string
	Parties  int
	// Params and Noise of the key, as a request names them.
	Params, Noise string
	// Progress is for a person who waits.
	Progress io.Writer
}

// generation is a run that generates a key while a user reads values of another one.
type generation struct {
	options KeysOptions
	console *console.Console
	net     *devnet.Devnet
	reader  *reader
	report  *KeysReport
}

// RunKeys generates a key beside one that is in use, and measures what that takes and
// how long a user waits for her values meanwhile.
func RunKeys(ctx context.Context, o KeysOptions) (report *KeysReport, err error) {
	report = &KeysReport{CPUs: runtime.NumCPU(), Parties: o.Parties, Params: o.Params, Noise: o.Noise}
	g := &generation{options: o, console: console.New(o.Progress), report: report}
	cfg := devnet.Config{
		Bin: o.Bin, Dir: filepath.Join(o.Dir, fmt.Sprintf("%d-parties", o.Parties)), Parties: o.Parties, Params: tfhe.NameProductionPKE,
	}
	if g.net, err = devnet.New(cfg); err != nil {
		return report, err
	}
	defer func() {
		if stopErr := g.net.Stop(); err == nil {
			err = stopErr
		}
	}()
	label := strconv.Itoa(o.Parties)
	if _, err := bringUp(ctx, g.net, g.console, label); err != nil {
		return report, err
	}
	steps := []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"a user keeps a euint64", g.prepare},
		{"she reads it on the idle network", g.idle},
		{"the parties generate a key, she goes on reading", g.generate},
	}
	for _, step := range steps {
		if _, _, err := g.console.Step(label, step.name, func() (string, error) { return step.run(ctx) }); err != nil {
			return report, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return report, nil
}

func (g *generation) prepare(ctx context.Context) (_ string, err error) {
	g.reader, err = newReader(ctx, g.net, tfhe.EUint64)
	return "", err
}

func (g *generation) idle(ctx context.Context) (string, error) {
	var all []time.Duration
	for i := range idleReads {
		g.console.Progress("%d of %d", i+1, idleReads)
		latency, err := g.reader.latency(ctx)
		if err != nil {
			return "", err
		}
		all = append(all, latency)
		pauseFor(ctx, readPause)
	}
	g.report.Idle = figure(all, 0)
	return fmt.Sprintf("p50 %.0f ms", g.report.Idle.P50), nil
}

// generate requests the key and reads values until it is active.
func (g *generation) generate(ctx context.Context) (string, error) {
	if err := g.net.ResetPeaks(); err != nil {
		g.report.PeakSince = "start"
	}
	sent, err := g.net.Sent(ctx)
	if err != nil {
		return "", err
	}
	before := g.net.Usage()
	g.report.LoadBefore = measure.LoadAverage()
	id, err := g.net.RequestFurtherKey(ctx, g.options.Params, g.options.Noise)
	if err != nil {
		return "", err
	}
	watched := make(chan error, 1)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go func() { watched <- g.watch(watching, id) }()
	var all []time.Duration
	for done := false; !done; {
		select {
		case err := <-watched:
			if err != nil {
				return "", err
			}
			done = true
		case <-time.After(readPause):
			latency, err := g.reader.latency(ctx)
			if err != nil {
				return "", err
			}
			all = append(all, latency)
		}
	}
	g.report.Busy, g.report.LoadAfter = figure(all, 0), measure.LoadAverage()
	g.report.Processes = processes(before, g.net.Usage())
	after, err := g.net.Sent(ctx)
	if err != nil {
		return "", err
	}
	g.report.SentMB = (after - sent) / float64(g.options.Parties) / 1e6
	return fmt.Sprintf("%.1f s; reads p50 %.0f ms", g.report.Seconds, g.report.Busy.P50), nil
}

// watch follows the key until it is active, and notes when it came to which stage.
func (g *generation) watch(ctx context.Context, id []byte) error {
	var began time.Time
	stage := kmstypes.KEY_STAGE_UNSPECIFIED
	for {
		key, err := g.net.Key(ctx, id)
		if err != nil {
			return err
		}
		if began.IsZero() && key.Status == kmstypes.KEY_STATUS_GENERATING {
			began = time.Now()
		}
		for _, p := range key.Progress {
			if p.Stage > stage {
				stage = p.Stage
				g.report.Stages = append(g.report.Stages, Stage{Name: stageName(stage), Seconds: time.Since(began).Seconds()})
			}
			if p.Index == 1 && p.Total > 0 {
				g.console.Progress("%s, %d %%", stageName(p.Stage), 100*p.Done/p.Total)
			}
		}
		switch key.Status {
		case kmstypes.KEY_STATUS_ACTIVE:
			g.report.Seconds, g.report.Attempt = time.Since(began).Seconds(), key.Attempt
			g.report.Log2Failure = float64(key.Log2FailureMilli) / 1000
			for _, o := range key.Material.Objects {
				g.report.Objects = append(g.report.Objects, Object{Kind: o.Kind, MB: float64(o.ByteSize) / 1e6, Digest: fmt.Sprintf("%x", o.Digest)})
			}
			return nil
		case kmstypes.KEY_STATUS_FAILED, kmstypes.KEY_STATUS_RETIRED:
			return fmt.Errorf("the key ended as %s (%s); see the parties' logs in %s", key.Status, key.Failure, g.net.Config.Dir)
		}
		pauseFor(ctx, keyPoll)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}
