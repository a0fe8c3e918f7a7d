package poa

import (
	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
)

// AutoCLIOptions describes the module's commands.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	operator := []*autocliv1.PositionalArgDescriptor{{ProtoField: "operator_address"}}
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "tkms.poa.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "Validators",
					Use:       "validators",
					Short:     "List the validators",
					Example:   "tkmsd query poa validators --output json",
				},
				{
					RpcMethod:      "Validator",
					Use:            "validator [operator-address]",
					Short:          "Show the validator of an operator",
					Example:        "tkmsd query poa validator tkms1…",
					PositionalArgs: operator,
				},
				{
					RpcMethod:      "SigningInfo",
					Use:            "signing-info [operator-address]",
					Short:          "Show what a validator missed in the liveness window",
					Example:        "tkmsd query poa signing-info tkms1…",
					PositionalArgs: operator,
				},
				{
					RpcMethod: "Params",
					Use:       "params",
					Short:     "Show the module's parameters",
					Example:   "tkmsd query poa params",
				},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "tkms.poa.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod:      "SetValidator",
					Use:            "set-validator [operator-address] [moniker] [power]",
					Short:          "Propose to appoint, change or (power 0) dismiss a validator",
					Example:        "tkmsd tx poa set-validator tkms1… erin 10 --consensus-pubkey <base64> --title 'Appoint erin' --summary '…' --deposit 10000000utkms --from alice",
					GovProposal:    true,
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "operator_address"}, {ProtoField: "moniker"}, {ProtoField: "power"}},
				},
				{
					RpcMethod: "Rejoin",
					Use:       "rejoin",
					Short:     "Bring back your validator after it was removed for its absence",
					Example:   "tkmsd tx poa rejoin --from alice",
				},
				{
					RpcMethod:      "UpdateParams",
					Use:            "update-params [params]",
					Short:          "Propose new parameters",
					Example:        `tkmsd tx poa update-params '{"liveness_window":"1000","max_missed_blocks":"500","rejoin_after_blocks":"100","min_gas_price":{"denom":"utkms","amount":"0.001"},"fee_split_blocks":"1000"}' --title 'Liveness' --summary '…' --deposit 10000000utkms --from alice`,
					GovProposal:    true,
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "params"}},
				},
			},
		},
	}
}
