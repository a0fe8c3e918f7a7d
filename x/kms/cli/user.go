package cli

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"

	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

const (
	flagHostChainID  = "host-chain-id"
	flagHostChainRPC = "host-chain-rpc"
	flagHandle       = "handle"
	flagUserKeyFile  = "user-key-file"
	flagDelegator    = "delegator"
	flagDays         = "days"

	// maxKeyFileBytes bounds the user's key file: 64 digits, a prefix and white space.
	maxKeyFileBytes = 256
)

var (
	// ErrKeyFile reports a file that holds no key of a user, or that others may read.
	ErrKeyFile = errors.New("no usable key of the user")
	// ErrHandleArgument reports a --handle that is not HANDLE:CONTRACT.
	ErrHandleArgument = errors.New("not of the form HANDLE:CONTRACT")
	// ErrMustWait reports --wait=false.
	ErrMustWait = errors.New("the key that opens the answer exists only while the command runs, so it has to wait")
)

// userOptions are what the command line says.
type userOptions struct {
	hostChainID uint64
	rpc         string
	handles     []handles.Handle
	contracts   [][types.AddressSize]byte // one a handle
	delegator   *[types.AddressSize]byte
	days        uint32
	key         *ecdsa.PrivateKey
	timeout     time.Duration
}

func newUserDecryptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user-decrypt",
		Short: "Read values that a host chain lets one of its users read",
		Long: "Read values that a host chain lets one of its users read. The command authorizes the request with the user's " +
			"key of the host chain, fetches the proof that the host chain's ACL permits it, and sends the request; --from pays. " +
			"It waits for the parties, opens their shares and prints the values, which nobody else sees. " +
			"Who answered, and who answered wrong, goes to standard error, or into the JSON.",
		Example: "tkmsd tx kms user-decrypt --host-chain-id 31337 --host-chain-rpc http://127.0.0.1:8545 \\\n" +
			"  --handle 0x5f…0500:0x1F98431c8aD98523631AE4a59f267346ea31F984 --user-key-file alice.key --from carrier\n" +
			"tkmsd tx kms user-decrypt … --delegator 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --output json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := readUserOptions(cmd)
			if err != nil {
				return hinted(err)
			}
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), options.timeout)
			defer cancel()
			host, err := aclclient.Dial(ctx, options.rpc, options.hostChainID)
			if err != nil {
				return hinted(err)
			}
			defer host.Close()
			result, err := newUserFlow(cmd, clientCtx, host).decrypt(ctx, options)
			if err != nil {
				return hinted(err)
			}
			format, err := cmd.Flags().GetString(flags.FlagOutput)
			if err != nil {
				return err
			}
			return result.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), format)
		},
	}
	flags.AddTxFlagsToCmd(cmd)
	f := cmd.Flags()
	f.Uint64(flagHostChainID, 0, "chain id of the host chain")
	f.String(flagHostChainRPC, "", "JSON-RPC address of a node of the host chain")
	f.StringArray(flagHandle, nil, "HANDLE:CONTRACT, in hexadecimal: the handle and the contract for which it is read; may be repeated")
	f.String(flagUserKeyFile, "", "file with the user's secp256k1 key in hexadecimal, readable by its owner only")
	f.String(flagDelegator, "", "whose values these are, if the user is a delegate")
	f.Uint32(flagDays, 1, "days for which the user authorizes her key pair, which the command forgets when it ends")
	f.Bool(flagWait, true, "wait for the parties and print the values")
	f.Duration(flagTimeout, time.Minute, "how long to wait")
	textByDefault(f)
	for _, name := range []string{flagHostChainID, flagHostChainRPC, flagHandle, flagUserKeyFile} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return cmd
}

// textByDefault has a command print for a person: transactions print JSON unless told
// otherwise.
func textByDefault(f *pflag.FlagSet) {
	output := f.Lookup(flags.FlagOutput)
	output.DefValue = flags.OutputFormatText
	if err := output.Value.Set(flags.OutputFormatText); err != nil {
		panic(err)
	}
}

// newUserFlow connects the flow to the chains.
func newUserFlow(cmd *cobra.Command, clientCtx client.Context, host *aclclient.Node) userFlow {
	return userFlow{
		kms: types.NewQueryClient(clientCtx), acl: acltypes.NewQueryClient(clientCtx), parties: partiestypes.NewQueryClient(clientCtx),
		from: clientCtx.GetFromAddress(),
		gather: func(ctx context.Context, record *acltypes.HostChain, access acltypes.UserAccess) (*aclclient.Evidence, error) {
			if err := host.CheckChain(ctx); err != nil {
				return nil, err
			}
			return host.GatherUser(ctx, record, access)
		},
		blockTime: func(ctx context.Context) (time.Time, error) {
			node, err := clientCtx.GetNode()
			if err != nil {
				return time.Time{}, err
			}
			status, err := node.Status(ctx)
			if err != nil {
				return time.Time{}, err
			}
			return status.SyncInfo.LatestBlockTime, nil
		},
		send: func(ctx context.Context, msg *types.MsgRequestUserDecryption) error {
			_, err := SendAndAwait(ctx, cmd, clientCtx, msg)
			return err
		},
	}
}

func readUserOptions(cmd *cobra.Command) (o userOptions, err error) {
	f := cmd.Flags()
	if wait, _ := f.GetBool(flagWait); !wait {
		return o, ErrMustWait
	}
	o.hostChainID, _ = f.GetUint64(flagHostChainID)
	o.rpc, _ = f.GetString(flagHostChainRPC)
	o.days, _ = f.GetUint32(flagDays)
	o.timeout, _ = f.GetDuration(flagTimeout)
	list, _ := f.GetStringArray(flagHandle)
	for _, text := range list {
		handle, contract, err := parseHandle(text)
		if err != nil {
			return o, fmt.Errorf("--%s %s: %w", flagHandle, text, err)
		}
		o.handles, o.contracts = append(o.handles, handle), append(o.contracts, contract)
	}
	if text, _ := f.GetString(flagDelegator); text != "" {
		delegator, err := parseAddress(text)
		if err != nil {
			return o, fmt.Errorf("--%s: %w", flagDelegator, err)
		}
		o.delegator = &delegator
	}
	path, _ := f.GetString(flagUserKeyFile)
	o.key, err = readUserKey(path)
	return o, err
}

func parseHandle(text string) (handle handles.Handle, contract [types.AddressSize]byte, err error) {
	left, right, found := strings.Cut(text, ":")
	if !found {
		return handle, contract, ErrHandleArgument
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(left, "0x"))
	if err != nil {
		return handle, contract, fmt.Errorf("%w: handle: %w", ErrHandleArgument, err)
	}
	if handle, err = handles.Parse(raw); err != nil {
		return handle, contract, err
	}
	contract, err = parseAddress(right)
	return handle, contract, err
}

// parseAddress reads an address. One of mixed case has to have the checksum of EIP-55.
func parseAddress(text string) ([types.AddressSize]byte, error) {
	if !common.IsHexAddress(text) {
		return [types.AddressSize]byte{}, fmt.Errorf("%q is no address", text)
	}
	address := common.HexToAddress(text)
	digits := strings.TrimPrefix(text, "0x")
	if digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && "0x"+digits != address.Hex() {
		return [types.AddressSize]byte{}, fmt.Errorf("%q has a wrong checksum", text)
	}
	return address, nil
}

// readUserKey reads a key from a file that nobody but its owner may read.
func readUserKey(path string) (*ecdsa.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: others may read %s", ErrKeyFile, path)
	}
	if info.Size() > maxKeyFileBytes {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrKeyFile, path, info.Size())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	defer clear(raw)
	key, err := crypto.HexToECDSA(strings.TrimPrefix(strings.TrimSpace(string(raw)), "0x"))
	if err != nil { // without the library's words, which might quote the file
		return nil, fmt.Errorf("%w: %s does not hold a secp256k1 key of 64 hexadecimal digits", ErrKeyFile, path)
	}
	return key, nil
}
