package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/testutil/devnet/bench"
)

func benchCommand() *cobra.Command {
	var (
		b     benchRun
		o     bench.Options
		types []string
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure latencies on this machine beside the reference's",
		Long: "Measure latencies on this machine beside the reference's published table.\n\n" +
			"Brings up a network with each number of parties and decrypts values of every type, for everybody and for a user, one at a\n" +
			"time at random moments. Figures mean something on an idle machine only: see the load average.",
		Example: "tkmsd bench\ntkmsd bench --parties 4 --types euint64 --samples 20 --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Types = bench.Types()
			if len(types) > 0 {
				var err error
				if o.Types, err = parseTypes(types); err != nil {
					return err
				}
			}
			for _, n := range o.Parties {
				if err := checkParties(n); err != nil {
					return err
				}
			}
			if o.Samples < 1 {
				return errors.New("--samples is at least 1")
			}
			return b.run(cmd, func(ctx context.Context) (benchReport, error) {
				o.Bin, o.Dir, o.Progress = b.home.bin, b.home.dir, cmd.ErrOrStderr()
				return bench.Run(ctx, o)
			})
		},
	}
	cmd.AddCommand(benchEngineCommand(), enginePartyCommand(), benchUsersCommand(), benchKeygenCommand(), benchRotationCommand())
	f := cmd.Flags()
	b.addFlags(cmd)
	f.IntSliceVar(&o.Parties, "parties", []int{1, 4}, "numbers of parties to measure: 1, 4, 7, 10 or 13")
	f.StringSliceVar(&types, "types", nil, "types to measure; those of the reference's table by default")
	f.IntVar(&o.Samples, "samples", 10, "requests a type")
	return cmd
}
