package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cosmos/gogoproto/jsonpb"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/tx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"

	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
)

const (
	flagWait    = "wait"
	flagTimeout = "wait-timeout"
	// maxRequestBytes bounds the file: a transaction is at most 1 MiB.
	maxRequestBytes = 4 << 20
)

// NewTxCommand returns the module's own transactions.
func NewTxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   types.ModuleName,
		Short: "Transactions of x/kms",
		RunE:  client.ValidateCmd,
	}
	cmd.AddCommand(newRequestKeygenCommand(), newRequestCommand(), newUserDecryptCommand())
	return cmd
}

func newRequestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "request-public-decryption [request.json]",
		Short: "Ask for plaintexts that a host chain made public",
		Long: "Ask for plaintexts that a host chain made public. The file is tkms.kms.v1.MsgRequestPublicDecryption as JSON " +
			"(bytes are base64) with the sealed header and the proofs; the requester is the sender. " +
			"With --wait the command waits for the parties and prints the request, its plaintext and signatures included.",
		Example: "tkmsd tx kms request-public-decryption request.json --from alice --wait",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			msg, err := readRequest(args[0], clientCtx.GetFromAddress())
			if err != nil {
				return err
			}
			wait, err := cmd.Flags().GetBool(flagWait)
			if err != nil {
				return err
			}
			if !wait {
				return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
			}
			timeout, err := cmd.Flags().GetDuration(flagTimeout)
			if err != nil {
				return err
			}
			return requestAndWait(cmd, clientCtx, msg, timeout)
		},
	}
	flags.AddTxFlagsToCmd(cmd)
	cmd.Flags().Bool(flagWait, false, "wait for the parties and print the request with its plaintext")
	cmd.Flags().Duration(flagTimeout, time.Minute, "how long to wait")
	return cmd
}

// readRequest reads a message from a file, or from standard input if path is "-".
func readRequest(path string, requester sdk.AccAddress) (*types.MsgRequestPublicDecryption, error) {
	raw, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	msg := &types.MsgRequestPublicDecryption{}
	if err := jsonpb.Unmarshal(bytes.NewReader(raw), msg); err != nil {
		return nil, fmt.Errorf("%s is no MsgRequestPublicDecryption: %w", path, err)
	}
	msg.Requester = requester.String()
	return msg, nil
}

// requestID is the id that the chain will give the request.
func requestID(msg *types.MsgRequestPublicDecryption) ([]byte, error) {
	batch, err := handles.ParseBatch(msg.HostChainId, msg.Handles)
	if err != nil {
		return nil, err
	}
	if len(msg.KeyId) != types.IDSize {
		return nil, fmt.Errorf("key_id has %d bytes, not %d", len(msg.KeyId), types.IDSize)
	}
	id := handles.RequestID(msg.HostChainId, handles.KindPublicDecryption, [types.IDSize]byte(msg.KeyId), batch)
	return id[:], nil
}

// requestAndWait sends the message, waits until it is in a block, then until the
// request is decided.
func requestAndWait(cmd *cobra.Command, clientCtx client.Context, msg *types.MsgRequestPublicDecryption, timeout time.Duration) error {
	id, err := requestID(msg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	if _, err := SendAndAwait(ctx, cmd, clientCtx, msg); err != nil {
		return err
	}
	request, err := awaitRequest(ctx, types.NewQueryClient(clientCtx), id)
	if err != nil {
		return fmt.Errorf("request %s: %w", hex.EncodeToString(id), err)
	}
	return clientCtx.WithOutput(cmd.OutOrStdout()).PrintProto(request)
}

// SendAndAwait sends a message as the flags of a command say, for any module, waits until it is in a block
// and returns what came of it there.
func SendAndAwait(ctx context.Context, cmd *cobra.Command, clientCtx client.Context, msg sdk.Msg) (*sdk.TxResponse, error) {
	var sent bytes.Buffer
	if err := tx.GenerateOrBroadcastTxCLI(clientCtx.WithOutput(&sent).WithOutputFormat("json"), cmd.Flags(), msg); err != nil {
		return nil, err
	}
	var response sdk.TxResponse
	if err := clientCtx.Codec.UnmarshalJSON(sent.Bytes(), &response); err != nil {
		return nil, fmt.Errorf("the transaction was not broadcast: %w", err)
	}
	if err := txError(&response); err != nil {
		return nil, err
	}
	var included *sdk.TxResponse
	err := poll(ctx, pollInterval, func() (bool, error) {
		found, err := authtx.QueryTx(clientCtx, response.TxHash)
		if err != nil {
			// Not yet in a block, or the node is busy: the deadline decides.
			return false, nil
		}
		included = found
		return true, txError(found)
	})
	if err != nil {
		return nil, fmt.Errorf("transaction %s: %w", response.TxHash, err)
	}
	return included, nil
}

func txError(response *sdk.TxResponse) error {
	if response.Code == 0 {
		return nil
	}
	return fmt.Errorf("refused by %s with code %d: %s", response.Codespace, response.Code, response.RawLog)
}

func readBounded(path string) ([]byte, error) {
	file := os.Stdin
	if path != "-" {
		opened, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = opened.Close() }()
		file = opened
	}
	var raw bytes.Buffer
	n, err := raw.ReadFrom(io.LimitReader(file, maxRequestBytes+1)) // one more, so that excess is seen
	if err != nil {
		return nil, err
	}
	if n > maxRequestBytes {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxRequestBytes)
	}
	return raw.Bytes(), nil
}
