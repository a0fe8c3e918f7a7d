// Package cmd builds the commands of tkmsd.
package cmd

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client"
	clientconfig "github.com/cosmos/cosmos-sdk/client/config"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	servercmd "github.com/cosmos/cosmos-sdk/server/cmd"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/tkms-network/tkms/app"
	appconfig "github.com/tkms-network/tkms/app/config"
	"github.com/tkms-network/tkms/cmd/internal/cli"
)

// DefaultHome is where a node and the keys live unless --home or TKMS_HOME says otherwise.
func DefaultHome() string {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "."
	}
	return filepath.Join(home, ".tkms")
}

// Execute runs tkmsd with the arguments and returns the exit code. Errors go to stderr as a line
// "error: …" and, where there is something to advise, a line "hint: …".
func Execute(args []string, stdout, stderr io.Writer) int {
	root := NewRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(servercmd.CreateExecuteContext(context.Background())); err != nil {
		printError(stderr, err)
		return 1
	}
	return 0
}

// NewRootCommand builds all commands. The application it makes on a memory database only describes the
// modules; a node opens its own.
func NewRootCommand() *cobra.Command {
	description := app.New(log.NewNopLogger(), dbm.NewMemDB(), false)
	clientCtx := client.Context{}.
		WithCodec(description.Codec()).
		WithInterfaceRegistry(description.InterfaceRegistry()).
		WithTxConfig(description.TxConfig()).
		WithLegacyAmino(description.LegacyAmino()).
		WithInput(os.Stdin).
		WithAccountRetriever(authtypes.AccountRetriever{}).
		WithHomeDir(DefaultHome()).
		WithViper(cli.Prefix)

	root := &cobra.Command{
		Use:           "tkmsd",
		Short:         "Node and command line of the TKMS chain",
		Long:          "Node and command line of the TKMS chain.\n\nEvery flag can be given as an environment variable: --keyring-backend as TKMS_KEYRING_BACKEND.",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(cmd.OutOrStdout())
			cmd.SetErr(cmd.ErrOrStderr())
			if err := cli.FlagsFromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			return prepare(cmd, clientCtx)
		},
	}
	addGlobalFlags(root)
	addNodeCommands(root, description)
	addClientCommands(root)
	addNetworkCommands(root)
	root.AddCommand(newVerifyCommand(description.Codec()), newDoctorCommand())

	commands := description.AutoCLI()
	commands.ClientCtx = clientCtx
	if err := commands.EnhanceRootCommand(root); err != nil {
		panic(err)
	}
	reportTransactions(root)
	return root
}

func addGlobalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.String(flags.FlagHome, DefaultHome(), "directory of configuration, data and keys")
	f.Bool(server.FlagTrace, false, "print the stack of errors")
	f.String(flags.FlagLogLevel, zerolog.InfoLevel.String(), "log level (trace|debug|info|warn|error|disabled or '*:<level>,<module>:<level>')")
	f.String(flags.FlagLogFormat, "plain", "log format (json|plain)")
	f.Bool(flags.FlagLogNoColor, false, "no colours in logs")
}

// prepare reads the client's configuration, and that of the node for commands that work on a node's home.
func prepare(cmd *cobra.Command, clientCtx client.Context) error {
	clientCtx = clientCtx.WithCmdContext(cmd.Context()).WithOutput(cmd.OutOrStdout())
	clientCtx, err := client.ReadPersistentCommandFlags(clientCtx, cmd.Flags())
	if err != nil {
		return err
	}
	if !worksOnNode(cmd) && !usesClient(cmd) {
		return nil
	}
	if clientCtx, err = clientconfig.ReadFromClientConfig(clientCtx); err != nil {
		return err
	}
	if err := client.SetCmdClientContextHandler(clientCtx, cmd); err != nil {
		return err
	}
	if !worksOnNode(cmd) {
		return nil
	}
	return server.InterceptConfigsPreRunHandler(cmd, serverconfig.DefaultConfigTemplate, appconfig.Server(), appconfig.Comet())
}

// topLevel is the name of the command directly below the root.
func topLevel(cmd *cobra.Command) string {
	for cmd.HasParent() && cmd.Parent().HasParent() {
		cmd = cmd.Parent()
	}
	return cmd.Name()
}

func worksOnNode(cmd *cobra.Command) bool {
	switch topLevel(cmd) {
	case "init", "start", "comet", "export", "rollback", "genesis", "prune", "snapshots":
		return true
	}
	return false
}

func usesClient(cmd *cobra.Command) bool {
	switch topLevel(cmd) {
	case "tx", "query", "parties", "keys", "status":
		return true
	}
	return false
}
