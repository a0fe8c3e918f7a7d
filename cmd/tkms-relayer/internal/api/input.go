package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/coprocessor"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

// maxInputBody bounds the body of an input: its bytes in hex, and the rest.
const maxInputBody = 2*coprocessor.MaxCiphertext + 4096

// inputRequest is the body of POST input-proof.
type inputRequest struct {
	ContractChainID string `json:"contractChainId"`
	ContractAddress string `json:"contractAddress"`
	UserAddress     string `json:"userAddress"`
	Ciphertext      string `json:"ciphertextWithInputVerification"`
	ExtraData       string `json:"extraData"`
}

// inputResult is what the published clients read. Handles and signatures are there
// if the input is accepted; hex is with 0x.
type inputResult struct {
	Accepted   bool            `json:"accepted"`
	Handles    []string        `json:"handles,omitempty"`
	Signatures []hexutil.Bytes `json:"signatures,omitempty"`
	ExtraData  hexutil.Bytes   `json:"extraData"`
}

func (s *Server) inputProof() operation {
	result := func(job *jobs.Job) inputResult {
		out := inputResult{Accepted: job.Proven.Accepted, ExtraData: job.Proven.ExtraData}
		for _, h := range job.Proven.Handles {
			out.Handles = append(out.Handles, h.Hex())
		}
		for _, signature := range job.Proven.Signatures {
			out.Signatures = append(out.Signatures, signature)
		}
		return out
	}
	return operation{
		kind: jobs.InputProof, limit: maxInputBody,
		submit: func(_ context.Context, body *json.Decoder) (*jobs.Job, error) {
			var request inputRequest
			if err := read(body, &request); err != nil {
				return nil, err
			}
			f := &fields{}
			input := s.readInput(f, &request)
			if err := f.err(); err != nil {
				return nil, err
			}
			return s.cfg.Jobs.SubmitInput(input)
		},
		async: func(job *jobs.Job) any {
			return succeeded{Status: "succeeded", RequestID: job.ID, Result: result(job)}
		},
		sync: func(job *jobs.Job) (any, *jobs.Failure) {
			if !job.Proven.Accepted {
				return nil, &jobs.Failure{Reason: jobs.ReasonInputRefused, Message: "the coprocessor does not accept the input"}
			}
			return result(job), nil
		},
	}
}

// readInput reads a request strictly.
func (s *Server) readInput(f *fields, request *inputRequest) *jobs.Input {
	f.chain("contractChainId", request.ContractChainID, s.cfg.HostChainID)
	f.require("ciphertextWithInputVerification", request.Ciphertext != "")
	input := &jobs.Input{
		ChainID: s.cfg.HostChainID, Contract: f.address("contractAddress", request.ContractAddress),
		User: f.address("userAddress", request.UserAddress), ExtraData: f.extraData(request.ExtraData),
		Ciphertext: f.hex("ciphertextWithInputVerification", request.Ciphertext),
	}
	if n := len(input.Ciphertext); n > coprocessor.MaxCiphertext {
		f.wrong("ciphertextWithInputVerification", fmt.Sprintf("%d bytes, at most %d", n, coprocessor.MaxCiphertext))
	}
	return input
}
