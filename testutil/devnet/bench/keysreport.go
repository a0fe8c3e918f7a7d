package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// KeysReport is what the generation of a key took.
type KeysReport struct {
	CPUs    int    `json:"cpus"`
	Parties int    `json:"parties"`
	Params  string `json:"params"`
	Noise   string `json:"noise"`
	// Seconds from the block in which the parties began to that in which the key is active.
	Seconds float64 `json:"seconds"`
	// Attempt that succeeded; Log2Failure is what the noise model says of the key.
	Attempt     uint32  `json:"attempt"`
	Log2Failure float64 `json:"log2_failure"`
	// Stages as the chain showed them; the parties say how far they are every few seconds.
	Stages  []Stage  `json:"stages"`
	Objects []Object `json:"objects"`
	// SentMB is what a party sent to the others, in megabytes.
	SentMB float64 `json:"sent_mb_a_party"`
	// Idle and Busy are the times from a question to the value of a euint64, before the
	// key was requested and while it was generated.
	Idle Figure `json:"idle_reads"`
	Busy Figure `json:"reads_meanwhile"`
	// PeakSince is not empty if the processes' largest sizes are not those since the
	// request.
	PeakSince  string    `json:"peak_since,omitempty"`
	LoadBefore string    `json:"load_average_before"`
	LoadAfter  string    `json:"load_average_after"`
	Processes  []Process `json:"processes"`
}

// Stage is a stage of the generation and when it was first seen, in seconds.
type Stage struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Object is a published file.
type Object struct {
	Kind   string  `json:"kind"`
	MB     float64 `json:"mb"`
	Digest string  `json:"digest"`
}

func stageName(s kmstypes.KeyStage) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "KEY_STAGE_"))
}

// WriteJSON writes the report for programs.
func (r *KeysReport) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteText writes the report for people.
func (r *KeysReport) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "\n%s generate a key, %s with %s noise: %.1f s, attempt %d, failure probability 2^%.2f\n\n",
		count(r.Parties), r.Params, r.Noise, r.Seconds, r.Attempt, r.Log2Failure)
	for _, o := range r.Objects {
		fmt.Fprintf(w, "%s, %.1f MB, %s\n", o.Kind, o.MB, o.Digest)
	}
	fmt.Fprintf(w, "\nseen first after: ")
	for i, s := range r.Stages {
		if i > 0 {
			fmt.Fprint(w, ", ")
		}
		fmt.Fprintf(w, "%s %.0f s", s.Name, s.Seconds)
	}
	fmt.Fprintf(w, "\na party sent %.0f MB to the others\n", r.SentMB)
	fmt.Fprintf(w, "a user read a euint64, from question to value: p50 %.0f ms, p95 %.0f ms before, p50 %.0f ms, p95 %.0f ms meanwhile\n\n",
		r.Idle.P50, r.Idle.P95, r.Busy.P50, r.Busy.P95)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tprocesses\tCPU s of each\tlargest MB\t")
	for _, p := range r.Processes {
		fmt.Fprintf(table, "%s\t%d\t%.1f\t%.0f\t\n", p.Kind, p.Processes, p.CPUSeconds/float64(max(p.Processes, 1)), p.PeakMB)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.PeakSince != "" {
		fmt.Fprintf(w, "\nlargest sizes are since the %s of the processes\n", r.PeakSince)
	}
	_, err := fmt.Fprintf(w, "\n%d CPUs carry all processes; load average %s before, %s after\n", r.CPUs, r.LoadBefore, r.LoadAfter)
	return err
}
