package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// printOutlook writes an outlook for a person, or as JSON.
func printOutlook(out io.Writer, format string, o *Outlook) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(o)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if o.After != nil {
		o.printCommittees(w)
	}
	if c := o.RefreshBlocks; c != nil {
		fmt.Fprintf(w, "refresh\t%s -> %s\n", everyText(c.Before), everyText(c.After))
	}
	for _, image := range o.Accepts {
		fmt.Fprintf(w, "+ image\t%s\n", image.text())
	}
	for _, image := range o.Rejects {
		fmt.Fprintf(w, "- image\t%s\n", image.text())
	}
	if o.Cost != nil {
		o.Cost.print(w)
	}
	for _, warning := range o.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
	return w.Flush()
}

func (o *Outlook) printCommittees(w io.Writer) {
	what := "rotation"
	if len(o.Joins)+len(o.Leaves) == 0 {
		what = "refresh"
	}
	if o.Rehearsal {
		what = "rehearsal of a " + what
	}
	fmt.Fprintf(w, "%s\tof epoch %d\n", what, o.Before.Epoch)
	fmt.Fprintf(w, "n\t%s\n", arrow(o.Before.N, o.After.N))
	fmt.Fprintf(w, "t\t%s\n", arrow(o.Before.T, o.After.T))
	fmt.Fprintf(w, "margin\t%s more failures\n", arrow(o.Before.Margin, o.After.Margin))
	for _, seat := range o.After.Members {
		mark, note := " ", ""
		for _, joins := range o.Joins {
			if joins == seat {
				mark, note = "+", ", its operator has to accept the seat: "+seat.Operator
			}
		}
		fmt.Fprintf(w, "%s member %d\tparty %d (%s)%s\n", mark, seat.Index, seat.PartyID, seat.Moniker, note)
	}
	for _, seat := range o.Leaves {
		fmt.Fprintf(w, "- member\tparty %d (%s)\n", seat.PartyID, seat.Moniker)
	}
}

func (c *Cost) print(w io.Writer) {
	if len(c.Keys) == 0 {
		fmt.Fprint(w, "cost\tno keys to hand over\n")
		return
	}
	for _, key := range c.Keys {
		fmt.Fprintf(w, "key %s…\t%s, %d coefficients, %s from each old to each new member\n",
			key.KeyID[:min(8, len(key.KeyID))], key.Parameters, key.Coefficients, megabytes(int64(key.VectorBytes)))
	}
	fmt.Fprintf(w, "cost\tabout %s sent by a member of both, and %s beside the set-up (estimates)\n",
		megabytes(c.BytesPerParty), time.Duration(c.Seconds*float64(time.Second)).Round(100*time.Millisecond))
	if c.Dealt {
		fmt.Fprint(w, "\tso many members deal their masks, which takes longer than the estimate says\n")
	}
}

func (i Image) text() string {
	text := fmt.Sprintf("%s pcr0 %s…", i.TeeType, i.Pcr0[:min(16, len(i.Pcr0))])
	if i.Note != "" {
		text += fmt.Sprintf(" %q", i.Note) // whatever it holds, no terminal obeys it
	}
	return text
}

func arrow(before, after int) string {
	if before == after {
		return fmt.Sprint(after)
	}
	return fmt.Sprintf("%d -> %d", before, after)
}

func everyText(blocks uint64) string {
	if blocks == 0 {
		return "never"
	}
	return fmt.Sprintf("every %d blocks", blocks)
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
