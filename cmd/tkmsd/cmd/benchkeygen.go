package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/testutil/devnet/bench"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

func benchKeygenCommand() *cobra.Command {
	var (
		b benchRun
		o bench.KeysOptions
	)
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Measure the generation of a key set, and how long users wait meanwhile",
		Long: "Measure the generation of a key set, and how long users wait meanwhile.\n\n" +
			"Brings up a network with a key in use, has a user read a value of hers again and again, and has the parties generate\n" +
			"a further key of the parameter set while she goes on. Reported are the time until the key is active, what each party\n" +
			"computed, sent and held in memory, and the user's waiting times before and meanwhile.\n\n" +
			"The production set takes minutes and, for four parties, 5 GB on the disk. Figures mean something on an idle machine\n" +
			"only: see the load average.",
		Example: "tkmsd bench keygen\ntkmsd bench keygen --params production --out keygen.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkParties(o.Parties); err != nil {
				return err
			}
			if err := checkParams(o.Params, false); err != nil {
				return err
			}
			return b.run(cmd, func(ctx context.Context) (benchReport, error) {
				o.Bin, o.Dir, o.Progress = b.home.bin, b.home.dir, cmd.ErrOrStderr()
				return bench.RunKeys(ctx, o)
			})
		},
	}
	f := cmd.Flags()
	b.addFlags(cmd)
	f.IntVar(&o.Parties, "parties", 4, "number of MPC parties: 1, 4, 7, 10 or 13")
	f.StringVar(&o.Params, "params", kmstypes.ProductionCompute, "parameter set of the key")
	f.StringVar(&o.Noise, "noise", kmstypes.NoiseExact, "how the noise of the 64-bit parts is made (exact|prss)")
	return cmd
}

// checkParams checks the name of a parameter set that a devnet's chain admits, of those
// with a server key if files.
func checkParams(name string, files bool) error {
	set, ok := kmstypes.ParameterSetByName(name)
	hint := "--params takes production or production-compute"
	if !files {
		hint += ", or production-pke, the compact public key alone"
	}
	switch {
	case !ok:
		return cli.WithHint(fmt.Errorf("no parameter set is called %q", name), hint)
	case set.Insecure:
		return cli.WithHint(fmt.Errorf("the devnet's chain does not admit %q", name), hint)
	case files && len(set.Objects) == 0:
		return cli.WithHint(fmt.Errorf("%q has no server key", name), hint)
	}
	return nil
}
