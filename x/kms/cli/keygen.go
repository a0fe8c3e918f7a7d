package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/tx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"

	"github.com/tkms-network/tkms/x/kms/types"
)

const (
	flagParams     = "params"
	flagNoise      = "noise"
	flagMaxFailure = "max-log2-failure-milli"
	flagAdditional = "additional"

	// keyPollInterval suits minutes of waiting.
	keyPollInterval = 500 * time.Millisecond
)

var (
	// ErrKeyTimeout says that the wait was over before the key was there.
	ErrKeyTimeout = errors.New("the parties are not done yet: look again with `tkmsd query kms key`")
	// ErrKeyFailed says that the parties could not generate the key.
	ErrKeyFailed = errors.New("the key was not generated")
	// ErrKeyRetired says that the key was withdrawn.
	ErrKeyRetired = errors.New("the key is retired")
)

func newRequestKeygenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "request-keygen",
		Short: "Ask the parties to generate a host chain's key",
		Long: "Ask the parties to generate a host chain's key. A host chain that has one already keeps it. " +
			"With --wait the command shows how far the parties are, until the key is active or the last attempt has failed, " +
			"and prints the digests of what they published and where it is. Off a terminal the progress is one JSON object a line on " +
			"standard error. Interrupting the command does not interrupt the parties.",
		Example: "tkmsd tx kms request-keygen --params production --host-chain-id 31337 --from alice --wait",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			msg := keygenMessage(cmd, clientCtx.GetFromAddress())
			if wait, _ := cmd.Flags().GetBool(flagWait); !wait {
				return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
			}
			timeout, _ := cmd.Flags().GetDuration(flagTimeout)
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			flow := keygenFlow{
				kms: types.NewQueryClient(clientCtx), every: keyPollInterval, show: newProgress(cmd.ErrOrStderr(), time.Now).show,
				send: func(ctx context.Context, msg *types.MsgRequestKey) ([]byte, error) {
					included, err := SendAndAwait(ctx, cmd, clientCtx, msg)
					if err != nil {
						return nil, err
					}
					return keyIDIn(included)
				},
			}
			key, err := flow.generate(ctx, msg)
			if err != nil {
				return hinted(err)
			}
			return printKey(cmd.OutOrStdout(), clientCtx, &types.QueryKeyResponse{Key: *key})
		},
	}
	flags.AddTxFlagsToCmd(cmd)
	f := cmd.Flags()
	f.String(flagParams, "", "parameter set: production, production-compute, production-pke or, where the chain admits it, test")
	f.Uint64(flagHostChainID, 0, "chain id of the host chain")
	f.String(flagNoise, types.NoiseExact, "how the noise of the 64-bit components is made: exact, or prss, which is quicker and noisier")
	f.Int32(flagMaxFailure, 0, "accept operations that come out wrong with this probability: its binary logarithm in thousandths (0: -128000; governance only above it)")
	f.Bool(flagAdditional, false, "generate a further key for a host chain that has one; governance only")
	f.Bool(flagWait, false, "show the progress and wait for the outcome")
	f.Duration(flagTimeout, time.Hour, "how long to wait")
	textByDefault(f)
	for _, name := range []string{flagParams, flagHostChainID} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return cmd
}

func keygenMessage(cmd *cobra.Command, requester sdk.AccAddress) *types.MsgRequestKey {
	f := cmd.Flags()
	msg := &types.MsgRequestKey{Requester: requester.String()}
	msg.HostChainId, _ = f.GetUint64(flagHostChainID)
	msg.Params, _ = f.GetString(flagParams)
	msg.Noise, _ = f.GetString(flagNoise)
	msg.MaxLog2FailureMilli, _ = f.GetInt32(flagMaxFailure)
	msg.Additional, _ = f.GetBool(flagAdditional)
	return msg
}

// keyIDIn reads the key's id in the chain's answer to the message.
func keyIDIn(included *sdk.TxResponse) ([]byte, error) {
	raw, err := hex.DecodeString(included.Data)
	if err != nil {
		return nil, fmt.Errorf("answer of transaction %s: %w", included.TxHash, err)
	}
	var data sdk.TxMsgData
	var response types.MsgRequestKeyResponse
	if err := proto.Unmarshal(raw, &data); err != nil || len(data.MsgResponses) != 1 || proto.Unmarshal(data.MsgResponses[0].Value, &response) != nil {
		return nil, fmt.Errorf("answer of transaction %s: not of one request for a key", included.TxHash)
	}
	return response.KeyId, nil
}

// keygenFlow is what asking for a key needs of the chain.
type keygenFlow struct {
	kms   types.QueryClient
	every time.Duration
	// show is told the record whenever it was read.
	show func(*types.Key)
	// send returns the key's id when the message is in a block.
	send func(context.Context, *types.MsgRequestKey) ([]byte, error)
}

// generate asks for a key and waits until it is active. Errors: ErrKeyFailed,
// ErrKeyRetired, ErrKeyTimeout, or what the chain or the node says.
func (f keygenFlow) generate(ctx context.Context, msg *types.MsgRequestKey) (*types.Key, error) {
	id, err := f.send(ctx, msg)
	if err != nil {
		return nil, err
	}
	key, err := f.await(ctx, id)
	if errors.Is(err, ErrTimeout) {
		err = ErrKeyTimeout
	}
	if err != nil {
		return nil, fmt.Errorf("key %x: %w", id, err)
	}
	return key, nil
}

func (f keygenFlow) await(ctx context.Context, id []byte) (*types.Key, error) {
	var key types.Key
	err := poll(ctx, f.every, func() (bool, error) {
		response, err := f.kms.Key(ctx, &types.QueryKeyRequest{Id: hex.EncodeToString(id)})
		if code := status.Code(err); code == codes.NotFound || code == codes.Unavailable || ctx.Err() != nil {
			// The node that answers may be a block behind, or be restarted; poll knows when
			// it is over.
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("query: %w", err)
		}
		key = response.Key
		f.show(&key)
		switch key.Status {
		case types.KEY_STATUS_ACTIVE:
			return true, nil
		case types.KEY_STATUS_FAILED:
			return true, fmt.Errorf("%w: %s", ErrKeyFailed, failureText(key.Failure))
		case types.KEY_STATUS_RETIRED:
			return true, ErrKeyRetired
		}
		return false, nil
	})
	return &key, err
}

// failureText says in words why an attempt, or a key, failed.
func failureText(failure types.KeyFailure) string {
	switch failure {
	case types.KEY_FAILURE_DEADLINE:
		return "the parties were not done at the deadline"
	case types.KEY_FAILURE_DISAGREEMENT:
		return "too few parties said the same, with test decryptions that came out right"
	case types.KEY_FAILURE_MEMBER_EXCLUDED:
		return "a party that took part was excluded"
	case types.KEY_FAILURE_NO_EPOCH:
		return "no committee became active"
	case types.KEY_FAILURE_NOISE:
		return "the committee has grown, and so has the noise, beyond what was accepted"
	case types.KEY_FAILURE_WITHDRAWN:
		return "governance gave it up"
	case types.KEY_FAILURE_EPOCH_OVER:
		return "another committee took over"
	}
	return "the chain does not say why"
}

// printKey writes a key for a person, or as JSON.
func printKey(out io.Writer, clientCtx client.Context, response *types.QueryKeyResponse) error {
	if clientCtx.OutputFormat == flags.OutputFormatJSON {
		return clientCtx.WithOutput(out).PrintProto(response)
	}
	return writeKey(out, response)
}
