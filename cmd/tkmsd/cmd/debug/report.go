package debug

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/cluster"
)

// report is what threshold-decrypt found. Its JSON form is for scripts; times
// are in milliseconds, parties are numbered from 1.
type report struct {
	Parties   int               `json:"parties"`
	Threshold int               `json:"threshold"`
	Faults    map[string]string `json:"faults,omitempty"`
	SetupMS   float64           `json:"setup_ms"`
	Values    []decrypted       `json:"values"`
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
	// OfflineMS is what making the value's random material took, before the
	// ciphertext was looked at; OnlineMS the decryption itself.
	OfflineMS float64 `json:"offline_ms"`
	OnlineMS  float64 `json:"online_ms"`
	// Agreed opened this value; Culprits sent what they should not have, Absent
	// sent nothing that was of use.
	Agreed   []int `json:"agreed"`
	Culprits []int `json:"culprits"`
	Absent   []int `json:"absent"`
	// BytesSent is the most that one party wrote to its links for this value,
	// offline and online.
	BytesSent int64 `json:"bytes_sent"`
}

func newReport(parties int, faults map[int]cluster.Fault, setup time.Duration) *report {
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
	r.Values = append(r.Values, decrypted{
		File: in.file, Index: in.index, Type: in.ciphertext.Type().String(), Value: value,
		Key: in.ciphertext.Key().String(), LWEs: in.ciphertext.Len(),
		OfflineMS: milliseconds(result.Offline), OnlineMS: milliseconds(result.Online),
		Agreed: result.Agreed.List(), Culprits: result.Culprits.List(), Absent: result.Absent.List(),
		BytesSent: result.BytesSent,
	})
}

func (r *report) print(w io.Writer, format string) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	fmt.Fprintf(w, "%d parties over loopback TLS, %d may be corrupt; key dealt in %.0f ms\n", r.Parties, r.Threshold, r.SetupMS)
	for _, party := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(w, "fault: %s is %s\n", party, r.Faults[party])
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FILE\tTYPE\tVALUE\tOFFLINE\tONLINE\tCULPRITS\tABSENT")
	for _, v := range r.Values {
		file := v.File
		if v.Index > 0 {
			file = fmt.Sprintf("%s[%d]", v.File, v.Index)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.1f ms\t%.1f ms\t%s\t%s\n", file, v.Type, v.Value, v.OfflineMS, v.OnlineMS, names(v.Culprits), names(v.Absent))
	}
	return table.Flush()
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
