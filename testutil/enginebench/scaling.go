package enginebench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/tkms-network/tkms/testutil/measure"
)

// scalingBlocks are the blocks of a session in the scaling tables.
var scalingBlocks = []int{1, 4, 32, 256, 1024, 4096, 10_000}

// longSession is the time in milliseconds after which larger sessions are left out.
const longSession = 5000

// Scaling tells how figures grow with the parties and with the blocks.
type Scaling struct {
	Date       string  `json:"date"`
	CPUs       int     `json:"cpus"`
	LoadBefore string  `json:"load_average_before"`
	LoadAfter  string  `json:"load_average_after"`
	Variant    string  `json:"variant"`
	Points     []Point `json:"points"`
	// Bulk has the throughput for each number of parties.
	Bulk []BulkPoint `json:"bulk"`
}

// Point is the median latency of a session.
type Point struct {
	Parties  int     `json:"parties"`
	Blocks   int     `json:"blocks"`
	OnlineMS float64 `json:"online_ms"`
	TotalMS  float64 `json:"total_ms"`
}

// BulkPoint is the throughput in batches, in blocks a second, from stock and with
// the offline phase.
type BulkPoint struct {
	Parties int `json:"parties"`
	// Dealt says that the parties dealt each other their randomness.
	Dealt  bool    `json:"dealt"`
	Online float64 `json:"online_per_second"`
	Total  float64 `json:"total_per_second"`
}

// Scale measures sessions of 1 to 10,000 blocks with each number of parties, as long
// as they take seconds only.
func Scale(ctx context.Context, o Options) (_ *Scaling, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	in, remove, err := temporaryInput()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	header := newReport(&o)
	out := &Scaling{Date: header.Date, CPUs: header.CPUs, LoadBefore: header.LoadBefore}
	for _, n := range o.Parties {
		if err := scaleNetwork(ctx, &o, n, in, out); err != nil {
			return nil, err
		}
	}
	out.LoadAfter = measure.LoadAverage()
	return out, nil
}

func scaleNetwork(ctx context.Context, o *Options, n int, in *input, out *Scaling) error {
	b, err := startBench(ctx, o, n, in)
	if err != nil {
		return err
	}
	defer b.fleet.close()
	out.Variant = b.out.Variant
	for _, blocks := range scalingBlocks {
		p := Point{Parties: n, Blocks: blocks}
		for _, phase := range []struct {
			kind jobKind
			into *float64
		}{{jobOnline, &p.OnlineMS}, {jobTotal, &p.TotalMS}} {
			b.progress("%s, blocks: %d", phase.kind, blocks)
			r, err := b.latency(phase.kind, blocks, pointBudget, pointRuns)
			if err != nil {
				return err
			}
			*phase.into = measure.Milliseconds(measure.Quantile(r.times, 50))
		}
		out.Points = append(out.Points, p)
		if p.TotalMS > longSession {
			break
		}
	}
	bulk := BulkPoint{Parties: n, Dealt: b.out.Dealt}
	for _, phase := range []struct {
		kind jobKind
		into *float64
	}{{jobOnline, &bulk.Online}, {jobTotal, &bulk.Total}} {
		j := bulkJob(n)
		j.Kind = phase.kind
		b.progress("%s, %d blocks in batches", phase.kind, j.perRun())
		r, err := b.fleet.run(j, in.digest(&j))
		if err != nil {
			return err
		}
		*phase.into = j.perSecond(r)
	}
	out.Bulk = append(out.Bulk, bulk)
	return nil
}

// WriteJSON writes the figures for programs.
func (s *Scaling) WriteJSON(w io.Writer) error { return writeJSON(w, s) }

// WriteText writes the tables behind the plots.
func (s *Scaling) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "\nmedian milliseconds of a session, online from stock / with the offline phase; variant %s\n\n", s.Variant)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := "blocks\t|\t"
	for _, b := range s.Bulk {
		line += fmt.Sprintf("n = %d", b.Parties)
		if b.Dealt {
			line += ", dealt"
		}
		line += "\t"
	}
	fmt.Fprintln(table, line)
	for _, blocks := range scalingBlocks {
		line = fmt.Sprintf("%d\t|\t", blocks)
		for _, b := range s.Bulk {
			i := slices.IndexFunc(s.Points, func(p Point) bool { return p.Parties == b.Parties && p.Blocks == blocks })
			if i < 0 {
				line += "-\t"
				continue
			}
			line += fmt.Sprintf("%s / %s\t", threeDigits(s.Points[i].OnlineMS), threeDigits(s.Points[i].TotalMS))
		}
		fmt.Fprintln(table, line)
	}
	line = "blocks/s\t|\t"
	for _, b := range s.Bulk {
		line += fmt.Sprintf("%s / %s\t", threeDigits(b.Online), threeDigits(b.Total))
	}
	fmt.Fprintln(table, line)
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nblocks/s: in batches of %d, %d at once\n%s; %d CPUs carry all processes; load average %s before, %s after\n",
		batchBlocks, overlap, s.Date, s.CPUs, s.LoadBefore, s.LoadAfter)
	return err
}

// threeDigits writes x with three digits or as an integer.
func threeDigits(x float64) string {
	switch {
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	case x < 100:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}
