package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/cmd/internal/diagnosis"
	"github.com/tkms-network/tkms/enclave/party/status"
)

// Bounds of what is in order.
const (
	// doctorCall bounds one call.
	doctorCall = 5 * time.Second
	// lagBound is how old the newest block may be, at a node or here.
	lagBound = time.Minute
)

func newDoctor() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine this party from inside: sealed state, nodes, addresses, and what the running party found",
		Long: "Examine this party from inside: whether its sealed state can be opened, its nodes answer, its addresses can be reached\n" +
			"from here, and what the self-check of the running party found. The exit code is 1 if something does not work.\n" +
			"'tkmsd doctor' examines the network from outside.",
		Example: "tkms-party doctor --home p1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, s, err := settingsOf(cmd)
			if err != nil {
				return err
			}
			var report diagnosis.Report
			examine(cmd.Context(), home, s, &report)
			err = report.Write(cmd.OutOrStdout(), output)
			if errors.Is(err, diagnosis.ErrFailed) {
				return cli.WithHint(err, "each finding has a hint; docs/runbooks.md has the procedures")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

func examine(ctx context.Context, home string, s *settings, r *diagnosis.Report) {
	examineState(home, s, r)
	examineNodes(ctx, s, r)
	examineAddresses(ctx, s, r)
	p, err := fetchStatus(ctx, s)
	if err != nil {
		r.Fail("party", "start it with 'tkms-party run'", "does not answer at %s: %v", s.StatusListen, err)
		return
	}
	judgeStatus(p, r)
}

// examineState opens what only this enclave can.
func examineState(home string, s *settings, r *diagnosis.Report) {
	const about = "sealed state"
	hint := "is it the folder of this machine's enclave? a lost one: see the runbook of a lost share"
	store, err := s.sealed(home)
	if err != nil {
		r.Fail(about, hint, "cannot be opened: %v", err)
		return
	}
	if _, err := loadIdentity(store); err != nil {
		r.Fail(about, hint, "the identity cannot be read: %v", err)
		return
	}
	objects, err := store.List()
	if err != nil {
		r.Fail(about, hint, "cannot be listed: %v", err)
		return
	}
	r.OK(about, "%d objects, the identity can be read", len(objects))
}

// examineNodes asks each node for its latest header, which is not verified here.
func examineNodes(ctx context.Context, s *settings, r *diagnosis.Report) {
	nodes, err := s.nodes()
	if err != nil {
		r.Fail("nodes", "look at nodes in party.json", "%v", err)
		return
	}
	answering := 0
	for _, node := range nodes {
		about := "node " + node.Name()
		calling, cancel := context.WithTimeout(ctx, doctorCall)
		header, err := node.SignedHeader(calling, 0)
		cancel()
		switch {
		case err != nil:
			r.Warn(about, "is it running, and its RPC port open to this party?", "does not answer: %v", err)
		case header.ChainID != s.ChainID:
			r.Fail(about, "name nodes of this chain in party.json", "is of chain %s", header.ChainID)
		case time.Since(header.Time).Abs() > lagBound:
			r.Warn(about, "does the chain make blocks? is the node in sync? is NTP running here?", "its latest block %d and this machine's clock are %s apart", header.Height, time.Since(header.Time).Round(time.Second))
		default:
			answering++
			r.OK(about, "block %d", header.Height)
		}
	}
	switch {
	case answering == 0:
		r.Fail("nodes", "without a node the party does nothing", "none of %d is of use", len(nodes))
	case answering == 1:
		r.Warn("nodes", "have two nodes of different people in party.json", "one is of use: if it stops, so does the party")
	}
}

// examineAddresses reaches for what others reach for. From inside it may fail where
// from outside it works.
func examineAddresses(ctx context.Context, s *settings, r *diagnosis.Report) {
	calling, cancel := context.WithTimeout(ctx, doctorCall)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(calling, "tcp", s.Advertise)
	if err != nil {
		r.Warn("peer address", "other members must reach it: try from another machine", "%s cannot be reached from here: %v", s.Advertise, err)
	} else {
		_ = conn.Close()
		r.OK("peer address", "%s takes connections", s.Advertise)
	}
	// No file has this name: any answer shows that somebody is there.
	url := strings.TrimSuffix(s.VaultURL, "/") + "/" + strings.Repeat("0", 64)
	request, err := http.NewRequestWithContext(calling, http.MethodHead, url, nil)
	if err == nil {
		var response *http.Response
		if response, err = http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode >= http.StatusInternalServerError {
				err = fmt.Errorf("it answers %s", response.Status)
			}
		}
	}
	if err != nil {
		r.Warn("vault", "everybody must reach it: try from another machine", "%s cannot be reached from here: %v", s.VaultURL, err)
	} else {
		r.OK("vault", "%s answers", s.VaultURL)
	}
}

// judgeStatus takes over what the running party found.
func judgeStatus(p *status.Party, r *diagnosis.Report) {
	for _, text := range p.Trouble {
		if p.Failing {
			r.Fail("self-check", "see the list of troubles in docs/party-operators.md", "%s", text)
		} else {
			r.Warn("self-check", "see the list of troubles in docs/party-operators.md", "%s", text)
		}
	}
	if len(p.Trouble) == 0 {
		r.OK("self-check", "the running party found nothing")
	}
	if lag := time.Duration(p.LagMillis) * time.Millisecond; p.Height == 0 || lag > lagBound {
		r.Fail("light client", "look at the nodes above, and at the party's log", "the newest verified block is %d, %s old", p.Height, lag.Round(time.Second))
	} else {
		r.OK("light client", "verified block %d, %s old", p.Height, lag.Round(100*time.Millisecond))
	}
	if len(p.Epochs) == 0 {
		r.Warn("epochs", "wait until voters seat the party", "no seat in a live epoch")
	}
	for i := range p.Epochs {
		judgeEpoch(&p.Epochs[i], r)
	}
	for _, w := range p.Warnings {
		hint := "ask the operators of members that are away; see the runbook of a dead party"
		if w.Level == status.LevelCritical {
			r.Fail("margin", hint, "%s", w.Text)
		} else {
			r.Warn("margin", hint, "%s", w.Text)
		}
	}
}

func judgeEpoch(e *status.Epoch, r *diagnosis.Report) {
	about := fmt.Sprintf("epoch %d", e.ID)
	switch {
	case e.SharesOnly:
		r.Warn(about, "ask voters for a refresh: 'tkmsd tx parties propose-rotation --refresh'", "%s, shares only: the party counts as absent", e.State)
	case e.Serving() && e.Margin < 0:
		r.Fail(about, "ask the operators of members that are away", "%s, %d members too few are connected for a decryption", e.State, -e.Margin)
	default:
		r.OK(about, "%s, index %d of %d, shares of %d keys, %d more may fail", e.State, e.Index, e.N, len(e.Keys), max(0, e.Margin))
	}
}
