package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	rpcclient "github.com/cometbft/cometbft/rpc/client"
	cmttypes "github.com/cometbft/cometbft/types"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/tkms-network/tkms/x/kms/certificate"
	"github.com/tkms-network/tkms/x/kms/types"
)

const (
	flagOutputFile    = "output-file"
	flagTrustedHeight = "trusted-height"
	// gatherTimeout is for some twenty queries of one node.
	gatherTimeout = 30 * time.Second
)

// NewQueryCommand returns the module's own queries.
func NewQueryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   types.ModuleName,
		Short: "Queries of x/kms",
		RunE:  client.ValidateCmd,
	}
	cmd.AddCommand(newKeyCommand(), newKeyMaterialCommand(), newCertificateCommand())
	return cmd
}

func newCertificateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certificate [id]",
		Short: "Make the certificate of a fulfilled request: what was decrypted, by which proof, signed by whom",
		Long: "Make the certificate of a fulfilled request: what was decrypted, by which proof, signed by whom. It is JSON and stands alone: " +
			"'tkmsd verify' checks it without a node. --trusted-height names a TKMS header that the verifier trusts, " +
			"if it is not that of the present state. The node must index transactions and still have the state at acceptance.",
		Example: "tkmsd query kms certificate 0x9f3a… --output-file certificate.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientQueryContext(cmd)
			if err != nil {
				return err
			}
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			trusted, err := cmd.Flags().GetInt64(flagTrustedHeight)
			if err != nil {
				return err
			}
			encoded, err := gather(cmd.Context(), clientCtx, id, trusted)
			if err != nil {
				return fmt.Errorf("certificate of %x: %w", id, err)
			}
			path, err := cmd.Flags().GetString(flagOutputFile)
			if err != nil {
				return err
			}
			if path != "" {
				return os.WriteFile(path, encoded, 0o600)
			}
			_, err = cmd.OutOrStdout().Write(encoded)
			return err
		},
	}
	flags.AddQueryFlagsToCmd(cmd)
	cmd.Flags().String(flagOutputFile, "", "write the certificate into this file instead of standard output")
	cmd.Flags().Int64(flagTrustedHeight, 0, "height of a TKMS header that the verifier trusts")
	return cmd
}

func gather(ctx context.Context, clientCtx client.Context, id []byte, trusted int64) ([]byte, error) {
	rpc, err := clientCtx.GetNode()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	c, err := certificate.Gather(ctx, rpcNode{rpc}, id, trusted)
	if err != nil {
		return nil, err
	}
	return certificate.Encode(c)
}

// rpcNode answers certificate.Gather by CometBFT's RPC.
type rpcNode struct{ client.CometRPC }

// SignedHeader implements certificate.Node.
func (n rpcNode) SignedHeader(ctx context.Context, height int64) (*cmttypes.SignedHeader, error) {
	var at *int64
	if height != 0 {
		at = &height
	}
	result, err := n.Commit(ctx, at)
	if err != nil {
		return nil, err
	}
	return &result.SignedHeader, nil
}

// Validators implements certificate.Node.
func (n rpcNode) Validators(ctx context.Context, height int64) (*cmttypes.ValidatorSet, error) {
	const perPage = 100 // what nodes give at most
	var all []*cmttypes.Validator
	for page, total := 1, 1; len(all) < total; page++ {
		size := perPage
		result, err := n.CometRPC.Validators(ctx, &height, &page, &size)
		if err != nil {
			return nil, err
		}
		if len(result.Validators) == 0 {
			return nil, fmt.Errorf("the node has %d of %d validators", len(all), total)
		}
		all, total = append(all, result.Validators...), result.Total
	}
	return cmttypes.ValidatorSetFromExistingValidators(all)
}

// Prove implements certificate.Node.
func (n rpcNode) Prove(ctx context.Context, store string, key []byte, height int64) ([]byte, []cmtcrypto.ProofOp, error) {
	result, err := n.ABCIQueryWithOptions(ctx, "/store/"+store+"/key", key, rpcclient.ABCIQueryOptions{Height: height, Prove: true})
	if err != nil {
		return nil, nil, err
	}
	if r := result.Response; r.Code != 0 || r.ProofOps == nil {
		return nil, nil, fmt.Errorf("state of height %d: %s/%d: %s", height, r.Codespace, r.Code, r.Log)
	}
	return result.Response.Value, result.Response.ProofOps.Ops, nil
}
