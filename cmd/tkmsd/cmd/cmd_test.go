package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

func run(args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	code = Execute(args, &out, &errOut)
	return code, out.String(), errOut.String()
}

func TestErrorsAreShownWithAHintAndFail(t *testing.T) {
	code, stdout, stderr := run("nonsense")
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Equal(t, "error: unknown command \"nonsense\" for \"tkmsd\"\nhint: 'tkmsd --help' lists the commands\n", stderr)
}

func TestNoiseOfLibrariesIsNotShown(t *testing.T) {
	var out bytes.Buffer
	printError(&out, errors.New("rpc error: code = Unknown desc = rpc error: code = Unknown desc = broken [/src/errors@v1/errors.go:161] with gas used: '3'"))
	require.Equal(t, "error: broken with gas used: '3'\n", out.String())
}

func TestAnUnknownRecordIsNotTakenForAMissingKey(t *testing.T) {
	var out bytes.Buffer
	printError(&out, errors.New("rpc error: code = NotFound desc = rpc error: code = NotFound desc = no such request: key not found"))
	require.Equal(t, "error: no such request\n", out.String())
	out.Reset()
	printError(&out, errors.New("alice.info: key not found"))
	require.Equal(t, "error: alice.info: key not found\nhint: list your keys with 'tkmsd keys list', with the --keyring-backend and --home that hold them\n", out.String())
	out.Reset()
	printError(&out, errors.New("rpc error: code = InvalidArgument desc = id: no hex: invalid request"))
	require.Equal(t, "error: id: no hex: invalid request\n", out.String())
}

func TestTheResponseIsFoundInWhatACommandPrints(t *testing.T) {
	want := txResponse{Hash: "AB", Codespace: "lane", Code: 10, Log: "too low"}
	for name, printed := range map[string]string{
		"text":              "code: 10\ncodespace: lane\nraw_log: too low\ntxhash: AB\n",
		"json":              `{"code":10,"codespace":"lane","raw_log":"too low","txhash":"AB"}` + "\n",
		"after the preview": `{"body":{"memo":"code: 3"}}` + "\n" + `{"code":10,"codespace":"lane","raw_log":"too low","txhash":"AB"}` + "\n",
		"text after it":     "body:\n  memo: x\ncode: 10\ncodespace: lane\nraw_log: too low\ntxhash: AB\n",
	} {
		got, ok := findResponse([]byte(printed))
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
	_, ok := findResponse([]byte(`{"body":{}}`))
	require.False(t, ok)
	_, ok = findResponse(nil)
	require.False(t, ok)
}

func TestAFoundersHomeBecomesAValidGenesis(t *testing.T) {
	home := filepath.Join(t.TempDir(), "node")
	code, stdout, stderr := run("init", "alice", "--home", home, "--chain-id", "tkms-test-1")
	require.Zero(t, code, stderr)
	var made struct {
		Key     string `json:"consensus_pubkey"`
		ChainID string `json:"chain_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &made))
	require.Equal(t, "tkms-test-1", made.ChainID)

	address := sdk.AccAddress(bytes.Repeat([]byte{7}, 20)).String()
	code, _, stderr = run("genesis", "add-validator", address, "alice", made.Key, "0", "--home", home)
	require.Equal(t, 1, code, stderr)
	code, _, stderr = run("genesis", "add-validator", address, "alice", made.Key, "10", "--home", home)
	require.Zero(t, code, stderr)
	code, _, stderr = run("genesis", "add-validator", address, "alice", made.Key, "10", "--home", home)
	require.Equal(t, 1, code, stderr)
	code, _, stderr = run("genesis", "add-account", address, "5utkms", "--home", home)
	require.Zero(t, code, stderr)
	code, stdout, stderr = run("genesis", "validate", "--home", home)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "is valid")

	code, _, stderr = run("init", "alice", "--home", home)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "hint: --overwrite")
}

func TestADevnetNeedsTimeForItsVotes(t *testing.T) {
	code, _, stderr := run("devnet", "--voting-period", "1s", "--dir", filepath.Join(t.TempDir(), "net"))
	require.NotZero(t, code)
	require.Contains(t, stderr, "hint: --voting-period is at least 2s")
}

func TestADevnetWithMoreFaultsThanToleratedIsNotBegun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	code, stdout, stderr := run("devnet", "--parties", "7", "--faults", "p1=silent,p2=crash-loop,p3=lying-node", "--dir", dir)
	require.NotZero(t, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "error: more parties are faulty than the committee tolerates: 3 of 7 are, and at most 2 may be\nhint: ")
	require.NoDirExists(t, dir)
}

func TestTheSamePlanIsPrintedForTheSameSeed(t *testing.T) {
	plan := func(seed string) string {
		code, stdout, stderr := run("devnet", "soak", "--plan", "--seed", seed, "--requests", "30")
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "plan of seed "+seed+": 30 requests")
		return stdout
	}
	require.Equal(t, plan("5"), plan("5"))
	require.NotEqual(t, plan("5")[20:], plan("6")[20:])
}

func TestALocalNetworkIsPreparedOnlyOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	code, stdout, stderr := run("testnet", "init-files", "--dir", dir, "--validators", "2", "--base-port", "0", "--output", "json")
	require.Zero(t, code, stderr)
	var layout struct {
		Nodes []struct{ RPC string } `json:"nodes"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &layout))
	require.Len(t, layout.Nodes, 2)
	require.NotEqual(t, layout.Nodes[0].RPC, layout.Nodes[1].RPC)
	code, _, stderr = run("testnet", "init-files", "--dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "holds a network already")
}

func TestEngineBenchmarksRefuseWhatTheyCannotMeasure(t *testing.T) {
	for _, c := range []struct{ args, message string }{
		{"--parties=5", "error: no protocol for 5 parties\nhint: --parties takes "},
		{"--output=xml", "error: --output is text or json, not \"xml\"\n"},
		{"--variant=none", "error: enginebench: invalid options: no variant \"none\"\n"},
		{"--repeats=0", "error: enginebench: invalid options: "},
		{"--silent=2", "error: enginebench: invalid options: 2 of 4 parties silent, of which 1 to 1 may be\n"},
	} {
		code, stdout, stderr := run("bench", "engine", c.args)
		require.Equal(t, 1, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, c.message)
	}
}

func TestBenchmarksOfUsersRefuseWhatTheyCannotMeasure(t *testing.T) {
	for _, c := range []struct{ args, message string }{
		{"--parties=5", "error: no protocol for 5 parties\nhint: --parties is "},
		{"--output=xml", "error: --output is text or json, not \"xml\"\n"},
		{"--type=euint2048", "error: clients read no euint2048 for a user\nhint: --type takes "},
		{"--users=0", "error: --users and --seconds are at least 1\n"},
	} {
		code, stdout, stderr := run("bench", "users", c.args)
		require.Equal(t, 1, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, c.message)
	}
}
