package demo

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// Report is what a run did, for programs. Times are in milliseconds.
type Report struct {
	OK bool `json:"ok"`
	// Error is why it ended early, if it did.
	Error string `json:"error,omitempty"`
	// Seed of the encrypted values.
	Seed uint64 `json:"seed"`
	// Simulated lists the stand-ins.
	Simulated   []string     `json:"simulated"`
	Steps       []Step       `json:"steps"`
	Decryptions []Decryption `json:"decryptions"`
	Rejections  []Rejection  `json:"rejections"`
	// Readings are values that only their owner saw.
	Readings []Reading `json:"readings"`
	// Refresh is how the parties got new shares.
	Refresh *Refresh `json:"refresh,omitempty"`
}

// Step is one thing that was done.
type Step struct {
	// Number is that of the user's view, 0 for the processes.
	Number int     `json:"number"`
	Name   string  `json:"name"`
	OK     bool    `json:"ok"`
	MS     float64 `json:"ms"`
	Detail string  `json:"detail,omitempty"`
}

// Decryption is one value of a type.
type Decryption struct {
	Type string `json:"type"`
	// Expected is what was encrypted, Got what the dApp stored; decimal.
	Expected string `json:"expected"`
	Got      string `json:"got"`
	// EngineMS is from the verified request with its bytes to the last opening, the
	// median of the parties.
	EngineMS float64 `json:"engine_ms"`
	// TKMSMS is from the request's broadcast to its fulfilment committed on another
	// node.
	TKMSMS float64 `json:"tkms_ms"`
	// HostMS is from the dApp's transaction to the receipt of checkSignatures.
	HostMS float64 `json:"host_ms"`
}

// Reading is one answer re-encrypted to a user.
type Reading struct {
	Types []string `json:"types"`
	// Expected are what was encrypted, Got what the user decrypted; decimal.
	Expected []string `json:"expected"`
	Got      []string `json:"got"`
	// ReaderMS is from the user's question to the values.
	ReaderMS float64 `json:"reader_ms"`
	// Contributed are the indices of the parties whose shares were right.
	Contributed []int `json:"contributed"`
}

// Refresh is a change of shares, with the times in which TKMS decrypted values before it,
// meanwhile and after it.
type Refresh struct {
	// From and Epoch are the epochs before and after it.
	From        uint64    `json:"from"`
	Epoch       uint64    `json:"epoch"`
	Phases      []Phase   `json:"phases"`
	BeforeMS    []float64 `json:"before_ms"`
	MeanwhileMS []float64 `json:"meanwhile_ms"`
	AfterMS     []float64 `json:"after_ms"`
}

// Phase is one phase of it.
type Phase struct {
	Name string  `json:"name"`
	MS   float64 `json:"ms"`
}

// Rejection is something that was refused as it must be.
type Rejection struct {
	Case string `json:"case"`
	// Code is who refused and with what stable code: acl/28, kms/11,
	// party/digest_mismatch, registry/NotCoprocessor, relayer/400.
	Code string `json:"code"`
}

// Write stores the report as a JSON file; its folder is made.
func (r *Report) Write(path string) error {
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // build outputs are not secret
		return err
	}
	return os.WriteFile(path, append(encoded, '\n'), 0o644) //nolint:gosec // nor is the report
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
