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
	appconfig "github.com/tkms-network/tkms/app/config"
)

// node is what the commands of one process share; pace is nil unless a node is started.
type node struct{ pace *appconfig.Pace }

// addNodeCommands adds what works on a node's home directory.
func addNodeCommands(root *cobra.Command, description *app.App) {
	n := new(node)
	server.AddCommandsWithStartCmdOptions(root, DefaultHome(), n.newApp, exportApp, server.StartCmdOptions{})
	for _, child := range root.Commands() {
		switch child.Name() {
		case "start":
			n.paceStart(child)
		case "export":
			continueInTime(child)
		}
	}
	root.AddCommand(
		initCommand(description),
		genesisCommand(description),
		testnetCommand(),
		pruning.Cmd(n.newApp, DefaultHome()),
		snapshot.Cmd(n.newApp),
	)
}

// paceStart makes blocks follow quickly while the started node has work: the object that the pace changes is
// the one the node is started with.
func (n *node) paceStart(start *cobra.Command) {
	run := start.RunE
	start.RunE = func(cmd *cobra.Command, args []string) error {
		n.pace = appconfig.NewPace(server.GetServerContextFromCmd(cmd).Config.Consensus)
		return run(cmd, args)
	}
}

// newApp opens the application of a node.
func (n *node) newApp(logger log.Logger, db dbm.DB, options servertypes.AppOptions) servertypes.Application {
	a := app.New(logger, db, true, server.DefaultBaseappOptions(options)...)
	if n.pace != nil {
		a.OnExecuted(n.pace.Executed)
	}
	return a
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
