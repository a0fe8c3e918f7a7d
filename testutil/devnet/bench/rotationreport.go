package bench

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/tkms-network/tkms/testutil/devnet"
)

// RotationReport is what changes of the committee took.
type RotationReport struct {
	CPUs int `json:"cpus"`
	// Params of the key whose shares were handed over.
	Params     string   `json:"params"`
	LoadBefore string   `json:"load_average_before"`
	LoadAfter  string   `json:"load_average_after"`
	Changes    []Change `json:"changes"`
}

// Change is one change of the committee.
type Change struct {
	// From and To are its sizes.
	From int `json:"from"`
	To   int `json:"to"`
	// Seconds from the block in which the proposal was executed to that in which the new
	// epoch is active.
	Seconds float64 `json:"seconds"`
	// Phases until the epoch before has ended, each with its own time.
	Phases []Stage `json:"phases"`
	// Idle and Busy are the times from a question to the value of a euint64, before the
	// proposal and during all phases, of so many Reads.
	Idle  Figure `json:"idle_reads"`
	Busy  Figure `json:"reads_meanwhile"`
	Reads int    `json:"reads"`
	// SentMB is what a party sent to the others during all phases, in megabytes.
	SentMB    float64   `json:"sent_mb_a_party"`
	Processes []Process `json:"processes"`
}

// WriteJSON writes the report for programs.
func (r *RotationReport) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteText writes the report for people.
func (r *RotationReport) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "\nshares of a %s key are handed over while a user reads a euint64\n\n", r.Params)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "parties\tactive after s\tCPU s of a party\tMB sent by a party\tidle p50 ms\tp95\tmeanwhile p50 ms\tp95\treads\t")
	for _, c := range r.Changes {
		fmt.Fprintf(table, "%d → %d\t%.1f\t%.1f\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t\n",
			c.From, c.To, c.Seconds, c.partyCPU(), c.SentMB, c.Idle.P50, c.Idle.P95, c.Busy.P50, c.Busy.P95, c.Reads)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, c := range r.Changes {
		fmt.Fprintf(w, "%d → %d:", c.From, c.To)
		for i, p := range c.Phases {
			if i > 0 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, " %s %.1f s", p.Name, p.Seconds)
		}
		fmt.Fprintln(w)
	}
	_, err := fmt.Fprintf(w, "\n%d CPUs carry all processes; load average %s before, %s after\n", r.CPUs, r.LoadBefore, r.LoadAfter)
	return err
}

// parties is how many have a part in it: the smaller committee is within the larger one.
func (c Change) parties() int { return max(c.From, c.To) }

// partyCPU is the CPU time of a party, in seconds.
func (c Change) partyCPU() float64 {
	for _, p := range c.Processes {
		if p.Kind == devnet.KindParties {
			return p.CPUSeconds / float64(c.parties())
		}
	}
	return 0
}
