package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/tkms-network/tkms/testutil/devnet/bench"
)

func benchCommand() *cobra.Command {
	var (
		home   workspace
		o      bench.Options
		types  []string
		output string
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
			if output != flags.OutputFormatText && output != flags.OutputFormatJSON {
				return fmt.Errorf("--output is text or json, not %q", output)
			}
			if err := home.open(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o.Bin, o.Dir, o.Progress = home.bin, home.dir, cmd.ErrOrStderr()
			report, err := bench.Run(ctx, o)
			switch {
			case ctx.Err() != nil:
				return home.close(errors.New("interrupted"))
			case err != nil:
				return home.close(err)
			case output == flags.OutputFormatJSON:
				err = report.WriteJSON(cmd.OutOrStdout())
			default:
				err = report.WriteText(cmd.OutOrStdout())
			}
			return home.close(err)
		},
	}
	cmd.AddCommand(benchEngineCommand(), enginePartyCommand(), benchUsersCommand(), benchKeygenCommand())
	f := cmd.Flags()
	home.addFlags(cmd)
	f.IntSliceVar(&o.Parties, "parties", []int{1, 4}, "numbers of parties to measure: 1, 4, 7, 10 or 13")
	f.StringSliceVar(&types, "types", nil, "types to measure; those of the reference's table by default")
	f.IntVar(&o.Samples, "samples", 10, "requests a type")
	f.StringVarP(&output, flags.FlagOutput, "o", flags.OutputFormatText, "output format (text|json)")
	return cmd
}
