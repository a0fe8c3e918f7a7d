package relayersdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Config is the client library's configuration of a network: its FhevmInstanceConfig.
// Addresses must have their checksum (common.Address.Hex).
type Config struct {
	ACL               string `json:"aclContractAddress"`
	KMSVerifier       string `json:"kmsContractAddress"`
	InputVerifier     string `json:"inputVerifierContractAddress"`
	Decryption        string `json:"verifyingContractAddressDecryption"`
	InputVerification string `json:"verifyingContractAddressInputVerification"`
	ChainID           uint64 `json:"chainId"`
	GatewayChainID    uint64 `json:"gatewayChainId"`
	// Network is the host chain's JSON-RPC.
	Network string `json:"network"`
	// Relayer is the base of the relayer's interface, which ends with its version; Version
	// is 1 or 2 again.
	Relayer string `json:"relayerUrl"`
	Version int    `json:"relayerRouteVersion"`
}

// ClientError is what the client library threw.
type ClientError struct {
	// Name is that of the error's class, Message its text with those of its causes.
	Name    string `json:"name"`
	Message string `json:"message"`
	// Label and Status are the relayer's, if it was the relayer who refused.
	Label  string `json:"label"`
	Status int    `json:"status"`
}

// Error implements error.
func (e *ClientError) Error() string {
	if e.Label == "" {
		return fmt.Sprintf("client library: %s: %s", e.Name, e.Message)
	}
	return fmt.Sprintf("client library: %s: %d %s: %s", e.Name, e.Status, e.Label, e.Message)
}

// Session is a process with one instance of the client library. It is safe for
// concurrent use; what the library computes, it computes on one core.
type Session struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	errors *bytes.Buffer
	// opened is how long the library took to start.
	opened time.Duration
	// over is closed when the process says no more.
	over chan struct{}

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
}

// answer is the end of one call.
type answer struct {
	ID     int             `json:"id"`
	OK     bool            `json:"ok"`
	MS     float64         `json:"ms"`
	Result json.RawMessage `json:"result"`
	Error  *ClientError    `json:"error"`
}

// Open starts a process and has the library connect to a network: it fetches key and
// CRS from the relayer, signers and thresholds from the host chain. The process ends
// with ctx or Close.
func Open(ctx context.Context, config Config) (*Session, error) {
	s := &Session{errors: new(bytes.Buffer), over: make(chan struct{}), waiting: map[int]chan answer{}}
	var err error
	if s.cmd, err = Scripts.Command(ctx, "session.mjs"); err != nil {
		return nil, err
	}
	s.cmd.Stderr = s.errors
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("relayersdk: %w", err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("relayersdk: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("relayersdk: start node: %w", err)
	}
	go s.listen(out)
	if s.opened, err = s.call("open", map[string]any{"config": config}, nil); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Opened returns how long the library took to connect.
func (s *Session) Opened() time.Duration { return s.opened }

// Close ends the process.
func (s *Session) Close() {
	_ = s.in.Close()
	<-s.over
	_ = s.cmd.Wait() // it has nothing more to say
}

// listen hands answers to those who wait for them.
func (s *Session) listen(out io.Reader) {
	defer close(s.over)
	decoder := json.NewDecoder(out)
	for {
		var a answer
		if decoder.Decode(&a) != nil {
			return
		}
		s.mu.Lock()
		waiting := s.waiting[a.ID]
		delete(s.waiting, a.ID)
		s.mu.Unlock()
		if waiting != nil {
			waiting <- a
		}
	}
}

// call runs one operation and returns how long the library took for it.
func (s *Session) call(operation string, fields map[string]any, into any) (time.Duration, error) {
	ended := make(chan answer, 1)
	if err := s.send(operation, fields, ended); err != nil {
		return 0, err
	}
	var a answer
	select {
	case a = <-ended:
	case <-s.over:
		return 0, fmt.Errorf("relayersdk: %s: node has ended: %s", operation, strings.TrimSpace(s.errors.String()))
	}
	took := time.Duration(a.MS * float64(time.Millisecond))
	if !a.OK {
		return took, fmt.Errorf("%s: %w", operation, a.Error)
	}
	if into == nil {
		return took, nil
	}
	return took, json.Unmarshal(a.Result, into)
}

func (s *Session) send(operation string, fields map[string]any, ended chan answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	fields["id"], fields["op"] = s.last, operation
	line, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("relayersdk: %s: %w", operation, err)
	}
	s.waiting[s.last] = ended
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		delete(s.waiting, s.last)
		return fmt.Errorf("relayersdk: %s: node: %w", operation, err)
	}
	return nil
}
