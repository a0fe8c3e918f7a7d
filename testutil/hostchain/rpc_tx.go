package hostchain

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// SendRawTransaction implements eth_sendRawTransaction. With block period 0 the transaction is in a
// block when it returns.
func (e *ethAPI) SendRawTransaction(raw hexutil.Bytes) (common.Hash, error) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return common.Hash{}, err
	}
	return tx.Hash(), e.c.Submit(tx)
}

// GetTransactionByHash implements eth_getTransactionByHash, for mined and waiting transactions.
func (e *ethAPI) GetTransactionByHash(hash common.Hash) map[string]any {
	if entry, tx := e.c.chain.GetCanonicalTransaction(hash); entry != nil {
		header := e.c.chain.GetHeader(entry.BlockHash, entry.BlockIndex)
		return e.marshalTransaction(tx, header, entry.Index)
	}
	if tx := e.c.pool.Get(hash); tx != nil {
		return e.marshalTransaction(tx, nil, 0)
	}
	return nil
}

// GetTransactionReceipt implements eth_getTransactionReceipt.
func (e *ethAPI) GetTransactionReceipt(hash common.Hash) (map[string]any, error) {
	entry, tx := e.c.chain.GetCanonicalTransaction(hash)
	if entry == nil {
		return nil, nil
	}
	receipt, err := e.c.chain.GetCanonicalReceipt(tx, entry.BlockHash, entry.BlockIndex, entry.Index)
	if err != nil {
		return nil, err
	}
	return e.marshalReceipt(receipt, tx), nil
}

// GetBlockReceipts implements eth_getBlockReceipts.
func (e *ethAPI) GetBlockReceipts(at rpc.BlockNumberOrHash) ([]map[string]any, error) {
	header, err := e.header(&at)
	if err != nil {
		return nil, err
	}
	block := e.c.chain.GetBlock(header.Hash(), header.Number.Uint64())
	if block == nil {
		return nil, errUnknownBlock
	}
	receipts := e.c.chain.GetReceiptsByHash(header.Hash())
	list := make([]map[string]any, len(receipts))
	for i, r := range receipts {
		list[i] = e.marshalReceipt(r, block.Transactions()[i])
	}
	return list, nil
}

func (e *ethAPI) marshalReceipt(r *types.Receipt, tx *types.Transaction) map[string]any {
	fields := map[string]any{
		"blockHash":         r.BlockHash,
		"blockNumber":       (*hexutil.Big)(r.BlockNumber),
		"transactionHash":   tx.Hash(),
		"transactionIndex":  hexutil.Uint64(r.TransactionIndex),
		"from":              e.sender(tx),
		"to":                tx.To(),
		"gasUsed":           hexutil.Uint64(r.GasUsed),
		"cumulativeGasUsed": hexutil.Uint64(r.CumulativeGasUsed),
		"contractAddress":   nil,
		"logs":              []*types.Log{},
		"logsBloom":         r.Bloom,
		"type":              hexutil.Uint(tx.Type()),
		"effectiveGasPrice": (*hexutil.Big)(r.EffectiveGasPrice),
		"status":            hexutil.Uint64(r.Status),
	}
	if len(r.Logs) > 0 {
		fields["logs"] = r.Logs
	}
	if r.ContractAddress != (common.Address{}) {
		fields["contractAddress"] = r.ContractAddress
	}
	return fields
}

// marshalTransaction returns the fields of tx; header is nil for a waiting transaction.
func (e *ethAPI) marshalTransaction(tx *types.Transaction, header *types.Header, index uint64) map[string]any {
	v, r, s := tx.RawSignatureValues()
	fields := map[string]any{
		"type":             hexutil.Uint64(tx.Type()),
		"hash":             tx.Hash(),
		"from":             e.sender(tx),
		"to":               tx.To(),
		"nonce":            hexutil.Uint64(tx.Nonce()),
		"gas":              hexutil.Uint64(tx.Gas()),
		"gasPrice":         (*hexutil.Big)(tx.GasPrice()),
		"value":            (*hexutil.Big)(tx.Value()),
		"input":            hexutil.Bytes(tx.Data()),
		"v":                (*hexutil.Big)(v),
		"r":                (*hexutil.Big)(r),
		"s":                (*hexutil.Big)(s),
		"blockHash":        nil,
		"blockNumber":      nil,
		"transactionIndex": nil,
	}
	if header != nil {
		fields["blockHash"] = header.Hash()
		fields["blockNumber"] = (*hexutil.Big)(header.Number)
		fields["transactionIndex"] = hexutil.Uint64(index)
	}
	if tx.Type() == types.LegacyTxType {
		if id := tx.ChainId(); id.Sign() != 0 {
			fields["chainId"] = (*hexutil.Big)(id)
		}
		return fields
	}
	fields["chainId"] = (*hexutil.Big)(tx.ChainId())
	fields["accessList"] = tx.AccessList()
	fields["yParity"] = hexutil.Uint64(v.Sign())
	if tx.Type() == types.DynamicFeeTxType {
		fields["maxFeePerGas"] = (*hexutil.Big)(tx.GasFeeCap())
		fields["maxPriorityFeePerGas"] = (*hexutil.Big)(tx.GasTipCap())
		if header != nil {
			price := new(big.Int).Add(header.BaseFee, tx.GasTipCap())
			if price.Cmp(tx.GasFeeCap()) > 0 {
				price = tx.GasFeeCap()
			}
			fields["gasPrice"] = (*hexutil.Big)(price)
		}
	}
	return fields
}

// sender recovers who signed tx; a transaction in pool or chain has a valid signature.
func (e *ethAPI) sender(tx *types.Transaction) common.Address {
	from, err := types.Sender(types.LatestSigner(e.ChainConfig()), tx)
	if err != nil {
		return common.Address{}
	}
	return from
}
