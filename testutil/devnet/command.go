package devnet

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
)

// CommandError is a command of tkmsd that failed.
type CommandError struct {
	Args []string
	// Text is what it wrote to standard error.
	Text string
}

// Error implements error.
func (e *CommandError) Error() string {
	return fmt.Sprintf("tkmsd %s: %s", strings.Join(e.Args, " "), e.Text)
}

// Command runs tkmsd as a person would and returns what it printed.
func (d *Devnet) Command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(d.Config.Bin, "tkmsd"), args...)
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		return out.Bytes(), &CommandError{args, strings.TrimSpace(failure.String())}
	}
	return out.Bytes(), nil
}

// QueryFlags say whom a query asks.
func (d *Devnet) QueryFlags() []string { return []string{"--node", d.Layout.Nodes[d.node].RPCURL()} }

// TxFlags say who sends a transaction, and how.
func (d *Devnet) TxFlags(account string) []string {
	return append(d.QueryFlags(), "--from", account, "--keyring-backend", "test", "--keyring-dir", d.Layout.KeyringDir,
		"--chain-id", d.Layout.ChainID, "--gas", fmt.Sprint(RequestGas), "--gas-prices", gasPrice().String(), "--yes")
}

// KeyFile writes the key of the user's account on the host chain into a file.
func (u *User) KeyFile() (string, error) {
	path := filepath.Join(u.devnet.Site.Dir, strings.ToLower(u.Address().Hex())+".key")
	return path, os.WriteFile(path, []byte(hex.EncodeToString(crypto.FromECDSA(u.key))), 0o600)
}
