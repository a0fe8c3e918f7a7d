// Package network runs real tkmsd processes for tests. Such tests take seconds to minutes and several
// processors, so they run only where TKMS_NETWORK_TESTS is set, as CI does; elsewhere they say that they
// were skipped.
package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/app/localnet"
)

const (
	// EnableVariable turns these tests on.
	EnableVariable = "TKMS_NETWORK_TESTS"
	// BinaryVariable is the absolute path of a tkmsd to use instead of building one.
	BinaryVariable = "TKMS_TKMSD"
	// startTimeout covers a loaded machine.
	startTimeout = 2 * time.Minute
)

// Network is a running network of a test.
type Network struct {
	*localnet.Network
	t      testing.TB
	binary string
}

// Start prepares and starts a network, waits for its third block on every node and stops it when the test
// ends. If the test fails, the end of each node's log is printed.
func Start(t testing.TB, cfg localnet.Config) *Network {
	t.Helper()
	if os.Getenv(EnableVariable) == "" {
		t.Skipf("starts several processes: set %s=1 to run it", EnableVariable)
	}
	binary, err := buildBinary()
	require.NoError(t, err)
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	layout, err := localnet.InitFiles(cfg)
	require.NoError(t, err)
	n := &Network{Network: localnet.NewNetwork(layout, binary), t: t, binary: binary}
	t.Cleanup(func() {
		err := n.Stop()
		if t.Failed() {
			n.printLogs()
		}
		require.NoError(t, err)
	})
	require.NoError(t, n.Network.Start())
	n.WaitForAll(3)
	return n
}

// WaitForAll waits until every node has committed the height.
func (n *Network) WaitForAll(height int64) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	require.NoError(n.t, n.Network.WaitForAll(ctx, height))
}

// WaitFor waits until one node has committed the height.
func (n *Network) WaitFor(node int, height int64) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	require.NoError(n.t, n.WaitForHeight(ctx, node, height))
}

// Height is the last height that a node has committed.
func (n *Network) Height(node int) int64 {
	n.t.Helper()
	client, err := n.Client(node)
	require.NoError(n.t, err)
	status, err := client.Status(context.Background())
	require.NoError(n.t, err)
	return status.SyncInfo.LatestBlockHeight
}

// Run runs tkmsd as a user of a node would, with the network's keys, and returns what it printed. An exit
// code other than zero becomes an error with what it printed to stderr.
func (n *Network) Run(node int, args ...string) ([]byte, error) {
	command := exec.Command(n.binary, args...)
	command.Env = append(os.Environ(),
		"TKMS_HOME="+filepath.Join(n.Layout.Dir, "client"),
		"TKMS_NODE="+n.Layout.Nodes[node].RPCURL(),
		"TKMS_CHAIN_ID="+n.Layout.ChainID,
		"TKMS_KEYRING_BACKEND=test",
		"TKMS_KEYRING_DIR="+n.Layout.KeyringDir,
	)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.Bytes(), errors.Join(err, errors.New(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// Tx runs "tkmsd tx …" signed by a key, waits for the block and fails the test if the chain refuses.
func (n *Network) Tx(node int, from string, args ...string) {
	n.t.Helper()
	all := append([]string{"tx"}, args...)
	_, err := n.Run(node, append(all, "--from", from, "--yes", "--wait")...)
	require.NoError(n.t, err, strings.Join(all, " "))
}

// Query runs "tkmsd query … --output json" and decodes the answer.
func (n *Network) Query(node int, into any, args ...string) {
	n.t.Helper()
	all := append(append([]string{"query"}, args...), "--output", "json")
	out, err := n.Run(node, all...)
	require.NoError(n.t, err, strings.Join(all, " "))
	require.NoError(n.t, json.Unmarshal(out, into), string(out))
}

func (n *Network) printLogs() {
	for _, node := range n.Layout.Nodes {
		raw, err := os.ReadFile(node.Log)
		if err != nil {
			n.t.Logf("%s: %v", node.Moniker, err)
			continue
		}
		lines := strings.Split(string(raw), "\n")
		n.t.Logf("%s:\n%s", node.Moniker, strings.Join(lines[max(0, len(lines)-30):], "\n"))
	}
}

// buildBinary builds tkmsd once per test process.
var buildBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(BinaryVariable); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "tkmsd")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "tkmsd")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/tkms-network/tkms/cmd/tkmsd").CombinedOutput()
	if err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return binary, nil
})
