package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/testutil/devnet/bench"
)

func benchUsersCommand() *cobra.Command {
	var (
		home    workspace
		o       bench.UsersOptions
		typ     string
		seconds int
		out     string
		output  string
	)
	cmd := &cobra.Command{
		Use:   "users",
		Short: "Measure how many users can read their values at a time",
		Long: "Measure how many users can read their values at a time.\n\n" +
			"Brings up a network in which every user has an encrypted value that only she may read. All of them ask the relayer,\n" +
			"read the answer, check it and ask again: each question is a new request with a fresh proof. Reported are answers a\n" +
			"second while all asked, the time from question to value, what failed or got lost, and what the processes took.\n\n" +
			"It fails if a question fails or gets lost. Figures mean something on an idle machine only: see the load average.",
		Example: "tkmsd bench users\ntkmsd bench users --users 20 --seconds 20 --parties 7 --out users.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := parseTypes([]string{typ})
			if err != nil {
				return err
			}
			o.Type, o.Time = chosen[0], time.Duration(seconds)*time.Second
			if !bench.Readable(o.Type) {
				return cli.WithHint(fmt.Errorf("clients read no %s for a user", o.Type), "--type takes types of at most 256 bits")
			}
			if err := checkParties(o.Parties); err != nil {
				return err
			}
			if o.Users < 1 || seconds < 1 {
				return errors.New("--users and --seconds are at least 1")
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
			report, err := bench.RunUsers(ctx, o)
			if err != nil {
				return home.close(interrupted(ctx.Err(), err))
			}
			if output == flags.OutputFormatJSON {
				err = report.WriteJSON(cmd.OutOrStdout())
			} else {
				err = report.WriteText(cmd.OutOrStdout())
			}
			if out != "" {
				err = errors.Join(err, writeReport(out, report))
			}
			return home.close(errors.Join(err, report.Err()))
		},
	}
	f := cmd.Flags()
	home.addFlags(cmd)
	f.IntVar(&o.Parties, "parties", 4, "number of MPC parties: 1, 4, 7, 10 or 13")
	f.IntVar(&o.Users, "users", 100, "users that ask at the same time")
	f.IntVar(&seconds, "seconds", 30, "how long they ask")
	f.StringVar(&typ, "type", "euint64", "type of the values, of at most 256 bits")
	f.StringVar(&out, "out", "", "file for the report as JSON; none by default")
	f.StringVarP(&output, flags.FlagOutput, "o", flags.OutputFormatText, "output format (text|json)")
	return cmd
}

// writeReport writes a report for programs to a file.
func writeReport(path string, report interface{ WriteJSON(io.Writer) error }) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(report.WriteJSON(file), file.Close())
}
