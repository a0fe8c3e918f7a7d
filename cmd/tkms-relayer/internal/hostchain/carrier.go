package hostchain

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/x/acl/client"
	"github.com/tkms-network/tkms/x/kms/handles"
)

const (
	// answerTimeout is how long the node may take to answer.
	answerTimeout = 5 * time.Second
	// maxSignatures is what the one-byte count of a decryption proof can say.
	maxSignatures = 255
	// signatureLength is that of r || s || v.
	signatureLength = 65
)

var (
	// ErrProof reports signatures that make no decryption proof.
	ErrProof = errors.New("the signatures make no decryption proof")
	// ErrRefused reports a contract that refuses the call; the transaction is not sent.
	ErrRefused = errors.New("the contract refuses the result")
	// ErrGas reports a call that needs more gas than the operator allows.
	ErrGas = errors.New("the call needs more gas than the relayer may spend")
	// ErrNotSent reports a transaction that the node did not take; a later one may do.
	ErrNotSent = errors.New("the host chain's node did not take the transaction")
)

// Result is a signed plaintext for a contract.
type Result struct {
	// Handles in the order that was signed.
	Handles []handles.Handle
	// Plaintext is the ABI words of the values.
	Plaintext []byte
	// Signatures are r || s || v, 65 bytes each.
	Signatures [][]byte
}

// DecryptionProof returns what the host chain's KMSVerifier reads: the number of
// signatures in one byte, the signatures, and extra data, of which there is none.
func (r Result) DecryptionProof() ([]byte, error) {
	if len(r.Signatures) == 0 || len(r.Signatures) > maxSignatures {
		return nil, fmt.Errorf("%w: %d signatures", ErrProof, len(r.Signatures))
	}
	proof := []byte{byte(len(r.Signatures))}
	for _, signature := range r.Signatures {
		if len(signature) != signatureLength {
			return nil, fmt.Errorf("%w: a signature of %d bytes", ErrProof, len(signature))
		}
		proof = append(proof, signature...)
	}
	return proof, nil
}

// Receipt says what became of a transaction that is in a block.
type Receipt struct {
	Succeeded bool
	Block     uint64
	GasUsed   uint64
}

// Carrier sends results to contracts from one account. It is safe for concurrent
// use.
type Carrier struct {
	host   *Host
	key    *ecdsa.PrivateKey
	maxGas uint64

	mu sync.Mutex // from reading the nonce until the transaction is in the pool
}

// NewCarrier returns the carrier of an account that spends at most maxGas a call.
func NewCarrier(host *Host, key *ecdsa.PrivateKey, maxGas uint64) *Carrier {
	return &Carrier{host: host, key: key, maxGas: maxGas}
}

// Address of the account.
func (c *Carrier) Address() common.Address { return crypto.PubkeyToAddress(c.key.PublicKey) }

// Carry calls fulfil(bytes32[] handles, bytes cleartexts, bytes proof) of a
// contract. keep gets the signed transaction before it is sent, so that it is not
// forgotten; if keep fails nothing is sent. A node that says no is not the last word
// while another says yes. Errors: ErrProof, ErrRefused, ErrGas, client.ErrNode,
// ErrNotSent.
func (c *Carrier) Carry(ctx context.Context, contract common.Address, result Result, keep func(raw []byte, hash common.Hash) error) error {
	ctx, cancel := context.WithTimeout(ctx, 4*answerTimeout)
	defer cancel()
	proof, err := result.DecryptionProof()
	if err != nil {
		return err
	}
	words := make([][32]byte, len(result.Handles))
	for i, h := range result.Handles {
		words[i] = h
	}
	data, err := callback.Pack("fulfil", words, result.Plaintext, proof)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	var refusal error
	for _, m := range c.host.order() {
		gas, err := c.estimate(ctx, m, contract, data)
		if err == nil {
			return c.sendBy(ctx, m, contract, data, gas, keep)
		}
		if refusal == nil || errors.Is(refusal, client.ErrNode) {
			refusal = err
		}
	}
	return refusal
}

// estimate simulates the call, and returns the gas to give it.
func (c *Carrier) estimate(ctx context.Context, m *member, contract common.Address, data []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	gas, err := m.Eth().EstimateGas(ctx, ethereum.CallMsg{From: c.Address(), To: &contract, Data: data})
	if err != nil {
		return 0, callError(err)
	}
	// A block later the same call may cost a little more: slots that were empty may be taken.
	if gas += gas / 4; gas > c.maxGas {
		return 0, fmt.Errorf("%w: %d of %d", ErrGas, gas, c.maxGas)
	}
	return gas, nil
}

// sendBy makes the transaction with what one node says of the account and of prices.
func (c *Carrier) sendBy(ctx context.Context, m *member, contract common.Address, data []byte, gas uint64, keep func([]byte, common.Hash) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	tx, err := c.sign(ctx, m, contract, data, gas)
	if err != nil {
		return err
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return err
	}
	if err := keep(raw, tx.Hash()); err != nil {
		return err
	}
	return c.send(ctx, tx)
}

func (c *Carrier) sign(ctx context.Context, m *member, contract common.Address, data []byte, gas uint64) (*types.Transaction, error) {
	nonce, err := m.Eth().PendingNonceAt(ctx, c.Address())
	if err != nil {
		return nil, fmt.Errorf("%w: nonce: %w", client.ErrNode, err)
	}
	tip, err := m.Eth().SuggestGasTipCap(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: gas tip: %w", client.ErrNode, err)
	}
	head, err := m.Eth().HeaderByNumber(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: head: %w", client.ErrNode, err)
	}
	price := new(big.Int).Set(tip)
	if head.BaseFee != nil {
		// The base fee at most doubles within six blocks.
		price.Add(price, new(big.Int).Lsh(head.BaseFee, 1))
	}
	id := new(big.Int).SetUint64(m.ID())
	return types.SignNewTx(c.key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, GasTipCap: tip, GasFeeCap: price, Gas: gas, To: &contract, Data: data,
	})
}

// send gives a transaction to all nodes; one that takes it is enough.
func (c *Carrier) send(ctx context.Context, tx *types.Transaction) error {
	list := c.host.order()
	answers := make(chan error, len(list))
	for _, m := range list {
		go func() {
			// The others get it too when one has taken it.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
			defer cancel()
			err := m.Eth().SendTransaction(ctx, tx)
			if err != nil && strings.Contains(err.Error(), "already known") {
				err = nil
			}
			answers <- err
		}()
	}
	var failure error
	for range list {
		err := <-answers
		if err == nil {
			return nil
		}
		failure = err
	}
	return fmt.Errorf("%w: %w", ErrNotSent, failure)
}

// Resend sends a kept transaction again, after a restart.
func (c *Carrier) Resend(ctx context.Context, raw []byte) error {
	var tx types.Transaction
	if err := tx.UnmarshalBinary(raw); err != nil {
		return err
	}
	return c.send(ctx, &tx)
}

// Receipt returns what became of a transaction, nil while no node has it in a block.
func (c *Carrier) Receipt(ctx context.Context, hash common.Hash) (*Receipt, error) {
	var failure error
	answered := false
	for _, m := range c.host.order() {
		receipt, err := receiptBy(ctx, m, hash)
		switch {
		case err == nil:
			return receipt, nil
		case errors.Is(err, ethereum.NotFound):
			answered = true
		default:
			failure = fmt.Errorf("%w: %w", client.ErrNode, err)
		}
	}
	if answered {
		return nil, nil
	}
	return nil, failure
}

func receiptBy(ctx context.Context, m *member, hash common.Hash) (*Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	receipt, err := m.Eth().TransactionReceipt(ctx, hash)
	if err != nil {
		return nil, err
	}
	return &Receipt{
		Succeeded: receipt.Status == types.ReceiptStatusSuccessful, Block: receipt.BlockNumber.Uint64(), GasUsed: receipt.GasUsed,
	}, nil
}
