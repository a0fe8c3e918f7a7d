package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/tx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdktx "github.com/cosmos/cosmos-sdk/types/tx"
	govcli "github.com/cosmos/cosmos-sdk/x/gov/client/cli"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	kmscli "github.com/tkms-network/tkms/x/kms/cli"
	"github.com/tkms-network/tkms/x/parties/types"
)

// advice is what the user can do about an error; the first that matches counts.
var advice = []kmscli.Advice{
	{About: ErrNothing, Hint: "say what to change: --refresh, --members, --add, --remove, --replace, --t, --accept-measurement, --reject-measurement or --refresh-every"},
	{About: ErrGovernance, Hint: "propose it: 'tkmsd tx parties propose-rotation … --rehearsal'"},
	{About: ErrNotRehearsed, Hint: "'tkmsd query parties epoch' shows who takes no part; the shares in use are untouched"},
	{About: ErrNoEnd, Hint: "look on with 'tkmsd query parties epoch ID'; the shares in use are untouched"},
	{About: types.ErrUnknownParty, Hint: "'tkmsd query parties parties' lists who is registered"},
	{About: types.ErrInvalidCommittee, Hint: "a committee has 1, 4, 7, 10, 13 or 16 members: add or remove three at a time, or replace one"},
}

func hinted(err error) error { return kmscli.Advise(err, advice) }

func newProposeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "propose-rotation",
		Short: "Propose another committee, new shares for the same one, or another enclave image",
		Long: "Propose another committee, new shares for the same one, or another enclave image; the public keys stay as they are.\n\n" +
			"The command shows on standard error what the proposal changes, then sends it. What it does not name stays as it is. " +
			"An enclave is upgraded by --accept-measurement of the new image and, once the parties run it, by a rotation with --reject-measurement of the old one.",
		Example: "tkmsd tx parties propose-rotation --refresh --title 'New shares' --summary '…' --deposit 10000000utkms --from dao1\n" +
			"tkmsd tx parties propose-rotation --replace 4=5 --title 'p5 for p4' --summary '…' --deposit 10000000utkms --from dao1\n" +
			"tkmsd tx parties propose-rotation --add 5,6,7 --accept-measurement image.json --title … --summary … --deposit … --from dao1\n" +
			"tkmsd tx parties propose-rotation --refresh-every 432000 --title … --summary … --deposit … --from dao1\n" +
			"tkmsd tx parties propose-rotation --file proposal.json --from dao1",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			return hinted(propose(cmd, clientCtx))
		},
	}
	addWishFlags(cmd)
	govcli.AddGovPropFlagsToCmd(cmd)
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

func propose(cmd *cobra.Command, clientCtx client.Context) error {
	wish, err := wishOf(cmd.Flags(), cmd.InOrStdin())
	if err != nil {
		return err
	}
	snapshot, err := takeWith(cmd.Context(), clientCtx)
	if err != nil {
		return err
	}
	proposal, outlook, err := wish.proposal(snapshot)
	if err != nil {
		return err
	}
	if err := fromFlags(cmd, clientCtx, proposal); err != nil {
		return err
	}
	// Standard output is for the transaction.
	if err := printOutlook(cmd.ErrOrStderr(), "text", outlook); err != nil {
		return err
	}
	return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), proposal)
}

// proposal returns what the wish proposes, without a proposer, and what that does.
func (w Wish) proposal(s *Snapshot) (*govv1.MsgSubmitProposal, *Outlook, error) {
	messages, err := w.messages(s)
	if err != nil {
		return nil, nil, err
	}
	plan, err := planOf(messages, s)
	if err != nil {
		return nil, nil, err
	}
	outlook, err := plan.outlook(s)
	if err != nil {
		return nil, nil, err
	}
	proposal := &govv1.MsgSubmitProposal{Title: w.Title, Summary: w.Summary}
	if proposal.InitialDeposit, err = sdk.ParseCoinsNormalized(w.Deposit); err != nil {
		return nil, nil, fmt.Errorf("deposit: %w", err)
	}
	proposal.Messages, err = sdktx.SetMsgs(messages)
	return proposal, outlook, err
}

// fromFlags puts in who proposes, and what flags say in place of a file.
func fromFlags(cmd *cobra.Command, clientCtx client.Context, proposal *govv1.MsgSubmitProposal) error {
	given, err := govcli.ReadGovPropCmdFlags(clientCtx.GetFromAddress().String(), cmd.Flags())
	if err != nil {
		return err
	}
	proposal.Proposer, proposal.Metadata = given.Proposer, given.Metadata
	if given.Title != "" {
		proposal.Title = given.Title
	}
	if given.Summary != "" {
		proposal.Summary = given.Summary
	}
	if !given.InitialDeposit.Empty() {
		proposal.InitialDeposit = given.InitialDeposit
	}
	return nil
}
