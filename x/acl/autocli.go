package acl

import (
	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
)

// proposal is how the examples end that governance decides on.
const proposal = " --title '…' --summary '…' --deposit 10000000utkms --from alice"

// AutoCLIOptions describes the module's commands.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{Query: queryCommands(), Tx: txCommands()}
}

func queryCommands() *autocliv1.ServiceCommandDescriptor {
	return &autocliv1.ServiceCommandDescriptor{
		Service: "tkms.acl.v1.Query",
		RpcCommandOptions: []*autocliv1.RpcCommandOptions{
			{
				RpcMethod: "HostChains",
				Use:       "host-chains",
				Short:     "List the registered host chains",
				Example:   "tkmsd query acl host-chains --output json",
			},
			{
				RpcMethod:      "HostChain",
				Use:            "host-chain [chain-id]",
				Short:          "Show a host chain: validators, contracts, fees, limits, whether it is paused or frozen",
				Example:        "tkmsd query acl host-chain 31337",
				PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "id"}},
			},
			{
				RpcMethod:      "Headers",
				Use:            "headers [chain-id]",
				Short:          "List the verified headers of a host chain, newest first",
				Example:        "tkmsd query acl headers 31337",
				PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "host_chain_id"}},
			},
			{
				RpcMethod: "Params",
				Use:       "params",
				Short:     "Show the module's parameters",
				Example:   "tkmsd query acl params",
			},
		},
	}
}

func txCommands() *autocliv1.ServiceCommandDescriptor {
	chainID := &autocliv1.PositionalArgDescriptor{ProtoField: "host_chain_id"}
	record := []*autocliv1.PositionalArgDescriptor{{ProtoField: "host_chain"}}
	return &autocliv1.ServiceCommandDescriptor{
		Service: "tkms.acl.v1.Msg",
		RpcCommandOptions: []*autocliv1.RpcCommandOptions{
			{
				RpcMethod:      "RegisterHostChain",
				Use:            "register-host-chain [record]",
				Short:          "Propose to register a host chain",
				Long:           "Propose to register a host chain. The record is JSON, or a file of it, with the fields that `tkmsd query acl host-chain` prints; bytes are base64.",
				Example:        "tkmsd tx acl register-host-chain host-chain.json" + proposal,
				GovProposal:    true,
				PositionalArgs: record,
			},
			{
				RpcMethod:      "UpdateHostChain",
				Use:            "update-host-chain [record]",
				Short:          "Propose a new record for a host chain",
				Long:           "Propose a new record for a host chain. Other validators need a higher validators_height; clearing frozen needs one above every verified header.",
				Example:        "tkmsd tx acl update-host-chain host-chain.json" + proposal,
				GovProposal:    true,
				PositionalArgs: record,
			},
			{
				RpcMethod:      "SetHostChainPaused",
				Use:            "set-host-chain-paused [chain-id] [true|false]",
				Short:          "Propose to pause or resume a host chain",
				Example:        "tkmsd tx acl set-host-chain-paused 31337 true" + proposal,
				GovProposal:    true,
				PositionalArgs: []*autocliv1.PositionalArgDescriptor{chainID, {ProtoField: "paused"}},
			},
			{
				RpcMethod:      "SubmitHeader",
				Use:            "submit-header [chain-id] [header]",
				Short:          "Show a sealed header of a host chain, for example one that changes its validators",
				Long:           "Show a sealed header of a host chain: a file with its RLP, or hex or base64 of it. It takes over a validator set that may succeed, and freezes the host chain if it forks.",
				Example:        "tkmsd tx acl submit-header 31337 header.rlp --from relayer",
				PositionalArgs: []*autocliv1.PositionalArgDescriptor{chainID, {ProtoField: "header"}},
			},
			{
				RpcMethod:      "SubmitForkEvidence",
				Use:            "submit-fork-evidence [chain-id] [header-a] [header-b]",
				Short:          "Freeze a host chain by two sealed blocks of one height",
				Example:        "tkmsd tx acl submit-fork-evidence 31337 a.rlp b.rlp --from bob",
				PositionalArgs: []*autocliv1.PositionalArgDescriptor{chainID, {ProtoField: "header_a"}, {ProtoField: "header_b"}},
			},
			{
				RpcMethod:      "UpdateParams",
				Use:            "update-params [params]",
				Short:          "Propose new parameters",
				Example:        `tkmsd tx acl update-params '{"header_cache":256,"gas_per_seal":"1000","gas_per_proof_node":"100","max_header_bytes":16384,"max_proof_bytes":524288}'` + proposal,
				GovProposal:    true,
				PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "params"}},
			},
		},
	}
}
