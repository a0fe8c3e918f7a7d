package enginebench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/measure"
)

// Silence compares decryption with all parties and with some of them silent from the
// start of the online phase. These go on listening, and so take their part of the
// machine.
type Silence struct {
	Date       string       `json:"date"`
	CPUs       int          `json:"cpus"`
	LoadBefore string       `json:"load_average_before"`
	LoadAfter  string       `json:"load_average_after"`
	Silent     int          `json:"silent"`
	Rows       []SilenceRow `json:"rows"`
}

// SilenceRow has the milliseconds from stock of a session with all parties, and with
// some silent: from the first party's start until n−t parties that speak have the value.
type SilenceRow struct {
	Parties int     `json:"parties"`
	Blocks  int     `json:"blocks"`
	Runs    int     `json:"runs"` // of each
	AllP50  float64 `json:"all_p50_ms"`
	AllP95  float64 `json:"all_p95_ms"`
	SomeP50 float64 `json:"some_p50_ms"`
	SomeP95 float64 `json:"some_p95_ms"`
}

// turns is how often the parties are silent and speak again for a row, so that what else
// the machine does is the same for both.
const turns = 10

// MeasureSilence measures with Options.Silent silent parties: at least one, and at most
// as many as may be corrupt.
func MeasureSilence(ctx context.Context, o Options) (_ *Silence, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	for _, n := range o.Parties {
		if o.Silent < 1 || o.Silent > sharing.Threshold(n) {
			return nil, fmt.Errorf("%w: %d of %d parties silent, of which 1 to %d may be", ErrOptions, o.Silent, n, sharing.Threshold(n))
		}
	}
	in, remove, err := temporaryInput()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	header := newReport(&o)
	out := &Silence{Date: header.Date, CPUs: header.CPUs, LoadBefore: header.LoadBefore, Silent: o.Silent}
	for _, n := range o.Parties {
		if err := silenceNetwork(ctx, &o, n, in, out); err != nil {
			return nil, err
		}
	}
	out.LoadAfter = measure.LoadAverage()
	return out, nil
}

func silenceNetwork(ctx context.Context, o *Options, n int, in *input, out *Silence) error {
	b, err := startBench(ctx, o, n, in)
	if err != nil {
		return err
	}
	defer b.fleet.close()
	for _, blocks := range rowBlocks {
		runs := min((o.Repeats+turns-1)/turns, stockItems/blocks) // of a turn, for which all stock is made at once
		b.progress("%d silent, blocks: %d", o.Silent, blocks)
		var times [2][]time.Duration
		for range turns {
			for i, silent := range []int{0, o.Silent} {
				j := job{Kind: jobOnline, Runs: runs, Blocks: blocks, Last: blocks, Batches: 1, Silent: silent}
				r, err := b.fleet.run(j, in.digest(&j))
				if err != nil {
					return err
				}
				times[i] = append(times[i], r.times...)
			}
		}
		quantile := func(i, percent int) float64 {
			return measure.Milliseconds(measure.Quantile(times[i], percent))
		}
		out.Rows = append(out.Rows, SilenceRow{
			Parties: n, Blocks: blocks, Runs: len(times[0]),
			AllP50: quantile(0, 50), AllP95: quantile(0, 95), SomeP50: quantile(1, 50), SomeP95: quantile(1, 95),
		})
	}
	return nil
}

// WriteJSON writes the figures for programs.
func (s *Silence) WriteJSON(w io.Writer) error { return writeJSON(w, s) }

// WriteText writes a table.
func (s *Silence) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "\nmilliseconds of a session from stock, with all parties and with %d of them silent\n\n", s.Silent)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\t\t\t|\tall\t\t|\tsome silent\t\t|\tsome to all\t")
	fmt.Fprintln(table, "parties\tblocks\truns\t|\tp50\tp95\t|\tp50\tp95\t|\tp50\t")
	for _, r := range s.Rows {
		fmt.Fprintf(table, "%d\t%d\t%d\t|\t%.2f\t%.2f\t|\t%.2f\t%.2f\t|\t%.2f\t\n",
			r.Parties, r.Blocks, r.Runs, r.AllP50, r.AllP95, r.SomeP50, r.SomeP95, r.SomeP50/r.AllP50)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s; %d CPUs carry all processes; load average %s before, %s after\n", s.Date, s.CPUs, s.LoadBefore, s.LoadAfter)
	return err
}
