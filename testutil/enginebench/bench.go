package enginebench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/testutil/measure"
)

// ErrOptions reports what cannot be measured.
var ErrOptions = errors.New("enginebench: invalid options")

// Options say what to measure.
type Options struct {
	// Command starts a process that calls Serve with its standard input and output.
	Command []string
	// Parties are the numbers of parties to measure.
	Parties []int
	// Repeats is the greatest number of runs behind a figure. Long runs are fewer.
	Repeats int
	// RoundTrip is added to the links: half of it to each message.
	RoundTrip time.Duration
	// Variant is the way of decryption.
	Variant Variant
	// Dealt has the parties deal each other their randomness even if they are few enough
	// for pseudo-random secret sharing.
	Dealt bool
	// Silent is how many parties, the last ones, are silent in MeasureSilence.
	Silent int
	// ProfileDir is where CPU profiles of party 1 are written; none if empty.
	ProfileDir string
	// Progress takes a line a step, and what the processes say on standard error.
	Progress io.Writer
}

const (
	// euint64Blocks and euint2048Blocks are the blocks of these types.
	euint64Blocks, euint2048Blocks = 32, 1024
	// bulkBlocks go through in batches of batchBlocks, overlap of them at once.
	bulkBlocks, batchBlocks, overlap = 10_000, 1024, 2
	// bulkRuns, memoryRuns and kernelRuns are few: each is long, or varies little.
	bulkRuns, memoryRuns, kernelRuns = 3, 3, 10
)

// rowBlocks are the blocks of a session in tables of single sessions.
var rowBlocks = []int{1, euint64Blocks, euint2048Blocks}

// kernelItems is how many bits or products a party makes in a run: fewer where each
// takes more sets of keys.
func kernelItems(parties int) int {
	if parties <= 7 {
		return 1 << 15
	}
	return 1 << 12
}

// maxPRSS is the number of parties above which randomness is always dealt.
const maxPRSS = 13

// dealt reports whether n parties deal each other their randomness.
func (o *Options) dealt(n int) bool { return n > 1 && (o.Dealt || n > maxPRSS) }

func (o *Options) check() error {
	if len(o.Command) == 0 || len(o.Parties) == 0 || o.Repeats < 1 || o.RoundTrip < 0 {
		return fmt.Errorf("%w: no command or parties, less than one run, or a negative round trip", ErrOptions)
	}
	_, err := o.Variant.Shape(o.RoundTrip)
	return err
}

// Run measures and returns all figures.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	in, remove, err := temporaryInput()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	report = newReport(&o)
	for _, n := range o.Parties {
		network, err := measureNetwork(ctx, &o, n, in)
		if err != nil {
			return nil, err
		}
		report.Networks = append(report.Networks, *network)
	}
	report.LoadAfter = measure.LoadAverage()
	return report, nil
}

func newReport(o *Options) *Report {
	return &Report{
		Date: time.Now().UTC().Format(time.DateOnly), CPUs: runtime.NumCPU(), Go: runtime.Version(), Repeats: o.Repeats,
		RoundTripMS: measure.Milliseconds(o.RoundTrip), LoadBefore: measure.LoadAverage(),
	}
}

// temporaryInput makes the input in a folder that remove deletes.
func temporaryInput() (in *input, remove func() error, err error) {
	dir, err := os.MkdirTemp("", "tkms-enginebench-")
	if err != nil {
		return nil, nil, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	if in, err = newInput(dir); err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return in, remove, nil
}

// bench measures one network.
type bench struct {
	o     *Options
	fleet *fleet
	in    *input
	shape preproc.Shape
	out   *Network
}

func measureNetwork(ctx context.Context, o *Options, n int, in *input) (*Network, error) {
	b, err := startBench(ctx, o, n, in)
	if err != nil {
		return nil, err
	}
	defer b.fleet.close()
	for _, blocks := range rowBlocks {
		if err := b.row(blocks); err != nil {
			return nil, err
		}
	}
	if err := b.forms(); err != nil {
		return nil, err
	}
	if err := b.bulk(); err != nil {
		return nil, err
	}
	if n > 1 {
		if err := b.kernels(); err != nil {
			return nil, err
		}
	}
	if err := b.memory(); err != nil {
		return nil, err
	}
	if o.ProfileDir != "" {
		err = b.profiles()
	}
	return b.out, err
}

func startBench(ctx context.Context, o *Options, n int, in *input) (*bench, error) {
	shape, err := o.Variant.Shape(o.RoundTrip)
	if err != nil {
		return nil, err
	}
	b := &bench{o: o, in: in, shape: shape, out: &Network{Parties: n, Dealt: o.dealt(n), Variant: string(variantOf(shape))}}
	b.progress("set up")
	start := time.Now()
	if b.fleet, err = startFleet(ctx, o, n, shape, in); err != nil {
		return nil, err
	}
	b.out.SetUpMS = measure.Milliseconds(time.Since(start))
	return b, nil
}

func (b *bench) progress(format string, args ...any) {
	if b.o.Progress != nil {
		fmt.Fprintf(b.o.Progress, "n = %d: %s\n", b.out.Parties, fmt.Sprintf(format, args...))
	}
}

// latency runs blocks in one session, after warming up: as often as Options.Repeats
// says, but for no longer than budget unless fewest runs take longer.
func (b *bench) latency(kind jobKind, blocks int, budget time.Duration, fewest int) (*result, error) {
	j := job{Kind: kind, Blocks: blocks, Last: blocks, Batches: 1}
	return b.repeated(j, b.in.digest(&j), budget, fewest)
}

// repeated is latency for any job.
func (b *bench) repeated(j job, want *mpc.Digest, budget time.Duration, fewest int) (*result, error) {
	j.Runs = 1
	start := time.Now()
	if _, err := b.fleet.run(j, want); err != nil {
		return nil, err
	}
	// Stock made before the run counts too. A first run is slower than the others, so
	// that the budget is rarely used up.
	took := max(time.Since(start)-linger, time.Millisecond)
	j.Runs = min(max(int(budget/took), fewest), max(b.o.Repeats, fewest))
	return b.fleet.run(j, want)
}

const (
	// rowBudget is the time for one figure of the table, pointBudget that of a point
	// in a plot.
	rowBudget, pointBudget = 10 * time.Second, time.Second
	// rowRuns and pointRuns are the fewest runs of each.
	rowRuns, pointRuns = 3, 2
)

func (b *bench) row(blocks int) (err error) {
	row := Row{Blocks: blocks}
	for _, phase := range []struct {
		kind jobKind
		into *Phase
	}{{jobOnline, &row.Online}, {jobTotal, &row.Total}} {
		b.progress("%s, blocks: %d", phase.kind, blocks)
		r, err := b.latency(phase.kind, blocks, rowBudget, rowRuns)
		if err != nil {
			return err
		}
		*phase.into = phaseOf(r, blocks)
	}
	b.out.Rows = append(b.out.Rows, row)
	return nil
}

// bulkJob is many blocks in batches: fewer where each takes hundreds of sets of keys.
func bulkJob(parties int) job {
	blocks, runs := bulkBlocks, bulkRuns
	if parties > 7 {
		blocks, runs = overlap*batchBlocks, 1
	}
	batches := (blocks + batchBlocks - 1) / batchBlocks
	return job{Kind: jobTotal, Runs: runs, Blocks: batchBlocks, Batches: batches, Last: blocks - (batches-1)*batchBlocks, Overlap: overlap}
}

func (b *bench) bulk() error {
	j := bulkJob(b.out.Parties)
	b.progress("%d blocks in batches", j.perRun())
	r, err := b.fleet.run(j, b.in.digest(&j))
	if err != nil {
		return err
	}
	blocks := float64(j.Runs * j.perRun())
	b.out.Bulk = Bulk{
		Blocks: j.perRun(), Batch: batchBlocks, PerSecond: j.perSecond(r),
		CPUMicros: float64(r.cpu.Nanoseconds()) / 1000 / blocks, Bytes: float64(r.sent) / blocks,
	}
	return nil
}

func (b *bench) kernels() error {
	items := kernelItems(b.out.Parties)
	for _, kernel := range []struct {
		kind jobKind
		into *Kernel
	}{{jobBits, &b.out.Bit}, {jobProducts, &b.out.Product}} {
		b.progress("%s", kernel.kind)
		j := job{Kind: kernel.kind, Runs: 1, Blocks: items, Last: items, Batches: 1}
		if _, err := b.fleet.run(j, nil); err != nil {
			return err
		}
		j.Runs = kernelRuns
		r, err := b.fleet.run(j, nil)
		if err != nil {
			return err
		}
		*kernel.into = Kernel{
			Items:    items,
			CPUNanos: float64(r.cpu.Nanoseconds()) / float64(items*j.Runs),
			Nanos:    float64(measure.Quantile(r.times, 50).Nanoseconds()) / float64(items),
			Bytes:    float64(r.sent) / float64(items*j.Runs),
		}
	}
	return nil
}

func (b *bench) memory() error {
	b.progress("memory")
	j := job{Kind: jobTotal, Runs: memoryRuns, Blocks: euint2048Blocks, Last: euint2048Blocks, Batches: 1, Memory: true}
	r, err := b.fleet.run(j, b.in.digest(&j))
	if err != nil {
		return err
	}
	b.out.PeakMB = float64(r.peak) / 1e6
	return nil
}

// timeOf is from the start of the first party to the end of the quorum-th.
func timeOf(all []*ran, quorum int) time.Duration {
	ends := make([]int64, len(all))
	start := all[0].Start
	for i, r := range all {
		start, ends[i] = min(start, r.Start), r.End
	}
	slices.Sort(ends)
	return time.Duration(ends[quorum-1] - start)
}

func median[T cmp.Ordered](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)/2]
}
