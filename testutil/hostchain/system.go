package hostchain

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// sendSystem sends a transaction of a system account; with block period 0 it is in a block when
// sendSystem returns.
func (c *Chain) sendSystem(key *ecdsa.PrivateKey, to *common.Address, value *big.Int, data []byte, gas uint64) (common.Hash, error) {
	c.sealing.Lock()
	defer c.sealing.Unlock()
	tx, err := c.enqueueValue(key, to, value, data, gas)
	if err != nil {
		return common.Hash{}, err
	}
	if c.config.BlockPeriod == 0 {
		if _, err := c.sealOn(c.head()); err != nil {
			return common.Hash{}, err
		}
	}
	return tx.Hash(), nil
}

// wait returns the receipt of a transaction once it is in a block. A reverted transaction is
// returned as an error that wraps *fhevm.Revert.
func (c *Chain) wait(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	heads := make(chan core.ChainHeadEvent, 16)
	subscription := c.chain.SubscribeChainHeadEvent(heads)
	defer subscription.Unsubscribe()
	for {
		if entry, tx := c.chain.GetCanonicalTransaction(hash); entry != nil {
			receipt, err := c.chain.GetCanonicalReceipt(tx, entry.BlockHash, entry.BlockIndex, entry.Index)
			if err != nil {
				return nil, fmt.Errorf("hostchain: receipt: %w", err)
			}
			if receipt.Status != types.ReceiptStatusSuccessful {
				return nil, c.whyReverted(ctx, tx, receipt)
			}
			return receipt, nil
		}
		select {
		case <-heads:
		case err := <-subscription.Err():
			return nil, errors.Join(ErrClosed, err)
		case <-c.stop:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// whyReverted runs tx again on the state before its block to learn the reason.
func (c *Chain) whyReverted(ctx context.Context, tx *types.Transaction, receipt *types.Receipt) error {
	from, err := types.Sender(types.LatestSigner(c.chain.Config()), tx)
	if err != nil {
		return fmt.Errorf("hostchain: sender: %w", err)
	}
	data := hexutil.Bytes(tx.Data())
	before := rpc.BlockNumberOrHashWithNumber(rpc.BlockNumber(receipt.BlockNumber.Int64() - 1))
	eth := &ethAPI{backend: backend{c}}
	_, err = eth.Call(ctx, callArguments{From: &from, To: tx.To(), Data: &data, Value: (*hexutil.Big)(tx.Value())}, &before)
	var reverted *revertError
	if errors.As(err, &reverted) {
		return fhevm.DecodeRevert(reverted.data)
	}
	return fhevm.DecodeRevert(nil)
}

// registered reports whether the registry has bound digest to a handle.
func (c *Chain) registered(digest common.Hash) (bool, error) {
	data, err := fhevm.RegistryABI.Pack("handleOf", digest)
	if err != nil {
		return false, fmt.Errorf("hostchain: registry: %w", err)
	}
	answer, err := c.call(c.Registry(), data)
	if err != nil {
		return false, err
	}
	return common.BytesToHash(answer) != common.Hash{}, nil
}

// call executes a read on the head.
func (c *Chain) call(to common.Address, data []byte) ([]byte, error) {
	eth := &ethAPI{backend: backend{c}}
	answer, err := eth.Call(context.Background(), callArguments{To: &to, Data: (*hexutil.Bytes)(&data)}, nil)
	if err != nil {
		return nil, fmt.Errorf("hostchain: call %s: %w", to, err)
	}
	return answer, nil
}

// Fund sends wei from the faucet and waits for the block; nil sends 1000 ether.
func (c *Chain) Fund(ctx context.Context, to common.Address, wei *big.Int) error {
	if wei == nil {
		wei = api.DefaultFunding()
	}
	hash, err := c.sendSystem(c.faucet, &to, wei, nil, 100_000)
	if err != nil {
		return err
	}
	_, err = c.wait(ctx, hash)
	return err
}

// DeployRegistry creates another ciphertext registry that takes writes from writer, and waits for
// the block: what somebody would do who wants a digest proven that the coprocessor never wrote.
func (c *Chain) DeployRegistry(ctx context.Context, writer common.Address) (common.Address, error) {
	a, err := loadArtifact(c.artifacts, "CiphertextRegistry")
	if err != nil {
		return common.Address{}, err
	}
	arguments, err := a.contract.Pack("", writer)
	if err != nil {
		return common.Address{}, fmt.Errorf("hostchain: deploy registry: %w", err)
	}
	hash, err := c.sendSystem(c.faucet, nil, nil, append(a.Creation, arguments...), systemGas)
	if err != nil {
		return common.Address{}, err
	}
	receipt, err := c.wait(ctx, hash)
	if err != nil {
		return common.Address{}, fmt.Errorf("hostchain: deploy registry: %w", err)
	}
	return receipt.ContractAddress, nil
}

// SetKMSContext makes signers, of whom threshold suffice, the ones that KMSVerifier accepts, by its
// owner's defineNewContext, and waits for the block.
func (c *Chain) SetKMSContext(ctx context.Context, signers []common.Address, threshold uint64) error {
	data, err := fhevm.KMSVerifierABI.Pack("defineNewContext", signers, new(big.Int).SetUint64(threshold))
	if err != nil {
		return fmt.Errorf("hostchain: KMS context: %w", err)
	}
	to := fhevm.KMSVerifierAddress
	hash, err := c.sendSystem(c.owner, &to, nil, data, systemGas)
	if err != nil {
		return err
	}
	if _, err = c.wait(ctx, hash); err != nil {
		return fmt.Errorf("hostchain: KMS context: %w", err)
	}
	return nil
}

// KMSContext reads signers and threshold from KMSVerifier.
func (c *Chain) KMSContext() (api.SignerSet, error) {
	var set api.SignerSet
	for method, into := range map[string]any{"getKmsSigners": &set.Signers, "getThreshold": new(*big.Int)} {
		data, err := fhevm.KMSVerifierABI.Pack(method)
		if err != nil {
			return set, fmt.Errorf("hostchain: KMS context: %w", err)
		}
		answer, err := c.call(fhevm.KMSVerifierAddress, data)
		if err != nil {
			return set, err
		}
		if err := fhevm.KMSVerifierABI.UnpackIntoInterface(into, method, answer); err != nil {
			return set, fmt.Errorf("hostchain: KMS context: %w", err)
		}
		if threshold, ok := into.(**big.Int); ok {
			set.Threshold = (*threshold).Uint64()
		}
	}
	return set, nil
}

// Info describes the chain.
func (c *Chain) Info() (*api.Info, error) {
	kms, err := c.KMSContext()
	if err != nil {
		return nil, err
	}
	c.sealing.Lock()
	validators, sealers := c.validators.addresses(), c.sealers
	c.sealing.Unlock()
	name := []string{"TKMS test host chain:", fmt.Sprintf("simulated validator network (%d keys in one process),", len(validators)), "simulated coprocessor"}
	return &api.Info{
		Name:          strings.Join(name, " "),
		ChainID:       c.config.ChainID,
		GenesisHash:   c.chain.Genesis().Hash(),
		HeaderKind:    "qbft",
		BlockPeriodMS: c.config.BlockPeriod.Milliseconds(),
		Validators:    validators,
		Quorum:        Quorum(len(validators)),
		Sealers:       sealers,
		Simulated:     simulated,
		Contracts: api.Contracts{
			ACL:           fhevm.ACLAddress,
			FHEVMExecutor: fhevm.FHEVMExecutorAddress,
			KMSVerifier:   fhevm.KMSVerifierAddress,
			InputVerifier: fhevm.InputVerifierAddress,
			HCULimit:      fhevm.HCULimitAddress,
			PauserSet:     fhevm.PauserSetAddress,
			Registry:      c.Registry(),
			Disclosure:    c.Disclosure(),
		},
		Slots: api.Slots{ACLBase: fhevm.ACLBase, RegistryBase: fhevm.RegistryBase},
		Gateway: api.Gateway{
			ChainID:           c.config.GatewayChainID,
			Decryption:        c.config.Decryption,
			InputVerification: c.config.InputVerification,
		},
		Coprocessor: api.SignerSet{Signers: c.coprocessor.addresses(), Threshold: uint64(c.config.CoprocessorThreshold)},
		KMS:         kms,
	}, nil
}

// simulated is true of every chain of this package.
var simulated = api.Simulated{ValidatorNetwork: true, Coprocessor: true}
