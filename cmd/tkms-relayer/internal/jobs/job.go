package jobs

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/x/kms/handles"
)

// Kind says what a job is for. The names are those of the paths by which clients
// ask for it.
type Kind string

// The kinds of jobs.
const (
	PublicDecrypt        Kind = "public-decrypt"
	UserDecrypt          Kind = "user-decrypt"
	DelegatedUserDecrypt Kind = "delegated-user-decrypt"
	InputProof           Kind = "input-proof"
)

// State is where a job stands.
type State string

// The states of a job.
const (
	// Working: queued, or what was asked for is being fetched.
	Working State = "working"
	// Succeeded: the result is there. Callbacks may still be under way.
	Succeeded State = "succeeded"
	// Failed: see Failure. Asking again starts the job anew.
	Failed State = "failed"
)

// Job is one wish: for the plaintexts of a list of handles, for shares that a user
// can open, or for the coprocessor's word on an encrypted input.
type Job struct {
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// Handles as ordered by every asker.
	Handles []common.Hash `json:"handles,omitempty"`
	// User is set for user decryptions.
	User *UserRequest `json:"user,omitempty"`
	// Input is set for input proofs, until there is an outcome.
	Input   *Input          `json:"input,omitempty"`
	State   State           `json:"state"`
	Created time.Time       `json:"created"`
	Updated time.Time       `json:"updated"`
	Failure *Failure        `json:"failure,omitempty"`
	Result  *Result         `json:"result,omitempty"`
	Proven  *Proven         `json:"proven,omitempty"`
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
	StepFulfilled = "fulfilled" // the relayer has the result
)

// Failure is why a job failed, or was not taken.
type Failure struct {
	// Reason is stable, for programs; Message is for people.
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Error implements error.
func (f *Failure) Error() string { return f.Reason + ": " + f.Message }

// Result is a fulfilled request.
type Result struct {
	// RequestID and Attempt name the request on TKMS.
	RequestID string `json:"requestId"`
	Attempt   uint32 `json:"attempt"`
	KeyID     string `json:"keyId"`
	// EpochID is the epoch whose parties answered.
	EpochID uint64 `json:"epochId,omitempty"`
	// Handles in the order that the parties signed, which is that of the job.
	Handles []common.Hash `json:"handles"`
	// Plaintext is the ABI words of the values in the order of Handles; empty for a
	// user decryption.
	Plaintext []byte `json:"plaintext,omitempty"`
	// Signatures over the plaintext are r || s || v, 65 bytes, by distinct parties in
	// the order of their indices.
	Signatures [][]byte `json:"signatures,omitempty"`
	// Shares of a user decryption, in the order of the parties' indices.
	Shares []Share `json:"shares,omitempty"`
	// Complete says that no further share is expected.
	Complete bool `json:"complete,omitempty"`
	// Height is the TKMS block that fulfilled the request.
	Height int64 `json:"height"`
	// Simulated names the stand-ins on the path of this result.
	Simulated []string `json:"simulated,omitempty"`
}

// Share is one party's answer to a user decryption.
type Share struct {
	Index uint32 `json:"index"`
	// Payload and Signature (r || s || v, 65 bytes) are what the published clients read.
	Payload   []byte `json:"payload"`
	Signature []byte `json:"signature"`
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
func failure(reason, format string, arguments ...any) *Failure {
	return &Failure{reason, fmt.Sprintf(format, arguments...)}
}
