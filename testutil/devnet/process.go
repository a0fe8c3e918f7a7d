package devnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tkms-network/tkms/testutil/fault"
)

// stopTimeout is how long a process may take to stop before it is killed.
const stopTimeout = 10 * time.Second

// ErrEnded reports a process that ended by itself.
var ErrEnded = errors.New("the process has ended")

// Process is one child process with a log file.
type Process struct {
	Name string
	Log  string

	binary string
	args   []string
	// env is added to the environment.
	env []string

	mu      sync.Mutex
	command *exec.Cmd
	done    chan struct{}
}

func newProcess(dir, name, binary string, args ...string) *Process {
	return &Process{Name: name, Log: filepath.Join(dir, name+".log"), binary: binary, args: args}
}

// Start starts or restarts the process; its output is appended to its log.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command != nil && !p.ended() {
		return fmt.Errorf("%s is already running", p.Name)
	}
	output, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }() // the process has its own descriptor
	p.command = exec.Command(p.binary, p.args...)
	p.command.Stdout, p.command.Stderr = output, output
	p.command.Env = append(os.Environ(), p.env...)
	// An interrupt on the terminal reaches the parent, which stops the children in
	// order; if the parent dies without doing so, they die with it.
	p.command.SysProcAttr = childAttributes()
	if err := p.command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	command, done := p.command, make(chan struct{})
	p.done = done
	go func() { _ = command.Wait(); close(done) }()
	return nil
}

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// become changes what the next start runs.
func (p *Process) become(binary string, env ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.binary, p.env = binary, env
}

// Running reports whether the process has been started and not ended.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.command != nil && !p.ended()
}

// Kill ends the process at once, as a power failure would.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

// Stop asks the process to stop and waits.
func (p *Process) Stop() error { return p.end(syscall.SIGTERM) }

func (p *Process) end(signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil || p.ended() {
		return nil
	}
	if err := p.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
		_ = p.command.Process.Kill()
		<-p.done
		return fmt.Errorf("%s had to be killed", p.Name)
	}
}

// Pause stops the process where it is, until Resume. Resume it before Stop, which it would
// not hear of.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(signal syscall.Signal) error {
	pid, err := p.PID()
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return syscall.Kill(pid, signal)
}

// PID returns the process id.
func (p *Process) PID() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil || p.ended() {
		return 0, ErrEnded
	}
	return p.command.Process.Pid, nil
}

// waitHTTP waits until a URL answers with 200.
func (p *Process) waitHTTP(ctx context.Context, url string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	for {
		if !p.Running() {
			return fmt.Errorf("%s: %w; see %s:\n%s", p.Name, ErrEnded, p.Log, tail(p.Log))
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %w; see %s", p.Name, url, context.Cause(ctx), p.Log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tail returns the last lines of a log.
func tail(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-15):], []byte("\n")))
}

// WaitEnd returns the name of a process that ended by itself, or "" once ctx is
// done. Parties that crash again and again do not count.
func (d *Devnet) WaitEnd(ctx context.Context) string {
	for {
		for i, node := range d.Layout.Nodes {
			if _, err := d.Chain.PID(i); err != nil {
				return node.Moniker
			}
		}
		all := []*Process{d.Host, d.Relayer}
		for i, p := range d.Parties {
			if d.Config.Faults[i+1] != fault.CrashLoop {
				all = append(all, p.Process)
			}
		}
		for _, p := range all {
			if !p.Running() {
				return p.Name
			}
		}
		select {
		case <-ctx.Done():
			return ""
		case <-time.After(time.Second):
		}
	}
}
