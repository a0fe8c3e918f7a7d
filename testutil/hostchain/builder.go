package hostchain

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/txpool/txorder"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// Seal builds a block from the pool's transactions on the head, seals it and inserts it.
func (c *Chain) Seal() (*types.Block, error) {
	c.sealing.Lock()
	defer c.sealing.Unlock()
	return c.sealOn(c.head())
}

// Submit adds a signed transaction to the pool, and seals a block in instant mode.
func (c *Chain) Submit(tx *types.Transaction) error {
	select {
	case <-c.stop:
		return ErrClosed
	default:
	}
	if err := c.pool.Add([]*types.Transaction{tx}, true)[0]; err != nil {
		return err
	}
	if c.config.BlockPeriod == 0 {
		if _, err := c.Seal(); err != nil {
			return err
		}
	}
	return nil
}

// sealOn builds, seals and inserts a block on parent. The caller holds sealing.
func (c *Chain) sealOn(parent *types.Header) (*types.Block, error) {
	if c.closed {
		return nil, ErrClosed
	}
	proposer := addressOf(c.validators.sealers(parent.Number.Uint64()+1, 1)[0])
	block, err := c.build(parent, proposer, c.pendingTransactions)
	if err != nil {
		return nil, err
	}
	header, err := seal(block.Header(), c.validators.addresses(), c.validators.sealers(block.NumberU64(), c.sealers))
	if err != nil {
		return nil, err
	}
	sealed := block.WithSeal(header)
	if _, err := c.chain.InsertChain(types.Blocks{sealed}); err != nil {
		return nil, fmt.Errorf("hostchain: insert block %d: %w", sealed.NumberU64(), err)
	}
	c.logIndex.update(sealed.Header())
	// The pool follows the head in the background; wait, so that whoever saw this block can send
	// the next nonce.
	if err := c.pool.Sync(); err != nil {
		return nil, fmt.Errorf("hostchain: transaction pool: %w", err)
	}
	return sealed, nil
}

// transactionSource yields the transactions for a block with the given header.
type transactionSource func(header *types.Header) *txorder.TransactionsByPriceAndNonce

// build executes transactions on parent's state and returns the unsealed block.
func (c *Chain) build(parent *types.Header, proposer common.Address, source transactionSource) (*types.Block, error) {
	ctx := context.Background()
	header := c.template(parent, proposer)
	statedb, err := c.chain.StateAt(parent.Root, parent.Number, parent.Time)
	if err != nil {
		return nil, fmt.Errorf("hostchain: state of block %d: %w", parent.Number, err)
	}
	evm := vm.NewEVM(core.NewEVMBlockContext(header, c.chain, &proposer), statedb, c.chain.Config(), vm.Config{})
	defer evm.Release()
	core.PreExecution(ctx, header.ParentBeaconRoot, parent, c.chain.Config(), evm, header.Number, header.Time)

	var (
		txs      []*types.Transaction
		receipts []*types.Receipt
		pool     = core.NewGasPool(header.GasLimit)
	)
	if source != nil {
		txs, receipts = c.execute(ctx, evm, statedb, pool, header, source(header))
	}
	header.GasUsed = pool.Used()
	body := &types.Body{Transactions: txs, Withdrawals: types.Withdrawals{}}
	if _, _, err := core.PostExecution(ctx, c.chain.Config(), header.Number, header.Time, nil, nil, evm, uint32(len(txs)+1)); err != nil {
		return nil, fmt.Errorf("hostchain: finish block: %w", err)
	}
	block := core.AssembleBlock(c.chain, header, statedb, body, receipts, nil)
	if err := statedb.Error(); err != nil {
		return nil, fmt.Errorf("hostchain: state: %w", err)
	}
	return block, nil
}

// template returns the header of the next block before execution.
func (c *Chain) template(parent *types.Header, proposer common.Address) *types.Header {
	number := new(big.Int).Add(parent.Number, common.Big1)
	time := max(uint64(c.config.Now().Unix()), parent.Time)
	excess := eip4844.CalcExcessBlobGas(c.chain.Config(), parent, time)
	return &types.Header{
		ParentHash:       parent.Hash(),
		Coinbase:         proposer,
		Number:           number,
		GasLimit:         parent.GasLimit,
		Time:             time,
		Difficulty:       new(big.Int),
		MixDigest:        BFTMixHash,
		BaseFee:          eip1559.CalcBaseFee(c.chain.Config(), parent),
		BlobGasUsed:      new(uint64),
		ExcessBlobGas:    &excess,
		ParentBeaconRoot: new(common.Hash),
	}
}

// execute applies transactions in order until they or the gas are used up.
func (c *Chain) execute(ctx context.Context, evm *vm.EVM, statedb *state.StateDB, pool *core.GasPool, header *types.Header,
	queue *txorder.TransactionsByPriceAndNonce,
) (txs []*types.Transaction, receipts []*types.Receipt) {
	for pool.Available(false) >= params.TxGas {
		lazy, _ := queue.Peek()
		if lazy == nil {
			break
		}
		tx := lazy.Resolve()
		if tx == nil {
			queue.Pop()
			continue
		}
		statedb.SetTxContext(tx.Hash(), len(txs), uint32(len(txs)+1))
		snapshot, gas := statedb.Snapshot(), pool.Snapshot()
		receipt, _, err := core.ApplyTransaction(ctx, evm, pool, statedb, header, tx)
		switch {
		case err == nil:
			txs, receipts = append(txs, tx), append(receipts, receipt)
			queue.Shift()
		case errors.Is(err, core.ErrNonceTooLow):
			statedb.RevertToSnapshot(snapshot)
			pool.Set(gas)
			queue.Shift()
		default:
			statedb.RevertToSnapshot(snapshot)
			pool.Set(gas)
			queue.Pop()
		}
	}
	return txs, receipts
}

// pendingTransactions orders the pool's transactions by price and nonce.
func (c *Chain) pendingTransactions(header *types.Header) *txorder.TransactionsByPriceAndNonce {
	pending, _ := c.pool.Pending(txpool.PendingFilter{
		MinTip:  uint256.NewInt(1),
		BaseFee: uint256.MustFromBig(header.BaseFee),
	})
	return txorder.NewTransactionsByPriceAndNonce(types.LatestSigner(c.chain.Config()), pending, header.BaseFee)
}

// enqueue signs a transaction of a system account and adds it to the pool. The caller holds
// sealing, which makes nonces unique.
func (c *Chain) enqueue(key *ecdsa.PrivateKey, to *common.Address, data []byte) error {
	_, err := c.enqueueValue(key, to, nil, data, systemGas)
	return err
}

// systemGas is enough for the largest deployment (FHEVMExecutor, 17.6 kB of code).
const systemGas = 6_000_000

func (c *Chain) enqueueValue(key *ecdsa.PrivateKey, to *common.Address, value *big.Int, data []byte, gas uint64) (*types.Transaction, error) {
	if c.closed {
		return nil, ErrClosed
	}
	tip := big.NewInt(params.GWei)
	tx, err := types.SignNewTx(key, types.LatestSigner(c.chain.Config()), &types.DynamicFeeTx{
		ChainID:   c.chain.Config().ChainID,
		Nonce:     c.pool.PoolNonce(addressOf(key)),
		GasTipCap: tip,
		// Room for the base fee to double twice while the transaction waits.
		GasFeeCap: new(big.Int).Add(tip, new(big.Int).Mul(c.head().BaseFee, big.NewInt(4))),
		Gas:       gas,
		To:        to,
		Value:     value,
		Data:      data,
	})
	if err != nil {
		return nil, fmt.Errorf("hostchain: sign: %w", err)
	}
	if err := c.pool.Add([]*types.Transaction{tx}, true)[0]; err != nil {
		return nil, fmt.Errorf("hostchain: queue transaction: %w", err)
	}
	return tx, nil
}
