package cmd

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/app/localnet"
	"github.com/tkms-network/tkms/app/params"
)

// testnetCommand prepares a network on one machine.
func testnetCommand() *cobra.Command {
	parent := &cobra.Command{Use: "testnet", Short: "Prepare a network of several nodes on this machine"}
	var cfg localnet.Config
	governance := genesis.DevnetGovernance()
	cmd := &cobra.Command{
		Use:   "init-files",
		Short: "Write homes, keys and one genesis for a network on loopback addresses",
		Long: "Write homes, keys and one genesis for a network on loopback addresses.\n\n" +
			"All keys lie unencrypted in the directory (keyring backend \"test\"): never use them for anything of value.",
		Example: "tkmsd testnet init-files --dir ./net --validators 4 --base-port 26600\ntkmsd start --home ./net/alice",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Governance = governance
			layout, err := localnet.InitFiles(cfg)
			if err != nil {
				return err
			}
			if output, _ := cmd.Flags().GetString(flags.FlagOutput); output == flags.OutputFormatJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(layout)
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "chain %s in %s\n", layout.ChainID, layout.Dir)
			for _, node := range layout.Nodes {
				fmt.Fprintf(w, "%-10s tkmsd start --home %s   rpc %s  rest %s  grpc %s\n", node.Moniker, node.Home, node.RPCURL(), node.RESTURL(), node.GRPC)
			}
			fmt.Fprintf(w, "keys: --keyring-backend test --keyring-dir %s\n", layout.KeyringDir)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Dir, "dir", "./tkms-net", "directory to create")
	f.StringVar(&cfg.ChainID, flags.FlagChainID, params.DefaultChainID, "chain id")
	f.IntVar(&cfg.Validators, "validators", 4, fmt.Sprintf("number of validators, 1..%d", localnet.MaxValidators))
	f.IntVar(&cfg.BasePort, "base-port", 26600, "first of four ports a validator; 0 chooses free ports")
	f.StringSliceVar(&cfg.Accounts, "accounts", nil, "names of further accounts to create and fund")
	f.DurationVar(&governance.VotingPeriod, "voting-period", governance.VotingPeriod, "voting period of proposals")
	f.DurationVar(&governance.ExpeditedVotingPeriod, "expedited-voting-period", governance.ExpeditedVotingPeriod, "voting period of expedited proposals; shorter")
	f.StringP(flags.FlagOutput, "o", flags.OutputFormatText, "output format (text|json)")
	parent.AddCommand(cmd)
	return parent
}
