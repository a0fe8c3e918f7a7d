package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/testutil/enginebench"
)

// enginePartyName is the hidden command that is one party of 'bench engine'.
const enginePartyName = "engine-party"

func benchEngineCommand() *cobra.Command {
	var (
		o       enginebench.Options
		variant string
		plots   string
		output  string
	)
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "Measure the MPC engine alone, each party a process",
		Long: "Measure the MPC engine alone, without chain and relayer: parties are processes that talk TLS over the loopback\n" +
			"interface, make offline material with signatures and echo, and decrypt real ciphertexts of the production\n" +
			"parameters. A time is from the moment the first party starts until n-t parties have the value.\n\n" +
			"With --plot it measures how latency and throughput scale instead, and writes diagrams; with --silent, what\n" +
			"decryption takes while some parties say nothing. More than 13 parties deal each other their randomness.\n" +
			"Figures mean something on an idle machine only: see the load average.",
		Example: "tkmsd bench engine\ntkmsd bench engine --parties 1,4,7 --cpuprofile profiles\n" +
			"tkmsd bench engine --round-trip 80ms\ntkmsd bench engine --parties 1,4,7,10,13,16 --plot docs\n" +
			"tkmsd bench engine --silent 1",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != flags.OutputFormatText && output != flags.OutputFormatJSON {
				return fmt.Errorf("--output is text or json, not %q", output)
			}
			for _, n := range o.Parties {
				if !slices.Contains(mpc.SupportedParties, n) {
					return cli.WithHint(fmt.Errorf("no protocol for %d parties", n), "--parties takes "+fmt.Sprint(mpc.SupportedParties))
				}
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			for _, dir := range []string{o.ProfileDir, plots} {
				if dir == "" {
					continue
				}
				if err := os.MkdirAll(dir, 0o750); err != nil {
					return err
				}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o.Command, o.Progress, o.Variant = []string{self, "bench", enginePartyName}, cmd.ErrOrStderr(), enginebench.Variant(variant)
			report, err := measureEngine(ctx, o, plots)
			if err != nil {
				return interrupted(ctx.Err(), err)
			}
			if output == flags.OutputFormatJSON {
				return report.WriteJSON(cmd.OutOrStdout())
			}
			return report.WriteText(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.IntSliceVar(&o.Parties, "parties", []int{4}, "numbers of parties to measure")
	f.IntVar(&o.Repeats, "repeats", 200, "greatest number of runs behind a figure; long runs are fewer")
	f.DurationVar(&o.RoundTrip, "round-trip", 0, "time to add for a message and its answer, half to each")
	f.StringVar(&variant, "variant", string(enginebench.Auto), "way of decryption: tree, chain, or auto for what parties choose at this round trip")
	f.StringVar(&o.ProfileDir, "cpuprofile", "", "folder for CPU profiles of party 1; the report then tells where its time goes")
	f.StringVar(&plots, "plot", "", "folder for diagrams of how latency and throughput scale")
	f.BoolVar(&o.Dealt, "dealt", false, "have the parties deal each other randomness even if pseudo-random secret sharing would do")
	f.IntVar(&o.Silent, "silent", 0, "measure instead how long it takes with so many parties silent, and with all")
	f.StringVarP(&output, flags.FlagOutput, "o", flags.OutputFormatText, "output format (text|json)")
	cmd.MarkFlagsMutuallyExclusive("silent", "plot")
	cmd.MarkFlagsMutuallyExclusive("silent", "cpuprofile")
	return cmd
}

// measureEngine measures what the flags ask for, and draws plots into their folder.
func measureEngine(ctx context.Context, o enginebench.Options, plots string) (benchReport, error) {
	switch {
	case plots != "":
		scaling, err := enginebench.Scale(ctx, o)
		if err != nil {
			return nil, err
		}
		return scaling, scaling.WritePlots(plots)
	case o.Silent != 0:
		return enginebench.MeasureSilence(ctx, o)
	}
	return enginebench.Run(ctx, o)
}

// interrupted replaces the error of a run that was ended from outside.
func interrupted(ended, err error) error {
	if ended != nil {
		return errors.New("interrupted")
	}
	return err
}

func enginePartyCommand() *cobra.Command {
	return &cobra.Command{
		Use:    enginePartyName,
		Short:  "One party of 'bench engine', which starts it",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// An interrupt on the terminal is for the coordinator, with which a party ends.
			signal.Ignore(os.Interrupt)
			return enginebench.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
