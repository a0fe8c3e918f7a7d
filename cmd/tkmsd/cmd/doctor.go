package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/cmd/internal/diagnosis"
)

const flagNodes = "nodes"

// doctorTimeout bounds the whole examination, doctorCall one call of it.
const (
	doctorTimeout = 2 * time.Minute
	doctorCall    = 10 * time.Second
)

// newDoctorCommand examines a network from outside.
func newDoctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine a network from outside: nodes, validators, parties, host chains, fees",
		Long: "Examine a network from outside: whether nodes answer and agree, validators sign, the committee has a margin, a rotation\n" +
			"is under way, parties serve the keys' files, attestations last, host chains are in order and fees are covered.\n" +
			"With --trusted-height and --trusted-hash of a header that you had from somebody else, the chain is verified from it; without, the nodes are believed.\n" +
			"The exit code is 1 if something does not work.",
		Example: "tkmsd doctor --nodes http://node1:26657,http://node2:26657 --trusted-height 1234 --trusted-hash 5C0F…",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := newDoctor(cmd)
			if err != nil {
				return err
			}
			output, err := cmd.Flags().GetString(flags.FlagOutput)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorTimeout)
			defer cancel()
			d.examine(ctx)
			err = d.report.Write(cmd.OutOrStdout(), output)
			if errors.Is(err, diagnosis.ErrFailed) {
				return cli.WithHint(err, "each finding has a hint; docs/runbooks.md has the procedures")
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringSlice(flagNodes, []string{"http://127.0.0.1:26657"}, "RPC addresses of nodes, of different people if you can")
	f.Int64(flagTrustedHeight, 0, "height of a header that you trust")
	f.String(flagTrustedHash, "", "hash of that header, hexadecimal")
	f.String(flags.FlagOutput, flags.OutputFormatText, "output format (text|json)")
	return cmd
}

// doctor is one examination.
type doctor struct {
	addresses []string
	trusted   struct {
		height int64
		hash   []byte
	}
	proven uint64 // the epoch that is proven to be active, 0 if none is
	now    func() time.Time
	vaults *http.Client
	report diagnosis.Report
}

func newDoctor(cmd *cobra.Command) (*doctor, error) {
	f := cmd.Flags()
	d := &doctor{now: time.Now, vaults: &http.Client{Timeout: doctorCall}}
	var err error
	if d.addresses, err = f.GetStringSlice(flagNodes); err != nil {
		return nil, err
	}
	if len(d.addresses) == 0 {
		return nil, cli.WithHint(errors.New("no nodes"), "--nodes takes RPC addresses")
	}
	hash, err := f.GetString(flagTrustedHash)
	if err != nil {
		return nil, err
	}
	if d.trusted.height, err = f.GetInt64(flagTrustedHeight); err != nil {
		return nil, err
	}
	if (hash == "") != (d.trusted.height == 0) {
		return nil, fmt.Errorf("--%s and --%s come together", flagTrustedHeight, flagTrustedHash)
	}
	if hash != "" {
		d.trusted.hash, err = parseHash(hash)
	}
	return d, err
}

// examine looks at everything. What cannot be looked at is a finding, and no reason to
// stop, unless no node answers.
func (d *doctor) examine(ctx context.Context) {
	best := d.examineNodes(ctx)
	if best == nil {
		return
	}
	d.verify(ctx, best)
	d.examineValidators(ctx, best)
	d.examineCommittee(ctx, best)
	d.examineHostChains(ctx, best)
	d.examineFees(ctx, best)
}

// query calls a method, and makes a finding of a failure.
func (d *doctor) query(ctx context.Context, n *nodeSeen, about, method string, request, response message) bool {
	ctx, cancel := context.WithTimeout(ctx, doctorCall)
	defer cancel()
	if err := n.client.Query(ctx, method, request, response); err != nil {
		d.report.Fail(about, "is the node of this version?", "%s: %v", n.address, err)
		return false
	}
	return true
}
