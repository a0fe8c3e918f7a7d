package kms

import (
	"github.com/spf13/cobra"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"

	"github.com/tkms-network/tkms/x/kms/cli"
)

// proposal is how the examples end that governance decides on.
const proposal = " --title '…' --summary '…' --deposit 10000000utkms --from alice"

// GetTxCmd holds the commands whose messages autocli has no flags for; autocli
// adds the others to it.
func (AppModule) GetTxCmd() *cobra.Command { return cli.NewTxCommand() }

// GetQueryCmd holds the queries that take more than one call; autocli adds the others
// to it.
func (AppModule) GetQueryCmd() *cobra.Command { return cli.NewQueryCommand() }

// AutoCLIOptions describes the module's commands.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{Query: queryCommands(), Tx: txCommands()}
}

func positional(fields ...string) []*autocliv1.PositionalArgDescriptor {
	args := make([]*autocliv1.PositionalArgDescriptor, len(fields))
	for i, field := range fields {
		args[i] = &autocliv1.PositionalArgDescriptor{ProtoField: field}
	}
	return args
}

func queryCommands() *autocliv1.ServiceCommandDescriptor {
	return &autocliv1.ServiceCommandDescriptor{
		Service:              "tkms.kms.v1.Query",
		EnhanceCustomCommand: true,
		RpcCommandOptions: []*autocliv1.RpcCommandOptions{
			{
				RpcMethod: "Keys",
				Use:       "keys",
				Short:     "List the keys with status, digests and where to fetch them",
				Example:   "tkmsd query kms keys --output json",
			},
			{
				// cli.NewQueryCommand prints it for people too.
				RpcMethod: "Key",
				Skip:      true,
			},
			{
				RpcMethod:      "HostKey",
				Use:            "host-key [chain-id]",
				Short:          "Show the key under which a host chain encrypts",
				Example:        "tkmsd query kms host-key 31337",
				PositionalArgs: positional("host_chain_id"),
			},
			{
				RpcMethod:      "HostEpoch",
				Use:            "host-epoch [chain-id]",
				Short:          "Show which epoch serves a host chain, which is to follow, and the certified signers",
				Example:        "tkmsd query kms host-epoch 31337",
				PositionalArgs: positional("host_chain_id"),
			},
			{
				RpcMethod: "Requests",
				Use:       "requests",
				Short:     "List requests, of one host chain or of all",
				Example:   "tkmsd query kms requests --host-chain-id 31337 --page-limit 20",
			},
			{
				RpcMethod:      "Request",
				Use:            "request [id]",
				Short:          "Show a request, its timeline and the results that are in",
				Example:        "tkmsd query kms request 0x9f3a…",
				PositionalArgs: positional("id"),
			},
			{
				RpcMethod:      "Shares",
				Use:            "shares [id]",
				Short:          "Show the shares of a user decryption, which only the user can open",
				Example:        "tkmsd query kms shares 0x9f3a… --output json",
				PositionalArgs: positional("id"),
			},
			{
				// cli.NewQueryCommand has a certificate that stands alone.
				RpcMethod: "Certificate",
				Skip:      true,
			},
			{
				RpcMethod:      "Work",
				Use:            "work [height]",
				Short:          "List what one block accepted",
				Example:        "tkmsd query kms work 1234",
				PositionalArgs: positional("height"),
			},
			{
				RpcMethod:      "OpenWork",
				Use:            "open-work [epoch-id]",
				Short:          "List what an epoch's parties have to do",
				Example:        "tkmsd query kms open-work 1",
				PositionalArgs: positional("epoch_id"),
			},
			{
				RpcMethod: "Totals",
				Use:       "totals",
				Short:     "Show the number of requests and the escrow",
				Example:   "tkmsd query kms totals",
			},
			{
				RpcMethod: "Params",
				Use:       "params",
				Short:     "Show the module's parameters",
				Example:   "tkmsd query kms params",
			},
		},
	}
}

func txCommands() *autocliv1.ServiceCommandDescriptor {
	return &autocliv1.ServiceCommandDescriptor{
		Service:              "tkms.kms.v1.Msg",
		EnhanceCustomCommand: true,
		RpcCommandOptions: []*autocliv1.RpcCommandOptions{
			{
				RpcMethod:      "RetireKey",
				Use:            "retire-key [key-id]",
				Short:          "Propose to withdraw a key, or to give up its generation",
				Example:        "tkmsd tx kms retire-key 52b1…" + proposal,
				GovProposal:    true,
				PositionalArgs: positional("key_id"),
			},
			{
				RpcMethod:      "UpdateParams",
				Use:            "update-params [params]",
				Short:          "Propose new parameters, circuit breakers included",
				Long:           "Propose new parameters. They are JSON, or a file of it, with all the fields that `tkmsd query kms params` prints.",
				Example:        "tkmsd tx kms update-params params.json" + proposal,
				GovProposal:    true,
				PositionalArgs: positional("params"),
			},
			// A command of its own, which can wait.
			{RpcMethod: "RequestKey", Skip: true},
			// Commands of their own: autocli has no flags for lists of bytes.
			{RpcMethod: "RequestPublicDecryption", Skip: true},
			{RpcMethod: "RequestUserDecryption", Skip: true},
			// Relayers send it by themselves.
			{RpcMethod: "ProveSigners", Skip: true},
			// Parties send these by themselves.
			{RpcMethod: "CommitKeyEcho", Skip: true},
			{RpcMethod: "PostKeyProgress", Skip: true},
			{RpcMethod: "PostKey", Skip: true},
			{RpcMethod: "PostResults", Skip: true},
		},
	}
}
