package command

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/party/backup"
	"github.com/tkms-network/tkms/enclave/seal"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func newBackup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Give identity and key shares into the keeping of custodians, and restore them",
		Long: "Give identity and key shares into the keeping of custodians, any k of whom restore them in a new enclave.\n" +
			"A restored party holds shares only: it counts as absent until the next refresh or rotation.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBackupCreate(), newBackupList(), newBackupRecipient(), newBackupPiece(), newBackupRestore())
	return cmd
}

func newBackupCreate() *cobra.Command {
	var recipients []string
	var threshold int
	var out string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Back up the shares of the active epoch; the party must not be running",
		Example: `  tkms-party backup create --home p1 --custodian age1pq1... --custodian age1pq1... --custodian age1pq1... \
    --threshold 2 --out p1.backup`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := custodians(recipients, threshold)
			if err != nil {
				return err
			}
			home, s, err := settingsOf(cmd)
			if err != nil {
				return err
			}
			store, err := s.sealed(home)
			if err != nil {
				return err
			}
			epoch, err := activeEpoch(cmd.Context(), s, store)
			if err != nil {
				return err
			}
			return createBackup(cmd.OutOrStdout(), store, epoch, to, out)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&recipients, "custodian", nil, "age recipient of a custodian, age1... or age1pq1...; repeat it")
	flags.IntVar(&threshold, "threshold", 0, "how many custodians restore the party")
	flags.StringVar(&out, "out", "", "file to write")
	return cmd
}

func createBackup(out io.Writer, store *seal.Store, epoch uint64, to *backup.Custodians, path string) error {
	raw, err := backup.Make(store, epoch, to)
	if err != nil {
		return err
	}
	if err := writeNew(path, raw); err != nil {
		return err
	}
	return printBackup(out, path, raw)
}

func custodians(recipients []string, threshold int) (*backup.Custodians, error) {
	to, err := backup.NewCustodians(recipients, threshold)
	return to, cli.WithHint(err, "a custodian makes a key with 'age-keygen -pq' and gives you the line that starts with age1")
}

// activeEpoch proves which epoch the chain serves.
func activeEpoch(ctx context.Context, s *settings, store *seal.Store) (uint64, error) {
	client, stop, err := startLightClient(ctx, s, store, time.Now)
	if err != nil {
		return 0, err
	}
	defer stop()
	waiting, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	const hint = "are the nodes reachable, and is the trusted header one of this chain's?"
	head, err := client.Next(waiting, s.TrustedHeight)
	if err != nil {
		return 0, cli.WithHint(err, hint)
	}
	if latest, err := client.Latest(); err == nil {
		head = latest
	}
	value, err := client.Prove(waiting, partiestypes.StoreKey, partiestypes.ActiveEpochKey(), head.Height-1)
	if err != nil {
		return 0, cli.WithHint(err, hint)
	}
	if len(value) != 8 {
		return 0, cli.WithHint(errors.New("no epoch is active"), "there are no shares to back up or restore")
	}
	return binary.BigEndian.Uint64(value), nil
}

// writeNew writes a file that is not there yet.
func writeNew(path string, content []byte) error {
	if path == "" {
		return cli.WithHint(errors.New("no file to write"), "name it with --out (TKMS_OUT)")
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// readBackup reads a file of at most the size that a backup may have.
func readBackup(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, cli.WithHint(err, "name the backup with --in (TKMS_IN)")
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, backup.MaxSize+1))
}

func newBackupList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list FILE...",
		Short: "Show what backups hold and for whom; it takes no secret",
		Long: "Show what backups hold and for whom. Whoever has the session key that is shown signed the file: compare it with the\n" +
			"party's record on the chain, 'tkmsd query parties parties'.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if output != "text" && output != "json" {
				return errors.New("--output is text or json")
			}
			for _, path := range paths {
				raw, err := readBackup(path)
				if err != nil {
					return err
				}
				show := printBackup
				if output == "json" {
					show = encodeBackup
				}
				if err := show(cmd.OutOrStdout(), path, raw); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text or json, a line for each file")
	return cmd
}

func printBackup(out io.Writer, path string, raw []byte) error {
	c, err := backup.Read(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	line := func(name, format string, arguments ...any) {
		fmt.Fprintf(out, "%-14s %s\n", name, fmt.Sprintf(format, arguments...))
	}
	line("backup", "%s", path)
	line("party", "%s on %s", c.Party, c.Chain)
	line("session key", "%x", []byte(c.SessionKey))
	line("epoch", "%d", c.Epoch)
	line("holds", "the party's identity, key shares: %d", len(c.Keys))
	for _, k := range c.Keys {
		line("key share", "%s, %d bytes", k.Name, k.Size)
	}
	line("custodians", "any %d of %d", c.Custodians.Threshold, len(c.Custodians.Recipients))
	for i, r := range c.Custodians.Recipients {
		line("custodian", "%d %s", i+1, shortened(r))
	}
	return nil
}

// shortened cuts a hybrid recipient, which fills a page.
func shortened(recipient string) string {
	const most = 80
	if len(recipient) <= most {
		return recipient
	}
	return fmt.Sprintf("%s... (%d characters)", recipient[:most], len(recipient))
}

func encodeBackup(out io.Writer, path string, raw []byte) error {
	c, err := backup.Read(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	type key struct {
		Name string `json:"name"`
		Size int    `json:"size"`
	}
	keys := make([]key, 0, len(c.Keys))
	for _, k := range c.Keys {
		keys = append(keys, key(k))
	}
	return json.NewEncoder(out).Encode(struct {
		File       string   `json:"file"`
		ChainID    string   `json:"chain_id"`
		Party      string   `json:"party"`
		SessionKey string   `json:"session_key"`
		Epoch      uint64   `json:"epoch,string"`
		Threshold  int      `json:"threshold"`
		Custodians []string `json:"custodians"`
		KeyShares  []key    `json:"key_shares"`
	}{path, c.Chain, c.Party, hex.EncodeToString(c.SessionKey), c.Epoch, c.Custodians.Threshold, c.Custodians.Recipients, keys})
}
