package cmd

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutilcli "github.com/cosmos/cosmos-sdk/x/genutil/client/cli"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/cmd/internal/cli"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

// genesisCommand edits and checks the genesis of the home.
func genesisCommand(description *app.App) *cobra.Command {
	cmd := &cobra.Command{Use: "genesis", Short: "Edit and check the genesis of a home"}
	addAccount := genutilcli.AddGenesisAccountCmd(DefaultHome(), addresscodec.NewBech32Codec(params.Bech32Prefix))
	addAccount.Use = "add-account [address-or-key-name] [coins]"
	addAccount.Aliases = []string{"add-genesis-account"}
	addAccount.Example = "tkmsd genesis add-account tkms1… 1000000000utkms"
	cmd.AddCommand(addAccount, addValidatorCommand(description), validateCommand(description))
	return cmd
}

func addValidatorCommand(description *app.App) *cobra.Command {
	return &cobra.Command{
		Use:     "add-validator [operator-address] [moniker] [consensus-pubkey] [power]",
		Short:   "Add a validator of the first set; 'tkmsd init' prints its consensus key (base64)",
		Example: "tkmsd genesis add-validator tkms1… alice 8e7q…= 10",
		Args:    cobra.ExactArgs(4),
		RunE: func(cmd *cobra.Command, args []string) error {
			operator, err := sdk.AccAddressFromBech32(args[0])
			if err != nil {
				return fmt.Errorf("operator address: %w", err)
			}
			key, err := base64.StdEncoding.DecodeString(args[2])
			if err != nil {
				return fmt.Errorf("consensus key: %w", err)
			}
			power, err := strconv.ParseInt(args[3], 10, 64)
			if err != nil {
				return fmt.Errorf("power: %w", err)
			}
			validator := poatypes.Validator{
				OperatorAddress: operator.String(), Moniker: args[1], ConsensusPubkey: key, Power: power,
				Status: poatypes.VALIDATOR_STATUS_ACTIVE,
			}
			return editGenesis(cmd, func(state genesis.State) error {
				return genesis.Edit(description.Codec(), state, poatypes.ModuleName, func(poa *poatypes.GenesisState) error {
					poa.Validators = append(poa.Validators, validator)
					return poa.Validate()
				})
			})
		},
	}
}

func editGenesis(cmd *cobra.Command, edit func(genesis.State) error) error {
	file := server.GetServerContextFromCmd(cmd).Config.GenesisFile()
	doc, state, err := readGenesis(file)
	if err != nil {
		return err
	}
	if err := edit(state); err != nil {
		return err
	}
	if doc.AppState, err = json.MarshalIndent(state, "", "  "); err != nil {
		return err
	}
	return genutil.ExportGenesisFile(doc, file)
}

func readGenesis(file string) (*genutiltypes.AppGenesis, genesis.State, error) {
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return nil, nil, cli.WithHint(fmt.Errorf("%w: %s", errNoGenesis, file), "prepare the home with 'tkmsd init MONIKER'")
	}
	doc, err := genutiltypes.AppGenesisFromFile(file)
	if err != nil {
		return nil, nil, err
	}
	var state genesis.State
	if err := json.Unmarshal(doc.AppState, &state); err != nil {
		return nil, nil, fmt.Errorf("%s: app state: %w", file, err)
	}
	return doc, state, nil
}

func validateCommand(description *app.App) *cobra.Command {
	return &cobra.Command{
		Use:     "validate [file]",
		Short:   "Check a genesis: that of the home, or another file",
		Example: "tkmsd genesis validate ./genesis.json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := server.GetServerContextFromCmd(cmd).Config.GenesisFile()
			if len(args) == 1 {
				file = args[0]
			}
			doc, state, err := readGenesis(file)
			if err != nil {
				return err
			}
			if err := doc.ValidateAndComplete(); err != nil {
				return err
			}
			if err := description.BasicModules().ValidateGenesis(description.Codec(), description.TxConfig(), state); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is valid\n", file)
			return nil
		},
	}
}
