package client

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// pollInterval is how often a transaction's receipt is asked for.
const pollInterval = 20 * time.Millisecond

// Account signs transactions on the host chain. Transactions of one account may be sent
// concurrently.
type Account struct {
	key *ecdsa.PrivateKey
	mu  sync.Mutex // from reading the nonce until the transaction is in the pool
}

// NewAccount makes an account with a new key.
func NewAccount() (*Account, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("new account: %w", err)
	}
	return &Account{key: key}, nil
}

// AccountOf returns the account of a key.
func AccountOf(key *ecdsa.PrivateKey) *Account { return &Account{key: key} }

// Address returns the account's address.
func (a *Account) Address() common.Address { return crypto.PubkeyToAddress(a.key.PublicKey) }

// Submit gives the dApp an input that the coprocessor signed for this account.
func (c *Client) Submit(ctx context.Context, from *Account, handle fhevm.Handle, inputProof []byte) (*types.Receipt, error) {
	return c.dapp(ctx, from, "submit", handle, inputProof)
}

// MakePubliclyDecryptable discloses a value of this account.
func (c *Client) MakePubliclyDecryptable(ctx context.Context, from *Account, handle fhevm.Handle) (*types.Receipt, error) {
	return c.dapp(ctx, from, "makePubliclyDecryptable", handle)
}

// Allow lets account have a value of from's re-encrypted.
func (c *Client) Allow(ctx context.Context, from *Account, handle fhevm.Handle, account common.Address) (*types.Receipt, error) {
	return c.dapp(ctx, from, "allow", handle, account)
}

// Fulfil brings the dApp plaintexts with the KMS signers' signatures; anybody may.
func (c *Client) Fulfil(ctx context.Context, from *Account, handles []fhevm.Handle, cleartexts, proof []byte) (*types.Receipt, error) {
	return c.dapp(ctx, from, "fulfil", handles, cleartexts, proof)
}

// Register writes a digest into a registry as from. The chain's own registry refuses everybody but
// the coprocessor, which writes by itself: this is for tests of that refusal.
func (c *Client) Register(ctx context.Context, from *Account, registry common.Address, handle fhevm.Handle, digest common.Hash) (*types.Receipt, error) {
	data, err := fhevm.RegistryABI.Pack("register", handle, digest)
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	return c.Transact(ctx, from, registry, data)
}

// Plaintext reads what the dApp stored for handle. Before Fulfil it is a *fhevm.Revert
// NotDisclosed.
func (c *Client) Plaintext(ctx context.Context, handle fhevm.Handle) (*big.Int, error) {
	data, err := fhevm.DisclosureABI.Pack("plaintext", handle)
	if err != nil {
		return nil, fmt.Errorf("plaintext: %w", err)
	}
	to := c.info.Contracts.Disclosure
	answer, err := c.eth.CallContract(ctx, ethereum.CallMsg{To: &to, Data: data}, nil)
	if err != nil {
		return nil, fmt.Errorf("plaintext: %w", decodeError(err))
	}
	var words []*big.Int
	if err := fhevm.DisclosureABI.UnpackIntoInterface(&words, "plaintext", answer); err != nil {
		return nil, fmt.Errorf("plaintext: %w", err)
	}
	value := new(big.Int)
	for _, w := range words {
		value.Lsh(value, 256).Or(value, w)
	}
	return value, nil
}

func (c *Client) dapp(ctx context.Context, from *Account, method string, arguments ...any) (*types.Receipt, error) {
	data, err := fhevm.DisclosureABI.Pack(method, arguments...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	receipt, err := c.Transact(ctx, from, c.info.Contracts.Disclosure, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return receipt, nil
}

// Transact sends a transaction and waits until it is in a block. A contract's refusal, before or
// in the block, is returned as *fhevm.Revert.
func (c *Client) Transact(ctx context.Context, from *Account, to common.Address, data []byte) (*types.Receipt, error) {
	hash, err := c.Send(ctx, from, to, data)
	if err != nil {
		return nil, err
	}
	return c.WaitReceipt(ctx, hash)
}

// Send estimates, signs and sends a transaction without waiting for its block.
func (c *Client) Send(ctx context.Context, from *Account, to common.Address, data []byte) (common.Hash, error) {
	gas, err := c.eth.EstimateGas(ctx, ethereum.CallMsg{From: from.Address(), To: &to, Data: data})
	if err != nil {
		return common.Hash{}, decodeError(err)
	}
	// A block later the same call may cost a little more: slots that were empty may be taken.
	return c.SendWithGas(ctx, from, to, data, gas+gas/4)
}

// SendWithGas signs and sends a transaction as it is: one that will revert gets into a block too.
func (c *Client) SendWithGas(ctx context.Context, from *Account, to common.Address, data []byte, gas uint64) (common.Hash, error) {
	from.mu.Lock()
	defer from.mu.Unlock()
	nonce, err := c.eth.PendingNonceAt(ctx, from.Address())
	if err != nil {
		return common.Hash{}, fmt.Errorf("nonce: %w", err)
	}
	tip, err := c.eth.SuggestGasTipCap(ctx)
	if err != nil {
		return common.Hash{}, fmt.Errorf("gas tip: %w", err)
	}
	head, err := c.eth.HeaderByNumber(ctx, nil)
	if err != nil {
		return common.Hash{}, fmt.Errorf("head: %w", err)
	}
	id := new(big.Int).SetUint64(c.info.ChainID)
	tx, err := types.SignNewTx(from.key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID:   id,
		Nonce:     nonce,
		GasTipCap: tip,
		GasFeeCap: new(big.Int).Add(tip, new(big.Int).Lsh(head.BaseFee, 1)),
		Gas:       gas,
		To:        &to,
		Data:      data,
	})
	if err != nil {
		return common.Hash{}, fmt.Errorf("sign: %w", err)
	}
	if err := c.eth.SendTransaction(ctx, tx); err != nil {
		return common.Hash{}, fmt.Errorf("send: %w", err)
	}
	return tx.Hash(), nil
}

// WaitReceipt waits until a transaction is in a block.
func (c *Client) WaitReceipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		receipt, err := c.eth.TransactionReceipt(ctx, hash)
		switch {
		case err == nil && receipt.Status == types.ReceiptStatusSuccessful:
			return receipt, nil
		case err == nil:
			return nil, c.whyReverted(ctx, receipt)
		case !errors.Is(err, ethereum.NotFound):
			return nil, fmt.Errorf("receipt: %w", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("receipt of %s: %w", hash, ctx.Err())
		}
	}
}

// whyReverted runs a mined transaction again on the state before its block.
func (c *Client) whyReverted(ctx context.Context, receipt *types.Receipt) error {
	tx, _, err := c.eth.TransactionByHash(ctx, receipt.TxHash)
	if err != nil {
		return fmt.Errorf("reverted transaction: %w", err)
	}
	from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
	if err != nil {
		return fmt.Errorf("reverted transaction: %w", err)
	}
	before := new(big.Int).Sub(receipt.BlockNumber, common.Big1)
	_, err = c.eth.CallContract(ctx, ethereum.CallMsg{From: from, To: tx.To(), Data: tx.Data(), Value: tx.Value()}, before)
	if err == nil {
		return fhevm.DecodeRevert(nil)
	}
	return decodeError(err)
}

// decodeError turns a JSON-RPC error with revert data into *fhevm.Revert.
func decodeError(err error) error {
	var withData rpc.DataError
	if !errors.As(err, &withData) {
		return err
	}
	text, ok := withData.ErrorData().(string)
	if !ok {
		return err
	}
	data, decodeErr := hexutil.Decode(text)
	if decodeErr != nil {
		return err
	}
	return fhevm.DecodeRevert(data)
}
