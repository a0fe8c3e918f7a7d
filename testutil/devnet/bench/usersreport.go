package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/tkms-network/tkms/testutil/devnet"
)

// UsersReport is what a run with many users reached.
type UsersReport struct {
	CPUs    int    `json:"cpus"`
	Parties int    `json:"parties"`
	Users   int    `json:"users"`
	Type    string `json:"type"`
	// Seconds for which all users asked.
	Seconds float64 `json:"seconds"`
	// Answered counts values read, those after the time included; Rate is those within
	// it a second. Failed are questions that were refused or answered wrongly, Lost those
	// without an answer.
	Answered int     `json:"answered"`
	Rate     float64 `json:"answers_per_second"`
	Failed   int     `json:"failed"`
	Lost     int     `json:"lost"`
	// Latency is from a question at the relayer to the value.
	Latency Figure `json:"latency"`
	// ShareBytes is the size of a share's payload.
	ShareBytes int `json:"share_bytes"`
	// LoadBefore and LoadAfter are the machine's load averages.
	LoadBefore string    `json:"load_average_before"`
	LoadAfter  string    `json:"load_average_after"`
	Processes  []Process `json:"processes"`
	// Failures are the first few.
	Failures []string `json:"failures,omitempty"`
}

// Process is what the processes of one kind took while users asked.
type Process struct {
	Kind      string `json:"kind"`
	Processes int    `json:"processes"`
	// CPUSeconds of all of them together.
	CPUSeconds float64 `json:"cpu_seconds"`
	// PeakMB is the largest resident size that one of them had since its start, in
	// megabytes.
	PeakMB float64 `json:"peak_mb"`
}

// processes tells what was taken between two looks.
func processes(before, after []devnet.Usage) []Process {
	var out []Process
	for i, u := range after {
		out = append(out, Process{
			Kind: u.Kind, Processes: u.Processes, CPUSeconds: (u.CPU - before[i].CPU).Seconds(), PeakMB: float64(u.PeakMemory) / 1e6,
		})
	}
	return out
}

// add takes over what became of the questions.
func (r *UsersReport) add(all *answers) {
	r.Answered, r.Failed, r.Lost = len(all.latencies), all.failed, all.lost
	r.Rate = float64(all.inTime) / r.Seconds
	r.Latency, r.ShareBytes, r.Failures = figure(all.latencies, 0), all.shareBytes, all.failures
}

// Err is not nil if any question failed or got lost.
func (r *UsersReport) Err() error {
	if r.Failed+r.Lost == 0 {
		return nil
	}
	return fmt.Errorf("of %d questions %d failed and %d got lost; the first: %s", r.Answered+r.Failed+r.Lost, r.Failed, r.Lost, r.Failures[0])
}

// WriteJSON writes the report for programs.
func (r *UsersReport) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteText writes the report for people.
func (r *UsersReport) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "\n%d users of %s read a %s each, a new request every time, for %.0f s\n\n", r.Users, count(r.Parties), r.Type, r.Seconds)
	fmt.Fprintf(w, "%.1f answers a second; from question to value p50 %.0f ms, p95 %.0f ms\n", r.Rate, r.Latency.P50, r.Latency.P95)
	fmt.Fprintf(w, "%d answered, %d failed, %d lost; a share has %d bytes\n\n", r.Answered, r.Failed, r.Lost, r.ShareBytes)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tprocesses\tCPU s\tCPU ms an answer\tlargest MB\t")
	for _, p := range r.Processes {
		fmt.Fprintf(table, "%s\t%d\t%.1f\t%.1f\t%.0f\t\n", p.Kind, p.Processes, p.CPUSeconds, 1000*p.CPUSeconds/float64(max(r.Answered, 1)), p.PeakMB)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "\nfailed: %s\n", f)
	}
	_, err := fmt.Fprintf(w, "\n%d CPUs carry all processes; load average %s before, %s after\n", r.CPUs, r.LoadBefore, r.LoadAfter)
	return err
}

// count names a number of parties.
func count(parties int) string {
	if parties == 1 {
		return "1 party"
	}
	return fmt.Sprintf("%d parties", parties)
}

func writeJSON(w io.Writer, report any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}
