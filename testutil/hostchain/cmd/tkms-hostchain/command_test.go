package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain"
	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// runAsCommand makes the test binary be the command, so that signals reach a process of its own.
const runAsCommand = "TKMS_HOSTCHAIN_TEST_RUN_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(runAsCommand) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a running command.
type process struct {
	cmd *exec.Cmd
	announcement
}

func start(t *testing.T, home string, arguments ...string) *process {
	t.Helper()
	artifacts, err := hostchain.BuildArtifacts()
	if err != nil {
		t.Skipf("contract artifacts are missing and could not be built by %s: %v", hostchain.BuildScript, err)
	}
	arguments = append([]string{"--listen", "127.0.0.1:0", "--output", "json", "--home", home, "--artifacts", artifacts}, arguments...)
	p := &process{cmd: exec.Command(os.Args[0], arguments...)}
	p.cmd.Env = append(os.Environ(), runAsCommand+"=1", "TKMS_HOSTCHAIN_BLOCK_TIME=50ms", "TKMS_HOSTCHAIN_CHAIN_ID=4242")
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, &p.announcement))
	return p
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait(), "SIGTERM must end the command cleanly")
}

func TestCommandServesStopsOnSIGTERMAndGoesOnFromItsHome(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first := start(t, home)
	require.Equal(t, uint64(4242), first.Info.ChainID, "set by its variable")
	c, err := client.Dial(ctx, first.URL)
	require.NoError(t, err)
	alice, err := client.NewAccount()
	require.NoError(t, err)
	require.NoError(t, c.Fund(ctx, alice.Address(), nil))
	input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint64, []byte("kept"))
	require.NoError(t, err)
	health, err := c.Health(ctx)
	require.NoError(t, err)
	c.Close()
	first.stop(t)

	second := start(t, home)
	require.Equal(t, first.Info.GenesisHash, second.Info.GenesisHash)
	require.Equal(t, first.Info.Validators, second.Info.Validators)
	c, err = client.Dial(ctx, second.URL)
	require.NoError(t, err)
	defer c.Close()
	again, err := c.Health(ctx)
	require.NoError(t, err)
	require.GreaterOrEqual(t, again.Block, health.Block)
	_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
	require.NoError(t, err)
	second.stop(t)
}

func TestCommandRefusesAddressesThatOthersReachAndBadFlags(t *testing.T) {
	for _, test := range []struct {
		name      string
		arguments []string
		message   string
	}{
		{"all interfaces", []string{"--listen", ":0"}, errExposed.Error()},
		{"output", []string{"--output", "yaml"}, "text or json"},
		{"address", []string{"--listen", "127.0.0.1:0", "--kms-signers", "bob"}, "no address"},
		{"address list", []string{"--listen", "127.0.0.1:0", "--fund", "0x12"}, "no address"},
		{"arguments", []string{"extra"}, "unknown command"},
	} {
		t.Run(test.name, func(t *testing.T) {
			command := newCommand()
			command.SetArgs(test.arguments)
			command.SetOut(io.Discard)
			require.ErrorContains(t, command.ExecuteContext(t.Context()), test.message)
		})
	}
}

func TestOccupiedPortIsReportedWithAHint(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close() //nolint:errcheck // test
	command := newCommand()
	command.SetArgs([]string{"--listen", listener.Addr().String()})
	err = command.ExecuteContext(t.Context())
	require.Error(t, err)
	require.NotEmpty(t, hintFor(err))
}

func TestTextOutputNamesWhatIsSimulated(t *testing.T) {
	artifacts, err := hostchain.BuildArtifacts()
	if err != nil {
		t.Skipf("contract artifacts are missing and could not be built by %s: %v", hostchain.BuildScript, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	command := newCommand()
	command.SetArgs([]string{"--listen", "127.0.0.1:0", "--block-time", "0s", "--artifacts", artifacts})
	command.SetOut(writer)
	done := make(chan error, 1)
	go func() { done <- command.ExecuteContext(ctx) }()
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "simulated validator network (4 keys in one process)")
	require.Contains(t, line, "simulated coprocessor")
	cancel()
	require.NoError(t, <-done)
}
