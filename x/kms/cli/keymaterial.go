package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/tkms-network/tkms/x/kms/certificate"
	"github.com/tkms-network/tkms/x/kms/material"
	"github.com/tkms-network/tkms/x/kms/types"
)

const (
	flagOut            = "out"
	flagTrustedHash    = "trusted-hash"
	flagTrustingPeriod = "trusting-period"
	// drawInterval is how often a download is drawn.
	drawInterval = 200 * time.Millisecond
)

// ErrHalfTrust reports a trusted hash without its height, or the other way round.
var ErrHalfTrust = errors.New("a trusted header has a hash and a height")

func newKeyMaterialCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key-material [id]",
		Short: "Download all that the parties published of a key, and check it",
		Long: "Download all that the parties published of a key: the public key and, if its parameter set has them, the key set and the " +
			"server key. The parties' vaults are asked in turn. Size and digest of each file are checked against the record of the " +
			"key, and an interrupted download goes on where it was. With --trusted-hash and --trusted-height of a TKMS header the record is " +
			"proven to follow from it; without, the node is believed.",
		Example: "tkmsd query kms key-material 0x52b1… --out keys --trusted-height 1234 --trusted-hash 5C0F…",
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
			key, err := keyRecord(cmd, clientCtx, id)
			if err != nil {
				return hinted(fmt.Errorf("key %x: %w", id, err))
			}
			out, err := cmd.Flags().GetString(flagOut)
			if err != nil {
				return err
			}
			return hinted(saveMaterial(cmd.Context(), key, out, cmd.OutOrStdout(), cmd.ErrOrStderr()))
		},
	}
	flags.AddQueryFlagsToCmd(cmd)
	f := cmd.Flags()
	f.String(flagOut, ".", "folder for the files")
	f.String(flagTrustedHash, "", "hash of a TKMS header that you trust, hexadecimal")
	f.Int64(flagTrustedHeight, 0, "height of that header")
	f.Duration(flagTrustingPeriod, 7*24*time.Hour, "how old the trusted header may be for later ones to follow from it")
	return cmd
}

// keyRecord reads a key's record, proven if the caller trusts a header.
func keyRecord(cmd *cobra.Command, clientCtx client.Context, id []byte) (*types.Key, error) {
	hash, e1 := cmd.Flags().GetString(flagTrustedHash)
	height, e2 := cmd.Flags().GetInt64(flagTrustedHeight)
	period, e3 := cmd.Flags().GetDuration(flagTrustingPeriod)
	if err := errors.Join(e1, e2, e3); err != nil {
		return nil, err
	}
	if (hash == "") != (height == 0) {
		return nil, ErrHalfTrust
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), gatherTimeout)
	defer cancel()
	if hash == "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "note: the node is believed about the key; --trusted-hash and --trusted-height have it proven")
		response, err := types.NewQueryClient(clientCtx).Key(ctx, &types.QueryKeyRequest{Id: hex.EncodeToString(id)})
		if err != nil {
			return nil, err
		}
		return &response.Key, nil
	}
	header, err := hex.DecodeString(strings.TrimPrefix(hash, "0x"))
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flagTrustedHash, err)
	}
	rpc, err := clientCtx.GetNode()
	if err != nil {
		return nil, err
	}
	trust := certificate.Trust{Header: header, Height: height, Period: period, Now: time.Now()}
	return certificate.Key(ctx, rpcNode{rpc}, id, trust)
}

// saveMaterial downloads the files of a key into a folder and prints their names to out.
func saveMaterial(ctx context.Context, key *types.Key, folder string, out, notes io.Writer) error {
	files, err := material.Files(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // public material
		return err
	}
	for _, f := range files {
		path := filepath.Join(folder, f.Kind)
		drawing := newDownload(notes, f)
		err := f.Save(ctx, &http.Client{}, path, drawing.report)
		drawing.end()
		if err != nil {
			return fmt.Errorf("%s: %w", f.Kind, err)
		}
		if _, err := fmt.Fprintf(out, "%s %s %d\n", f.Digest, path, f.Size); err != nil {
			return err
		}
	}
	return nil
}

// download draws one download on a terminal.
type download struct {
	out   io.Writer
	file  material.File
	last  time.Time
	drawn bool
}

// newDownload draws nothing off a terminal.
func newDownload(out io.Writer, f material.File) *download {
	if file, ok := out.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return &download{file: f}
	}
	return &download{out: out, file: f}
}

func (d *download) report(done int64) {
	if d.out == nil || done < d.file.Size && time.Since(d.last) < drawInterval {
		return
	}
	d.last, d.drawn = time.Now(), true
	percent := 100 * float64(done) / float64(d.file.Size)
	fmt.Fprintf(d.out, "\r\x1b[K%-20s %s %5.1f %%  %d of %d MB", d.file.Kind, bar(percent), percent, done/1e6, d.file.Size/1e6)
}

func (d *download) end() {
	if d.drawn {
		fmt.Fprintln(d.out)
	}
}
