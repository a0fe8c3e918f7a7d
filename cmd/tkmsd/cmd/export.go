package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/tkms-network/tkms/app"
)

// continueInTime gives what the command exports the time of its last block as genesis time. The command itself
// leaves the time of the old genesis, to which no chain that continues the state may go back.
func continueInTime(export *cobra.Command) {
	run := export.RunE
	export.RunE = func(cmd *cobra.Command, args []string) error {
		document, err := cmd.Flags().GetString(flags.FlagOutputDocument)
		if err != nil {
			return err
		}
		if err := cmd.Flags().Set(flags.FlagOutputDocument, ""); err != nil {
			return err
		}
		// Standard output is the genesis and nothing else.
		server.GetServerContextFromCmd(cmd).Logger = log.NewLogger(cmd.ErrOrStderr())
		out := cmd.OutOrStdout()
		var exported bytes.Buffer
		cmd.SetOut(&exported)
		defer cmd.SetOut(out)
		if err := run(cmd, args); err != nil {
			return err
		}
		genesis, err := genutiltypes.AppGenesisFromReader(&exported)
		if err != nil {
			return fmt.Errorf("exported genesis: %w", err)
		}
		if genesis.GenesisTime, err = app.ContinuesAt(genesis.AppState); err != nil {
			return err
		}
		if document != "" {
			return genesis.SaveAs(document)
		}
		encoded, err := json.Marshal(genesis)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, string(encoded))
		return err
	}
}
