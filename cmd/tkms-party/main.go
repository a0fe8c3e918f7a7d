// Command tkms-party is one MPC party: it holds shares of keys, follows the TKMS
// chain by proof and posts signed results.
package main

import (
	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/cmd/internal/cli"
)

func main() { cli.Main(newRoot()) }

func newRoot() *cobra.Command {
	params.SetAddressPrefixes()
	root := &cobra.Command{
		Use:   "tkms-party",
		Short: "One MPC party of a TKMS network",
		Long:  "One MPC party of a TKMS network. Each flag may also be given as a variable: --home is TKMS_HOME.",
	}
	root.PersistentFlags().String("home", ".tkms-party", "folder of configuration, sealed state and public vault")
	root.AddCommand(newInit(), newRegisterMessage(), newRun(), newStatus())
	return root
}
