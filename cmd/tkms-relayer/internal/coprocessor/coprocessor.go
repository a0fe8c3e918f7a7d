package coprocessor

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
)

const (
	// MaxCiphertext bounds an input, in bytes: one of the 2048 bits that clients
	// allow has some tens of thousands.
	MaxCiphertext = 1 << 20
	// maxHandles is how many values an input may have: a handle has one byte for its
	// position.
	maxHandles = 256
	// maxSignatures bounds the coprocessors that sign one input.
	maxSignatures = 255
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 256 << 10
)

var (
	// ErrUnreachable reports a coprocessor that does not answer, or is not able to.
	ErrUnreachable = errors.New("the coprocessor does not answer")
	// ErrRefused reports an input that the coprocessor does not take.
	ErrRefused = errors.New("the coprocessor refuses the input")
	// ErrBadAnswer reports an answer that is none to what was asked.
	ErrBadAnswer = errors.New("the coprocessor answers with something else than asked")
)

// Input is a list of values that a user encrypted for a contract, with the proof
// that she knows them.
type Input struct {
	ChainID  uint64         `json:"chainId"`
	Contract common.Address `json:"contract"`
	User     common.Address `json:"user"`
	// Ciphertext is TFHE-rs' serialized ProvenCompactCiphertextList, up to
	// MaxCiphertext bytes.
	Ciphertext []byte `json:"ciphertext"`
	// ExtraData is signed along.
	ExtraData []byte `json:"extraData"`
}

// Result is the coprocessor's word.
type Result struct {
	Accepted bool `json:"accepted"`
	// Handles of the values in their order, and Signatures (r || s || v, 65 bytes) of
	// CiphertextVerification; empty if the input was not accepted.
	Handles    []common.Hash `json:"handles,omitempty"`
	Signatures [][]byte      `json:"signatures,omitempty"`
	ExtraData  []byte        `json:"extraData,omitempty"`
}

// Client speaks to one coprocessor. It is safe for concurrent use.
type Client struct {
	url  string
	http *http.Client
}

// New returns the coprocessor with a base URL: inputs are posted to URL/input-proof.
func New(url string, client *http.Client) *Client {
	return &Client{url: strings.TrimRight(url, "/") + "/input-proof", http: client}
}

// body is what a coprocessor takes: the same as the relayer's own interface.
type body struct {
	ContractChainID string         `json:"contractChainId"`
	ContractAddress common.Address `json:"contractAddress"`
	UserAddress     common.Address `json:"userAddress"`
	Ciphertext      string         `json:"ciphertextWithInputVerification"`
	ExtraData       hexutil.Bytes  `json:"extraData"`
}

// answer is what a coprocessor answers.
type answer struct {
	Accepted   *bool           `json:"accepted"`
	Handles    []hexutil.Bytes `json:"handles"`
	Signatures []hexutil.Bytes `json:"signatures"`
	ExtraData  hexutil.Bytes   `json:"extraData"`
}

// Verify hands an input over and returns the coprocessor's word. Errors:
// ErrUnreachable, ErrRefused, ErrBadAnswer.
func (c *Client) Verify(ctx context.Context, input *Input) (*Result, error) {
	encoded, err := json.Marshal(body{
		ContractChainID: "0x" + strconv.FormatUint(input.ChainID, 16), ContractAddress: input.Contract, UserAddress: input.User,
		Ciphertext: hex.EncodeToString(input.Ciphertext), ExtraData: input.ExtraData,
	})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(encoded))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	switch {
	case len(raw) > maxAnswer:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrBadAnswer, maxAnswer)
	case response.StatusCode == http.StatusOK:
		return decode(raw, input.ChainID)
	case response.StatusCode/100 == 4 && response.StatusCode != http.StatusTooManyRequests:
		return nil, fmt.Errorf("%w: %s: %s", ErrRefused, response.Status, reasonIn(raw))
	}
	return nil, fmt.Errorf("%w: %s", ErrUnreachable, response.Status)
}

// maxReason is how much of a refusal's text is passed on.
const maxReason = 256

// reasonIn finds the text of a refusal, in the form of the relayer's own or any.
func reasonIn(raw []byte) string {
	var failure struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	text := string(raw)
	if json.Unmarshal(raw, &failure) == nil && failure.Error.Message != "" {
		text = failure.Error.Message
	}
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}

// decode reads an answer strictly.
func decode(raw []byte, chainID uint64) (*Result, error) {
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadAnswer, err)
	}
	switch {
	case a.Accepted == nil:
		return nil, fmt.Errorf("%w: it does not say whether the input is accepted", ErrBadAnswer)
	case !*a.Accepted:
		return &Result{ExtraData: a.ExtraData}, nil
	case len(a.Handles) > maxHandles || len(a.Signatures) == 0 || len(a.Signatures) > maxSignatures:
		return nil, fmt.Errorf("%w: %d handles, %d signatures", ErrBadAnswer, len(a.Handles), len(a.Signatures))
	}
	list := make([][]byte, len(a.Handles))
	for i := range a.Handles {
		list[i] = a.Handles[i]
	}
	batch, err := handles.ParseBatch(chainID, list)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadAnswer, err)
	}
	result := &Result{Accepted: true, ExtraData: a.ExtraData}
	for _, h := range batch {
		result.Handles = append(result.Handles, common.Hash(h))
	}
	for i, signature := range a.Signatures {
		if len(signature) != eip712.SignatureSize {
			return nil, fmt.Errorf("%w: signature %d has %d bytes", ErrBadAnswer, i, len(signature))
		}
		result.Signatures = append(result.Signatures, signature)
	}
	return result, nil
}
