package jobs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/kms/handles"
)

// State is where a job stands.
type State string

// The states of a job.
const (
	// Working: queued, or the plaintext is being asked for.
	Working State = "working"
	// Succeeded: the result is there. Callbacks may still be under way.
	Succeeded State = "succeeded"
	// Failed: see Failure. Asking again starts the job anew.
	Failed State = "failed"
)

// Job is one wish for the plaintexts of a set of handles.
type Job struct {
	ID      string          `json:"id"`
	Handles []common.Hash   `json:"handles"` // in the order of who asked first
	State   State           `json:"state"`
	Created time.Time       `json:"created"`
	Updated time.Time       `json:"updated"`
	Failure *Failure        `json:"failure,omitempty"`
	Result  *Result         `json:"result,omitempty"`
	Carries []Carry         `json:"carries,omitempty"`
	Steps   map[string]Step `json:"steps,omitempty"`
}

// Step is when something was reached, for people who look for lost time.
type Step struct {
	At time.Time `json:"at"`
	// Height is the block of the chain that the step is about, 0 for none.
	Height int64 `json:"height,omitempty"`
}

// Names of steps.
const (
	StepProven    = "proven"    // evidence is there
	StepSent      = "sent"      // the request is in TKMS's mempool
	StepFulfilled = "fulfilled" // the relayer saw the result
)

// Failure is why a job failed.
type Failure struct {
	// Label is stable, for programs; Message is for people.
	Label   string `json:"label"`
	Message string `json:"message"`
}

// Error implements error.
func (f *Failure) Error() string { return f.Label + ": " + f.Message }

// Result is a signed plaintext.
type Result struct {
	// RequestID and Attempt name the request on TKMS.
	RequestID string `json:"requestId"`
	Attempt   uint32 `json:"attempt"`
	KeyID     string `json:"keyId"`
	// Handles in the order that the parties signed, which is that of whoever made the
	// request on TKMS.
	Handles []common.Hash `json:"handles"`
	// Plaintext is the ABI words of the values in the order of Handles.
	Plaintext []byte `json:"plaintext"`
	// Signatures are r || s || v, 65 bytes, by distinct parties in the order of their indices.
	Signatures [][]byte `json:"signatures"`
	// Height is the TKMS block that fulfilled the request.
	Height int64 `json:"height"`
	// Simulated names the stand-ins on the path of this result.
	Simulated []string `json:"simulated,omitempty"`
}

// CarryState is where a callback stands.
type CarryState string

// The states of a callback.
const (
	CarryPending   CarryState = "pending"   // not sent yet
	CarrySent      CarryState = "sent"      // in no block yet
	CarrySucceeded CarryState = "succeeded" // the contract took the result
	CarryReverted  CarryState = "reverted"  // in a block, without effect
	CarryRefused   CarryState = "refused"   // never sent, or never in a block: see Error
)

// Carry is one contract that the result is brought to.
type Carry struct {
	Contract common.Address `json:"contract"`
	State    CarryState     `json:"state"`
	TxHash   common.Hash    `json:"txHash,omitzero"`
	Raw      []byte         `json:"raw,omitempty"`
	SentAt   time.Time      `json:"sentAt,omitzero"`
	Block    uint64         `json:"block,omitempty"`
	GasUsed  uint64         `json:"gasUsed,omitempty"`
	Error    string         `json:"error,omitempty"`
}

// final tells whether nothing more will become of the callback.
func (c *Carry) final() bool { return c.State != CarryPending && c.State != CarrySent }

// idTag separates ids of jobs from other hashes.
const idTag = "tkms/v1/relayer/public-decrypt"

// idOf names the job of a set of handles: a hash of the tag, the host chain and the
// handles in ascending order. Which key they are under is for the chain to say.
func idOf(hostChainID uint64, batch []handles.Handle) string {
	sorted := slices.Clone(batch)
	slices.SortFunc(sorted, func(a, b handles.Handle) int { return bytes.Compare(a[:], b[:]) })
	input := binary.BigEndian.AppendUint64([]byte(idTag), hostChainID)
	for _, h := range sorted {
		input = append(input, h[:]...)
	}
	sum := sha256.Sum256(input)
	return hex.EncodeToString(sum[:])
}

// batch returns the job's handles as TKMS reads them.
func (j *Job) batch(hostChainID uint64) ([]handles.Handle, error) {
	raw := make([][]byte, len(j.Handles))
	for i := range j.Handles {
		raw[i] = j.Handles[i][:]
	}
	return handles.ParseBatch(hostChainID, raw)
}

// step notes that something was reached.
func (j *Job) step(name string, now time.Time, height int64) {
	if j.Steps == nil {
		j.Steps = map[string]Step{}
	}
	j.Steps[name] = Step{now, height}
}

// clone returns a copy that shares nothing that changes.
func (j *Job) clone() *Job {
	c := *j
	c.Carries = slices.Clone(j.Carries)
	c.Steps = make(map[string]Step, len(j.Steps))
	for name, step := range j.Steps {
		c.Steps[name] = step
	}
	return &c
}

// open tells whether there is work to do.
func (j *Job) open() bool {
	return j.State == Working || j.State == Succeeded && slices.ContainsFunc(j.Carries, func(c Carry) bool { return !c.final() })
}

// failure makes a failure with a formatted message.
func failure(label, format string, arguments ...any) *Failure {
	return &Failure{label, fmt.Sprintf(format, arguments...)}
}
