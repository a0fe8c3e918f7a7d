package localnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
)

// StopTimeout is how long a node may take to stop before it is killed.
const StopTimeout = 20 * time.Second

// pollInterval between questions to a node that is waited for.
const pollInterval = 10 * time.Millisecond

// ErrNotRunning is returned for a node whose process has ended; its log says why.
var ErrNotRunning = errors.New("the node is not running")

// Network is a prepared network with its processes.
type Network struct {
	Layout *Layout
	binary string

	mu        sync.Mutex
	processes []*process
}

type process struct {
	command *exec.Cmd
	done    chan struct{}
	err     error
}

// NewNetwork takes the path of a tkmsd binary. Nothing is started yet.
func NewNetwork(layout *Layout, binary string) *Network {
	return &Network{Layout: layout, binary: binary, processes: make([]*process, len(layout.Nodes))}
}

// Start starts all nodes; those already started stay stopped only if starting them fails, in which case
// the others are stopped again.
func (n *Network) Start() error {
	for i := range n.Layout.Nodes {
		if err := n.StartNode(i); err != nil {
			return errors.Join(err, n.Stop())
		}
	}
	return nil
}

// StartNode starts (or restarts) one node; its output is appended to its log.
func (n *Network) StartNode(i int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	node := n.Layout.Nodes[i]
	if p := n.processes[i]; p != nil && !p.ended() {
		return fmt.Errorf("localnet: %s is already running", node.Moniker)
	}
	output, err := os.OpenFile(node.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("localnet: %w", err)
	}
	defer func() { _ = output.Close() }() // the process has its own descriptor
	command := exec.Command(n.binary, "start", "--home", node.Home, "--log_no_color")
	command.Stdout, command.Stderr = output, output
	// An interrupt on the terminal reaches us, and we stop the nodes in order; if we
	// are killed, they end with us.
	command.SysProcAttr = childAttributes()
	if err := command.Start(); err != nil {
		return fmt.Errorf("localnet: start %s: %w", node.Moniker, err)
	}
	p := &process{command: command, done: make(chan struct{})}
	go func() {
		p.err = command.Wait()
		close(p.done)
	}()
	n.processes[i] = p
	return nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// PID of a node's process, or ErrNotRunning.
func (n *Network) PID(i int) (int, error) {
	p, err := n.running(i)
	if err != nil {
		return 0, err
	}
	return p.command.Process.Pid, nil
}

func (n *Network) running(i int) (*process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.processes[i]; p != nil && !p.ended() {
		return p, nil
	}
	return nil, fmt.Errorf("localnet: %s: %w (see %s)", n.Layout.Nodes[i].Moniker, ErrNotRunning, n.Layout.Nodes[i].Log)
}

// Kill ends a node at once, as a power failure would.
func (n *Network) Kill(i int) error {
	p, err := n.running(i)
	if err != nil {
		return err
	}
	if err := p.command.Process.Kill(); err != nil {
		return err
	}
	<-p.done
	return nil
}

// StopNode asks a node to stop and waits; after StopTimeout it is killed and an error returned.
func (n *Network) StopNode(i int) error {
	p, err := n.running(i)
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(StopTimeout):
		_ = p.command.Process.Kill()
		<-p.done
		return fmt.Errorf("localnet: %s did not stop within %s and was killed", n.Layout.Nodes[i].Moniker, StopTimeout)
	}
}

// Stop stops all nodes at the same time.
func (n *Network) Stop() error {
	errs := make([]error, len(n.Layout.Nodes))
	var wait sync.WaitGroup
	for i := range n.Layout.Nodes {
		wait.Go(func() { errs[i] = n.StopNode(i) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Client is a CometBFT RPC client of a node.
func (n *Network) Client(i int) (*rpchttp.HTTP, error) {
	return rpchttp.New(n.Layout.Nodes[i].RPCURL(), "/websocket")
}

// WaitForHeight returns once a node has committed the height; it fails early if the node's process ends.
func (n *Network) WaitForHeight(ctx context.Context, i int, height int64) error {
	client, err := n.Client(i)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		status, err := client.Status(ctx)
		if err == nil && status.SyncInfo.LatestBlockHeight >= height {
			return nil
		}
		if _, err := n.running(i); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("localnet: %s has not reached height %d: %w", n.Layout.Nodes[i].Moniker, height, ctx.Err())
		case <-ticker.C:
		}
	}
}

// WaitForAll is WaitForHeight for all nodes.
func (n *Network) WaitForAll(ctx context.Context, height int64) error {
	for i := range n.Layout.Nodes {
		if err := n.WaitForHeight(ctx, i, height); err != nil {
			return err
		}
	}
	return nil
}
