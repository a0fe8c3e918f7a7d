package hostchain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/eth/gasestimator"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
)

const (
	callGasCap  = 50_000_000
	callTimeout = 10 * time.Second
)

// callArguments are the fields of a transaction to try out.
type callArguments struct {
	From                 *common.Address   `json:"from"`
	To                   *common.Address   `json:"to"`
	Gas                  *hexutil.Uint64   `json:"gas"`
	GasPrice             *hexutil.Big      `json:"gasPrice"`
	MaxFeePerGas         *hexutil.Big      `json:"maxFeePerGas"`
	MaxPriorityFeePerGas *hexutil.Big      `json:"maxPriorityFeePerGas"`
	Value                *hexutil.Big      `json:"value"`
	Nonce                *hexutil.Uint64   `json:"nonce"`
	Data                 *hexutil.Bytes    `json:"data"`
	Input                *hexutil.Bytes    `json:"input"`
	AccessList           *types.AccessList `json:"accessList"`
	ChainID              *hexutil.Big      `json:"chainId"`
}

// message converts a to what the EVM executes, without nonce and origin checks.
func (a *callArguments) message(chainID *big.Int) (*core.Message, error) {
	if a.Data != nil && a.Input != nil && string(*a.Data) != string(*a.Input) {
		return nil, errors.New(`both "data" and "input" are set and not equal`)
	}
	if a.ChainID != nil && a.ChainID.ToInt().Cmp(chainID) != 0 {
		return nil, fmt.Errorf("chainId is %v, this chain has %v", a.ChainID.ToInt(), chainID)
	}
	// Fees are taken from either style, and are zero by default: calls need no balance.
	price, cap, tip := new(uint256.Int), new(uint256.Int), new(uint256.Int)
	for _, f := range []struct {
		from *hexutil.Big
		to   []*uint256.Int
	}{
		{a.GasPrice, []*uint256.Int{price, cap, tip}},
		{a.MaxFeePerGas, []*uint256.Int{price, cap}},
		{a.MaxPriorityFeePerGas, []*uint256.Int{tip}},
	} {
		if err := setAll(f.from, f.to...); err != nil {
			return nil, err
		}
	}
	value := new(uint256.Int)
	if err := setAll(a.Value, value); err != nil {
		return nil, err
	}
	m := &core.Message{
		To:        a.To,
		Value:     value,
		GasLimit:  callGasCap,
		GasPrice:  price,
		GasFeeCap: cap,
		GasTipCap: tip,
	}
	if a.From != nil {
		m.From = *a.From
	}
	if a.Gas != nil {
		m.GasLimit = min(uint64(*a.Gas), callGasCap)
	}
	if a.Nonce != nil {
		m.Nonce = uint64(*a.Nonce)
	}
	if a.Data != nil {
		m.Data = *a.Data
	}
	if a.Input != nil {
		m.Data = *a.Input
	}
	if a.AccessList != nil {
		m.AccessList = *a.AccessList
	}
	m.SkipNonceCheck()
	return m.SkipEOACheck().SkipGasLimitCapCheck(), nil
}

func setAll(from *hexutil.Big, to ...*uint256.Int) error {
	if from == nil {
		return nil
	}
	v, overflow := uint256.FromBig(from.ToInt())
	if overflow || from.ToInt().Sign() < 0 {
		return errors.New("quantity over 256 bits")
	}
	for _, t := range to {
		t.Set(v)
	}
	return nil
}

// Call implements eth_call.
func (e *ethAPI) Call(ctx context.Context, arguments callArguments, at *rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	statedb, header, err := e.stateAt(at)
	if err != nil {
		return nil, err
	}
	message, err := arguments.message(e.ChainConfig().ChainID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	blockContext := core.NewEVMBlockContext(header, e.c.chain, nil)
	if message.GasPrice.IsZero() {
		blockContext.BaseFee = new(big.Int)
	}
	evm := vm.NewEVM(blockContext, statedb, e.ChainConfig(), vm.Config{NoBaseFee: true})
	defer evm.Release()
	stop := context.AfterFunc(ctx, evm.Cancel)
	defer stop()
	result, err := core.ApplyMessage(evm, message, core.NewGasPool(callGasCap))
	switch {
	case evm.Cancelled():
		return nil, fmt.Errorf("execution took more than %s", callTimeout)
	case err != nil:
		return nil, err
	case statedb.Error() != nil:
		return nil, statedb.Error()
	case errors.Is(result.Err, vm.ErrExecutionReverted):
		return nil, newRevertError(result.Revert())
	}
	return result.Return(), result.Err
}

// EstimateGas implements eth_estimateGas.
func (e *ethAPI) EstimateGas(ctx context.Context, arguments callArguments, at *rpc.BlockNumberOrHash) (hexutil.Uint64, error) {
	statedb, header, err := e.stateAt(at)
	if err != nil {
		return 0, err
	}
	message, err := arguments.message(e.ChainConfig().ChainID)
	if err != nil {
		return 0, err
	}
	if arguments.Gas == nil {
		message.GasLimit = 0 // the block's limit
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	gas, revert, err := gasestimator.Estimate(ctx, message, &gasestimator.Options{
		Config:     e.ChainConfig(),
		Chain:      e.c.chain,
		Header:     header,
		State:      statedb,
		ErrorRatio: 0.015,
	}, callGasCap)
	if err != nil {
		if len(revert) > 0 {
			return 0, newRevertError(revert)
		}
		return 0, err
	}
	return hexutil.Uint64(gas), nil
}

// revertError is JSON-RPC error 3, whose data are the revert bytes.
type revertError struct {
	text string
	data []byte
}

func newRevertError(data []byte) *revertError {
	text := vm.ErrExecutionReverted.Error()
	if reason, err := abi.UnpackRevert(data); err == nil {
		text += ": " + reason
	}
	return &revertError{text: text, data: data}
}

// Error implements error.
func (e *revertError) Error() string { return e.text }

// ErrorCode implements rpc.Error.
func (*revertError) ErrorCode() int { return 3 }

// ErrorData implements rpc.DataError.
func (e *revertError) ErrorData() any { return hexutil.Encode(e.data) }
