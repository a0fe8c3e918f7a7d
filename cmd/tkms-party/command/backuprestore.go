package command

import (
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/party/backup"
	"github.com/tkms-network/tkms/enclave/seal"
)

// maxText bounds files with pieces, recipients and age keys.
const maxText = 64 << 10

func readText(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxText))
}

// restoring opens the sealed store of a home that 'init --restore' prepared.
func restoring(cmd *cobra.Command) (*settings, *seal.Store, error) {
	home, s, err := settingsOf(cmd)
	if err != nil {
		return nil, nil, err
	}
	store, err := s.sealed(home)
	return s, store, err
}

func newBackupRecipient() *cobra.Command {
	return &cobra.Command{
		Use:   "recipient",
		Short: "Print the one-time age recipient to which custodians encrypt their pieces",
		Long: "Print the one-time age recipient, made inside the new enclave, to which custodians encrypt their pieces.\n" +
			"Custodians must know for certain that it is this party's: whoever has k pieces for another recipient has the shares.",
		Example: "  tkms-party init --restore --home p1 ...\n  tkms-party backup recipient --home p1 > p1.recipient",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, store, err := restoring(cmd)
			if err != nil {
				return err
			}
			recipient, err := backup.Recipient(store)
			if err != nil {
				return advised(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), recipient)
			return nil
		},
	}
}

func newBackupPiece() *cobra.Command {
	var in, identities, to, out string
	cmd := &cobra.Command{
		Use:   "piece",
		Short: "As a custodian, give your piece of a backup to a party's one-time recipient",
		Long: "As a custodian, decrypt your piece of a backup and encrypt it again to the one-time recipient of the party that is to be\n" +
			"restored. Make sure that the recipient comes from the party's operator, and that the old machine is gone for good.",
		Example: "  tkms-party backup piece --in p1.backup --identity custodian.key --to p1.recipient --out piece-2",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, err := readBackup(in)
			if err != nil {
				return err
			}
			own, err := ageIdentities(identities)
			if err != nil {
				return err
			}
			recipient, err := oneRecipient(to)
			if err != nil {
				return err
			}
			piece, index, err := backup.Piece(raw, own, recipient)
			if err != nil {
				return advised(err)
			}
			if err := writeNew(out, piece); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "the piece of custodian %d is in %s: of this backup, and only for this recipient\n", index, out)
			return printBackup(cmd.OutOrStdout(), in, raw)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in, "in", "", "the backup")
	flags.StringVar(&identities, "identity", "", "file with your age identities, as age-keygen writes it")
	flags.StringVar(&to, "to", "", "file with the one-time recipient that 'backup recipient' printed")
	flags.StringVar(&out, "out", "", "file to write")
	return cmd
}

func ageIdentities(path string) ([]age.Identity, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, cli.WithHint(err, "name the file that age-keygen wrote with --identity (TKMS_IDENTITY)")
	}
	defer func() { _ = file.Close() }()
	own, err := age.ParseIdentities(io.LimitReader(file, maxText))
	if err != nil {
		// age's errors repeat the line, which may be most of a secret key.
		return nil, cli.WithHint(fmt.Errorf("%s has no age identities that can be read", path), "each line is empty, starts with #, or is an AGE-SECRET-KEY")
	}
	return own, nil
}

func oneRecipient(path string) (string, error) {
	text, err := readText(path)
	if err != nil {
		return "", cli.WithHint(err, "name the file with the recipient with --to (TKMS_TO)")
	}
	for len(text) > 0 && (text[len(text)-1] == '\n' || text[len(text)-1] == '\r') {
		text = text[:len(text)-1]
	}
	return string(text), nil
}

func newBackupRestore() *cobra.Command {
	var in string
	var pieces []string
	cmd := &cobra.Command{
		Use:     "restore",
		Short:   "Restore a party from a backup and its custodians' pieces",
		Example: "  tkms-party backup restore --home p1 --in p1.backup --piece piece-1 --piece piece-3",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, err := readBackup(in)
			if err != nil {
				return err
			}
			s, store, err := restoring(cmd)
			if err != nil {
				return err
			}
			epoch, err := activeEpoch(cmd.Context(), s, store)
			if err != nil {
				return err
			}
			return restoreBackup(cmd.OutOrStdout(), store, epoch, raw, pieces)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in, "in", "", "the backup")
	flags.StringSliceVar(&pieces, "piece", nil, "file with the piece of a custodian; repeat it")
	return cmd
}

func restoreBackup(out io.Writer, store *seal.Store, epoch uint64, raw []byte, pieces []string) error {
	texts := make([][]byte, len(pieces))
	for i, path := range pieces {
		var err error
		if texts[i], err = readText(path); err != nil {
			return err
		}
	}
	c, err := backup.Restore(store, raw, texts, epoch)
	var wrong *backup.PieceError
	if errors.As(err, &wrong) {
		err = fmt.Errorf("%s: %w", pieces[wrong.Number], wrong.Err)
	}
	if err != nil {
		return advised(err)
	}
	fmt.Fprintf(out, "party %s is restored: its identity, key shares of epoch %[3]d: %[2]d\n"+
		"shares only: it counts as absent until the next refresh or rotation\n"+
		"next: tkms-party register-message, if the address changed or the attestation lapsed; then tkms-party run\n", c.Party, len(c.Keys), c.Epoch)
	return nil
}

// advised adds what to do about an error of restoring.
func advised(err error) error {
	for _, a := range []struct {
		is   error
		hint string
	}{
		{backup.ErrEpoch, "shares of another epoch are of no use; take the newest backup, or have the party replaced by a rotation"},
		{backup.ErrOwner, "use the backup of this very party, or prepare the home for the other one"},
		{backup.ErrNotFresh, "restore into a new home that 'tkms-party init --restore' prepared; two machines with one identity convict themselves"},
		{backup.ErrNoRecipient, "get the recipient with 'tkms-party backup recipient' and ask the custodians for pieces for it"},
		{backup.ErrTooFew, "ask more custodians: 'tkms-party backup list' shows how many it takes"},
		{backup.ErrPiece, "ask this custodian again, for the recipient that 'tkms-party backup recipient' prints and this very backup"},
		{backup.ErrNoPiece, "'tkms-party backup list' shows the custodians of this backup"},
		{backup.ErrCustodians, "--to takes the file that 'tkms-party backup recipient' printed"},
	} {
		if errors.Is(err, a.is) {
			return cli.WithHint(err, a.hint)
		}
	}
	return err
}
