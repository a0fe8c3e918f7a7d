package api

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// maxDecryptBody bounds the body of a request: the handles of the largest batch in
// hex, twice over.
const maxDecryptBody = 2 * (2*handles.Size + 8) * kmstypes.MaxHandles

// retryAfter is when a client should look again, in seconds.
const retryAfter = "1"

// noExtraData is how the published clients write that there is none.
const noExtraData = "0x00"

// decryptRequest is the body of POST /v2/public-decrypt.
type decryptRequest struct {
	CiphertextHandles []string `json:"ciphertextHandles"`
	ExtraData         string   `json:"extraData"`
	// Callback asks that the result be brought to a contract. Not in the ecosystem's
	// interface.
	Callback *struct {
		Address string `json:"address"`
	} `json:"callback"`
}

// queued answers that a job is under way.
type queued struct {
	Status    string     `json:"status"` // "queued"
	RequestID string     `json:"requestId"`
	Result    *queuedJob `json:"result,omitempty"`
}

type queuedJob struct {
	JobID string `json:"jobId"`
}

// decrypted answers with a result.
type decrypted struct {
	Status    string        `json:"status"` // "succeeded"
	RequestID string        `json:"requestId"`
	Result    decryptResult `json:"result"`
	TKMS      decryptTrace  `json:"tkms"`
}

// decryptResult is what the published clients read. Hex is without 0x.
type decryptResult struct {
	Signatures     []string `json:"signatures"`
	DecryptedValue string   `json:"decryptedValue"`
	ExtraData      string   `json:"extraData"`
}

// decryptTrace says where the result comes from and what became of it.
type decryptTrace struct {
	RequestID string `json:"requestId"`
	Attempt   uint32 `json:"attempt"`
	KeyID     string `json:"keyId"`
	Height    int64  `json:"height"`
	// CiphertextHandles in the order that was signed: that of whoever asked TKMS first.
	CiphertextHandles []string `json:"ciphertextHandles"`
	// DecryptionProof is what KMSVerifier reads, with 0x.
	DecryptionProof hexutil.Bytes        `json:"decryptionProof"`
	Simulated       []string             `json:"simulated"`
	Steps           map[string]jobs.Step `json:"steps"`
	Callbacks       []callbackState      `json:"callbacks"`
}

type callbackState struct {
	Address common.Address  `json:"address"`
	State   jobs.CarryState `json:"state"`
	TxHash  *common.Hash    `json:"txHash,omitempty"`
	Block   uint64          `json:"block,omitempty"`
	GasUsed uint64          `json:"gasUsed,omitempty"`
	Error   string          `json:"error,omitempty"`
}

// postDecrypt takes a job.
func (s *Server) postDecrypt(w http.ResponseWriter, r *http.Request) {
	var request decryptRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxDecryptBody))
	if err := decoder.Decode(&request); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			refuse(w, http.StatusRequestEntityTooLarge, LabelTooLarge, "the body exceeds the size bound")
			return
		}
		refuse(w, http.StatusBadRequest, LabelMalformed, "the body is no JSON of the expected form: "+err.Error())
		return
	}
	batch, contract, wrong := s.readDecrypt(&request)
	if wrong != nil {
		refuse(w, http.StatusBadRequest, LabelValidation, "the request is not valid", *wrong)
		return
	}
	job, err := s.cfg.Jobs.Submit(batch, contract)
	switch {
	case err == nil:
		w.Header().Set("Retry-After", retryAfter)
		answer(w, http.StatusAccepted, queued{"queued", job.ID, &queuedJob{job.ID}})
	case errors.Is(err, jobs.ErrBusy):
		w.Header().Set("Retry-After", retryAfter)
		refuse(w, http.StatusTooManyRequests, LabelRateLimited, err.Error())
	case errors.Is(err, jobs.ErrNoCarrier):
		refuse(w, http.StatusBadRequest, LabelNotSupported, err.Error(), Detail{"callback", err.Error()})
	case errors.Is(err, jobs.ErrTooManyCarries):
		refuse(w, http.StatusBadRequest, LabelValidation, err.Error(), Detail{"callback", err.Error()})
	case errors.Is(err, jobs.ErrClosed):
		refuse(w, http.StatusServiceUnavailable, LabelUnavailable, err.Error())
	default:
		s.cfg.Log.Error("a job was not taken", "err", err)
		refuse(w, http.StatusInternalServerError, LabelInternal, "the job was not taken")
	}
}

// readDecrypt reads a request strictly.
func (s *Server) readDecrypt(request *decryptRequest) ([]handles.Handle, *common.Address, *Detail) {
	if request.ExtraData != noExtraData && request.ExtraData != "0x" && request.ExtraData != "" {
		return nil, nil, &Detail{"extraData", "only " + noExtraData + " is supported"}
	}
	if len(request.CiphertextHandles) > kmstypes.MaxHandles {
		return nil, nil, &Detail{"ciphertextHandles", fmt.Sprintf("%d handles, at most %d", len(request.CiphertextHandles), kmstypes.MaxHandles)}
	}
	raw := make([][]byte, len(request.CiphertextHandles))
	for i, text := range request.CiphertextHandles {
		var err error
		if raw[i], err = hexutil.Decode(text); err != nil {
			return nil, nil, &Detail{fmt.Sprintf("ciphertextHandles[%d]", i), err.Error()}
		}
	}
	batch, err := handles.ParseBatch(s.cfg.HostChainID, raw)
	if err != nil {
		return nil, nil, &Detail{"ciphertextHandles", err.Error()}
	}
	if request.Callback == nil {
		return batch, nil, nil
	}
	contract, err := hexutil.Decode(request.Callback.Address)
	if err != nil || len(contract) != common.AddressLength {
		return nil, nil, &Detail{"callback.address", "no address: 20 bytes in hex with 0x"}
	}
	address := common.Address(contract)
	return batch, &address, nil
}

// getDecrypt says where a job stands.
func (s *Server) getDecrypt(w http.ResponseWriter, r *http.Request) {
	job, err := s.cfg.Jobs.Get(r.PathValue("job"))
	if errors.Is(err, jobs.ErrNotFound) {
		refuse(w, http.StatusNotFound, LabelNotFound, err.Error())
		return
	}
	if err != nil {
		s.cfg.Log.Error("a job was not read", "err", err)
		refuse(w, http.StatusInternalServerError, LabelInternal, "the job was not read")
		return
	}
	switch job.State {
	case jobs.Working:
		w.Header().Set("Retry-After", retryAfter)
		answer(w, http.StatusAccepted, queued{Status: "queued", RequestID: job.ID})
	case jobs.Failed:
		answer(w, failureCode(job.Failure.Label), Failure{
			Status: "failed", RequestID: job.ID, Error: FailureText{Label: job.Failure.Label, Message: job.Failure.Message},
		})
	default:
		answer(w, http.StatusOK, present(job))
	}
}

// failureCode is the HTTP status of a failed job, of those that the published
// clients know.
func failureCode(label string) int {
	switch label {
	case jobs.LabelInvalid:
		return http.StatusBadRequest
	case jobs.LabelRateLimited:
		return http.StatusTooManyRequests
	case jobs.LabelNotReady, jobs.LabelHostChain, jobs.LabelPaused, jobs.LabelTimeout, jobs.LabelUnavailable, jobs.LabelFunds:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func present(job *jobs.Job) decrypted {
	result := job.Result
	out := decrypted{
		Status: "succeeded", RequestID: job.ID,
		Result: decryptResult{DecryptedValue: hex.EncodeToString(result.Plaintext), ExtraData: noExtraData, Signatures: []string{}},
		TKMS: decryptTrace{
			RequestID: result.RequestID, Attempt: result.Attempt, KeyID: result.KeyID, Height: result.Height,
			CiphertextHandles: []string{}, Simulated: append([]string{}, result.Simulated...), Steps: job.Steps, Callbacks: []callbackState{},
		},
	}
	for _, signature := range result.Signatures {
		out.Result.Signatures = append(out.Result.Signatures, hex.EncodeToString(signature))
	}
	for _, h := range result.Handles {
		out.TKMS.CiphertextHandles = append(out.TKMS.CiphertextHandles, h.Hex())
	}
	if proof, err := result.Signed().DecryptionProof(); err == nil {
		out.TKMS.DecryptionProof = proof
	}
	for _, c := range job.Carries {
		state := callbackState{Address: c.Contract, State: c.State, Block: c.Block, GasUsed: c.GasUsed, Error: c.Error}
		if c.TxHash != (common.Hash{}) {
			state.TxHash = &c.TxHash
		}
		out.TKMS.Callbacks = append(out.TKMS.Callbacks, state)
	}
	return out
}
