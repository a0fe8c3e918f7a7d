package debug

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/cluster"
	"github.com/tkms-network/tkms/testutil/fault"
)

// report is what threshold-decrypt found. Its JSON form is for scripts; times
// are in milliseconds, parties are numbered from 1.
type report struct {
	Parties   int               `json:"parties"`
	Threshold int               `json:"threshold"`
	Faults    map[string]string `json:"faults,omitempty"`
	SetupMS   float64           `json:"setup_ms"`
	// Excluded are the parties that the offline phase no longer waits for at the end.
	Excluded []int       `json:"excluded"`
	Values   []decrypted `json:"values"`
}

// decrypted is one value.
type decrypted struct {
	File  string `json:"file"`
	Index int    `json:"index"`
	Type  string `json:"type"`
	// Value is decimal; "true" and "false" for ebool.
	Value string `json:"value"`
	// Key names the secret key that the ciphertext is under.
	Key  string `json:"key"`
	LWEs int    `json:"lwe_ciphertexts"`
	// Offline is the making of the value's random material, before the ciphertext is
	// looked at; Online the decryption itself.
	Offline phase `json:"offline"`
	Online  phase `json:"online"`
	// BytesSent is the most that one party wrote to its links for this value,
	// offline and online.
	BytesSent int64 `json:"bytes_sent"`
}

// phase is what one phase showed.
type phase struct {
	MS float64 `json:"ms"`
	// Runs is how many sessions it took.
	Runs int `json:"runs"`
	// Right came to the result. Culprits are convicted, or were named by more parties
	// than may be corrupt; Suspects were named by fewer. Absent sent too little, or too
	// late.
	Right    []int `json:"right"`
	Culprits []int `json:"culprits"`
	Suspects []int `json:"suspects"`
	Absent   []int `json:"absent"`
	// Evidence is what anybody can verify.
	Evidence []cluster.Conviction `json:"evidence"`
}

func newPhase(p *cluster.Phase) phase {
	return phase{
		MS: milliseconds(p.Took), Runs: p.Runs, Right: p.Agreed.List(), Culprits: p.Culprits.List(), Suspects: p.Suspects.List(),
		Absent: p.Absent.List(), Evidence: append([]cluster.Conviction{}, p.Evidence...),
	}
}

func (p *phase) clean() bool { return len(p.Culprits)+len(p.Suspects)+len(p.Absent) == 0 }

// convictions names the culprits with what convicts them.
func (p *phase) convictions() string {
	var out []string
	for _, culprit := range p.Culprits {
		var kinds []string
		for _, e := range p.Evidence {
			if e.Party == culprit {
				kinds = append(kinds, e.Kind)
			}
		}
		name := partyName(culprit)
		if len(kinds) > 0 {
			name += " (" + strings.Join(kinds, ", ") + ")"
		}
		out = append(out, name)
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ", ")
}

func newReport(parties int, faults map[int]fault.Kind, setup time.Duration) *report {
	r := &report{Parties: parties, Threshold: sharing.Threshold(parties), Faults: map[string]string{}, SetupMS: milliseconds(setup)}
	for i, f := range faults {
		r.Faults[partyName(i)] = string(f)
	}
	return r
}

func (r *report) add(in input, result *cluster.Result) {
	value := result.Value.String()
	if in.ciphertext.Type().Bits() == 1 {
		value = fmt.Sprint(result.Value.Sign() != 0)
	}
	r.Excluded = result.Excluded.List()
	r.Values = append(r.Values, decrypted{
		File: in.file, Index: in.index, Type: in.ciphertext.Type().String(), Value: value,
		Key: in.ciphertext.Key().String(), LWEs: in.ciphertext.Len(),
		Offline: newPhase(&result.Offline), Online: newPhase(&result.Online), BytesSent: result.BytesSent,
	})
}

func (r *report) print(w io.Writer, format string) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	fmt.Fprintf(w, "%d parties over loopback TLS, %d may be corrupt; key dealt in %.0f ms\n", r.Parties, r.Threshold, r.SetupMS)
	for _, i := range r.faulty() {
		fmt.Fprintf(w, "fault: %s is %s\n", partyName(i), r.Faults[partyName(i)])
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FILE\tTYPE\tVALUE\tOFFLINE\tONLINE")
	for _, v := range r.Values {
		fmt.Fprintf(table, "%s\t%s\t%s\t%.1f ms\t%.1f ms\n", v.name(), v.Type, v.Value, v.Offline.MS, v.Online.MS)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return r.printFindings(w)
}

// finding is what was found in a phase of one or more values.
type finding struct {
	phase string
	row   string
	in    []string
}

// findings gathers equal findings of several values.
func (r *report) findings() []finding {
	var out []finding
	add := func(value, name string, p phase) {
		if p.clean() {
			return
		}
		row := strings.Join([]string{names(p.Right), p.convictions(), names(p.Suspects), names(p.Absent)}, "\t")
		for i := range out {
			if out[i].phase == name && out[i].row == row {
				out[i].in = append(out[i].in, value)
				return
			}
		}
		out = append(out, finding{phase: name, row: row, in: []string{value}})
	}
	for _, v := range r.Values {
		add(v.name(), "offline", v.Offline)
		add(v.name(), "online", v.Online)
	}
	return out
}

func (r *report) printFindings(w io.Writer) error {
	found := r.findings()
	if len(found) == 0 {
		if len(r.Faults) > 0 {
			fmt.Fprintln(w, "\nnobody was found at fault")
		}
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nPHASE\tRIGHT\tCULPRITS (EVIDENCE)\tSUSPECTS\tABSENT\tIN")
	for _, f := range found {
		in := f.in[0]
		if len(f.in) > 1 {
			in = fmt.Sprintf("%d values", len(f.in))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.phase, f.row, in)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(r.Excluded) > 0 {
		fmt.Fprintf(w, "\nexcluded from the offline phase since: %s\n", names(r.Excluded))
	}
	return nil
}

func (r *report) faulty() []int {
	var out []int
	for i := 1; i <= r.Parties; i++ {
		if r.Faults[partyName(i)] != "" {
			out = append(out, i)
		}
	}
	return out
}

func (v *decrypted) name() string {
	if v.Index > 0 {
		return fmt.Sprintf("%s[%d]", v.File, v.Index)
	}
	return v.File
}

func names(parties []int) string {
	if len(parties) == 0 {
		return "-"
	}
	out := make([]string, len(parties))
	for i, p := range parties {
		out[i] = partyName(p)
	}
	return strings.Join(out, ",")
}

func partyName(i int) string { return fmt.Sprintf("p%d", i) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
