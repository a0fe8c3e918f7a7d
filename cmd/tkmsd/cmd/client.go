package cmd

import (
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/keys"
	"github.com/cosmos/cosmos-sdk/client/rpc"
	"github.com/cosmos/cosmos-sdk/server"
	authcmd "github.com/cosmos/cosmos-sdk/x/auth/client/cli"

	"github.com/tkms-network/tkms/cmd/tkmsd/cmd/debug"
	partiescli "github.com/tkms-network/tkms/x/parties/cli"
)

// addClientCommands adds what talks to a node or keeps keys; the modules' own commands come from autocli.
func addClientCommands(root *cobra.Command) {
	query := &cobra.Command{Use: "query", Aliases: []string{"q"}, Short: "Read the chain"}
	query.AddCommand(
		rpc.WaitTxCmd(),
		server.QueryBlockCmd(),
		server.QueryBlocksCmd(),
		server.QueryBlockResultsCmd(),
		authcmd.QueryTxsByEventsCmd(),
		authcmd.QueryTxCmd(),
	)
	tx := &cobra.Command{Use: "tx", Short: "Send transactions"}
	tx.AddCommand(
		authcmd.GetSignCommand(),
		authcmd.GetSignBatchCommand(),
		authcmd.GetMultiSignCommand(),
		authcmd.GetBroadcastCommand(),
		authcmd.GetEncodeCommand(),
		authcmd.GetDecodeCommand(),
		authcmd.GetSimulateCmd(),
	)
	root.AddCommand(server.StatusCommand(), query, tx, newPartiesCommand(), keys.Commands(), debug.NewDebugCmd())
}

// newPartiesCommand looks ahead at changes of the committee. What it may send, pays as transactions do.
func newPartiesCommand() *cobra.Command {
	cmd := partiescli.NewCommand()
	for _, child := range cmd.Commands() {
		run := child.RunE
		child.RunE = func(cmd *cobra.Command, args []string) error {
			if err := setGasDefaults(cmd); err != nil {
				return err
			}
			return run(cmd, args)
		}
	}
	return cmd
}
