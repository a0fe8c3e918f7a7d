package cmd

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/kms/certificate"
)

func TestACertificateIsVerifiedWithoutANode(t *testing.T) {
	path := filepath.Join("..", "..", "..", "testutil", "hostchain", "testdata", "certificate.json")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	c, err := certificate.Decode(raw)
	require.NoError(t, err)
	last := c.LightBlocks[len(c.LightBlocks)-1].SignedHeader
	validators, hash := hex.EncodeToString(last.Header.ValidatorsHash), hex.EncodeToString(last.Commit.BlockID.Hash)

	code, stdout, stderr := run("verify", path, "--trusted-validators", validators)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "ok      signatures of the committee: members [1 2 3 4]\n")
	require.Contains(t, stdout, "plaintext 0x"+hex.EncodeToString(c.Certificate.Request.Plaintext)+"\n")
	require.Contains(t, stdout, "SIMULATED ")
	require.True(t, bytes.HasSuffix([]byte(stdout), []byte("valid\n")))

	code, stdout, stderr = run("verify", path, "--trusted-hash", "0x"+hash, "--output", "json")
	require.Zero(t, code, stderr)
	var outcome verdict
	require.NoError(t, json.Unmarshal([]byte(stdout), &outcome))
	require.True(t, outcome.Valid)
	require.Len(t, outcome.Steps, 7)

	forged := filepath.Join(t.TempDir(), "forged.json")
	c.Certificate.Request.Plaintext[31]++
	changed, err := certificate.Encode(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(forged, changed, 0o600))
	code, stdout, stderr = run("verify", forged, "--trusted-validators", validators)
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "ok      TKMS headers: ")
	require.Contains(t, stdout, "FAILED  request in the TKMS state: certificate/6: ")
	require.Contains(t, stdout, "skipped signatures of the committee\n")
	require.NotContains(t, stdout, "plaintext 0x")
	require.Contains(t, stderr, "error: request in the TKMS state: ")
	require.Contains(t, stderr, "(certificate/6)\nhint: do not rely on this certificate\n")

	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"nothing to trust": {[]string{path}, "(certificate/3)\nhint: give --trusted-hash"},
		"another header":   {[]string{path, "--trusted-hash", validators}, "(certificate/4)\nhint: make the certificate with --trusted-height"},
		"no certificate":   {[]string{filepath.Join("..", "README.md"), "--trusted-validators", validators}, "(certificate/2)\nhint: make it with"},
		"no hash":          {[]string{path, "--trusted-hash", "12"}, "is no hash"},
		"no file":          {[]string{filepath.Join(t.TempDir(), "none"), "--trusted-validators", validators}, "no such file"},
		"no such output":   {[]string{path, "--trusted-validators", validators, "--output", "xml"}, "neither text nor json"},
	} {
		code, _, stderr := run(append([]string{"verify"}, test.args...)...)
		require.Equal(t, 1, code, name)
		require.Contains(t, stderr, test.want, name)
	}
}

func TestTheValidatorsOfAGenesisMayBeTrusted(t *testing.T) {
	path := filepath.Join("..", "..", "..", "testutil", "hostchain", "testdata", "certificate.json")
	genesis := filepath.Join(t.TempDir(), "genesis.json")
	require.NoError(t, apptest.New(t, apptest.Options{}).Genesis.SaveAs(genesis))
	code, _, stderr := run("verify", path, "--genesis", genesis)
	require.Zero(t, code, stderr)

	require.NoError(t, apptest.New(t, apptest.Options{Powers: []int64{10, 10, 10}}).Genesis.SaveAs(genesis))
	code, stdout, _ := run("verify", path, "--genesis", genesis)
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "FAILED  TKMS headers: certificate/4: ", "they are of another network")
}
