package cmd

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/cmd/internal/cli"
)

// initCommand prepares the home of one node of a real network.
func initCommand(description *app.App) *cobra.Command {
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "init [moniker]",
		Short: "Prepare a home: node key, validator key, configuration and an empty genesis",
		Long: "Prepare a home: node key, validator key, configuration and an empty genesis.\n\n" +
			"The genesis has neither validators nor balances: add them with 'tkmsd genesis add-validator' and\n" +
			"'tkmsd genesis add-account', or replace the file by that of the network you join.",
		Example: "tkmsd init alice --chain-id tkms-1 --home /var/lib/tkms",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx := client.GetClientContextFromCmd(cmd)
			comet := server.GetServerContextFromCmd(cmd).Config
			comet.SetRoot(clientCtx.HomeDir)
			comet.Moniker = args[0]
			if _, err := os.Stat(comet.GenesisFile()); err == nil && !overwrite {
				return cli.WithHint(fmt.Errorf("%s exists", comet.GenesisFile()), "--overwrite replaces the genesis; keys are kept in any case")
			}
			chainID, _ := cmd.Flags().GetString(flags.FlagChainID)
			doc := genutiltypes.NewAppGenesisWithVersion(chainID, nil)
			state, err := json.MarshalIndent(description.BasicModules().DefaultGenesis(description.Codec()), "", "  ")
			if err != nil {
				return err
			}
			doc.AppName, doc.AppState, doc.InitialHeight = params.Name, state, 1
			doc.Consensus = &genutiltypes.ConsensusGenesis{Params: genesis.ConsensusParams()}
			nodeID, key, err := genutil.InitializeNodeValidatorFiles(comet)
			if err != nil {
				return err
			}
			if err := genutil.ExportGenesisFile(doc, comet.GenesisFile()); err != nil {
				return err
			}
			cmtcfg.WriteConfigFile(filepath.Join(comet.RootDir, "config", "config.toml"), comet)
			return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{
				"moniker": args[0], "chain_id": chainID, "node_id": nodeID, "home": comet.RootDir,
				"consensus_pubkey": base64.StdEncoding.EncodeToString(key.Bytes()),
			})
		},
	}
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace an existing genesis")
	cmd.Flags().String(flags.FlagChainID, params.DefaultChainID, "chain id")
	return cmd
}

var errNoGenesis = errors.New("no genesis in this home")
