package cmd

import (
	dbm "github.com/cosmos/cosmos-db"
	"github.com/spf13/cobra"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client/pruning"
	"github.com/cosmos/cosmos-sdk/client/snapshot"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	"github.com/tkms-network/tkms/app"
)

// addNodeCommands adds what works on a node's home directory.
func addNodeCommands(root *cobra.Command, description *app.App) {
	server.AddCommandsWithStartCmdOptions(root, DefaultHome(), newNodeApp, exportApp, server.StartCmdOptions{})
	root.AddCommand(
		initCommand(description),
		genesisCommand(description),
		testnetCommand(),
		pruning.Cmd(newNodeApp, DefaultHome()),
		snapshot.Cmd(newNodeApp),
	)
}

// newNodeApp opens the application of a node.
func newNodeApp(logger log.Logger, db dbm.DB, options servertypes.AppOptions) servertypes.Application {
	return app.New(logger, db, true, server.DefaultBaseappOptions(options)...)
}

func exportApp(logger log.Logger, db dbm.DB, height int64, forZeroHeight bool, _ []string, options servertypes.AppOptions, modules []string) (servertypes.ExportedApp, error) {
	a := app.New(logger, db, height < 0, server.DefaultBaseappOptions(options)...)
	if height >= 0 {
		if err := a.LoadVersion(height); err != nil {
			return servertypes.ExportedApp{}, err
		}
	}
	return a.Export(forZeroHeight, modules)
}
