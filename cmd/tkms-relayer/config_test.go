package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/internal/cli"
)

const keyText = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"

func keyFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
	return path
}

// hint runs a command line that fails and returns error and hint.
func hint(t *testing.T, args ...string) string {
	t.Helper()
	root := newRoot()
	root.SetArgs(append([]string{"run", "--home", t.TempDir()}, args...))
	err := root.ExecuteContext(t.Context())
	require.Error(t, err)
	var out strings.Builder
	cli.PrintError(&out, err)
	require.Contains(t, out.String(), "hint: ")
	return out.String()
}

func TestWhatIsMissingIsAskedForByItsFlag(t *testing.T) {
	good := keyFile(t, keyText, 0o600)
	require.Contains(t, hint(t, "--key-file", good), "--host-chain-id")
	require.Contains(t, hint(t, "--host-chain-id", "1"), "--key-file")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--tkms-node", ""), "--tkms-node")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--workers", "0"), "--workers")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--log-level", "loud"), "--log-level")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--share-grace-blocks", "-1"), "--share-grace-blocks")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--anonymous-rate", "0"), "--api-keys")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--crs-file", "/none"), "--crs-file")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--api-keys", "/none"), "--api-keys")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--host-chain-rpc", "ftp://x"), "--host-chain-rpc")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--host-chain-rpc", ""), "--host-chain-rpc")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--serve-contract", "0x00000000000000000000000000000000000000aa"), "--host-key-file")
	for _, bad := range []string{"0x12", "0x5AeDA56215b167893e80B4fE645BA6d5Bab767De"} {
		require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--host-key-file", good, "--serve-contract", bad), "--serve-contract")
	}
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--store", "s3://bucket"), "--store")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	require.Contains(t, hint(t, "--host-chain-id", "1", "--key-file", good, "--store", "s3://bucket?endpoint=http://127.0.0.1:1"), "--store-credentials")
}

func TestKeysAreReadFromFilesOfTheOwnerOnlyAndNeverPrinted(t *testing.T) {
	for _, text := range []string{keyText, "0x" + keyText + "\n"} {
		key, err := readAccountKey(keyFile(t, text, 0o600))
		require.NoError(t, err)
		require.Len(t, key.Key, 32)
		host, err := readHostKey(keyFile(t, text, 0o600))
		require.NoError(t, err)
		require.NotNil(t, host)
	}
	absent, err := readHostKey("")
	require.NoError(t, err)
	require.Nil(t, absent)
	for name, path := range map[string]string{
		"readable by others": keyFile(t, keyText, 0o644),
		"too short":          keyFile(t, keyText[2:], 0o600),
		"no hex":             keyFile(t, "secret"+keyText[6:], 0o600),
		"above the order":    keyFile(t, strings.Repeat("f", 64), 0o600),
		"zero":               keyFile(t, strings.Repeat("0", 64), 0o600),
		"missing":            filepath.Join(t.TempDir(), "none"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAccountKey(path)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), keyText[6:20])
			_, err = readHostKey(path)
			require.Error(t, err)
		})
	}
}
