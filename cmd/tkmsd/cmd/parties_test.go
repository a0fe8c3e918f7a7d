package cmd

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRotationsAreNotLookedAtWithoutANode(t *testing.T) {
	home := t.TempDir()
	code, stdout, stderr := run("parties", "rehearse", "--refresh", "--home", home, "--node", "tcp://127.0.0.1:1")
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "hint: is the node running?")
}

func TestAWishForARotationComesFromOnePlace(t *testing.T) {
	home := t.TempDir()
	for _, args := range [][]string{
		{"parties", "rehearse", "--file", "x.json", "--refresh"},
		{"tx", "parties", "propose-rotation", "--file", "x.json", "--add", "5"},
	} {
		code, _, stderr := run(append(args, "--home", home)...)
		require.Equal(t, 1, code)
		require.Contains(t, stderr, "none of the others can be", args)
	}
	code, _, stderr := run("tx", "parties", "propose-rotation", "7", "--home", home)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "unknown command")
	code, _, stderr = run("parties", "rehearse", "7", "8", "--home", filepath.Join(home, "x"))
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "at most 1 arg")
}

func TestOperatorsAndVotersHaveTheirCommands(t *testing.T) {
	for command, flag := range map[string]string{
		"propose-rotation": "deposit", "cancel-rotation": "deposit", "retire-epoch": "deposit",
		"accept-seat": "from", "deposit-bond": "from", "withdraw-bond": "from",
	} {
		code, stdout, stderr := run("tx", "parties", command, "--help")
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "--"+flag+" ", command)
		require.Contains(t, stdout, "tkmsd tx parties "+command, "an example")
	}
	for _, hidden := range []string{"rotate", "commit-resharing", "certify-epoch"} {
		code, stdout, _ := run("tx", "parties", "--help")
		require.Zero(t, code)
		require.NotContains(t, stdout, "\n  "+hidden)
	}
}
