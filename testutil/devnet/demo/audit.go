package demo

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tkms-network/tkms/testutil/devnet"
)

// errWrong reports an answer of the command line that is not what it must be.
var errWrong = errors.New("the command line answers otherwise")

// commandLine is step 10: what a user and an auditor do with tkmsd alone.
func (r *run) commandLine(ctx context.Context) error {
	var private []byte
	err := r.step(ctx, stepAudit, "a user reads a value by tkmsd", func(ctx context.Context) (detail string, err error) {
		private, err = r.readByCommand(ctx, r.private)
		return "tkmsd tx kms user-decrypt", err
	})
	if err != nil {
		return err
	}
	public, err := r.net.RequestID(r.items[0].handle)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		id   []byte
	}{{"public", public}, {"user", private}} {
		name := fmt.Sprintf("certificate of a %s decryption: valid offline, altered refused", c.what)
		err := r.step(ctx, stepAudit, name, func(ctx context.Context) (string, error) { return r.certify(ctx, c.what, c.id) })
		if err != nil {
			return err
		}
	}
	return nil
}

// readByCommand returns the id of the request.
func (r *run) readByCommand(ctx context.Context, it *item) ([]byte, error) {
	key, err := r.user.KeyFile()
	if err != nil {
		return nil, err
	}
	info := r.net.HostClient.Info()
	out, err := r.net.Command(ctx, append([]string{
		"tx", "kms", "user-decrypt", "--host-chain-id", fmt.Sprint(info.ChainID), "--host-chain-rpc", r.net.HostURL,
		"--handle", it.handle.String() + ":" + info.Contracts.Disclosure.Hex(), "--user-key-file", key, "--output", "json",
	}, r.net.TxFlags(devnet.DAppAccount)...)...)
	if err != nil {
		return nil, err
	}
	var answer struct {
		RequestID string `json:"request_id"`
		Values    []struct{ Value string }
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, err
	}
	if len(answer.Values) != 1 || answer.Values[0].Value != it.Value.String() {
		return nil, fmt.Errorf("%w: %s, encrypted was %s", errWrong, out, it.Value)
	}
	return hex.DecodeString(answer.RequestID)
}

// certify makes a certificate and verifies it from the genesis file, as it is and with
// a byte of a signature changed.
func (r *run) certify(ctx context.Context, name string, id []byte) (string, error) {
	file := filepath.Join(r.options.Dir, name+"-certificate.json")
	out, err := r.net.Command(ctx, append([]string{"query", "kms", "certificate", hex.EncodeToString(id), "--output-file", file}, r.net.QueryFlags()...)...)
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	verify := []string{"verify", file, "--genesis", r.net.Layout.Genesis}
	if out, err = r.net.Command(ctx, verify...); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	if !strings.HasSuffix(strings.TrimSpace(string(out)), "valid") {
		return "", fmt.Errorf("%w: %s", errWrong, out)
	}
	return r.alter(ctx, file, verify)
}

// alter changes a signature in a certificate, which must then be refused.
func (r *run) alter(ctx context.Context, file string, verify []string) (string, error) {
	raw, err := os.ReadFile(file) //nolint:gosec // the demo wrote it
	if err != nil {
		return "", err
	}
	_, rest, found := bytes.Cut(raw, []byte(`"signature":`))
	quote := bytes.IndexByte(rest, '"')
	if !found || quote < 0 {
		return "", fmt.Errorf("%w: no signature in %s", errWrong, file)
	}
	if first := &rest[quote+1]; *first == 'A' { // of base64
		*first = 'B'
	} else {
		*first = 'A'
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return "", err
	}
	var refused *devnet.CommandError
	if out, err := r.net.Command(ctx, verify...); !errors.As(err, &refused) {
		return "", fmt.Errorf("%w: altered, and still %s (%w)", errWrong, out, err)
	}
	return fmt.Sprintf("%d bytes", len(raw)), nil
}
