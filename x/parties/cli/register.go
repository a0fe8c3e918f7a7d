package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cosmos/gogoproto/jsonpb"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/tx"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/x/parties/types"
)

// maxFileBytes bounds the file: a document is at most 16 KiB, a third more in base64.
const maxFileBytes = 1 << 20

var (
	// ErrTooLarge says that a file cannot be a registration.
	ErrTooLarge = fmt.Errorf("more than %d bytes", maxFileBytes)
	// ErrOtherOperator says that the document was made for another account: it binds
	// its operator, so the chain would refuse it from this one.
	ErrOtherOperator = errors.New("the registration is another operator's")
)

// NewTxCommand returns the module's own transactions.
func NewTxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   types.ModuleName,
		Short: "Transactions of x/parties",
		RunE:  client.ValidateCmd,
	}
	cmd.AddCommand(newRegisterFileCommand(), newProposeCommand())
	return cmd
}

func newRegisterFileCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "register-file [register.json]",
		Short: "Register a party, or renew it, with what it printed",
		Long: "Register a party, or renew it, with the output of 'tkms-party register-message': tkms.parties.v1.MsgRegisterParty as JSON.\n\n" +
			"The sender must be the operator that it names, and the document is valid for some minutes only. \"-\" reads standard input.",
		Example: "tkms-party register-message --home p1 > register.json\ntkmsd tx parties register-file register.json --from operator --wait",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			msg, err := readFile(args[0], cmd.InOrStdin(), clientCtx.GetFromAddress())
			if err != nil {
				return err
			}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

// readFile reads a registration that sender may send from a file, or from stdin if
// path is "-".
func readFile(path string, stdin io.Reader, sender sdk.AccAddress) (*types.MsgRegisterParty, error) {
	in := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	msg, err := decode(in)
	if err != nil {
		return nil, fmt.Errorf("%s is no registration: %w", path, err)
	}
	if from := sender.String(); msg.Operator != from {
		return nil, fmt.Errorf("%w: it names %s, --from is %s", ErrOtherOperator, msg.Operator, from)
	}
	return msg, nil
}

func decode(in io.Reader) (*types.MsgRegisterParty, error) {
	raw, err := io.ReadAll(io.LimitReader(in, maxFileBytes+1)) // one more, so that excess is seen
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFileBytes {
		return nil, ErrTooLarge
	}
	msg := &types.MsgRegisterParty{}
	if err := jsonpb.Unmarshal(bytes.NewReader(raw), msg); err != nil {
		return nil, err
	}
	return msg, msg.ValidateBasic()
}
