package hostchain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/gasprice"
	"github.com/ethereum/go-ethereum/rpc"
)

// ethAPI is the namespace "eth" of the JSON-RPC interface, together with filters.FilterAPI. Methods
// are named and answer as the execution API specification says.
type ethAPI struct {
	backend
	oracle *gasprice.Oracle
}

func newEthAPI(c *Chain) *ethAPI {
	b := backend{c}
	return &ethAPI{backend: b, oracle: gasprice.NewOracle(b, gasprice.Config{
		Blocks:           20,
		Percentile:       60,
		MaxHeaderHistory: 1024,
		MaxBlockHistory:  1024,
		MaxPrice:         gasprice.DefaultMaxPrice,
		IgnorePrice:      gasprice.DefaultIgnorePrice,
	}, big.NewInt(genesisFee))}
}

// ChainId implements eth_chainId.
func (e *ethAPI) ChainId() *hexutil.Big { return (*hexutil.Big)(e.ChainConfig().ChainID) }

// BlockNumber implements eth_blockNumber.
func (e *ethAPI) BlockNumber() hexutil.Uint64 { return hexutil.Uint64(e.c.head().Number.Uint64()) }

// Syncing implements eth_syncing: a chain of one process is never behind.
func (e *ethAPI) Syncing() bool { return false }

// Accounts implements eth_accounts: the node signs for nobody.
func (e *ethAPI) Accounts() []common.Address { return []common.Address{} }

// GetHeaderByNumber implements eth_getHeaderByNumber.
func (e *ethAPI) GetHeaderByNumber(ctx context.Context, number rpc.BlockNumber) (map[string]any, error) {
	header, err := e.HeaderByNumber(ctx, number)
	if header == nil || err != nil {
		return nil, err
	}
	return marshalHeader(header), nil
}

// GetHeaderByHash implements eth_getHeaderByHash.
func (e *ethAPI) GetHeaderByHash(hash common.Hash) map[string]any {
	if header := e.c.chain.GetHeaderByHash(hash); header != nil {
		return marshalHeader(header)
	}
	return nil
}

// GetBlockByNumber implements eth_getBlockByNumber.
func (e *ethAPI) GetBlockByNumber(ctx context.Context, number rpc.BlockNumber, full bool) (map[string]any, error) {
	block, err := e.BlockByNumber(ctx, number)
	if block == nil || err != nil {
		return nil, err
	}
	return e.marshalBlock(block, full), nil
}

// GetBlockByHash implements eth_getBlockByHash.
func (e *ethAPI) GetBlockByHash(hash common.Hash, full bool) map[string]any {
	if block := e.c.chain.GetBlockByHash(hash); block != nil {
		return e.marshalBlock(block, full)
	}
	return nil
}

// GetBalance implements eth_getBalance.
func (e *ethAPI) GetBalance(address common.Address, at *rpc.BlockNumberOrHash) (*hexutil.Big, error) {
	statedb, _, err := e.stateAt(at)
	if err != nil {
		return nil, err
	}
	return (*hexutil.Big)(statedb.GetBalance(address).ToBig()), statedb.Error()
}

// GetCode implements eth_getCode.
func (e *ethAPI) GetCode(address common.Address, at *rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	statedb, _, err := e.stateAt(at)
	if err != nil {
		return nil, err
	}
	return statedb.GetCode(address), statedb.Error()
}

// GetStorageAt implements eth_getStorageAt.
func (e *ethAPI) GetStorageAt(address common.Address, key string, at *rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	slot, _, err := parseSlot(key)
	if err != nil {
		return nil, err
	}
	statedb, _, err := e.stateAt(at)
	if err != nil {
		return nil, err
	}
	value := statedb.GetState(address, slot)
	return value[:], statedb.Error()
}

// GetTransactionCount implements eth_getTransactionCount; "pending" counts the pool.
func (e *ethAPI) GetTransactionCount(address common.Address, at *rpc.BlockNumberOrHash) (hexutil.Uint64, error) {
	if at != nil && at.BlockNumber != nil && *at.BlockNumber == rpc.PendingBlockNumber {
		return hexutil.Uint64(e.c.pool.PoolNonce(address)), nil
	}
	statedb, _, err := e.stateAt(at)
	if err != nil {
		return 0, err
	}
	return hexutil.Uint64(statedb.GetNonce(address)), statedb.Error()
}

// GasPrice implements eth_gasPrice.
func (e *ethAPI) GasPrice(ctx context.Context) (*hexutil.Big, error) {
	tip, err := e.oracle.SuggestTipCap(ctx)
	if err != nil {
		return nil, err
	}
	return (*hexutil.Big)(new(big.Int).Add(tip, e.c.head().BaseFee)), nil
}

// MaxPriorityFeePerGas implements eth_maxPriorityFeePerGas.
func (e *ethAPI) MaxPriorityFeePerGas(ctx context.Context) (*hexutil.Big, error) {
	tip, err := e.oracle.SuggestTipCap(ctx)
	return (*hexutil.Big)(tip), err
}

// feeHistory is the answer of eth_feeHistory.
type feeHistory struct {
	OldestBlock      *hexutil.Big     `json:"oldestBlock"`
	Reward           [][]*hexutil.Big `json:"reward,omitempty"`
	BaseFee          []*hexutil.Big   `json:"baseFeePerGas,omitempty"`
	GasUsedRatio     []float64        `json:"gasUsedRatio"`
	BlobBaseFee      []*hexutil.Big   `json:"baseFeePerBlobGas,omitempty"`
	BlobGasUsedRatio []float64        `json:"blobGasUsedRatio,omitempty"`
}

// FeeHistory implements eth_feeHistory.
func (e *ethAPI) FeeHistory(ctx context.Context, count math.HexOrDecimal64, last rpc.BlockNumber, percentiles []float64) (*feeHistory, error) {
	if last < 0 && last != rpc.EarliestBlockNumber {
		last = rpc.LatestBlockNumber
	}
	oldest, reward, baseFee, gasUsed, blobFee, blobGasUsed, err := e.oracle.FeeHistory(ctx, uint64(count), last, percentiles)
	if err != nil {
		return nil, err
	}
	history := &feeHistory{
		OldestBlock:      (*hexutil.Big)(oldest),
		BaseFee:          hexBigs(baseFee),
		GasUsedRatio:     gasUsed,
		BlobBaseFee:      hexBigs(blobFee),
		BlobGasUsedRatio: blobGasUsed,
	}
	for _, row := range reward {
		history.Reward = append(history.Reward, hexBigs(row))
	}
	return history, nil
}

func hexBigs(values []*big.Int) []*hexutil.Big {
	if values == nil {
		return nil
	}
	list := make([]*hexutil.Big, len(values))
	for i, v := range values {
		list[i] = (*hexutil.Big)(v)
	}
	return list
}

// marshalHeader returns the fields of a header, from which a client can rebuild its RLP.
func marshalHeader(h *types.Header) map[string]any {
	fields := map[string]any{
		"number":           (*hexutil.Big)(h.Number),
		"hash":             h.Hash(),
		"parentHash":       h.ParentHash,
		"nonce":            h.Nonce,
		"mixHash":          h.MixDigest,
		"sha3Uncles":       h.UncleHash,
		"logsBloom":        h.Bloom,
		"stateRoot":        h.Root,
		"miner":            h.Coinbase,
		"difficulty":       (*hexutil.Big)(h.Difficulty),
		"extraData":        hexutil.Bytes(h.Extra),
		"gasLimit":         hexutil.Uint64(h.GasLimit),
		"gasUsed":          hexutil.Uint64(h.GasUsed),
		"timestamp":        hexutil.Uint64(h.Time),
		"transactionsRoot": h.TxHash,
		"receiptsRoot":     h.ReceiptHash,
		"baseFeePerGas":    (*hexutil.Big)(h.BaseFee),
	}
	if h.WithdrawalsHash != nil {
		fields["withdrawalsRoot"] = h.WithdrawalsHash
	}
	if h.BlobGasUsed != nil {
		fields["blobGasUsed"] = hexutil.Uint64(*h.BlobGasUsed)
	}
	if h.ExcessBlobGas != nil {
		fields["excessBlobGas"] = hexutil.Uint64(*h.ExcessBlobGas)
	}
	if h.ParentBeaconRoot != nil {
		fields["parentBeaconBlockRoot"] = h.ParentBeaconRoot
	}
	return fields
}

func (e *ethAPI) marshalBlock(b *types.Block, full bool) map[string]any {
	fields := marshalHeader(b.Header())
	fields["size"] = hexutil.Uint64(b.Size())
	fields["uncles"] = []common.Hash{}
	fields["withdrawals"] = b.Withdrawals()
	txs := make([]any, len(b.Transactions()))
	for i, tx := range b.Transactions() {
		if full {
			txs[i] = e.marshalTransaction(tx, b.Header(), uint64(i))
		} else {
			txs[i] = tx.Hash()
		}
	}
	fields["transactions"] = txs
	return fields
}

// parseSlot reads a storage key of at most 32 bytes, and returns how many it had.
func parseSlot(key string) (common.Hash, int, error) {
	digits := key
	if len(digits) >= 2 && (digits[:2] == "0x" || digits[:2] == "0X") {
		digits = digits[2:]
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	if len(digits) > 64 {
		return common.Hash{}, 0, fmt.Errorf("storage key of more than 32 bytes: %.80q", key)
	}
	raw, err := hexutil.Decode("0x" + digits)
	if err != nil && digits != "" {
		return common.Hash{}, 0, fmt.Errorf("storage key %q: %w", key, err)
	}
	return common.BytesToHash(raw), len(raw), nil
}
