// Package command is the command line of tkms-party, so that a test network can
// run the same party with peers' messages tampered with. The program itself runs
// what is here and nothing else.
package command

import (
	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/party"
)

// Main runs the command line. Wrap is party.Config's, nil but in test programs.
func Main(wrap party.Wrap) { cli.Main(newRoot(wrap)) }

func newRoot(wrap party.Wrap) *cobra.Command {
	params.SetAddressPrefixes()
	root := &cobra.Command{
		Use:   "tkms-party",
		Short: "One MPC party of a TKMS network",
		Long:  "One MPC party of a TKMS network. Each flag may also be given as a variable: --home is TKMS_HOME.",
	}
	root.PersistentFlags().String("home", ".tkms-party", "folder of configuration, sealed state and public vault")
	root.AddCommand(newInit(), newRegisterMessage(), newRun(wrap), newStatus())
	return root
}
