package enginebench

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/tkms-network/tkms/testutil/measure"
)

// Report holds all figures. Times are in milliseconds.
type Report struct {
	Date string `json:"date"`
	Go   string `json:"go"`
	CPUs int    `json:"cpus"`
	// Repeats is the greatest number of runs behind a figure.
	Repeats int `json:"repeats"`
	// RoundTripMS was added to the links.
	RoundTripMS float64 `json:"round_trip_ms"`
	// LoadBefore and LoadAfter are the machine's load averages.
	LoadBefore string    `json:"load_average_before"`
	LoadAfter  string    `json:"load_average_after"`
	Networks   []Network `json:"networks"`
}

// Network is what one number of parties reached.
type Network struct {
	Parties int `json:"parties"`
	// Dealt says that the parties dealt each other their randomness.
	Dealt   bool   `json:"dealt"`
	Variant string `json:"variant"`
	// SetUpMS is from the start of the processes until all have keys.
	SetUpMS float64 `json:"set_up_ms"`
	Rows    []Row   `json:"rows"`
	// Forms are a euint64 in every form that coprocessors hand over.
	Forms []Form `json:"forms"`
	Bulk  Bulk   `json:"bulk"`
	// Bit is a random bit over R_K, Product a product over R_W.
	Bit     Kernel `json:"bit"`
	Product Kernel `json:"product"`
	// PeakMB is by how many megabytes a party's resident size rose, at most, while it
	// read a ciphertext of 1,024 blocks, made the offline material and decrypted; 0
	// if the system does not tell.
	PeakMB float64 `json:"peak_mb"`
	// Profiles are of party 1, if they were asked for.
	Profiles []Profile `json:"profiles,omitempty"`
}

// Profile tells where a party's processor time goes.
type Profile struct {
	Name   string `json:"name"`
	Blocks int    `json:"blocks"`
	// CPUMicros is of a block and party.
	CPUMicros float64 `json:"cpu_us"`
	Shares    []Share `json:"shares"`
}

// Row is a number of blocks in one session.
type Row struct {
	Blocks int `json:"blocks"`
	// Online is from stock, Total with the offline phase.
	Online Phase `json:"online"`
	Total  Phase `json:"total"`
}

// Phase has the figures of one kind of run. A run's time is from the start of the
// first party until n−t parties had the value.
type Phase struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	// Allocations are those of a party in a run.
	Allocations    uint64 `json:"allocations"`
	AllocatedBytes uint64 `json:"allocated_bytes"`
	// BytesPerBlock are sent by a party to all others together.
	BytesPerBlock float64 `json:"bytes_per_block"`
	Runs          int     `json:"runs"`
}

func phaseOf(r *result, blocks int) Phase {
	return Phase{
		P50: measure.Milliseconds(measure.Quantile(r.times, 50)), P95: measure.Milliseconds(measure.Quantile(r.times, 95)),
		Allocations: r.allocations, AllocatedBytes: r.allocated,
		BytesPerBlock: float64(r.sent) / float64(blocks*len(r.times)), Runs: len(r.times),
	}
}

// Bulk is many blocks in batches, with the offline phase.
type Bulk struct {
	Blocks    int     `json:"blocks"`
	Batch     int     `json:"batch"`
	PerSecond float64 `json:"blocks_per_second"`
	// CPUMicros and Bytes are of a block and party.
	CPUMicros float64 `json:"cpu_us"`
	Bytes     float64 `json:"bytes"`
}

// Kernel is one item of correlated randomness, of many made at once: drawn, signed,
// sent, echoed, checked.
type Kernel struct {
	Items int `json:"items"`
	// CPUNanos is a party's processor time, Nanos the time of all parties on this
	// machine, Bytes what a party sends.
	CPUNanos float64 `json:"cpu_ns"`
	Nanos    float64 `json:"ns"`
	Bytes    float64 `json:"bytes"`
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// WriteText writes a table for each number of parties.
func (r *Report) WriteText(w io.Writer) error {
	for _, n := range r.Networks {
		noun := "parties"
		if n.Parties == 1 {
			noun = "party"
		}
		dealt := ""
		if n.Dealt {
			dealt = ", randomness dealt"
		}
		fmt.Fprintf(w, "\n%d %s, variant %s%s; milliseconds from the first party's start until n-t parties have the value\n\n", n.Parties, noun, n.Variant, dealt)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(table, "\t|\tonline, from stock\t\t\t\t\t|\twith the offline phase\t\t\t\t\t")
		fmt.Fprintln(table, "blocks\t|\truns\tp50\tp95\tallocations\tbytes/block\t|\truns\tp50\tp95\tallocations\tbytes/block\t")
		for _, row := range n.Rows {
			fmt.Fprintf(table, "%d\t|\t%s\t|\t%s\t\n", row.Blocks, row.Online.cells(), row.Total.cells())
		}
		if err := table.Flush(); err != nil {
			return err
		}
		if err := n.writeForms(w); err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%d blocks in batches of %d: %.0f blocks/s; a block and party take %.1f us CPU and send %.0f bytes\n",
			n.Bulk.Blocks, n.Bulk.Batch, n.Bulk.PerSecond, n.Bulk.CPUMicros, n.Bulk.Bytes)
		if n.Parties > 1 {
			fmt.Fprintf(w, "a party's CPU: random bit %.0f ns, product %.0f ns\n", n.Bit.CPUNanos, n.Product.CPUNanos)
		}
		fmt.Fprintf(w, "1024 blocks take %.0f MB of a party's memory, the ciphertext included; set-up %.1f s\n", n.PeakMB, n.SetUpMS/1000)
		if err := n.writeProfiles(w); err != nil {
			return err
		}
	}
	if r.RoundTripMS > 0 {
		fmt.Fprintf(w, "\nlinks have a round trip of %g ms\n", r.RoundTripMS)
	}
	_, err := fmt.Fprintf(w, "\n%s; %d CPUs carry all processes; %s; load average %s before, %s after\n", r.Date, r.CPUs, r.Go, r.LoadBefore, r.LoadAfter)
	return err
}

func (p Phase) cells() string {
	return fmt.Sprintf("%d\t%.2f\t%.2f\t%d\t%.0f", p.Runs, p.P50, p.P95, p.Allocations, p.BytesPerBlock)
}

// writeForms writes a table of a euint64 in every form.
func (n *Network) writeForms(w io.Writer) error {
	if len(n.Forms) == 0 {
		return nil
	}
	fmt.Fprint(w, "\na euint64 in every form, from its bytes to the value; flooding needs no stock\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "form\tdecrypted\tciphertext bytes\tblocks\t|\truns\tp50\tp95\tallocations\tbytes/block\t")
	for _, f := range n.Forms {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t|\t%s\t\n", f.Name, f.Way, f.Bytes, f.Blocks, f.Engine.cells())
	}
	return table.Flush()
}

// writeProfiles writes the shares of all profiles as one table.
func (n *Network) writeProfiles(w io.Writer) error {
	if len(n.Profiles) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nwhere the CPU time of party 1 goes, percent\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head, costs := "\t|\t", "us a block\t|\t"
	rows, order := map[string]map[string]float64{}, []string{}
	for _, p := range n.Profiles {
		head += p.Name + "\t"
		costs += fmt.Sprintf("%.1f\t", p.CPUMicros)
		for _, s := range p.Shares {
			if rows[s.Group] == nil {
				rows[s.Group] = map[string]float64{}
			}
			rows[s.Group][p.Name] = s.Percent
		}
	}
	for _, g := range groups {
		order = append(order, g.name)
	}
	fmt.Fprintln(table, head)
	for _, g := range append(order, otherGroup) {
		if rows[g] == nil {
			continue
		}
		line := g + "\t|\t"
		for _, p := range n.Profiles {
			line += fmt.Sprintf("%.0f\t", rows[g][p.Name])
		}
		fmt.Fprintln(table, line)
	}
	fmt.Fprintln(table, costs)
	return table.Flush()
}
