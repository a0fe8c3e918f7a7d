package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// maxUserBody bounds the body of a user decryption: a handle and a contract for each
// of the largest batch, contracts, key and signature in hex, twice over.
const maxUserBody = 2 * ((2*(handles.Size+common.AddressLength)+48)*kmstypes.MaxHandles +
	(2*common.AddressLength+8)*kmstypes.MaxContracts + 2*(reencrypt.PublicKeySize+eip712.SignatureSize) + 1024)

type validity struct {
	StartTimestamp string `json:"startTimestamp"`
	DurationDays   string `json:"durationDays"`
}

// userRequest is the body of POST user-decrypt and, with delegator, delegate and a
// flat validity, of POST delegated-user-decrypt.
type userRequest struct {
	HandleContractPairs []struct {
		Handle          string `json:"handle"`
		ContractAddress string `json:"contractAddress"`
	} `json:"handleContractPairs"`
	RequestValidity   validity `json:"requestValidity"`
	ContractsChainID  string   `json:"contractsChainId"`
	ContractAddresses []string `json:"contractAddresses"`
	UserAddress       string   `json:"userAddress"`
	Signature         *string  `json:"signature"`
	PublicKey         string   `json:"publicKey"`
	ExtraData         string   `json:"extraData"`

	DelegatorAddress string `json:"delegatorAddress"`
	DelegateAddress  string `json:"delegateAddress"`
	validity
}

// userShare is one party's share as the published clients read it. Hex is without
// 0x.
type userShare struct {
	Payload   string `json:"payload"`
	Signature string `json:"signature"`
}

// userResult is what the published clients read in the second version.
type userResult struct {
	Result []userShare `json:"result"`
}

type userTrace struct {
	trace
	// Parties are the indices of those whose shares these are; Complete says that no
	// other is expected.
	Parties  []uint32 `json:"parties"`
	Complete bool     `json:"complete"`
}

func (s *Server) userDecrypt(kind jobs.Kind) operation {
	return operation{
		kind: kind, limit: int64(maxUserBody),
		submit: func(ctx context.Context, body *json.Decoder) (*jobs.Job, error) {
			var request userRequest
			if err := read(body, &request); err != nil {
				return nil, err
			}
			f := &fields{}
			batch, wish := s.readUser(f, &request, kind == jobs.DelegatedUserDecrypt)
			if err := f.err(); err != nil {
				return nil, err
			}
			return s.cfg.Jobs.SubmitUser(ctx, batch, wish)
		},
		async: func(job *jobs.Job) any {
			t := userTrace{trace: traceOf(job), Parties: []uint32{}, Complete: job.Result.Complete}
			for _, share := range job.Result.Shares {
				t.Parties = append(t.Parties, share.Index)
			}
			return succeeded{"succeeded", job.ID, userResult{sharesOf(job)}, t}
		},
		sync: func(job *jobs.Job) (any, *jobs.Failure) { return sharesOf(job), nil },
	}
}

func sharesOf(job *jobs.Job) []userShare {
	list := []userShare{}
	for _, share := range job.Result.Shares {
		list = append(list, userShare{hex.EncodeToString(share.Payload), hex.EncodeToString(share.Signature)})
	}
	return list
}

// readUser reads a request strictly.
func (s *Server) readUser(f *fields, request *userRequest, delegated bool) ([]handles.Handle, *jobs.UserRequest) {
	wish := &jobs.UserRequest{}
	a := &wish.Authorization
	window, prefix := request.RequestValidity, "requestValidity."
	var owner common.Address
	if delegated {
		window, prefix = request.validity, ""
		owner = f.address("delegatorAddress", request.DelegatorAddress)
		user := f.address("delegateAddress", request.DelegateAddress)
		if user == owner {
			f.wrong("delegateAddress", "the delegator is her own delegate")
		}
		a.User, a.Delegator = user[:], owner[:]
	} else {
		owner = f.address("userAddress", request.UserAddress)
		a.User = owner[:]
	}
	f.chain("contractsChainId", request.ContractsChainID, s.cfg.HostChainID)
	a.StartTimestamp = f.number(prefix+"startTimestamp", window.StartTimestamp)
	days := f.number(prefix+"durationDays", window.DurationDays)
	if days < 1 || days > kmstypes.MaxDurationDays {
		f.wrong(prefix+"durationDays", fmt.Sprintf("1 to %d days", kmstypes.MaxDurationDays))
	}
	a.DurationDays = uint32(min(days, kmstypes.MaxDurationDays))
	a.ExtraData = f.extraData(request.ExtraData)
	a.PublicKey = f.hex("publicKey", request.PublicKey)
	f.require("publicKey", request.PublicKey != "")
	if _, err := reencrypt.ParsePublicKey(a.PublicKey); err != nil {
		f.wrong("publicKey", err.Error())
	}
	f.require("signature", request.Signature != nil)
	if request.Signature != nil {
		// A contract wallet that approved the request on the host chain has none.
		a.Signature = f.hex("signature", *request.Signature)
		if n := len(a.Signature); n != 0 && n != eip712.SignatureSize {
			f.wrong("signature", fmt.Sprintf("%d bytes, not %d", n, eip712.SignatureSize))
		}
	}
	contracts := f.contracts(request.ContractAddresses)
	for i := range contracts {
		a.Contracts = append(a.Contracts, contracts[i][:])
	}
	return s.readPairs(f, request, wish, contracts, owner), wish
}

// contracts reads the contracts for which an authorization holds.
func (f *fields) contracts(texts []string) []common.Address {
	f.require("contractAddresses", len(texts) > 0)
	if len(texts) > kmstypes.MaxContracts {
		f.wrong("contractAddresses", fmt.Sprintf("%d contracts, at most %d", len(texts), kmstypes.MaxContracts))
		return nil
	}
	list := make([]common.Address, len(texts))
	for i, text := range texts {
		list[i] = f.address(fmt.Sprintf("contractAddresses[%d]", i), text)
	}
	return list
}

// readPairs reads the handles with their contracts.
func (s *Server) readPairs(f *fields, request *userRequest, wish *jobs.UserRequest, contracts []common.Address, owner common.Address) []handles.Handle {
	pairs := request.HandleContractPairs
	f.require("handleContractPairs", len(pairs) > 0)
	if len(pairs) > kmstypes.MaxHandles {
		f.wrong("handleContractPairs", fmt.Sprintf("%d handles, at most %d", len(pairs), kmstypes.MaxHandles))
		return nil
	}
	texts := make([]string, len(pairs))
	for i, pair := range pairs {
		texts[i] = pair.Handle
		field := fmt.Sprintf("handleContractPairs[%d].contractAddress", i)
		contract := f.address(field, pair.ContractAddress)
		switch {
		case !slices.Contains(contracts, contract):
			f.wrong(field, "the contract is not among contractAddresses")
		case contract == owner:
			f.wrong(field, "the contract is the owner of the handle")
		}
		wish.Contracts = append(wish.Contracts, contract)
	}
	return f.handles("handleContractPairs", s.cfg.HostChainID, texts)
}
