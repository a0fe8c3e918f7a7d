package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/party/status"
)

// maxStatus bounds what is read of a party's status, in bytes.
const maxStatus = 1 << 20

func newStatus() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where a running party stands",
		Long: "Show where a running party stands: the newest verified block and how far it is behind the clock, the epochs that the party\n" +
			"has a seat in, its shares, stock and links, and the margin: how many more members may fail before requests wait.",
		Example: "tkms-party status --home p1\ntkms-party status --home p1 --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return errors.New("--output is text or json")
			}
			_, s, err := settingsOf(cmd)
			if err != nil {
				return err
			}
			p, err := fetchStatus(cmd.Context(), s)
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(p)
			}
			return printStatus(cmd.OutOrStdout(), p)
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

// fetchStatus asks the running party.
func fetchStatus(ctx context.Context, s *settings) (*status.Party, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.StatusListen+"/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return nil, cli.WithHint(err, "is the party running? start it with 'tkms-party run'")
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("http://%s/status answers %s", s.StatusListen, response.Status)
	}
	var p status.Party
	if err := json.NewDecoder(io.LimitReader(response.Body, maxStatus)).Decode(&p); err != nil {
		return nil, fmt.Errorf("read the status of the party: %w", err)
	}
	return &p, nil
}

func printStatus(out io.Writer, p *status.Party) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, arguments ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, arguments...))
	}
	line("party", "%s (id %d)", p.Moniker, p.ID)
	if p.Height == 0 {
		line("verified", "no block yet")
	} else {
		line("verified", "block %d of %s, %s ago", p.Height, p.BlockTime.Format(time.RFC3339), (time.Duration(p.LagMillis) * time.Millisecond).Round(100*time.Millisecond))
	}
	if len(p.Epochs) == 0 {
		line("epoch", "none: not a member of a live epoch yet")
	}
	for i := range p.Epochs {
		printEpoch(line, &p.Epochs[i])
	}
	for _, c := range p.Culprits {
		evidence := c.Evidence
		if evidence == "" {
			evidence = "no evidence"
		}
		line("culprit", "%s (index %d): %s, in %s, %s", c.Moniker, c.Index, evidence, c.Protocol, c.Found.Format(time.RFC3339))
	}
	for _, s := range p.Simulated {
		line("SIMULATED", "%s", s)
	}
	for _, w := range p.Warnings {
		line(string(w.Level), "%s", w.Text)
	}
	for _, t := range p.Trouble {
		line("trouble", "%s", t)
	}
	return table.Flush()
}

func printEpoch(line func(name, format string, arguments ...any), e *status.Epoch) {
	line("epoch", "%d, %s, index %d of %d, of whom %d may be corrupt", e.ID, e.State, e.Index, e.N, e.T)
	if e.SharesOnly {
		line("  restored", "shares only: counts as absent until the next epoch")
	}
	line("  keys", "shares of %d", len(e.Keys))
	line("  stock", "%d offline items", e.StockItems)
	connected := 0
	var away []int
	for _, peer := range e.Peers {
		if peer.Connected {
			connected++
		} else {
			away = append(away, peer.Index)
		}
	}
	missing := ""
	if len(away) > 0 {
		missing = ", not " + indices(away)
	}
	line("  peers", "%d of %d connected%s", connected, len(e.Peers), missing)
	switch {
	case e.Margin < 0:
		line("  margin", "%d: too few for a decryption, which takes %d", e.Margin, e.N-e.T)
	default:
		line("  margin", "%d more may fail", e.Margin)
	}
	if len(e.Excluded) > 0 {
		line("  excluded", "%s: not waited for until counted again", indices(e.Excluded))
	}
	if len(e.Convicted) > 0 {
		line("  convicted", "%s: out for the rest of the epoch", indices(e.Convicted))
	}
}

// indices lists members.
func indices(list []int) string {
	words := make([]string, len(list))
	for i, index := range list {
		words[i] = fmt.Sprint(index)
	}
	return strings.Join(words, ", ")
}
