package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// maxPublicBody bounds the body of a public decryption: the handles of the largest
// batch in hex, twice over.
const maxPublicBody = 2 * (2*handles.Size + 8) * kmstypes.MaxHandles

// publicRequest is the body of POST public-decrypt.
type publicRequest struct {
	CiphertextHandles []string `json:"ciphertextHandles"`
	ExtraData         string   `json:"extraData"`
	// Callback asks that the result be brought to a contract. Not in the ecosystem's
	// interface.
	Callback *struct {
		Address string `json:"address"`
	} `json:"callback"`
}

// publicResult is what the published clients read. Hex is without 0x.
type publicResult struct {
	Signatures     []string `json:"signatures"`
	DecryptedValue string   `json:"decryptedValue"`
	ExtraData      string   `json:"extraData"`
}

// publicResponse is the same in the first version of the interface.
type publicResponse struct {
	Signatures     []string `json:"signatures"`
	DecryptedValue string   `json:"decrypted_value"`
}

// trace says where a result comes from.
type trace struct {
	RequestID string `json:"requestId"`
	Attempt   uint32 `json:"attempt"`
	KeyID     string `json:"keyId"`
	Height    int64  `json:"height"`
	// CiphertextHandles in the order that was signed.
	CiphertextHandles []string             `json:"ciphertextHandles"`
	Simulated         []string             `json:"simulated"`
	Steps             map[string]jobs.Step `json:"steps"`
}

type publicTrace struct {
	trace
	// DecryptionProof is what KMSVerifier reads, with 0x.
	DecryptionProof hexutil.Bytes   `json:"decryptionProof"`
	Callbacks       []callbackState `json:"callbacks"`
}

type callbackState struct {
	Address common.Address  `json:"address"`
	State   jobs.CarryState `json:"state"`
	TxHash  *common.Hash    `json:"txHash,omitempty"`
	Block   uint64          `json:"block,omitempty"`
	GasUsed uint64          `json:"gasUsed,omitempty"`
	Error   string          `json:"error,omitempty"`
}

func (s *Server) publicDecrypt() operation {
	return operation{
		kind: jobs.PublicDecrypt, limit: maxPublicBody,
		submit: func(_ context.Context, body *json.Decoder) (*jobs.Job, error) {
			var request publicRequest
			if err := read(body, &request); err != nil {
				return nil, err
			}
			f := &fields{}
			batch, contract := s.readPublic(f, &request)
			if err := f.err(); err != nil {
				return nil, err
			}
			return s.cfg.Jobs.Submit(batch, contract)
		},
		async: func(job *jobs.Job) any {
			return succeeded{"succeeded", job.ID, publicResult{
				Signatures: signaturesOf(job.Result), DecryptedValue: hex.EncodeToString(job.Result.Plaintext), ExtraData: noExtraData,
			}, publicTraceOf(job)}
		},
		sync: func(job *jobs.Job) (any, *jobs.Failure) {
			return []publicResponse{{signaturesOf(job.Result), hex.EncodeToString(job.Result.Plaintext)}}, nil
		},
	}
}

// readPublic reads a request strictly.
func (s *Server) readPublic(f *fields, request *publicRequest) ([]handles.Handle, *common.Address) {
	f.extraData(request.ExtraData)
	f.require("ciphertextHandles", len(request.CiphertextHandles) > 0)
	if len(request.CiphertextHandles) > kmstypes.MaxHandles {
		f.wrong("ciphertextHandles", fmt.Sprintf("%d handles, at most %d", len(request.CiphertextHandles), kmstypes.MaxHandles))
		return nil, nil
	}
	batch := f.handles("ciphertextHandles", s.cfg.HostChainID, request.CiphertextHandles)
	if request.Callback == nil {
		return batch, nil
	}
	contract := f.address("callback.address", request.Callback.Address)
	return batch, &contract
}

func signaturesOf(result *jobs.Result) []string {
	list := []string{}
	for _, signature := range result.Signatures {
		list = append(list, hex.EncodeToString(signature))
	}
	return list
}

func traceOf(job *jobs.Job) trace {
	result := job.Result
	t := trace{
		RequestID: result.RequestID, Attempt: result.Attempt, KeyID: result.KeyID, Height: result.Height,
		CiphertextHandles: []string{}, Simulated: append([]string{}, result.Simulated...), Steps: job.Steps,
	}
	for _, h := range result.Handles {
		t.CiphertextHandles = append(t.CiphertextHandles, h.Hex())
	}
	return t
}

func publicTraceOf(job *jobs.Job) publicTrace {
	t := publicTrace{trace: traceOf(job), Callbacks: []callbackState{}}
	if proof, err := job.Result.Signed().DecryptionProof(); err == nil {
		t.DecryptionProof = proof
	}
	for _, c := range job.Carries {
		state := callbackState{Address: c.Contract, State: c.State, Block: c.Block, GasUsed: c.GasUsed, Error: c.Error}
		if c.TxHash != (common.Hash{}) {
			state.TxHash = &c.TxHash
		}
		t.Callbacks = append(t.Callbacks, state)
	}
	return t
}
