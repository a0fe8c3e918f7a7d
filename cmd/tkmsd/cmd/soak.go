package cmd

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/testutil/soak"
)

func soakCommand() *cobra.Command {
	var (
		home workspace
		o    soak.RunOptions
		dry  bool
	)
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Run a network under fire and judge what became of every request",
		Long: "Run a network under fire and judge what became of every request.\n\n" +
			"The seed gives the requests and the faults of validators, parties, links and relayer; at most as many parties fail at a time\n" +
			"as the committee tolerates. In the end every accepted request must have been answered right or refunded.",
		Example: "tkmsd devnet soak --seed 1 --requests 200\ntkmsd devnet soak --seed 1 --requests 200 --plan",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Requests < 1 {
				return fmt.Errorf("--requests is at least 1")
			}
			if err := checkParties(o.Parties); err != nil {
				return err
			}
			if dry {
				_, err := fmt.Fprint(cmd.OutOrStdout(), soak.NewPlan(o.Options))
				return err
			}
			if err := home.open(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o.Bin, o.Dir, o.Out = home.bin, home.dir, cmd.OutOrStdout()
			_, err := soak.Run(ctx, o)
			return home.close(interrupted(ctx.Err(), err))
		},
	}
	home.addFlags(cmd)
	f := cmd.Flags()
	f.Uint64Var(&o.Seed, "seed", 1, "seed of requests and faults")
	f.IntVar(&o.Requests, "requests", 200, "number of requests")
	f.IntVar(&o.Parties, "parties", 7, "number of MPC parties: 4, 7, 10 or 13")
	f.BoolVar(&o.Rotations, "rotations", false, "have the committee change meanwhile: from the first four parties to all, refreshed, and to the last four")
	f.BoolVar(&dry, "plan", false, "print the plan only")
	return cmd
}
