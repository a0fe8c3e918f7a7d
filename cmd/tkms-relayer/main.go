// Command tkms-relayer is the bridge between one fhEVM host chain and TKMS: it
// keeps ciphertext bytes, brings requests with headers and proofs to TKMS, and
// carries signed plaintexts back. Nobody has to trust it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/cmd/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		cli.PrintError(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	params.SetAddressPrefixes()
	root := &cobra.Command{
		Use:           "tkms-relayer",
		Short:         "The bridge between one fhEVM host chain and TKMS",
		Long:          "The bridge between one fhEVM host chain and TKMS. Each flag may also be given as a variable: --home is TKMS_HOME.",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return cli.FlagsFromEnvironment(cmd.Flags())
		},
	}
	root.PersistentFlags().String("home", ".tkms-relayer", "folder of ciphertexts and jobs")
	root.AddCommand(newRun())
	return root
}
