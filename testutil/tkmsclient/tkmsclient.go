// Package tkmsclient runs the published client of fhEVM's key management, the npm
// package node-tkms, to check that it reads what TKMS answers to a user decryption, and
// the other way round. It is for tests: it starts a node process.
//
// The package has to be installed first: npm ci in this directory.
package tkmsclient

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/testutil/answers"
	"github.com/tkms-network/tkms/testutil/npm"
	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// ErrRefused wraps what the client threw.
var ErrRefused = errors.New("tkmsclient: the client refuses")

// Scripts are what drives the client.
var Scripts = npm.Here("node-tkms", "npm ci in testutil/tkmsclient")

// Key is a user's key in the client's own forms.
type Key struct {
	// Public is the serialized key of 869 bytes.
	Public []byte
	// Private is the length and bytes of FIPS 203's decapsulation key.
	Private []byte
}

// Keygen has the client make a key.
func Keygen(ctx context.Context) (Key, error) {
	var key struct{ PublicKey, PrivateKey string }
	if err := one(ctx, map[string]any{"op": "keygen"}, &key); err != nil {
		return Key{}, err
	}
	public, err := hex.DecodeString(key.PublicKey)
	private, err2 := hex.DecodeString(key.PrivateKey)
	return Key{public, private}, errors.Join(err, err2)
}

// Encrypt has the client encrypt plain to a public key as a party would.
func Encrypt(ctx context.Context, publicKey, plain []byte) ([]byte, error) {
	var out string
	err := one(ctx, map[string]any{"op": "encrypt", "publicKey": hex.EncodeToString(publicKey), "plain": hex.EncodeToString(plain)}, &out)
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(out)
}

// Request is a user decryption with the parties' answers.
type Request struct {
	// Signers are the addresses of parties 1, 2, …
	Signers [][20]byte
	User    [20]byte
	Key     Key
	Handles []handles.Handle
	Domain  eip712.Domain
	Answers []answers.Answer
}

// Value is one plaintext that the client read.
type Value struct {
	Type  handles.Type
	Value *big.Int
}

// Result is what became of a request: values in the order of the handles, or ErrRefused.
type Result struct {
	Values []Value
	Err    error
}

// Process has the client verify and decrypt the answers to each request.
func Process(ctx context.Context, requests ...Request) ([]Result, error) {
	jobs := make([]any, len(requests))
	for i, r := range requests {
		jobs[i] = r.job()
	}
	raw, err := run(ctx, jobs)
	if err != nil {
		return nil, err
	}
	out := make([]Result, len(raw))
	for i, r := range raw {
		var values []struct {
			Type  uint8
			Value string
		}
		if out[i].Err = r.into(&values); out[i].Err != nil {
			continue
		}
		for _, v := range values {
			x, ok := new(big.Int).SetString(v.Value, 10)
			if !ok {
				return nil, fmt.Errorf("tkmsclient: %q is no number", v.Value)
			}
			out[i].Values = append(out[i].Values, Value{handles.Type(v.Type), x})
		}
	}
	return out, nil
}

func (r Request) job() any {
	signers, list, responses := []string{}, []string{}, []map[string]string{}
	for _, a := range r.Signers {
		signers = append(signers, common.Address(a).Hex())
	}
	for _, h := range r.Handles {
		list = append(list, hex.EncodeToString(h[:]))
	}
	for _, a := range r.Answers {
		responses = append(responses, map[string]string{"signature": hex.EncodeToString(a.Signature), "payload": hex.EncodeToString(a.Payload)})
	}
	return map[string]any{
		"op": "process", "signers": signers, "user": common.Address(r.User).Hex(), "handles": list, "responses": responses,
		"publicKey": hex.EncodeToString(r.Key.Public), "privateKey": hex.EncodeToString(r.Key.Private),
		"domain": map[string]any{
			"name": r.Domain.Name, "version": r.Domain.Version, "chainId": fmt.Sprint(r.Domain.ChainID),
			"verifyingContract": common.Address(r.Domain.VerifyingContract).Hex(),
		},
	}
}

type outcome struct {
	Value json.RawMessage
	Error string
}

func (o outcome) into(v any) error {
	if o.Error != "" {
		return fmt.Errorf("%w: %s", ErrRefused, o.Error)
	}
	return json.Unmarshal(o.Value, v)
}

func one(ctx context.Context, job, v any) error {
	out, err := run(ctx, []any{job})
	if err != nil {
		return err
	}
	return out[0].into(v)
}

func run(ctx context.Context, jobs []any) ([]outcome, error) {
	input, err := json.Marshal(jobs)
	if err != nil {
		return nil, err
	}
	cmd, err := Scripts.Command(ctx, "client.js")
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("client.js: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	var out []outcome
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		return nil, fmt.Errorf("client.js: %w", err)
	}
	if len(out) != len(jobs) {
		return nil, fmt.Errorf("client.js: %d results for %d jobs", len(out), len(jobs))
	}
	return out, nil
}
