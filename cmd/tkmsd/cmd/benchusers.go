package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/testutil/devnet/bench"
)

func benchUsersCommand() *cobra.Command {
	var (
		b       benchRun
		o       bench.UsersOptions
		typ     string
		seconds int
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
			return b.run(cmd, func(ctx context.Context) (benchReport, error) {
				o.Bin, o.Dir, o.Progress = b.home.bin, b.home.dir, cmd.ErrOrStderr()
				return bench.RunUsers(ctx, o)
			})
		},
	}
	f := cmd.Flags()
	b.addFlags(cmd)
	f.IntVar(&o.Parties, "parties", 4, "number of MPC parties: 1, 4, 7, 10 or 13")
	f.IntVar(&o.Users, "users", 100, "users that ask at the same time")
	f.IntVar(&seconds, "seconds", 30, "how long they ask")
	f.StringVar(&typ, "type", "euint64", "type of the values, of at most 256 bits")
	return cmd
}
