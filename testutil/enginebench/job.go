package enginebench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/testutil/fault"
	"github.com/tkms-network/tkms/testutil/measure"
)

// jobKind says what the runs of a job do.
type jobKind string

const (
	// jobOnline decrypts from stock that is made before the runs.
	jobOnline jobKind = "online"
	// jobTotal makes the offline material and decrypts.
	jobTotal jobKind = "total"
	// jobBits makes random bits over R_K, jobProducts products over R_W.
	jobBits     jobKind = "bits"
	jobProducts jobKind = "products"
	// jobForm decrypts a ciphertext in one form, from its bytes, with items from stock.
	jobForm jobKind = "form"
)

// job is a number of equal runs.
type job struct {
	Kind jobKind
	// Number is unlike that of every other job of the parties.
	Number uint64
	Runs   int
	// Blocks are those of each batch of a run, Last those of the last one. For bits
	// and products they are items.
	Blocks, Last int
	// Batches are the sessions of a run, of which Overlap go on at once.
	Batches, Overlap int
	// Memory asks for the peak of each run. The ciphertext is then read anew in the
	// run, since a party holds none in advance.
	Memory bool
	// Form names the ciphertext of a jobForm, Flood says that it takes no items.
	Form  string
	Flood bool
	// Silent is how many parties, the last ones, hear the others in the online phase and
	// say nothing.
	Silent int
	// Profile is the file for the CPU profile of all runs, none if empty.
	Profile string
}

// size returns the blocks of a batch.
func (j *job) size(batch int) int {
	if batch == j.Batches-1 {
		return j.Last
	}
	return j.Blocks
}

// perRun returns the blocks of a run.
func (j *job) perRun() int { return j.Blocks*(j.Batches-1) + j.Last }

// perSecond returns the blocks a second of the median run.
func (j *job) perSecond(r *result) float64 {
	return float64(j.perRun()) / measure.Quantile(r.times, 50).Seconds()
}

// prepared is a job at a party, ready to run.
type prepared struct {
	job
	first uint64 // item
	run   int
	// stock has an entry a run and batch.
	stock   [][]*preproc.Batch
	profile *os.File
	cpu     time.Duration
	sent    int64
}

// faultOf returns what a party does wrong in the online phase, nil if nothing.
func (j *job) faultOf(p *party) *fault.Party {
	if p.link.index <= p.link.parties-j.Silent {
		return nil
	}
	return &fault.Party{Kind: fault.Silent}
}

// prepare gets ready for the runs of a job.
func (p *party) prepare(ctx context.Context, j *job) error {
	p.job = &prepared{job: *j, first: p.nextItem}
	p.nextItem += uint64(j.Runs * j.perRun())
	if (j.Kind == jobOnline || j.Kind == jobForm && !j.Flood) && p.link.parties > 1 {
		if err := p.fill(ctx, p.job); err != nil {
			return fmt.Errorf("make stock: %w", err)
		}
	}
	p.lingering.Wait()
	runtime.GC()
	p.job.cpu, p.job.sent = processTime(), p.link.sent.Load()
	if j.Profile == "" {
		return nil
	}
	var err error
	if p.job.profile, err = os.Create(j.Profile); err != nil {
		return err
	}
	return pprof.StartCPUProfile(p.job.profile)
}

// stockItems is how many items fill makes at once.
const stockItems = 1 << 13

// fill makes the stock of all runs.
func (p *party) fill(ctx context.Context, j *prepared) error {
	sizes := make([]int, 0, j.Runs*j.Batches)
	for range j.Runs {
		for b := range j.Batches {
			sizes = append(sizes, j.size(b))
		}
	}
	first, shape := j.first, p.shape
	if j.Kind == jobForm {
		shape = p.forms[j.Form].key.Shape()
	}
	for len(sizes) > 0 {
		take, items := 0, 0
		for take < len(sizes) && (take == 0 || items+sizes[take] <= stockItems) {
			items += sizes[take]
			take++
		}
		all, err := p.offline(ctx, p.session("stock", j.Number, first), shape, first, items)
		if err != nil {
			return err
		}
		for _, size := range sizes[:take] {
			piece, err := all.Cut(first, size)
			if err != nil {
				return err
			}
			j.stock = append(j.stock, []*preproc.Batch{piece})
			first += uint64(size)
		}
		all.Zero()
		sizes = sizes[take:]
	}
	return nil
}

// runJob does one run of the prepared job, starting at a moment of the clock.
func (p *party) runJob(ctx context.Context, at time.Time) (*ran, error) {
	j := p.job
	if j == nil || j.run >= j.Runs {
		return nil, errors.New("no run is prepared")
	}
	defer func() { j.run++ }()
	var idle int64
	if j.Memory {
		p.blocks = nil
		debug.FreeOSMemory()
		if err := measure.ResetPeak(os.Getpid()); err != nil {
			return nil, err
		}
		idle = measure.Memory(os.Getpid())
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	time.Sleep(time.Until(at))
	out := &ran{Start: time.Now().UnixNano()}
	if j.Memory {
		if err := p.readBlocks(); err != nil {
			return nil, err
		}
	}
	values, err := p.batches(ctx, j)
	if err != nil {
		return nil, err
	}
	out.End = time.Now().UnixNano()
	runtime.ReadMemStats(&after)
	out.Allocations, out.AllocatedBytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	out.Values = digestOf(values)
	if j.Memory {
		out.Peak = measure.PeakMemory(os.Getpid()) - idle
	}
	return out, nil
}

// batches runs the sessions of a run and returns the values in their order.
func (p *party) batches(ctx context.Context, j *prepared) ([]uint64, error) {
	if j.Batches == 1 {
		return p.batch(ctx, j, 0)
	}
	parts := make([][]uint64, j.Batches)
	group, ctx := errgroup.WithContext(ctx)
	for lane := range j.Overlap {
		group.Go(func() error {
			for b := lane; b < j.Batches; b += j.Overlap {
				var err error
				if parts[b], err = p.batch(ctx, j, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []uint64
	for _, part := range parts {
		all = append(all, part...)
	}
	return all, nil
}

func (p *party) batch(ctx context.Context, j *prepared, b int) ([]uint64, error) {
	first := j.first + uint64(j.run*j.perRun()+b*j.Blocks)
	count := j.size(b)
	var stock []*preproc.Batch
	if j.stock != nil {
		stock = j.stock[j.run*j.Batches+b]
	}
	switch {
	case j.Kind == jobForm:
		return p.decryptForm(ctx, j, first, stock)
	case j.Kind == jobBits || j.Kind == jobProducts:
		return nil, p.make(ctx, p.session(string(j.Kind), j.Number, first), p.section(j.Kind, first, count))
	case j.Kind == jobTotal && p.link.parties > 1:
		return p.total(ctx, p.session("offline", j.Number, first), p.session("online", j.Number, first), first, count)
	case j.Kind == jobTotal || j.Kind == jobOnline:
		phases, err := p.take(count)
		if err != nil {
			return nil, err
		}
		return p.online(ctx, p.session("online", j.Number, first), phases, stock)
	}
	return nil, fmt.Errorf("no job %q", j.Kind)
}

// finish ends a job and returns what it took, the checks of late shares included.
func (p *party) finish() (*totals, error) {
	p.lingering.Wait()
	out := &totals{CPU: processTime() - p.job.cpu, Sent: p.link.sent.Load() - p.job.sent}
	profile := p.job.profile
	p.job = nil
	if profile == nil {
		return out, nil
	}
	pprof.StopCPUProfile()
	return out, profile.Close()
}

// processTime is the processor time of this process, user and system.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// digestOf names values, each below 2^W.
func digestOf(values []uint64) mpc.Digest {
	raw := make([]byte, len(values))
	for i, v := range values {
		raw[i] = byte(v)
	}
	return mpc.Hash("tkms/v1/enginebench/values", raw)
}
