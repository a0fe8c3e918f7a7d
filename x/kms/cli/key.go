package cli

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/tkms-network/tkms/x/kms/material"
	"github.com/tkms-network/tkms/x/kms/types"
)

// never is what the noise model says of keys under which no operation fails.
const never = -1_000_000

func newKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "key [id]",
		Short:   "Show a key by its id in hex: how far the parties are, or what they published",
		Example: "tkmsd query kms key 0x52b1…\ntkmsd query kms key 0x52b1… --output json",
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
			response, err := types.NewQueryClient(clientCtx).Key(cmd.Context(), &types.QueryKeyRequest{Id: hex.EncodeToString(id)})
			if err != nil {
				return err
			}
			return printKey(cmd.OutOrStdout(), clientCtx, response)
		},
	}
	flags.AddQueryFlagsToCmd(cmd)
	return cmd
}

// parseID reads the id of a key or request.
func parseID(text string) ([]byte, error) {
	id, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(id) != types.IDSize {
		return nil, fmt.Errorf("%q is no id: %d bytes in hexadecimal", text, types.IDSize)
	}
	return id, nil
}

// writeKey writes a key for a person.
func writeKey(out io.Writer, response *types.QueryKeyResponse) error {
	key := response.Key
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s "+format+"\n", append([]any{name}, args...)...)
	}
	row("key", "%x", key.Id)
	row("status", "%s", statusText(key.Status))
	row("host chain", "%d", key.HostChainId)
	row("parameters", "%s, noise %s", key.Params, key.Noise)
	if key.Attempt > 0 {
		row("attempt", "%d, by epoch %d, since height %d, until height %d", key.Attempt, key.Generator(), key.StartedHeight, key.Deadline)
		if key.Log2FailureMilli <= never {
			row("failures", "none: nothing is computed with the key")
		} else {
			row("failures", "2^%.2f an operation", float64(key.Log2FailureMilli)/1000)
		}
	}
	if key.Failure != types.KEY_FAILURE_UNSPECIFIED {
		row("failed", "%s", failureText(key.Failure))
	}
	if len(key.Simulated) > 0 {
		row("simulated", "%s", strings.Join(key.Simulated, ", "))
	}
	if key.Status == types.KEY_STATUS_GENERATING {
		for _, p := range partiesOf(&key) {
			row(fmt.Sprintf("party %d", p.Index), "%s %5.1f %%  %s", bar(p.Percent), p.Percent, p.Stage)
		}
	}
	if key.Material != nil {
		if err := writeMaterial(&b, row, &key); err != nil {
			return err
		}
	}
	for _, e := range response.Evidence {
		row("evidence", "%d, against party %d", e.Id, e.Index)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func writeMaterial(b *strings.Builder, row func(string, string, ...any), key *types.Key) error {
	files, err := material.Files(key)
	if err != nil {
		return err
	}
	row("active", "since height %d", key.ActiveHeight)
	row("decrypted", "%s", strings.Join(key.Material.Tested, ", "))
	for _, f := range files {
		fmt.Fprintf(b, "\n%s, %d bytes\n", f.Kind, f.Size)
		row("digest", "%s", f.Digest)
		for _, vault := range f.Vaults {
			row("at", "%s/%s", strings.TrimRight(vault, "/"), f.Digest)
		}
	}
	return nil
}
