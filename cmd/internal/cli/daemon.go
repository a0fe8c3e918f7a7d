package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Main runs the command of a program, with flags from variables, until it ends or
// the process is told to stop, and ends the process with status 1 after an error.
func Main(root *cobra.Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := Execute(ctx, root)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

// Execute runs the command with flags from variables and prints its error.
func Execute(ctx context.Context, root *cobra.Command) error {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		return FlagsFromEnvironment(cmd.Flags())
	}
	err := root.ExecuteContext(ctx)
	if err != nil {
		PrintError(root.ErrOrStderr(), err)
	}
	return err
}
