package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/measure"
)

// Report holds all figures. Times are in milliseconds.
type Report struct {
	CPUs int `json:"cpus"`
	// Samples a type and number of parties.
	Samples int `json:"samples"`
	// HostBlockMS is the host chain's block period.
	HostBlockMS float64 `json:"host_block_ms"`
	// LoadBefore and LoadAfter are the machine's load averages.
	LoadBefore string    `json:"load_average_before"`
	LoadAfter  string    `json:"load_average_after"`
	Networks   []Network `json:"networks"`
}

// Network is what one number of parties reached.
type Network struct {
	Parties int `json:"parties"`
	// KeygenMS is from the request's transaction to the key ACTIVE.
	KeygenMS float64 `json:"keygen_ms"`
	Rows     []Row   `json:"rows"`
	// PartyMB and ValidatorMB are the largest resident sizes that a party and a
	// validator had, in megabytes; 0 if the system does not tell.
	PartyMB     float64 `json:"party_mb"`
	ValidatorMB float64 `json:"validator_mb"`
}

// Row is one type.
type Row struct {
	Type string `json:"type"`
	// Engine is from the verified request with its bytes to the last opening, over
	// all parties; TKMS from the request's broadcast by the relayer to the fulfilment
	// committed on another node; Host from the dApp's transaction to the block with
	// checkSignatures.
	Engine Figure `json:"engine"`
	TKMS   Figure `json:"tkms"`
	Host   Figure `json:"host"`
	// FromStock is the share of engine samples with all offline items ready.
	FromStock float64 `json:"from_stock"`
	// User is nil for a type that clients do not read for a user.
	User *UserFigures `json:"user,omitempty"`
}

// UserFigures are of user decryptions, from the question at the relayer: TKMS to the
// fulfilment, with shares of 2t+1 parties, committed on another node; Read to the value.
type UserFigures struct {
	TKMS Figure `json:"tkms"`
	Read Figure `json:"read"`
}

// Figure is a distribution beside the published figure of the reference, 0 where
// it has none.
type Figure struct {
	P50         float64 `json:"p50_ms"`
	P95         float64 `json:"p95_ms"`
	ReferenceMS float64 `json:"reference_ms,omitempty"`
}

func figure(all []time.Duration, reference float64) Figure {
	return Figure{
		P50: measure.Milliseconds(measure.Quantile(all, 50)), P95: measure.Milliseconds(measure.Quantile(all, 95)),
		ReferenceMS: reference,
	}
}

// reference is the published benchmark table of Zama's TKMS, in milliseconds:
// engine with one and four parties, TKMS end to end and to fhEVM with one.
var reference = map[tfhe.Type]struct{ engine1, engine4, tkms1, host1 float64 }{
	tfhe.EBool:     {2, 540, 2300, 5100},
	tfhe.EUint4:    {6, 640, 3500, 5400},
	tfhe.EUint8:    {7, 580, 3700, 5600},
	tfhe.EUint16:   {13, 590, 3800, 5700},
	tfhe.EUint32:   {19, 580, 3900, 5800},
	tfhe.EUint64:   {29, 1100, 4000, 6000},
	tfhe.EUint2048: {720, 2300, 6800, 11000},
}

// referenceOf returns the reference's figures for a number of parties.
func referenceOf(t tfhe.Type, parties int) (engine, tkms, host float64) {
	r := reference[t]
	switch parties {
	case 1:
		return r.engine1, r.tkms1, r.host1
	case 4:
		return r.engine4, 0, 0
	}
	return 0, 0, 0
}

// Types are those of the reference's table.
func Types() []tfhe.Type {
	return []tfhe.Type{tfhe.EBool, tfhe.EUint4, tfhe.EUint8, tfhe.EUint16, tfhe.EUint32, tfhe.EUint64, tfhe.EUint2048}
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteText writes a table for each number of parties. Ref is the reference's
// published figure.
func (r *Report) WriteText(w io.Writer) error {
	for _, n := range r.Networks {
		fmt.Fprintf(w, "\n%s; milliseconds, %d requests a type at random moments, host chain blocks of %.1f s; ref: the reference's slides\n\n", count(n.Parties), r.Samples, r.HostBlockMS/1000)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(table, "\t|\tengine\t\t\t|\tTKMS end to end\t\t\t|\tto the host chain\t\t\t|\tfor a user, TKMS\t\t|\tto her value\t\t")
		fmt.Fprintln(table, "type\t|\tp50\tp95\tref\t|\tp50\tp95\tref\t|\tp50\tp95\tref\t|\tp50\tp95\t|\tp50\tp95\t")
		for _, row := range n.Rows {
			fmt.Fprintf(table, "%s\t|\t%s\t|\t%s\t|\t%s\t|\t%s\t\n", row.Type, row.Engine.cells(1), row.TKMS.cells(0), row.Host.cells(0), row.User.cells())
		}
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(w, "\nkey generation %.1f s; largest resident size of a party %.0f MB, of a validator %.0f MB\n", n.KeygenMS/1000, n.PartyMB, n.ValidatorMB)
	}
	_, err := fmt.Fprintf(w, "\n%d CPUs carry all processes; load average %s before, %s after\n", r.CPUs, r.LoadBefore, r.LoadAfter)
	return err
}

// cells writes a figure as three columns.
func (f Figure) cells(digits int) string {
	ref := "-"
	if f.ReferenceMS != 0 {
		ref = fmt.Sprintf("%.0f", f.ReferenceMS)
	}
	return fmt.Sprintf("%.*f\t%.*f\t%s", digits, f.P50, digits, f.P95, ref)
}

// cells writes figures without a reference as two columns each.
func (f *UserFigures) cells() string {
	if f == nil {
		return "-\t-\t|\t-\t-"
	}
	return fmt.Sprintf("%.0f\t%.0f\t|\t%.0f\t%.0f", f.TKMS.P50, f.TKMS.P95, f.Read.P50, f.Read.P95)
}
