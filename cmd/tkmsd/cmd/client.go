package cmd

import (
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/keys"
	"github.com/cosmos/cosmos-sdk/client/rpc"
	"github.com/cosmos/cosmos-sdk/server"
	authcmd "github.com/cosmos/cosmos-sdk/x/auth/client/cli"

	"github.com/tkms-network/tkms/cmd/tkmsd/cmd/debug"
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
	root.AddCommand(server.StatusCommand(), query, tx, keys.Commands(), debug.NewDebugCmd())
}
