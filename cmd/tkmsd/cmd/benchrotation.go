package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/testutil/devnet/bench"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

func benchRotationCommand() *cobra.Command {
	var (
		b benchRun
		o bench.RotationOptions
	)
	cmd := &cobra.Command{
		Use:   "rotation",
		Short: "Measure changes of the committee, and how long users wait meanwhile",
		Long: "Measure changes of the committee, and how long users wait meanwhile.\n\n" +
			"Brings up a network with a key, and has governance change the committee to each of the sizes, one after the other: the\n" +
			"same size again gives the same parties new shares. A user reads a value of hers again and again. Reported are the time\n" +
			"from the execution of the proposal until the new epoch is active, by phase, what each party computed and sent, and the\n" +
			"user's waiting times before and meanwhile.\n\n" +
			"A production set takes minutes to generate and more than a gigabyte on the disk for each party. Figures mean something\n" +
			"on an idle machine only: see the load average.",
		Example: "tkmsd bench rotation\ntkmsd bench rotation --params production --from 4 --to 4,7 --out rotation.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(o.To) == 0 {
				return errors.New("--to names at least one size")
			}
			for _, n := range append([]int{o.From}, o.To...) {
				if err := checkParties(n); err != nil {
					return err
				}
			}
			if err := checkParams(o.Params, false); err != nil {
				return err
			}
			return b.run(cmd, func(ctx context.Context) (benchReport, error) {
				o.Bin, o.Dir, o.Progress = b.home.bin, b.home.dir, cmd.ErrOrStderr()
				return bench.RunRotation(ctx, o)
			})
		},
	}
	f := cmd.Flags()
	b.addFlags(cmd)
	f.IntVar(&o.From, "from", 4, "number of MPC parties of the first committee: 1, 4, 7, 10 or 13")
	f.IntSliceVar(&o.To, "to", []int{4, 7}, "numbers of parties of the committees that follow")
	f.StringVar(&o.Params, "params", kmstypes.ProductionCompute, "parameter set of the key: production, production-compute, or production-pke, the compact public key alone")
	return cmd
}
