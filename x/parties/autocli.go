package parties

import (
	"github.com/spf13/cobra"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"

	"github.com/tkms-network/tkms/x/parties/cli"
)

// GetTxCmd holds the commands that autocli cannot make; autocli adds the others to it.
func (AppModule) GetTxCmd() *cobra.Command { return cli.NewTxCommand() }

// AutoCLIOptions implements autocli.HasAutoCLIConfig.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "tkms.parties.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "Params", Use: "params",
					Short:   "Show the parameters, among them the accepted enclave images",
					Example: "tkmsd query parties params --output json",
				},
				{
					RpcMethod: "Parties", Use: "parties", Alias: []string{"list"},
					Short:   "List the registered parties",
					Example: "tkmsd query parties parties",
				},
				{
					RpcMethod: "Party", Use: "party [id]",
					Short:          "Show a party: when it was last seen, what it contributed, how long its results took, what it missed",
					Example:        "tkmsd query parties party 1",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "id"}},
				},
				{
					RpcMethod: "Epochs", Use: "epochs",
					Short:   "List the epochs",
					Example: "tkmsd query parties epochs",
				},
				{
					RpcMethod: "Epoch", Use: "epoch [id]",
					Short:          "Show an epoch with its members and who of them is excluded; without id, the active one",
					Example:        "tkmsd query parties epoch\ntkmsd query parties epoch 1 --output json",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "id", Optional: true}},
				},
				{
					RpcMethod: "Evidence", Use: "evidence",
					Short:       "List who was convicted of what, of all sessions or of those of one request or key",
					Example:     "tkmsd query parties evidence\ntkmsd query parties evidence --subject 9f3a…",
					FlagOptions: map[string]*autocliv1.FlagOptions{"subject": {Usage: "id of a request or key, in hex"}},
				},
				{
					RpcMethod: "Bond", Use: "bond [party-id]",
					Short:          "Show what a party has at stake, what it lost, and from when on it may be taken back",
					Example:        "tkmsd query parties bond 1",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "party_id"}},
				},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service:              "tkms.parties.v1.Msg",
			EnhanceCustomCommand: true,
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					// The document and what it binds come from the enclave.
					RpcMethod: "RegisterParty", Use: "register",
					Short: "Register a party, or renew it with a new attestation document",
					Long: "Register a party, or renew it with a new attestation document.\n\n" +
						"All fields come from the party's enclave; the document must vouch for the others.\n" +
						"Bytes are given as hex, base64 or the name of a file.\n" +
						"'register-file' takes all of them from what 'tkms-party register-message' prints.",
					Example: "tkmsd tx parties register --from operator1 --gas auto --gas-adjustment 1.3 \\\n" +
						"  --moniker party1 --tee-type nitro --evidence document.cbor \\\n" +
						"  --signing-key … --session-key … --tls-key-hash … --encryption-key … \\\n" +
						"  --peer-address party1.example:7700 --vault-url https://party1.example \\\n" +
						"  --seal-policy-hash … --trusted-height 100 --trusted-hash … --recent-height 120 --recent-hash …",
				},
				{
					RpcMethod: "FormCommittee", Use: "form-committee [party-ids...]",
					Short:          "Propose a committee; the order of the parties is that of their indices",
					Example:        "tkmsd tx parties form-committee 1 2 3 4 --from dao1",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "party_ids", Varargs: true}},
					GovProposal:    true,
				},
				{
					RpcMethod: "SetMeasurement", Use: "set-measurement",
					Short: "Propose to accept an enclave image, or with --remove to accept it no longer",
					Long: "Propose to accept an enclave image, or with --remove to accept it no longer.\n\n" +
						"The registers pcr0, pcr1 and pcr2 are base64 of their 48 bytes, 64 characters each.\n" +
						"A build prints them in hex: printf %s HEX | xxd -r -p | base64 -w0",
					Example: "tkmsd tx parties set-measurement --from dao1 \\\n" +
						"  --measurement '{\"tee_type\":\"nitro\",\"pcr0\":\"BASE64\",\"pcr1\":\"BASE64\",\"pcr2\":\"BASE64\",\"note\":\"v1.0.0\"}'",
					GovProposal: true,
				},
				{
					RpcMethod: "RemoveParty", Use: "remove-party [party-id]",
					Short:          "Propose to cut a party off for good",
					Example:        "tkmsd tx parties remove-party 3 --from dao1",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "party_id"}},
					GovProposal:    true,
				},
				{
					RpcMethod: "UpdateParams", Use: "update-params",
					Short:       "Propose new parameters, all of them",
					Example:     "tkmsd tx parties update-params --params \"$(cat params.json)\" --from dao1",
					GovProposal: true,
				},
				{
					RpcMethod: "AcceptSeat", Use: "accept-seat [epoch-id] [party-id]",
					Short:          "Take the seat that a rotation offers to your party",
					Example:        "tkmsd tx parties accept-seat 2 5 --from operator5 --wait",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "epoch_id"}, {ProtoField: "party_id"}},
				},
				{
					RpcMethod: "DepositBond", Use: "deposit-bond [party-id] [amount]",
					Short:          "Add to your party's bond, in utkms",
					Example:        "tkmsd tx parties deposit-bond 1 1000000 --from operator1 --wait",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "party_id"}, {ProtoField: "amount"}},
				},
				{
					RpcMethod: "WithdrawBond", Use: "withdraw-bond [party-id] [amount]",
					Short:          "Take from your party's bond, in utkms, once it has had no seat for unbond_blocks",
					Example:        "tkmsd tx parties withdraw-bond 1 1000000 --from operator1 --wait",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "party_id"}, {ProtoField: "amount"}},
				},
				{
					RpcMethod: "CancelRotation", Use: "cancel-rotation [epoch-id]",
					Short:          "Propose to give up an epoch that is not active yet",
					Example:        "tkmsd tx parties cancel-rotation 2 --from dao1",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "epoch_id"}},
					GovProposal:    true,
				},
				{
					RpcMethod: "RetireEpoch", Use: "retire-epoch [epoch-id]",
					Short:          "Propose to end the draining of an epoch before its time",
					Example:        "tkmsd tx parties retire-epoch 1 --from dao1",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "epoch_id"}},
					GovProposal:    true,
				},
				// propose-rotation makes it.
				{RpcMethod: "Rotate", Skip: true},
				// Parties send these themselves, signed inside their enclave.
				{RpcMethod: "CommitResharing", Skip: true},
				{RpcMethod: "ReceiveResharing", Skip: true},
				{RpcMethod: "ConfirmResharing", Skip: true},
				{RpcMethod: "CertifyEpoch", Skip: true},
				{RpcMethod: "CommitSetup", Skip: true},
				{RpcMethod: "ConfirmSetup", Skip: true},
				{RpcMethod: "ReportAbsent", Skip: true},
				{RpcMethod: "Ready", Skip: true},
				{RpcMethod: "ComplainSetup", Skip: true},
				{RpcMethod: "AnswerComplaint", Skip: true},
				{RpcMethod: "RevealComplaint", Skip: true},
				{RpcMethod: "SubmitEvidence", Skip: true},
			},
		},
	}
}
